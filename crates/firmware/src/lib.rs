//! What an OpenWrt image says of itself: trailers, metadata, signatures.
