//! What liblzma's crate leaves out, and which copies of the C libraries are linked.

#[cfg(feature = "c-codecs")]
#[path = "build/codecs.rs"]
mod codecs;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    #[cfg(feature = "c-codecs")]
    codecs::main();
}
