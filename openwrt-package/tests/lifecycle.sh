# The tar file for releases with apk on a router: installation, a newer version over an older one, what a
# sysupgrade keeps, removal. And what the packages' own scripts leave behind.

. "$FEED/tests/common.sh"
mkdir -p "$work/dist/mips"
echo program > "$work/dist/mips/asu"
echo library > "$work/dist/mips/attendedsysupgrade.so"
DIST="$work/dist" bash -c '
	ROOT=${FEED%/*} CROSS=$DIST/cross SOURCE_DATE_EPOCH=1700000000
	. "$FEED/lib/targets.sh"; . "$FEED/lib/pack.sh"; pack_target mips'

unpack() { tar -xzf "$work/dist/mips/$1-0.1.0-r1-mips.tar.gz" -C "$root"; }
run_script() { $SHELL_UNDER_TEST "$root/usr/lib/attended-sysupgrade/$1" "$2"; }
agent=attended-sysupgrade-agent
plugin=rpcd-mod-attended-sysupgrade
echo /etc/rc.d/S95asu > "$work/link"

# Every file and link of the router but what only the tests write.
tree() { (cd "$root" && find . \( -type f -o -type l \) ! -name procd ! -name log | LC_ALL=C sort); }
# As sysupgrade lists what it keeps, for the files named by absolute path here below $root.
kept() { find $(sed "s,^,$root," "$root"/lib/upgrade/keep.d/*) \( -type f -o -type l \) 2>/dev/null | sed "s,^$root,," | LC_ALL=C sort -u; }

new_root
tree > "$work/before"
cp -R "$root/etc" "$work/etc-before"
check "unpack" unpack $agent
check "install" run_script $agent install
check "install: settings" grep -q "^config agent 'agent'" "$root/etc/config/attendedsysupgrade"
check "install: the defaults script has done its work" test ! -e "$root/etc/uci-defaults/52-attended-sysupgrade"
check "install: user" grep -q '^asu:x:32768:32768:' "$root/etc/passwd"
check "install: group" grep -q '^asu:x:32768:' "$root/etc/group"
check "install: enabled" test -L "$root/etc/rc.d/S95asu"
check "install: started" grep -q 'command /usr/sbin/asu daemon' "$root/procd"

mkdir -p "$root/etc/attended-sysupgrade" "$root/tmp/attended-sysupgrade"
echo '[]' > "$root/etc/attended-sysupgrade/history.json"
echo '{}' > "$root/etc/attended-sysupgrade/pending.json"
for file in /usr/sbin/asu /etc/init.d/asu /etc/rc.d/S95asu /etc/profile.d/attended-sysupgrade.sh /usr/share/rpcd/acl.d/attended-sysupgrade-agent.json \
	/etc/attended-sysupgrade/history.json /etc/attended-sysupgrade/pending.json /lib/upgrade/keep.d/attended-sysupgrade \
	/lib/upgrade/keep.d/$agent /usr/lib/attended-sysupgrade/$agent; do
	check "sysupgrade keeps $file" eval "kept | grep -qx $file"
done
check "sysupgrade keeps nothing of others" is "$(kept | grep -v 'asu$\|attended-sysupgrade')" ""
check "the list names each file, and no other" is "$(cat "$root/lib/upgrade/keep.d/$agent")" "$(tar -tzf "$work/dist/mips/$agent-0.1.0-r1-mips.tar.gz" | sed -n "s,^\(.*[^/]\)$,/\1,p" | cat - "$work/link" | LC_ALL=C sort)"

# A newer version over an older one: the owner's settings stay, nothing is made twice.
sed -i "s/option check_interval '0'/option check_interval '24'/" "$root/etc/config/attendedsysupgrade"
cp "$root/etc/config/attendedsysupgrade" "$work/settings"
check "upgrade: unpack" unpack $agent
check "upgrade: install" run_script $agent install
check "upgrade: settings untouched" cmp "$work/settings" "$root/etc/config/attendedsysupgrade"
check "upgrade: one user" is "$(grep -c '^asu:' "$root/etc/passwd")" 1
check "upgrade: one group" is "$(grep -c '^asu:' "$root/etc/group")" 1
check "upgrade: history stays" test -s "$root/etc/attended-sysupgrade/history.json"

check "plugin beside the agent: unpack" unpack $plugin
check "plugin beside the agent: refused" eval "! run_script $plugin install 2> '$work/said'"
check "plugin beside the agent: with a sentence" grep -q '/usr/sbin/asu is on this router too' "$work/said"
check "plugin beside the agent: removed again" run_script $plugin remove
check "agent still whole" test -s "$root/usr/share/rpcd/acl.d/attended-sysupgrade-agent.json"

check "remove" run_script $agent remove
check "remove: stopped" is "$(tail -n 1 "$root/procd")" stop
{ cat "$work/before"; echo ./etc/config/attendedsysupgrade; } | LC_ALL=C sort > "$work/expected"
tree > "$work/after"
check "remove: nothing is left but the settings" cmp "$work/expected" "$work/after"
check "remove: no folder of ours" is "$(find "$root" -name '*attended*' ! -name attendedsysupgrade)" ""
for list in passwd shadow group; do
	check "remove: $list as before" cmp "$work/etc-before/$list" "$root/etc/$list"
done
check "remove: settings untouched" cmp "$work/settings" "$root/etc/config/attendedsysupgrade"

# LuCI's own app has a page at the same place; its translation comes as a package of its own.
luci=luci-app-attended-sysupgrade german=luci-i18n-attended-sysupgrade-de
new_root
tree > "$work/before"
pages="$root/www/luci-static/resources/view/attendedsysupgrade"
mkdir -p "$pages"
: > "$pages/overview.js"
check "luci beside the other app: unpack" unpack $luci
check "luci beside the other app: refused" eval "! run_script $luci install 2> '$work/said'"
check "luci beside the other app: with a sentence" grep -q 'attendedsysupgrade/overview.js is on this router too' "$work/said"
rm -r "$pages"
check "luci: install" run_script $luci install
check "german: unpack" unpack $german
check "german: install" run_script $german install
check "german: the translation is there" test -s "$root/usr/lib/lua/luci/i18n/attended-sysupgrade.de.lmo"
check "german: sysupgrade keeps it" eval "kept | grep -qx /usr/lib/lua/luci/i18n/attended-sysupgrade.de.lmo"
check "german: remove" run_script $german remove
check "luci: remove" run_script $luci remove
tree > "$work/after"
check "luci and german: nothing is left" cmp "$work/before" "$work/after"

new_root
check "damaged list: unpack" unpack $agent
rm "$root/lib/upgrade/keep.d/$agent"
check "damaged list: refused" eval "! run_script $agent install 2> '$work/said'"
check "damaged list: with a sentence" grep -q 'unpack the tar file again' "$work/said"

# The package's own script, as opkg runs it.
tar -xzOf "$work/dist/mips/${agent}_0.1.0-r1_mips_24kc.ipk" ./control.tar.gz | tar -xzOf - ./postrm > "$work/postrm"
for case in "upgrade 0.2.0-r1" "remove"; do
	new_root
	mkdir -p "$root/etc/attended-sysupgrade"
	echo asu:x:32768:32768:asu:/var/run/asu:/bin/false >> "$root/etc/passwd"
	check "postrm $case" $SHELL_UNDER_TEST "$work/postrm" $case
	left="$(ls "$root/etc" | grep -c attended-sysupgrade)$(grep -c ^asu: "$root/etc/passwd")"
	case "$case" in
		upgrade*) check "postrm upgrade: keeps history and user" is "$left" 11 ;;
		remove) check "postrm remove: takes them away" is "$left" 00 ;;
	esac
done
