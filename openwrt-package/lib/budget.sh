# How large what is built may be. Sourced by `build` and `sizes`.
# shellcheck shell=bash

# budget FILE TARGET: the bytes that it may have at most, of the file itself and as xz; 0: nobody has said.
budget() {
	case "$1,$2" in
		# 12 KiB; 1.4 MiB and 450 KiB.
		attendedsysupgrade.so,*) echo 12288 0 ;;
		asu,mips*) echo 1468006 460800 ;;
		*) echo 0 0 ;;
	esac
}
