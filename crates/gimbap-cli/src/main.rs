//! The binary `gimbap`.
fn main() {}
