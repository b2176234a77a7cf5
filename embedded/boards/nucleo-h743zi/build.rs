//! Tells the linker how.

fn main() {
    // The crate of the processor brings `memory.x`.
    println!("cargo:rustc-link-arg=-Tlink.x");
    println!("cargo:rustc-link-arg=--nmagic");
    println!("cargo:rerun-if-changed=build.rs");
}
