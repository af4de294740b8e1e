//! A router, its bus and an upgrade server in a temporary folder.

fn main() {}
