//! `cargo fuzz run fingerprints`; what it does stands in `targets.rs`.
#![no_main]
#![allow(dead_code)] // each binary uses one of them

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    targets::fingerprints(octets);
});
