//! Print any octets as a DNS message: `cargo fuzz run dns_message` in `embedded/core`.
#![no_main]

use faultline_core::dns;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut text = String::new();
    dns::pretty(bytes, &mut text).expect("a String takes all text");
});
