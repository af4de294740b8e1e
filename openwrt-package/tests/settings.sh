# The agent's uci-defaults script: what it makes of /etc/config/attendedsysupgrade.

. "$FEED/tests/common.sh"
defaults="$FEED/attended-sysupgrade-agent/files/etc/uci-defaults/52-attended-sysupgrade"

# As the router does at boot and after an installation: sourced, and done only if it ends with 0.
apply() { ( . "$defaults" ); }
get() { uci -q -c "$root/etc/config" get "attendedsysupgrade.$1"; }

# As LuCI's app and owut leave it, with an owner's remarks.
existing() {
	cat <<EOF
# mine, do not touch
config server 'server'
	option url 'https://asu.example.org'   # the one at work

config client 'client'
	option upgrade_packages '1'
	option auto_search '0'
	option advanced_mode '1'
	option login_check_for_upgrades '1'

config owut 'owut'
	option rootfs_size '512'
	list ignored_defaults 'kmod-r8169'
EOF
}

new_root
check "fresh: applies" apply
check "fresh: the public server" is "$(get server.url)" https://sysupgrade.openwrt.org
check "fresh: nothing asks on its own" is "$(get agent.check_interval)" 0
check "fresh: a run may only check" is "$(get agent.action)" check
check "fresh: no notice at login" is "$(get agent.login_notice)" 0
cp "$root/etc/config/attendedsysupgrade" "$work/once"
check "again: applies" apply
check "again: changes nothing" cmp "$work/once" "$root/etc/config/attendedsysupgrade"

new_root
: > "$root/etc/config/attendedsysupgrade"
check "empty file: applies" apply
check "empty file: the public server" is "$(get server.url)" https://sysupgrade.openwrt.org
check "empty file: agent section" is "$(get agent)" agent

new_root
existing > "$work/existing"
cp "$work/existing" "$root/etc/config/attendedsysupgrade"
check "owut section: applies" apply
check "owut section: what stood there is untouched" same_start "$work/existing" "$root/etc/config/attendedsysupgrade"
check "owut section: agent section added" is "$(get agent)" agent
check "owut section: still readable" is "$(get owut.rootfs_size)" 512
check "owut section: no option hides owut's" is "$(get agent.rootfs_size)$(get agent.init_script)$(get agent.fstype)$(get agent.pre_install)$(get agent.add)$(get agent.remove)" ""

new_root
existing | head -c -1 > "$work/existing"
cp "$work/existing" "$root/etc/config/attendedsysupgrade"
check "no newline at the end: applies" apply
check "no newline at the end: untouched" same_start "$work/existing" "$root/etc/config/attendedsysupgrade"
check "no newline at the end: last option whole" is "$(get owut.ignored_defaults)" kmod-r8169
check "no newline at the end: agent section added" is "$(get agent.action)" check

# An older version of the package knew fewer options, and the owner has set some.
new_root
{ existing; printf "\nconfig agent 'agent'\n\toption check_interval '24'\n\toption action 'upgrade'\n"; } > "$work/older"
cp "$work/older" "$root/etc/config/attendedsysupgrade"
check "older version: applies" apply
check "older version: not a byte changes" cmp "$work/older" "$root/etc/config/attendedsysupgrade"

new_root
echo "option without a section: 'unfinished" | sed 's/^option/optoin/' > "$work/broken"
cp "$work/broken" "$root/etc/config/attendedsysupgrade"
check "broken file: applies" apply
check "broken file: left to its owner" cmp "$work/broken" "$root/etc/config/attendedsysupgrade"
check "broken file: said in the log" grep -q "has an error" "$root/log"
