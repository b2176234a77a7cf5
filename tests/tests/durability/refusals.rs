//! Does each refusal carry a status, a code, a sentence and the right word on trying again?
//! A wrong `retry` loses a batch that could have been taken, or sends one for ever.

use crate::{
    load::{batch, enrolment, link, probe, sealed},
    world::{Here, batches, here},
};
use faultline_collector::{ingest::MAX_BATCH, store::Ledger as _};
use faultline_core::{
    codec::{Purpose, from_cbor},
    measurement::SCHEMA_VERSION,
    protocol::{Receipt, Refusal},
    time::UnixTime,
};
use faultline_probe::{
    net::{OsNetwork, SystemClock},
    spool::Spool,
    uplink::{UplinkError, drain},
};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Says octets on a connection of its own, and gives status and body of the reply.
async fn say(at: SocketAddr, octets: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    converse(&mut stream, octets).await
}

pub(crate) async fn converse(stream: &mut TcpStream, octets: &[u8]) -> (u16, Vec<u8>) {
    // The collector may answer and close before it has read all.
    let _ = stream.write_all(octets).await;
    if !whole(octets) {
        let _ = stream.shutdown().await; // else it would wait for the rest
    }
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    let end = reply.windows(4).position(|end| end == b"\r\n\r\n");
    let body = reply.split_off(end.expect("a reply with a head") + 4);
    let status = String::from_utf8(reply[9..12].to_vec()).unwrap();
    (status.parse().unwrap(), body)
}

/// Whether a request has the body that its head promises.
fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let length = text.split_once("Content-Length: ").and_then(|(_, rest)| {
        let (length, _) = rest.split_once("\r\n\r\n")?;
        length.parse::<usize>().ok()
    });
    let head = request.windows(4).position(|end| end == b"\r\n\r\n");
    head.zip(length)
        .is_some_and(|(head, length)| request.len() >= head + 4 + length)
}

pub(crate) fn request(path: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: collector\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n"
    );
    let mut octets = head.into_bytes();
    octets.extend_from_slice(body);
    octets
}

async fn known(here: &Here, number: u8) {
    let enrol = request("/v1/probes", "", &enrolment(&probe(number)));
    assert_eq!(say(here.at, &enrol).await.0, 200);
}

/// A collector that knows probes 0 and 1, has revoked 2, and has batch 0 of probe 0.
async fn collector() -> Here {
    let here = here().await;
    for number in 0..3 {
        known(&here, number).await;
    }
    let revoked = probe(2).public().probe_id();
    here.store.revoke(revoked, UnixTime::from_secs(1)).unwrap();
    let (status, _) = say(here.at, &request("/v1/batches", "", &sealed(0, 0).1)).await;
    assert_eq!(status, 200);
    here
}

/// One thing that is not taken.
struct Case {
    name: &'static str,
    octets: Vec<u8>,
    status: u16,
    code: &'static str,
    retry: bool,
}

fn cases() -> Vec<Case> {
    let upload = |body: &[u8]| request("/v1/batches", "", body);
    let case = |name, octets, status, code, retry| Case {
        name,
        octets,
        status,
        code,
        retry,
    };
    // Signed by 1, in the name of 0: the signer's identity stands after 9 octets of header.
    let mut forged = probe(1).seal(Purpose::Batch, &batch(0, 1));
    let (own, other) = (probe(1).public().probe_id(), probe(0).public().probe_id());
    let at = forged.windows(16).position(|w| w == own.0).unwrap();
    forged[at..at + 16].copy_from_slice(&other.0);
    let mut flipped = sealed(0, 1).1;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let mut conflict = batch(0, 0);
    conflict.sequence = 99;
    let mut newer = batch(0, 2);
    newer.schema = SCHEMA_VERSION + 1;
    let mut nothing = batch(0, 2);
    nothing.schema = 0;
    let whole = request("/v1/batches", "", &sealed(0, 3).1);
    let cut = whole[..whole.len() - 40].to_vec();
    let zipped = request("/v1/batches", "Content-Encoding: gzip\r\n", &sealed(0, 3).1);
    let seal = |p: u8, batch| probe(p).seal(Purpose::Batch, batch);
    vec![
        case("nothing", upload(b""), 400, "malformed_envelope", false),
        case(
            "another's key",
            upload(&forged),
            403,
            "bad_signature",
            false,
        ),
        case("one bit", upload(&flipped), 403, "bad_signature", false),
        case(
            "another purpose",
            upload(&probe(0).seal(Purpose::Request, &batch(0, 1))),
            403,
            "bad_signature",
            false,
        ),
        case(
            "another's batch, replayed under one's own name",
            upload(&seal(1, &batch(0, 0))),
            403,
            "wrong_signer",
            false,
        ),
        case(
            "other bytes, same batch",
            upload(&seal(0, &conflict)),
            409,
            "batch_conflict",
            false,
        ),
        case(
            "of the future",
            upload(&seal(0, &newer)),
            400,
            "schema_unsupported",
            true,
        ),
        case(
            "of no version",
            upload(&seal(0, &nothing)),
            400,
            "schema_unsupported",
            false,
        ),
        case(
            "unknown",
            upload(&sealed(7, 0).1),
            403,
            "unknown_probe",
            true,
        ),
        case(
            "revoked",
            upload(&sealed(2, 0).1),
            403,
            "revoked_probe",
            false,
        ),
        case(
            "too large",
            upload(&vec![0; MAX_BATCH + 1]),
            413,
            "too_large",
            false,
        ),
        case("cut short", cut, 400, "body", true),
        case("zipped", zipped, 415, "content_encoding", false),
    ]
}

