# How large what is built may be. Sourced by `build` and `sizes`.
# shellcheck shell=bash

# budget FILE TARGET: the bytes that are wanted at most, of the file itself and as xz; 0: nobody has said.
budget() {
	case "$1,$2" in
		# 12 KiB; 1.4 MiB and 450 KiB.
		attendedsysupgrade.so,*) echo 12288 0 ;;
		asu,mips*) echo 1468006 460800 ;;
		*) echo 0 0 ;;
	esac
}

# limit FILE TARGET: the same where the budget is not reached yet: what there is, and a little for other
# compilers. Whatever grows beyond that fails; whoever makes it smaller lowers it.
limit() {
	case "$1,$2" in
		asu,mips*) echo 1500000 523000 ;;
		*) budget "$@" ;;
	esac
}
