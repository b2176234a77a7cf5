//! Do the committed fuzz seeds still pass, without a fuzzer?
//!
//! Each file under `fuzz/corpus/<target>/` goes through what its target calls.

use faultline_core::dns;
use std::{fs, path::Path};

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut seeds: Vec<_> = fs::read_dir(&corpus)
        .unwrap_or_else(|error| panic!("{}: {error}", corpus.display()))
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().to_string_lossy().into_owned(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{} holds no seeds", corpus.display());
    seeds
}

#[test]
fn dns_message() {
    for (name, bytes) in seeds("dns_message") {
        let mut text = String::new();
        dns::pretty(&bytes, &mut text).unwrap();
        // Seeds that are meant to be refused say so in their name.
        let refused = text.starts_with("malformed");
        assert_eq!(refused, name.starts_with("malformed-"), "{name}: {text}");
    }
}
