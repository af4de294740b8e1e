//! What is installed on an OpenWrt router: apk and opkg databases, names, versions.
