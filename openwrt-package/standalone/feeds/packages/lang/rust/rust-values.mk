# Where Rust is available is a matter of menuconfig.
RUST_ARCH_DEPENDS=
