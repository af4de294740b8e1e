# Makes the packages of one target out of dist/TARGET and the feed's Makefiles. Sourced by `build`.
# shellcheck shell=bash

# A tar of DIRECTORY's entries that depends on nothing but their names and content.
fixed_tar() {
	local directory=$1
	shift
	tar -C "$directory" --format=gnu --numeric-owner --owner=0 --group=0 --sort=name \
		--mode='u=rwX,go=rX' --mtime="@$SOURCE_DATE_EPOCH" -cf - "$@" | gzip -9n
}

# lay_out PACKAGE TARGET ARCHITECTURE: prints the folder with the package's files and, in CONTROL, what
# the package manager is told.
lay_out() {
	local package=$1 target=$2 architecture=$3 folder="$CROSS/pack/$1" source=$1
	# Translations come out of their application's Makefile.
	case "$package" in luci-i18n-*) source=luci-app-attended-sysupgrade ;; esac
	mkdir -p "$CROSS/pack/programs/bin" "$CROSS/pack/programs/lib"
	install -m 0755 "$DIST/$target/asu" "$CROSS/pack/programs/bin/asu"
	if target_has_plugin "$target"; then
		install -m 0755 "$DIST/$target/attendedsysupgrade.so" "$CROSS/pack/programs/lib/"
	fi
	PATH="$FEED/lib:$PATH" make --silent -C "$FEED/$source" PACKAGE="$package" TOPDIR="$FEED/standalone" PROGRAMS="$CROSS/pack/programs" \
		DEST="$folder" ARCHITECTURE="$architecture" SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" >&2 || return 1
	echo "$folder"
}

control_field() { sed -n "s/^$2: //p" "$1/CONTROL/control"; }

# pack_ipk FOLDER OUTPUT: an .ipk as opkg reads it, a gzipped tar of three members.
pack_ipk() {
	local folder=$1 output=$2 parts="$CROSS/pack/parts"
	local name size
	rm -rf "$parts" && mkdir -p "$parts" || return 1
	echo 2.0 > "$parts/debian-binary"
	fixed_tar "$folder" --exclude=./CONTROL . > "$parts/data.tar.gz" || return 1
	size=$(gzip -dc "$parts/data.tar.gz" | wc -c)
	sed -i "s/^Installed-Size: .*/Installed-Size: $size/" "$folder/CONTROL/control"
	fixed_tar "$folder/CONTROL" . > "$parts/control.tar.gz" || return 1
	name="$(control_field "$folder" Package)_$(control_field "$folder" Version)_$(control_field "$folder" Architecture)"
	fixed_tar "$parts" ./debian-binary ./data.tar.gz ./control.tar.gz > "$output/$name.ipk"
}

# pack_tarball FOLDER TARGET OUTPUT: for releases with apk, to be unpacked at /. Brings its own list of
# files, which is at once what sysupgrade keeps and what the script in it removes.
pack_tarball() {
	local folder=$1 target=$2 output=$3 name hook
	name=$(control_field "$folder" Package)
	local scripts="$folder/usr/lib/attended-sysupgrade" list="$folder/lib/upgrade/keep.d/$name"
	mkdir -p "$scripts" "${list%/*}"
	install -m 0755 "$FEED/standalone/installer" "$scripts/$name"
	for hook in postinst-pkg postrm; do
		[ ! -f "$folder/CONTROL/$hook" ] || install -m 0755 "$folder/CONTROL/$hook" "$scripts/$name.${hook%-pkg}"
	done
	touch "$list"
	{
		(cd "$folder" && find . -path ./CONTROL -prune -o -type f -printf '/%P\n')
		# What `enable` makes: sysupgrade forgets it otherwise.
		sed -n 's,^START=\(.*\),/etc/rc.d/S\1asu,p' "$folder/etc/init.d/asu" 2>/dev/null
	} | LC_ALL=C sort > "$CROSS/pack/list"
	install -m 0644 "$CROSS/pack/list" "$list"
	fixed_tar "$folder" --exclude=./CONTROL --transform='s,^\./,,' . \
		> "$output/$name-$(control_field "$folder" Version)-$target.tar.gz"
}

# pack_target TARGET: all packages of the target, into dist/TARGET.
pack_target() {
	local target=$1 package architecture folder language packages="attended-sysupgrade-agent"
	target_has_plugin "$target" && packages+=" rpcd-mod-attended-sysupgrade"
	packages+=" luci-app-attended-sysupgrade"
	for language in "$FEED"/luci-app-attended-sysupgrade/po/*/attended-sysupgrade.po; do
		language=${language%/*}
		packages+=" luci-i18n-attended-sysupgrade-${language##*/}"
	done
	rm -f "$DIST/$target"/*.ipk "$DIST/$target"/*.tar.gz
	for package in $packages; do
		for architecture in $(target_architectures "$target"); do
			folder=$(lay_out "$package" "$target" "$architecture") &&
				pack_ipk "$folder" "$DIST/$target" || return 1
		done
		pack_tarball "$folder" "$target" "$DIST/$target" || return 1
	done
}
