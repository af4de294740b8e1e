//! Prints the figures: instructions, memory, sizes.

fn main() {}
