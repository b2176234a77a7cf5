//! Do the committed fuzz seeds still pass, without a fuzzer?
//!
//! Each file under `fuzz/corpus/<target>/` goes through what its target does with it. Seeds
//! that are meant to be refused say so in their name.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::{fs, path::Path};

type Target = (&'static str, fn(&[u8]) -> bool);

const TARGETS: &[Target] = &[
    ("fingerprints", targets::fingerprints),
    ("ooni", targets::ooni),
];

/// What is in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_seed_is_taken_or_refused_as_its_name_says() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let folders = TARGETS.iter().map(|(target, _)| *target);
    assert!(
        folders.eq(names(&corpus)),
        "a target without a replay would rot unseen"
    );
    for (target, run) in TARGETS {
        let seeds = names(&corpus.join(target));
        for name in &seeds {
            let taken = run(&fs::read(corpus.join(target).join(name)).unwrap());
            assert_eq!(taken, !name.starts_with("malformed-"), "{target}/{name}");
        }
        let refused = seeds
            .iter()
            .filter(|name| name.starts_with("malformed-"))
            .count();
        assert!(
            0 < refused && refused < seeds.len(),
            "{target}: seeds of both kinds"
        );
    }
}
