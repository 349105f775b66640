//! `cargo xtask`, the developers door.
fn main() {}
