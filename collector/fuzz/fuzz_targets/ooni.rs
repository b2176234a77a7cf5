//! Octets are a file of OONI's documents: whatever they are, each document is judged both ways
//! and converted, or refused with its line.
#![no_main]

use faultline_collector::import::ooni::{Documents, convert, judge, likelihoods};
use libfuzzer_sys::fuzz_target;
use std::{io::Cursor, path::Path};

fuzz_target!(|octets: &[u8]| {
    for (_, document) in Documents::new(Path::new("x"), Cursor::new(octets)).flatten() {
        let judged = judge(&document, &|_| None);
        assert!(judged.unjudged.is_none() || judged.verdict.blocking.is_none());
        let _ = likelihoods(&document, &|_| None, None);
        let _ = convert(&document, &|_| None);
    }
});
