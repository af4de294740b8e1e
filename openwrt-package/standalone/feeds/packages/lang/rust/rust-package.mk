# Rust is compiled by `build`; the packages only take the result.
RustBinPackage=
