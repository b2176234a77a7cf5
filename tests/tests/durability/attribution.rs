//! Is anything put down to a network in which it was not measured?
//!
//! Where a batch is uploaded from says nothing: a probe may have been offline for days and be
//! elsewhere now. Only the collector's token does, for its probe, in its time.

use crate::{
    load::{batch, enrolment, probe},
    refusals::{converse, request},
    world::{Here, Loopback, collector_key, here, now, rows},
};
use faultline_collector::{ingest::issue, store::Facts as _};
use faultline_core::{
    codec::{Identity, Purpose, from_cbor},
    id::{Asn, BatchId, Country, MeasurementId},
    measurement::{Measurement, Setting},
    protocol::{CheckIn, CheckInReply, Receipt},
    time::{ClockQuality, Duration, UnixTime},
    value::Blob,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use tokio::net::TcpSocket;

const A: Ipv4Addr = Ipv4Addr::LOCALHOST;
const B: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const NOWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const HOUR: Duration = Duration::from_hours(1);

/// Posts from an address of one's choice.
async fn post(here: &Here, from: Ipv4Addr, path: &str, body: &[u8]) -> Vec<u8> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.into(), 0)).unwrap();
    let mut stream = socket.connect(here.at).await.unwrap();
    let (status, body) = converse(&mut stream, &request(path, "", body)).await;
    assert_eq!(status, 200);
    body
}

/// The token that a check-in from `from` gives probe `p`.
async fn token(here: &Here, from: Ipv4Addr, p: u8) -> Blob {
    let check_in = CheckIn {
        probe: probe(p).public().probe_id(),
        consent: 1,
        software: "test".into(),
        clock: now(),
        risk: None,
    };
    let sealed = probe(p).seal(Purpose::Request, &check_in);
    let reply: CheckInReply =
        from_cbor(&post(here, from, "/v1/check-in", &sealed).await).unwrap();
    reply.network.unwrap()
}

/// One measurement, and where it ought to be put.
struct Case {
    name: &'static str,
    change: Box<dyn Fn(&mut Measurement)>,
    place: Option<(&'static str, u32)>,
    scored: bool,
}

fn back(time: UnixTime, by: Duration) -> UnixTime {
    UnixTime(time.0 - by.as_micros() as i64)
}

#[test]
fn server_only_the_collectors_own_token_says_where_a_measurement_was_taken() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let here = here().await;
        for p in 0..2 {
            post(&here, A, "/v1/probes", &enrolment(&probe(p))).await;
        }
        let in_a = token(&here, A, 0).await;
        let in_b = token(&here, B, 0).await;
        let nowhere = token(&here, NOWHERE, 0).await;
        let of_another = token(&here, A, 1).await;
        let foreign = Identity::from_bytes(&[77; 32]).unwrap();
        let signed = |key: &Identity, from: UnixTime| {
            let me = probe(0).public().probe_id();
            Blob(issue(key, &Loopback, me, IpAddr::V4(A), from, HOUR))
        };
        let start = now();
        let forged = signed(&foreign, back(start, HOUR / 2));
        let expired = signed(&collector_key(), back(start, HOUR * 49 + HOUR / 2));
        let mut changed = in_a.clone();
        *changed.0.last_mut().unwrap() ^= 1;
        let with = |token: Blob| -> Box<dyn Fn(&mut Measurement)> {
            Box::new(move |m| m.network = Some(token.clone()))
        };
        let also = |token: Blob, more: fn(&mut Measurement)| -> Box<dyn Fn(&mut Measurement)> {
            Box::new(move |m| {
                m.network = Some(token.clone());
                more(m);
            })
        };
        let case = |name, change, place, scored| Case {
            name,
            change,
            place,
            scored,
        };
        let a = Some(("XA", 64_501));
        let cases = [
            case("taken in A", with(in_a.clone()), a, true),
            case("taken in B", with(in_b), Some(("XB", 64_502)), true),
            case("no token", Box::new(|_| ()), None, false),
            case(
                "a token for an address of nobody",
                with(nowhere),
                None,
                false,
            ),
            case("another probe's token", with(of_another), None, false),
            case("another collector's token", with(forged), None, false),
            case("a changed token", with(changed), None, false),
            case("an expired token", with(expired.clone()), None, false),
            case(
                "taken before the token's time",
                also(in_a.clone(), |m| m.started = back(m.started, HOUR)),
                None,
                false,
            ),
            case(
                "taken after the token's time",
                also(in_a.clone(), |m| m.started = m.started + HOUR * 25),
                None,
                false,
            ),
            case(
                "a backlog of two days ago, with its token of then",
                also(expired, |m| {
                    m.started = back(m.started, HOUR * 49);
                }),
                a,
                true,
            ),
            case(
                "a start two hours ahead of the collector's clock",
                also(in_a.clone(), |m| m.started = m.started + HOUR * 2),
                a,
                false,
            ),
            case(
                "no clock",
                also(in_a.clone(), |m| m.clock = ClockQuality::None),
                a,
                false,
            ),
            case(
                "behind a portal",
                also(in_a, |m| m.settings.push(Setting::CaptivePortal)),
                a,
                false,
            ),
        ];
        // All of it is uploaded from B.
        let mut sent = batch(0, 0);
        let one = sent.measurements[0].clone();
        sent.id = BatchId([9; 16]);
        sent.measurements = (0..)
            .zip(&cases)
            .map(|(n, case)| {
                let mut m = one.clone();
                m.id = MeasurementId([n; 16]);
                m.started = now();
                (case.change)(&mut m);
                m
            })
            .collect();
        let sealed = probe(0).seal(Purpose::Batch, &sent);
        let receipt = post(&here, B, "/v1/batches", &sealed).await;
        assert!(!from_cbor::<Receipt>(&receipt).unwrap().duplicate);

        let stored = rows(&here.store);
        for (n, case) in (0..).zip(&cases) {
            let row = stored.iter().find(|row| row.id == MeasurementId([n; 16]));
            let row = row.expect(case.name);
            let place = row
                .network_known
                .then_some((row.country.as_str(), row.asn.0));
            assert_eq!(
                (place, row.scored),
                (case.place, case.scored),
                "{}",
                case.name
            );
            if case.place.is_none() {
                assert_eq!(
                    (row.country, row.asn),
                    (Country::UNKNOWN, Asn(0)),
                    "{}",
                    case.name
                );
            }
        }
        let all = UnixTime(i64::MIN)..UnixTime(i64::MAX);
        let counted: u64 = here
            .store
            .rollups(all)
            .unwrap()
            .iter()
            .map(|r| r.count)
            .sum();
        assert_eq!(
            counted,
            cases.iter().filter(|case| case.scored).count() as u64
        );
    });
}
