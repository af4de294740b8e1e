# The agent's profile script: what a login shell shows.

. "$FEED/tests/common.sh"
new_root
folder="$root/tmp/attended-sysupgrade"
sed "s,/tmp/attended-sysupgrade,$folder," "$FEED/attended-sysupgrade-agent/files/etc/profile.d/attended-sysupgrade.sh" > "$work/profile.sh"

# Sourced as /etc/profile does, without any program to be found.
login() { ( PATH=/nonexistent; . "$work/profile.sh" ) 2>&1; }
notice() { mkdir -p "$folder"; printf "$1" > "$folder/notice"; }

check "the path is the daemon's" grep -q "$folder/notice" "$work/profile.sh"
check "no daemon, no word" is "$(login)" ""
notice ''
check "an empty file, no word" is "$(login)" ""
notice 'OpenWrt 25.12.1 is available: run asu check\n'
check "one line" is "$(login)" "OpenWrt 25.12.1 is available: run asu check"
notice 'first\nsecond\n'
check "only the first line" is "$(login)" first
notice 'no newline'
check "a line without its end" is "$(login)" "no newline"
notice 'a %%s and a \\n and a $(reboot) `reboot`\n'
check "text is text" is "$(login)" 'a %s and a \n and a $(reboot) `reboot`'
notice '\033]0;title\007\n'
check "no control characters" is "$(login)" ""
notice "$(printf '%0300d' 0)\n"
check "nothing endless" is "$(login)" ""
notice 'text\n'
check "leaves no variable behind" is "$(. "$work/profile.sh" > /dev/null; echo "${asu_notice-unset}")" unset
if [ "$(id -u)" = 0 ]; then
	chmod 0755 "$work" "$root"
	chmod 0700 "$folder"
	check "a file of root is no error for others" is "$(su -s /bin/sh nobody -c ". $work/profile.sh" 2>&1)" ""
fi
