//! When has the app to be embedded anew? Whenever `dist` changes, which `cargo x web` builds;
//! nothing is built, fetched or run here.

use std::path::Path;

fn main() {
    // A path that is not there would mean "always"; its folder tells when it comes.
    let watched = if Path::new("dist").is_dir() {
        "dist"
    } else {
        "."
    };
    println!("cargo::rerun-if-changed={watched}");
}
