//! What does each fuzz target do with octets?
//!
//! One function a target, shared by the fuzzer (`fuzz_targets/`) and by the test that replays
//! the committed corpora (`tests/fuzz_corpus.rs`). Each panics where a promise is broken and
//! says whether it took the octets for what they claim to be.

use faultline_core::dns;
use faultline_core::wire::tls::{
    ClientHello, Message, MessageType, Next, ServerHello, Stream, could_be_tls,
};

/// Any octets as a DNS message, printed in full.
pub(super) fn dns_message(octets: &[u8]) -> bool {
    let mut text = String::new();
    dns::pretty(octets, &mut text).expect("a String takes all text");
    !text.starts_with("malformed")
}

/// Any octets as what one side of a TLS connection sent.
pub(super) fn tls_stream(octets: &[u8]) -> bool {
    let mut buffer = [0; 1024];
    let mut stream = Stream::new(octets);
    for taken in 0..=octets.len() {
        match stream.next(&mut buffer) {
            Ok(Next::Handshake(message)) => {
                client(&message);
                server(&message);
            }
            Ok(Next::Alert(alert)) => assert!(!alert.to_string().is_empty()),
            Ok(Next::Other(record)) => assert!(record.fragment.len() < octets.len()),
            Ok(Next::TooLong { length, .. }) => {
                assert!(length > buffer.len());
                return true;
            }
            Ok(Next::Incomplete { .. }) => return taken > 0,
            Err(error) => {
                assert!(usize::from(error.at) <= octets.len());
                return false;
            }
        }
        assert!(could_be_tls(octets));
    }
    panic!("a stream yields fewer things than it has octets");
}

/// Any octets as the body of a ClientHello.
pub(super) fn client_hello(octets: &[u8]) -> bool {
    client(&Message {
        kind: MessageType::CLIENT_HELLO,
        body: octets,
    })
}

/// Any octets as the body of a ServerHello.
pub(super) fn server_hello(octets: &[u8]) -> bool {
    server(&Message {
        kind: MessageType::SERVER_HELLO,
        body: octets,
    })
}

fn client(message: &Message<'_>) -> bool {
    let Ok(hello) = ClientHello::parse(message) else {
        return false;
    };
    let numbers = hello.cipher_suites().count() + hello.groups().count();
    let names = hello.alpn().chain(hello.server_name()).map(<[u8]>::len);
    let keys = hello.key_shares().map(|(_, key)| key.len());
    let parts = hello.extensions().map(|extension| extension.data.len() + 4);
    assert!(2 * (numbers + hello.versions().count()) <= message.body.len());
    assert!(names.sum::<usize>() + keys.sum::<usize>() <= message.body.len());
    assert!(parts.sum::<usize>() <= message.body.len());
    assert!(hello.session_id().len() <= 32);
    true
}

fn server(message: &Message<'_>) -> bool {
    let Ok(hello) = ServerHello::parse(message) else {
        return false;
    };
    let parts = hello.extensions().map(|extension| extension.data.len() + 4);
    assert!(parts.sum::<usize>() <= message.body.len());
    assert!(!(hello.is_retry() && hello.is_downgrade()));
    assert!(!hello.version().to_string().is_empty());
    true
}

#[cfg(feature = "alloc")]
pub(super) use owned::{envelope, frames, handshake, ledger, lookup, messages};

#[cfg(feature = "alloc")]
mod owned {
    use faultline_core::codec::{CodecError, Envelope, Identity, Purpose, from_cbor, to_cbor};
    use faultline_core::engine::Want;
    use faultline_core::engine::framing::{Deframer, frame};
    use faultline_core::engine::handshake::{Event, Greeting, Trial};
    use faultline_core::engine::ledger::{Book, FRAME, Page, Record};
    use faultline_core::engine::lookup::{Inquiry, Question, Settings, addresses};
    use faultline_core::failure::Failure;
    use faultline_core::measurement::{Batch, ControlReport, NetworkEpoch};
    use faultline_core::observation::{DnsTransport, HandshakeRole, ResolverRole, Step};
    use faultline_core::protocol::{
        Beat, BeatAck, CheckIn, CheckInReply, ControlRequest, Enrolled, Enrolment, Receipt,
        Refusal,
    };
    use faultline_core::time::{Duration, Instant};
    use std::net::SocketAddr;

