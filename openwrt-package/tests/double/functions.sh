# Stands in for the router's /lib/functions.sh: users and groups.

group_exists() { grep -qs "^$1:" "$IPKG_INSTROOT/etc/group"; }
group_add_next() {
	echo "$1:x:32768:" >> "$IPKG_INSTROOT/etc/group"
	echo 32768
}
user_exists() { grep -qs "^$1:" "$IPKG_INSTROOT/etc/passwd"; }
user_add() {
	echo "$1:x:${2:-32768}:$3:$1:/var/run/$1:/bin/false" >> "$IPKG_INSTROOT/etc/passwd"
	echo "$1:x:0:0:99999:7:::" >> "$IPKG_INSTROOT/etc/shadow"
}
