# The packages: control data, layout, and the same bytes from a second run. The programs are stand-ins.

. "$FEED/tests/common.sh"

# pack INTO: everything `build TARGET` makes after compiling.
pack() {
	mkdir -p "$1/mips"
	echo program > "$1/mips/asu"
	echo library > "$1/mips/attendedsysupgrade.so"
	FEED="$FEED" DIST="$1" bash -c '
		ROOT=${FEED%/*} CROSS=$DIST/cross SOURCE_DATE_EPOCH=1700000000
		. "$FEED/lib/targets.sh"; . "$FEED/lib/pack.sh"; pack_target mips'
}

member() { tar -xzOf "$1" "./$2"; }
control() { member "$1" control.tar.gz | tar -xzOf - ./control; }
field() { control "$1" | sed -n "s/^$2: //p"; }
files() { member "$1" data.tar.gz | tar -tzf - | sed -n 's,^\.\(/.*[^/]\)$,\1,p'; }

check "packs" pack "$work/one"
( umask 077; cp -R "$FEED" "$work/openwrt-package"; cp -R "$FEED/../luci-static" "$work/" )
check "packs again, elsewhere and under another umask" eval "FEED=$work/openwrt-package pack $work/two"
for file in "$work/one/mips"/*; do
	check "same bytes: ${file##*/}" cmp "$file" "$work/two/mips/${file##*/}"
done

agent="$work/one/mips/attended-sysupgrade-agent_0.1.0-r1_mips_24kc.ipk"
plugin="$work/one/mips/rpcd-mod-attended-sysupgrade_0.1.0-r1_mips_24kc.ipk"
luci="$work/one/mips/luci-app-attended-sysupgrade_0.1.0-r1_all.ipk"
german="$work/one/mips/luci-i18n-attended-sysupgrade-de_0.1.0-r1_all.ipk"

for package in "$agent" "$plugin" "$luci" "$german"; do
	name="${package##*/}"
	name="${name%%_*}"
	check "$name: three members in opkg's order" is "$(tar -tzf "$package" | tr '\n' ' ')" "./debian-binary ./data.tar.gz ./control.tar.gz "
	check "$name: format 2.0" is "$(member "$package" debian-binary)" 2.0
	check "$name: named as its file" is "$(field "$package" Package)" "$name"
	check "$name: its size" is "$(field "$package" Installed-Size)" "$(member "$package" data.tar.gz | gzip -dc | wc -c)"
	check "$name: no empty field, no empty line" is "$(control "$package" | grep -c '^$\|: *$')" 0
	check "$name: all files are root's" is "$(member "$package" data.tar.gz | tar --numeric-owner -tvzf - | awk '$2 != "0/0"')" ""
	check "$name: nobody else may write" is "$(member "$package" data.tar.gz | tar -tvzf - | grep '^[-d].....w\|^[-d]........w')" ""
	check "$name: the control files stay out" is "$(files "$package" | grep -c CONTROL)" 0
	for script in $(member "$package" control.tar.gz | tar -tzf - | grep 'inst\|rm'); do
		member "$package" control.tar.gz | tar -xzOf - "$script" > "$work/script"
		check "$name: $script is a shell script" sh -n "$work/script"
	done
done

check "agent: provides" is "$(field "$agent" Provides)" attended-sysupgrade
check "plugin: provides" is "$(field "$plugin" Provides)" attended-sysupgrade
check "agent: excludes the plugin" is "$(field "$agent" Conflicts)" rpcd-mod-attended-sysupgrade
check "plugin: excludes the agent" is "$(field "$plugin" Conflicts)" attended-sysupgrade-agent
check "agent: the system's CAs" contains " $(field "$agent" Depends)," " ca-bundle,"
check "agent: a user for the job" is "$(field "$agent" Require-User)" asu:asu
check "plugin: needs rpcd" contains " $(field "$plugin" Depends)," " rpcd,"
check "luci: needs either" contains " $(field "$luci" Depends)," " attended-sysupgrade,"
check "luci: excludes the other app" is "$(field "$luci" Conflicts)" luci-app-attendedsysupgrade
check "luci: for every router" is "$(field "$luci" Architecture)" all
for file in /usr/sbin/asu /etc/init.d/asu /etc/uci-defaults/52-attended-sysupgrade /etc/profile.d/attended-sysupgrade.sh \
	/lib/upgrade/keep.d/attended-sysupgrade /usr/share/rpcd/acl.d/attended-sysupgrade-agent.json; do
	check "agent: $file" eval "files '$agent' | grep -qx $file"
done
check "plugin: two files" is "$(files "$plugin" | tr '\n' ' ')" "/usr/lib/rpcd/attendedsysupgrade.so /usr/share/rpcd/acl.d/rpcd-mod-attended-sysupgrade.json "
check "luci: its pages" eval "files '$luci' | grep -q '^/www/luci-static/resources/view/.*\.js$'"

check "translation: as LuCI's own program makes it" eval "'$FEED/lib/po2lmo' '$FEED/tests/translation/small.po' '$work/small.lmo' && cmp '$FEED/tests/translation/small.lmo' '$work/small.lmo'"
echo 'msgid "unfinished' > "$work/broken.po"
check "translation: a damaged one is told" eval "! '$FEED/lib/po2lmo' '$work/broken.po' '$work/broken.lmo' 2> '$work/said' && grep -q 'broken.po:1:' '$work/said'"
check "german: two files" is "$(files "$german" | tr '\n' ' ')" "/etc/uci-defaults/luci-i18n-attended-sysupgrade-de /usr/lib/lua/luci/i18n/attended-sysupgrade.de.lmo "
check "german: needs the app" contains " $(field "$german" Depends)" " luci-app-attended-sysupgrade"
check "german: names its language" contains "$(member "$german" data.tar.gz | tar -xzOf - ./etc/uci-defaults/luci-i18n-attended-sysupgrade-de)" "luci.languages.de='Deutsch (German)'"

for list in $(find "$FEED" -name '*.json'); do
	check "JSON: ${list#"$FEED/"}" eval "python3 -m json.tool '$list' > /dev/null"
done
version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' "$FEED/../Cargo.toml")
for makefile in "$FEED"/*/Makefile; do
	check "version of the workspace: ${makefile#"$FEED/"}" grep -qx "PKG_VERSION:=$version" "$makefile"
done
check "keep.d: a folder of the agent's own" is "$(cat "$FEED/attended-sysupgrade-agent/files/lib/upgrade/keep.d/attended-sysupgrade")" /etc/attended-sysupgrade/
