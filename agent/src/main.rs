//! Attended sysupgrade agent for OpenWrt routers.

fn main() {}
