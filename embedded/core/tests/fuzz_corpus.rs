//! Do the committed fuzz seeds still pass, without a fuzzer?
//!
//! Each file under `fuzz/corpus/<target>/` goes through what its target does with it. Seeds
//! that are meant to be refused say so in their name.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::{fs, path::Path};

fn replay(target: &str, run: fn(&[u8]) -> bool) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut seeds: Vec<_> = fs::read_dir(&corpus)
        .unwrap_or_else(|error| panic!("{}: {error}", corpus.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    seeds.sort();
    let taken = seeds.iter().filter(|seed| {
        let name = seed.file_name().unwrap().to_string_lossy().into_owned();
        let taken = run(&fs::read(seed).unwrap());
        assert_eq!(taken, !name.starts_with("malformed-"), "{target}/{name}");
        taken
    });
    let taken = taken.count();
    assert!(
        0 < taken && taken < seeds.len(),
        "{} holds seeds of both kinds",
        corpus.display()
    );
}

#[test]
fn dns_message() {
    replay("dns_message", targets::dns_message);
}

#[test]
fn tls() {
    replay("tls_stream", targets::tls_stream);
    replay("client_hello", targets::client_hello);
    replay("server_hello", targets::server_hello);
}

#[cfg(feature = "alloc")]
#[test]
fn codec() {
    replay("envelope", targets::envelope);
    replay("messages", targets::messages);
    replay("frames", targets::frames);
}

#[cfg(feature = "alloc")]
#[test]
fn engines() {
    replay("lookup", targets::lookup);
    replay("handshake", targets::handshake);
    replay("ledger", targets::ledger);
}

/// A target without a replay would rot unseen.
#[cfg(feature = "alloc")]
#[test]
fn every_target_is_replayed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let mut replayed = [
        "dns_message",
        "tls_stream",
        "client_hello",
        "server_hello",
        "envelope",
        "messages",
        "frames",
        "lookup",
        "handshake",
        "ledger",
    ];
    replayed.sort_unstable();
    assert_eq!(found, replayed);
}
