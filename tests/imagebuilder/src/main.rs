//! A miniature ImageBuilder.

fn main() {}
