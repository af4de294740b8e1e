# What the test scripts share. Each is run by `run` once under dash and once under busybox's ash, with
# FEED (this feed) and DOUBLE (stand-ins for the router's programs) set.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH="$DOUBLE:$PATH"

# check NAME COMMAND...: one test, passed when the command succeeds.
check() {
	local name="$1"
	shift
	if "$@"; then
		printf "ok %s\n" "$name"
	else
		printf "not ok %s: %s\n" "$name" "$(printf %s "$*" | tr "\n" " ")"
	fi
}

# new_root: an empty router below $root, known to the scripts as IPKG_INSTROOT.
new_root() {
	root=$(mktemp -d -p "$work")
	export IPKG_INSTROOT="$root"
	mkdir -p "$root/etc/config" "$root/etc/rc.d" "$root/lib" "$root/tmp"
	cp "$DOUBLE/functions.sh" "$root/lib/functions.sh"
	cp "$DOUBLE/rc.common" "$root/etc/rc.common"
	echo root:x:0:0:root:/root:/bin/ash > "$root/etc/passwd"
	echo root:x:0:0:99999:7::: > "$root/etc/shadow"
	echo root:x:0: > "$root/etc/group"
}

# same_start OLD NEW: NEW begins with the bytes of OLD.
same_start() { head -c "$(wc -c < "$1")" "$2" | cmp -s - "$1"; }

is() { [ "$1" = "$2" ]; }
contains() { case "$1" in *"$2"*) return 0 ;; *) return 1 ;; esac; }
