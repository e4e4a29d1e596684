//! `depmod` for Linux.

fn main() {}
