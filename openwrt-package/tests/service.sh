# The agent's init script: what it tells procd.

. "$FEED/tests/common.sh"
script="$FEED/attended-sysupgrade-agent/files/etc/init.d/asu"

new_root
check "start" sh "$root/etc/rc.common" "$script" start
told="$(cat "$root/procd")"
check "runs the daemon" contains "$told" "procd_set_param command /usr/sbin/asu daemon"
check "one instance" is "$(grep -c procd_open_instance "$root/procd")" 1
check "closed" is "$(tail -n 2 "$root/procd" | head -n 1)" "procd_close_instance "
check "respawn has a limit" contains "$told" "procd_set_param respawn 3600 5 5"
check "stays root, since it starts sysupgrade" is "$(grep -c 'param user' "$root/procd")" 0
check "watches the settings" contains "$told" "procd_set_param file /etc/config/attendedsysupgrade"
check "a change of settings ends no job" contains "$told" "procd_set_param reload_signal HUP"
check "a change of settings is noticed" contains "$told" "procd_add_reload_trigger attendedsysupgrade"
check "errors reach the log" contains "$told" "procd_set_param stderr 1"
check "is made for procd" grep -q '^USE_PROCD=1$' "$script"
check "is a program" test -x "$script"
check "enable" sh "$root/etc/rc.common" "$script" enable
check "enabled by one link" is "$(ls "$root/etc/rc.d")" S95asu
check "disable" sh "$root/etc/rc.common" "$script" disable
check "disabled" is "$(ls "$root/etc/rc.d")" ""
