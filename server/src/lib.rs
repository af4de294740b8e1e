//! Upgrade server that builds OpenWrt images on demand.
