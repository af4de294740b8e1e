# SPDX-License-Identifier: Apache-2.0
#
# Sourced by login shells. The daemon writes this one line only where agent.login_notice is set; it is
# read without starting a program, and shown only if it is text of a sane length.

if [ -r /tmp/attended-sysupgrade/notice ]; then
	asu_notice=
	read -r asu_notice < /tmp/attended-sysupgrade/notice
	case "$asu_notice" in
		'' | *[[:cntrl:]]*) ;;
		*) [ ${#asu_notice} -gt 200 ] || printf '%s\n' "$asu_notice" ;;
	esac
	unset asu_notice
fi
