//! The OpenWrt bus in safe Rust.