#[test]
fn server_each_refusal_says_what_it_is_and_whether_to_try_again() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let here = collector().await;
        let before = batches(&here.store).len();
        for Case {
            name,
            octets,
            status,
            code,
            retry,
        } in cases()
        {
            let (got, body) = say(here.at, &octets).await;
            let refusal: Refusal = from_cbor(&body).expect(name);
            assert_eq!(
                (got, refusal.code.as_str(), refusal.retry),
                (status, code, retry),
                "{name}"
            );
            assert!(
                refusal.message.split(' ').count() > 3,
                "{name}: {}",
                refusal.message
            );
        }
        assert_eq!(
            batches(&here.store).len(),
            before,
            "nothing of it was stored"
        );
    });
}

#[test]
fn server_a_batch_cut_at_any_length_is_refused() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let here = collector().await;
        let whole = sealed(0, 1).1;
        for length in (0..whole.len())
            .step_by(7)
            .chain(whole.len() - 70..whole.len())
        {
            let octets = request("/v1/batches", "", &whole[..length]);
            let (status, body) = say(here.at, &octets).await;
            let refusal: Refusal = from_cbor(&body).unwrap();
            assert_eq!(
                (status, refusal.code.as_str()),
                (400, "malformed_envelope"),
                "{length}"
            );
        }
        let (status, body) = say(here.at, &request("/v1/batches", "", &whole)).await;
        assert_eq!(status, 200);
        assert!(!from_cbor::<Receipt>(&body).unwrap().duplicate);
    });
}

/// What will never be taken goes out of the way of what will be, and is kept with the reason;
/// what may be taken later waits.
#[test]
fn server_a_refused_batch_does_not_hold_up_the_next() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let here = collector().await;
        let (net, clock) = (OsNetwork::new(), SystemClock::new());
        let collector = link(&format!("http://{}", here.at));
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 20, 1 << 20).unwrap();
        let mut conflict = batch(0, 0);
        conflict.measurements.pop();
        let conflict = probe(0).seal(Purpose::Batch, &conflict);
        spool.push(&conflict).unwrap();
        spool.push(&sealed(0, 1).1).unwrap();
        let done = drain(&net, &clock, &collector, &spool, &probe(0).public()).await;
        let done = done.unwrap();
        assert_eq!((done.set_aside, done.acknowledged), (1, 1));
        let kept = folder.path().join("refused/00000000000000000000");
        assert_eq!(
            std::fs::read(kept.with_extension("batch")).unwrap(),
            conflict
        );
        let reason = std::fs::read_to_string(kept.with_extension("reason")).unwrap();
        assert!(reason.starts_with("batch_conflict: this batch"), "{reason}");

        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 20, 1 << 20).unwrap();
        spool.push(&sealed(5, 0).1).unwrap();
        let key = probe(5).public();
        let stopped = drain(&net, &clock, &collector, &spool, &key).await;
        let Err((_, UplinkError::Refused { code, .. })) = stopped else {
            panic!("{stopped:?}");
        };
        assert_eq!(code, "unknown_probe");
        assert_eq!(spool.waiting().unwrap(), [0]);
        known(&here, 5).await;
        let done = drain(&net, &clock, &collector, &spool, &key).await;
        assert_eq!(done.unwrap().acknowledged, 1);
    });
}