    /// Any octets as a sealed batch; no change to one opens.
    pub(in super::super) fn envelope(octets: &[u8]) -> bool {
        let Ok(envelope) = Envelope::parse(octets) else {
            return false;
        };
        let key = Identity::from_bytes(&[1; 32]).expect("a small number is a key");
        match envelope.open::<Batch>(Purpose::Batch, &key.public()) {
            Ok(batch) => {
                // All but the signature, which has two.
                let sealed = key.seal(Purpose::Batch, &batch);
                assert_eq!(sealed.len(), octets.len());
                assert_eq!(
                    sealed.split_last_chunk::<64>().map(|(front, _)| front),
                    octets.split_last_chunk::<64>().map(|(front, _)| front),
                    "one form only"
                );
                true
            }
            Err(error) => {
                assert_eq!(error, CodecError::Signature);
                false
            }
        }
    }

    /// Any octets as the payload of each message. What decodes means the same again.
    pub(in super::super) fn messages(octets: &[u8]) -> bool {
        fn again<T>(octets: &[u8]) -> bool
        where
            T: minicbor::Encode<()> + for<'a> minicbor::Decode<'a, ()>,
            T: PartialEq + std::fmt::Debug,
        {
            let Ok(message) = from_cbor::<T>(octets) else {
                return false;
            };
            let canonical = to_cbor(&message);
            assert_eq!(from_cbor::<T>(&canonical), Ok(message));
            true
        }
        let probe = [
            again::<Batch>(octets),
            again::<Enrolment>(octets),
            again::<CheckIn>(octets),
            again::<ControlRequest>(octets),
            again::<Beat>(octets),
        ];
        let collector = [
            again::<NetworkEpoch>(octets),
            again::<ControlReport>(octets),
            again::<Enrolled>(octets),
            again::<CheckInReply>(octets),
            again::<Receipt>(octets),
            again::<Refusal>(octets),
            again::<BeatAck>(octets),
        ];
        probe.contains(&true) || collector.contains(&true)
    }

    /// Any octets as a stream of one framed message, cut as its first octet says.
    pub(in super::super) fn frames(octets: &[u8]) -> bool {
        let Some((cut, stream)) = octets.split_first() else {
            return false;
        };
        let mut frames = Deframer::new(4096);
        for chunk in stream.chunks(usize::from(*cut).max(1)) {
            match frames.push(chunk) {
                Ok(None) => {}
                Ok(Some(message)) => {
                    let framed = frame(message).expect("it was framed");
                    assert!(stream.starts_with(&framed));
                    return true;
                }
                Err(_) => return false,
            }
        }
        false
    }

    /// Any octets as the log of a ledger, its damaged frames left out. Says whether there were
    /// whole ones.
    pub(in super::super) fn ledger(octets: &[u8]) -> bool {
        let records: Vec<Record> = octets.chunks(FRAME).filter_map(Record::decode).collect();
        let book = Book::read(records.iter().copied());
        for chapter in book.chapters() {
            assert!(chapter.from.is_some() || !chapter.by_clock);
            assert!(!chapter.epoch.state.to_string().is_empty());
        }
        let kept = book.clone().compact(8);
        let again = Book::read(kept.iter().copied());
        assert_eq!(
            (again.next(), again.last_run()),
            (book.next(), book.last_run())
        );
        assert_eq!(again.epochs().next_back(), book.epochs().next_back());
        if let Some(page) = Page::next(&book, None, 3) {
            assert!(page.part.epochs.len() <= 3);
            assert_eq!(from_cbor(&to_cbor(&page.part)), Ok(page.part));
        }
        !records.is_empty()
    }

