//! Does the codec write what `docs/faultline.cddl` publishes?
//!
//! Messages of every kind, drawn by chance, are encoded by the code and held against the
//! schema; each also decodes to what it was. Which numbers a `code` knows, the schema leaves
//! to the code.

mod cddl;
mod draw;

use cddl::Schema;
use draw::Draw;
use faultline_core::codec::{Envelope, Identity, Purpose, from_cbor, to_cbor};
use proptest::prelude::*;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/faultline.cddl");
    Schema::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
});

fn holds<T>(rule: &str, message: &T) -> Result<(), TestCaseError>
where
    T: minicbor::Encode<()> + for<'a> minicbor::Decode<'a, ()> + PartialEq + std::fmt::Debug,
{
    let octets = to_cbor(message);
    prop_assert_eq!(
        SCHEMA.check(rule, &octets),
        Ok(()),
        "{}: {:?}",
        rule,
        message
    );
    let back = from_cbor::<T>(&octets);
    prop_assert_eq!(back.as_ref(), Ok(message));
    Ok(())
}

proptest! {
    #[test]
    fn every_message_has_its_published_form(
        octets in prop::collection::vec(any::<u8>(), 0..2000),
        more in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let mut draw = Draw::new(octets);
        holds("network-epoch", &draw.network_epoch())?;
        holds("enrolment", &draw.enrolment())?;
        holds("enrolled", &draw.enrolled())?;
        holds("check-in", &draw.check_in())?;
        holds("check-in-reply", &draw.check_in_reply())?;
        holds("control-request", &draw.control_request())?;
        holds("receipt", &draw.receipt())?;
        holds("refusal", &draw.refusal())?;
        holds("beat", &draw.beat())?;
        holds("beat-ack", &draw.beat_ack())?;
        holds("control-report", &draw.control_report())?;
        holds("batch", &Draw::new(more).batch())?;
    }
}

#[test]
fn every_purpose_is_sealed_in_its_published_form() {
    let key = Identity::from_bytes(&[3; 32]).unwrap();
    let payload = Draw::new((0..=255).collect()).batch();
    for purpose in [
        Purpose::Batch,
        Purpose::NetworkEpoch,
        Purpose::ControlReport,
        Purpose::Request,
        Purpose::Beat,
        Purpose::BeatAck,
    ] {
        let octets = key.seal(purpose, &payload);
        assert_eq!(SCHEMA.check("sealed", &octets), Ok(()));
        let opened = Envelope::parse(&octets).unwrap();
        assert_eq!(opened.open(purpose, &key.public()), Ok(payload.clone()));
    }
}

#[test]
fn every_rule_of_the_schema_is_tested() {
    let messages = [
        "sealed",
        "batch",
        "network-epoch",
        "control-report",
        "enrolment",
        "enrolled",
        "check-in",
        "check-in-reply",
        "control-request",
        "receipt",
        "refusal",
        "beat",
        "beat-ack",
    ];
    // Parts of messages, tested with them.
    let parts = [
        "id",
        "time",
        "micros",
        "ip",
        "failure",
        "code",
        "validity",
        "measurement",
        "imported",
        "observation",
        "step",
        "lookup",
        "reply",
        "connect",
        "handshake",
        "fetch",
        "quic",
        "target-item",
        "traces",
        "ledger",
        "run",
        "epoch",
        "fix",
        "clock-step",
        "lost",
        "reach",
        "beat-terms",
        "anchor",
        "nobody",
    ];
    let mut known: Vec<_> = messages.iter().chain(&parts).copied().collect();
    known.sort_unstable();
    assert_eq!(SCHEMA.names().collect::<Vec<_>>(), known);
}

/// `{0: h'07..', 1: duplicate, 2: measurements, ...}` with what else is given.
fn receipt(size: u8, duplicate: u8, more: &[u8], pairs: u8) -> Vec<u8> {
    let mut octets = vec![0xa0 + pairs, 0, 0x40 + size];
    octets.extend(vec![7; size.into()]);
    octets.extend([1, duplicate, 2]);
    octets.extend(more);
    octets
}

#[test]
fn other_forms_are_refused() {
    let check = |octets: &[u8]| SCHEMA.check("receipt", octets);
    assert_eq!(check(&receipt(16, 0xf5, &[5], 3)), Ok(()));
    assert_eq!(
        check(&receipt(16, 0xf5, &[5, 0x18, 99, 1], 4)),
        Ok(()),
        "newer"
    );
    for (octets, part) in [
        (receipt(15, 0xf5, &[5], 3), "Uint(0)"),
        (receipt(16, 1, &[5], 3), "Uint(1)"),
        (receipt(16, 0xf6, &[5], 3), "Uint(1)"),
        (receipt(16, 0xf5, &[0x20], 3), "Uint(2)"),
        (
            receipt(16, 0xf5, &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0], 3),
            "Uint(2)",
        ),
        (receipt(16, 0xf5, &[5, 2, 5], 4), "stands twice"),
        (receipt(16, 0xf5, &[5, 0x20, 5], 4), "has no place"),
        (receipt(16, 0xf5, &[5, 0x61, b'a', 5], 4), "has no place"),
        (receipt(16, 0xf5, &[5, 0], 3), "octets follow"),
        (vec![0x80], "is no"),
        (vec![0xbf, 0xff], "indefinite"),
        (vec![0xa2, 1, 0xf5, 2, 5], "is missing"),
    ] {
        let error = check(&octets).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let step = |octets: &[u8]| SCHEMA.check("step", octets);
    // connect: {0: ip, 1: port, 2: code}
    let connect = [0xa3, 0, 0x44, 1, 2, 3, 4, 1, 0x19, 1, 0xbb, 2, 0];
    let wrap = |kind: u8, outer: u8| {
        let mut octets = vec![0x80 + outer, kind, 0x81];
        octets.extend(connect);
        if outer == 3 {
            octets.push(0);
        }
        octets
    };
    assert_eq!(step(&wrap(1, 2)), Ok(()));
    for wrong in [wrap(0, 2), wrap(9, 2), wrap(1, 3), vec![0x81, 1]] {
        assert!(step(&wrong).is_err(), "{wrong:02x?}");
    }
}

#[test]
fn schemas_that_make_no_sense_are_refused() {
    for (text, why) in [
        ("a = b", "no rule defines b"),
        ("a = uint a = int", "twice"),
        ("a = [", "ends too early"),
        ("a uint", "expected"),
        ("a = { 0: }", "is no type"),
    ] {
        let error = Schema::parse(text).err().unwrap_or_default();
        assert!(error.contains(why), "{text}: {error}");
    }
}