    /// A step of what comes, and when: `| kind 1 | length 1 | octets |`.
    fn steps(mut octets: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
        std::iter::from_fn(move || {
            let ([kind, length], rest) = octets.split_first_chunk()?;
            let (step, rest) = rest.split_at(rest.len().min(usize::from(*length)));
            octets = rest;
            Some((*kind, step))
        })
    }

    const SOME_TIME: Duration = Duration::from_millis(3);

    /// Any sequence of datagrams, errors and waiting, in answer to one query whose chance is
    /// all zeroes. Says whether there was an answer with an address.
    pub(in super::super) fn lookup(octets: &[u8]) -> bool {
        let resolver: SocketAddr = ([198, 51, 100, 53], 53).into();
        let question = Question {
            name: "blocked.example".to_owned(),
            rtype: 1,
            role: ResolverRole::Public,
            transport: DnsTransport::Udp,
            resolver,
            resolver_name: None,
        };
        let settings = Settings {
            most_replies: 8,
            ..Settings::default()
        };
        let mut now = Instant(7);
        let mut inquiry = Inquiry::new(question, settings, 0, now, now, &[0; 34]);
        assert!(matches!(inquiry.poll(now), Want::Send(_)));
        let mut came = 0;
        for (kind, step) in steps(octets) {
            match kind % 4 {
                0 => now = now + SOME_TIME * step.len() as u32,
                1 => inquiry.fail(now, Failure::DnsUnreachable),
                2 => inquiry.handle(now, ([192, 0, 2, 1], 53).into(), step, None),
                _ => inquiry.handle(now, resolver, step, Some(64)),
            }
            came += usize::from(kind % 4 > 1);
            assert!(!matches!(inquiry.poll(now), Want::Send(_)));
        }
        now = now + settings.first;
        assert_eq!(inquiry.poll(now), Want::Nothing);
        let seen = inquiry.finish(now);
        let Step::Lookup(lookup) = &seen.step else {
            panic!("an inquiry is a lookup")
        };
        assert_eq!(lookup.replies.len(), came.min(8));
        assert!(lookup.watched <= seen.ended - seen.started);
        assert_eq!(seen.failure.is_none(), !addresses(&seen).is_empty());
        // What was observed can be told.
        assert_eq!(from_cbor(&to_cbor(&seen)), Ok(seen.clone()));
        seen.failure.is_none()
    }

    /// Any sequence of octets and ends in answer to one ClientHello. Says whether a
    /// ServerHello came.
    pub(in super::super) fn handshake(octets: &[u8]) -> bool {
        let greeting = Greeting {
            to: ([192, 0, 2, 7], 443).into(),
            server_name: Some("blocked.example".to_owned()),
            role: HandshakeRole::Target,
            alpn: vec!["h2".to_owned()],
            patience: Duration::from_secs(10),
        };
        let mut now = Instant(7);
        let mut trial = Trial::new(greeting, now, now, &[0; 96]);
        assert!(matches!(trial.poll(now), Want::Send(_)));
        for (kind, step) in steps(octets) {
            now = now + SOME_TIME;
            let event = match kind {
                0 => Event::Reset,
                1 => Event::Closed,
                2 => Event::Failed(Failure::HostUnreachable),
                _ => Event::Received(step),
            };
            trial.handle(now, event);
            assert!(!matches!(trial.poll(now), Want::Send(_)));
        }
        let seen = trial.finish(now);
        let Step::Handshake(handshake) = &seen.step else {
            panic!("a trial is a handshake")
        };
        let kept = handshake.first_bytes.as_ref().map_or(0, |b| b.0.len());
        assert!(kept <= 512 && handshake.version.is_some() == seen.failure.is_none());
        assert_eq!(from_cbor(&to_cbor(&seen)), Ok(seen.clone()));
        seen.failure.is_none()
    }
}
