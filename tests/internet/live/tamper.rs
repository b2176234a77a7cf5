//! What do boxes do to packets? The same boxes as on the first rung, on the wire.
//!
//! A box stands between a network's clients and the rest. One that reassembles puts a
//! stream's first flight together (one TLS record, or a request's head) and lets it pass
//! meanwhile; one that does not looks at the first segment with octets alone. Once it knows
//! the name it swallows the segment that completed it and everything after, and forges what
//! its kind forges, with the sequence numbers that both ends expect (RFC 9293 section
//! 3.10.7); one that throttles lets the flight pass and drops most of what comes back.

use super::packet::{Complaint, Datagram, Packet, Segment};
use super::trickle::Trickle;
use crate::middlebox::address::Fate;
use crate::middlebox::dns_mangler::{Mangle, arrives, passes};
use crate::middlebox::{Action, Kind, Middlebox, quic};
use crate::world::World;
use pnet_packet::tcp::TcpFlags;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Octets of a first flight that a box remembers.
const FLIGHT: usize = 16 << 10;
/// Octets of a forged answer in one segment.
const SEGMENT: usize = 1360;
/// Streams remembered before old ones are forgotten, and how long quiet ones are kept.
const STREAMS: usize = 8192;
const QUIET: Duration = Duration::from_mins(2);
/// `ECONNREFUSED`, by which [`Fate`] says RST.
const REFUSED: i32 = 111;

/// What becomes of a packet that a client sent.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Whether, and where, it goes on.
    pub(super) course: Course,
    /// Forged packets for the client.
    pub(super) to_client: Vec<Packet>,
    /// Forged packets for whom the client speaks to.
    pub(super) to_server: Vec<Packet>,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Course {
    /// To its destination.
    #[default]
    On,
    /// Nowhere.
    Lost,
    /// To the network's portal, whatever its destination.
    Portal,
    /// To the network's interceptor, whatever its destination.
    Interceptor,
}

/// The memory of all boxes.
#[derive(Debug, Default)]
pub(super) struct Tamper {
    streams: HashMap<(SocketAddr, SocketAddr), Stream>,
    /// Flows of datagrams of which nothing passes any more.
    condemned: HashSet<(SocketAddr, SocketAddr)>,
}

#[derive(Debug)]
struct Stream {
    /// Sequence number of the client's first octet.
    base: u32,
    first: Vec<u8>,
    state: State,
    touched: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Listening,
    Ignored,
    Condemned(Action),
    Throttled(Trickle),
}

impl Tamper {
    /// A packet of a client in `asn`, behind a portal or not.
    pub(super) fn outbound(
        &mut self,
        world: &World,
        boxes: &[Middlebox],
        (asn, captive): (u32, bool),
        packet: &Packet,
        now: Instant,
    ) -> Outcome {
        let own: Vec<&Middlebox> = boxes.iter().filter(|b| b.asn == asn).collect();
        if let Some(fate) = own.iter().find_map(|b| b.on_packet(packet.dst())) {
            return refuse(fate, packet);
        }
        let to = packet.datagram().map(|datagram| datagram.to);
        let to = to.or_else(|| packet.segment().map(|segment| segment.to));
        if to.is_some_and(|to| own.iter().any(|b| b.shuts(to))) {
            return lost(None, None);
        }
        if let Some(datagram) = packet.datagram() {
            return match datagram.to.port() {
                53 => question(world, &own, &datagram),
                quic::PORT | quic::NAMES if captive => lost(None, None),
                quic::PORT | quic::NAMES => self.datagram(&own, &datagram),
                _ => Outcome::default(),
            };
        }
        let Some(segment) = packet.segment() else {
            return Outcome::default();
        };
        let intercepts = own.iter().any(|b| b.kind == Kind::TlsMitm);
        let mangles = |mangle| own.iter().any(|b| b.mangles.contains(&mangle));
        let course = match segment.to.port() {
            53 if mangles(Mangle::DropsTcp) => Course::Lost,
            _ if captive => Course::Portal,
            443 if intercepts => Course::Interceptor,
            _ => return self.stream(&own, &segment, now),
        };
        Outcome {
            course,
            ..Outcome::default()
        }
    }

    /// Whether a packet for a client in `asn` passes.
    pub(super) fn inbound(
        &mut self,
        boxes: &[Middlebox],
        asn: u32,
        packet: &Packet,
        now: Instant,
    ) -> bool {
        if let Some(datagram) = packet.datagram().filter(|d| d.from.port() == 53) {
            let own = boxes.iter().filter(|b| b.asn == asn);
            return own
                .into_iter()
                .all(|b| arrives(&b.mangles, datagram.payload));
        }
        if let Some(datagram) = packet.datagram() {
            return !self.condemned.contains(&(datagram.to, datagram.from));
        }
        let Some(segment) = packet.segment() else {
            return true;
        };
        let stream = self.streams.get_mut(&(segment.to, segment.from));
        match stream.map(|stream| &mut stream.state) {
            Some(State::Condemned(_)) => false,
            Some(State::Throttled(trickle)) => trickle.passes(segment.payload.len(), now),
            Some(State::Listening | State::Ignored) | None => true,
        }
    }

    /// A datagram to a port where QUIC is spoken.
    fn datagram(&mut self, boxes: &[&Middlebox], datagram: &Datagram<'_>) -> Outcome {
        let flow = (datagram.from, datagram.to);
        for middlebox in boxes {
            match middlebox.on_datagram(datagram.to, datagram.payload) {
                quic::Fate::Pass => {}
                quic::Fate::Lose => return lost(None, None),
                quic::Fate::Condemn(answer) => {
                    if self.condemned.len() >= STREAMS {
                        self.condemned.clear();
                    }
                    let first = self.condemned.insert(flow);
                    let forged = answer.filter(|_| first).and_then(|payload| {
                        Packet::udp(&Datagram {
                            from: datagram.to,
                            to: datagram.from,
                            payload: &payload,
                        })
                    });
                    return lost(forged, None);
                }
            }
        }
        if self.condemned.contains(&flow) {
            return lost(None, None);
        }
        Outcome::default()
    }

    fn stream(&mut self, boxes: &[&Middlebox], segment: &Segment<'_>, now: Instant) -> Outcome {
        if boxes.is_empty() {
            return Outcome::default();
        }
        let key = (segment.from, segment.to);
        if segment.has(TcpFlags::SYN) {
            if self.streams.len() >= STREAMS {
                self.streams
                    .retain(|_, stream| now.duration_since(stream.touched) < QUIET);
            }
            let stream = Stream {
                base: segment.next_seq(),
                first: Vec::new(),
                state: State::Listening,
                touched: now,
            };
            self.streams.insert(key, stream);
            return Outcome::default();
        }
        let Some(stream) = self.streams.get_mut(&key) else {
            return Outcome::default();
        };
        stream.touched = now;
        if stream.state == State::Listening {
            stream.listen(boxes, segment, now);
        }
        match &stream.state {
            State::Condemned(action) => execute(action, segment),
            State::Listening | State::Ignored | State::Throttled(_) => Outcome::default(),
        }
    }
}

impl Stream {
    /// Takes in what comes next, and decides: boxes that do not reassemble at once, the
    /// others once the first flight is whole.
    fn listen(&mut self, boxes: &[&Middlebox], segment: &Segment<'_>, now: Instant) {
        // What came before a gap is sent again; what overlaps is known.
        let known = self.first.len();
        let offset = segment.seq.wrapping_sub(self.base) as usize;
        let fresh = known
            .checked_sub(offset)
            .and_then(|skip| segment.payload.get(skip..));
        let Some(fresh) = fresh.filter(|fresh| !fresh.is_empty()) else {
            return;
        };
        self.first.extend(fresh);
        let whole = whole(&self.first);
        let looks = |b: &&&Middlebox| if b.reassembles { whole } else { known == 0 };
        let looking = boxes.iter().filter(looks);
        let mut actions = looking.map(|b| b.on_stream(&self.first));
        self.state = match actions.find(|action| *action != Action::Pass) {
            Some(Action::Throttle) => State::Throttled(Trickle::new(now)),
            Some(action) => State::Condemned(action),
            None if whole || boxes.iter().all(|b| !b.reassembles) => State::Ignored,
            None => return,
        };
        self.first = Vec::new();
    }
}

/// Whether a first flight has all that a box reads: a TLS record, or a request's head.
fn whole(first: &[u8]) -> bool {
    match *first {
        _ if first.len() > FLIGHT => true,
        [0x16, _, _, a, b, ..] => first.len() >= 5 + usize::from(u16::from_be_bytes([a, b])),
        [0x16, ..] => false,
        _ => first.windows(4).any(|end| end == b"\r\n\r\n"),
    }
}

fn lost(to_client: Option<Packet>, to_server: Option<Packet>) -> Outcome {
    Outcome {
        course: Course::Lost,
        to_client: to_client.into_iter().collect(),
        to_server: to_server.into_iter().collect(),
    }
}

/// What a box that goes by addresses does.
fn refuse(fate: Fate, packet: &Packet) -> Outcome {
    match fate {
        Fate::Dropped => lost(None, None),
        Fate::Refused(REFUSED) => match packet.segment() {
            Some(segment) if !segment.has(TcpFlags::RST) => lost(rst_back(&segment), None),
            Some(_) => lost(None, None),
            // A RST is TCP's: other packets pass such a box.
            None => Outcome::default(),
        },
        Fate::Refused(_) => {
            let complaint = Complaint::HostUnreachable;
            let from = super::router::speaker(packet.dst());
            lost(Packet::complain(from, complaint, packet), None)
        }
    }
}

/// What boxes that read questions do.
fn question(world: &World, boxes: &[&Middlebox], datagram: &Datagram<'_>) -> Outcome {
    let forge = |reply: Vec<u8>| {
        Packet::udp(&Datagram {
            from: datagram.to,
            to: datagram.from,
            payload: &reply,
        })
    };
    let query = datagram.payload;
    let mangles: Vec<Mangle> = boxes.iter().flat_map(|b| b.mangles.clone()).collect();
    let mut to_client: Vec<Packet> = boxes
        .iter()
        .filter_map(|b| forge(b.inject(datagram.to.ip(), query)?))
        .collect();
    let proxy = boxes.iter().find_map(|b| b.proxy(datagram.to.ip()));
    let mut to_server = Vec::new();
    let course = match (proxy, passes(&mangles, query)) {
        (_, None) => Course::Lost,
        (Some(proxy), Some(query)) => {
            to_client.extend(proxy.reply(world, &query).and_then(forge));
            Course::Lost
        }
        (None, Some(passed)) if passed == query => Course::On,
        (None, Some(passed)) => {
            to_server.extend(Packet::udp(&Datagram {
                payload: &passed,
                ..*datagram
            }));
            Course::Lost
        }
    };
    Outcome {
        course,
        to_client,
        to_server,
    }
}

/// What befalls a condemned stream's segment; repeated, since what is forged may be lost.
fn execute(action: &Action, segment: &Segment<'_>) -> Outcome {
    if segment.has(TcpFlags::RST) {
        return lost(None, None);
    }
    match action {
        Action::Reset if segment.payload.is_empty() => lost(None, None),
        Action::Reset => lost(rst_back(segment), rst_on(segment)),
        Action::Answer(octets) if !segment.payload.is_empty() => Outcome {
            course: Course::Lost,
            to_client: answer(octets, segment),
            to_server: rst_on(segment).into_iter().collect(),
        },
        Action::Answer(_) if segment.has(TcpFlags::FIN) => {
            let ack = Segment {
                flags: TcpFlags::ACK,
                payload: &[],
                ..back(segment)
            };
            lost(Packet::tcp(&ack), None)
        }
        _ => lost(None, None),
    }
}

/// The page, and that it ends, as from the server.
fn answer(octets: &[u8], segment: &Segment<'_>) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut reply = Segment {
        flags: TcpFlags::PSH | TcpFlags::ACK,
        ..back(segment)
    };
    let mut chunks = octets.chunks(SEGMENT).peekable();
    while let Some(chunk) = chunks.next() {
        let last = chunks.peek().is_none();
        let forged = Segment {
            payload: chunk,
            flags: reply.flags | if last { TcpFlags::FIN } else { 0 },
            ..reply
        };
        packets.extend(Packet::tcp(&forged));
        reply.seq = reply.seq.wrapping_add(chunk.len() as u32);
    }
    packets
}

/// The other direction, acknowledging `segment`.
fn back<'a>(segment: &Segment<'_>) -> Segment<'a> {
    Segment {
        from: segment.to,
        to: segment.from,
        seq: segment.ack,
        ack: segment.next_seq(),
        flags: 0,
        payload: &[],
    }
}

/// A RST for who sent `segment`; a SYN's carries an acknowledgement (RFC 9293 section
/// 3.10.7.1).
fn rst_back(segment: &Segment<'_>) -> Option<Packet> {
    Packet::tcp(&Segment {
        flags: TcpFlags::RST | TcpFlags::ACK,
        ..back(segment)
    })
}

/// A RST for whom `segment` was meant for.
fn rst_on(segment: &Segment<'_>) -> Option<Packet> {
    Packet::tcp(&Segment {
        flags: TcpFlags::RST | TcpFlags::ACK,
        payload: &[],
        ..*segment
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use faultline_core::wire::tls::{Hello, KeyShare};

    const PAGE: &str = include_str!("../../scenarios/blocking/http_blockpage.toml");
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: news.example\r\n\r\n";

    /// Boxes and one stream through them.
    struct Run {
        world: World,
        tamper: Tamper,
        start: Instant,
    }

    impl Run {
        fn new(scenario: &str, reassembles: bool) -> Self {
            let mut scenario = Scenario::parse(scenario).unwrap();
            for middlebox in &mut scenario.middlebox {
                middlebox.reassembles = reassembles;
            }
            Self {
                world: World::new(&scenario).unwrap(),
                tamper: Tamper::default(),
                start: Instant::now(),
            }
        }
        fn says(&mut self, seq: u32, flags: u8, payload: &[u8]) -> Outcome {
            let packet = Packet::tcp(&said(seq, flags, payload)).unwrap();
            let client = (64_500, false);
            let boxes = self.world.boxes.clone();
            self.tamper
                .outbound(&self.world, &boxes, client, &packet, self.start)
        }
    }

    fn said(seq: u32, flags: u8, payload: &[u8]) -> Segment<'_> {
        Segment {
            from: "20.1.0.7:4000".parse().unwrap(),
            to: "21.1.0.80:80".parse().unwrap(),
            seq,
            ack: 900,
            flags,
            payload,
        }
    }

    #[test]
    fn a_request_is_read_however_it_is_cut() {
        for cut in 1..REQUEST.len() {
            let mut run = Run::new(PAGE, true);
            let base = u32::MAX - 5; // sequence numbers go round
            run.says(base.wrapping_sub(1), TcpFlags::SYN, b"");
            let (first, second) = REQUEST.split_at(cut);
            let next = base.wrapping_add(cut as u32);
            let early = run.says(next, TcpFlags::ACK, second);
            assert_eq!(early.course, Course::On, "a gap tells nothing");
            assert_eq!(run.says(base, TcpFlags::ACK, first).course, Course::On);
            assert_eq!(
                run.says(base, TcpFlags::ACK, first).course,
                Course::On,
                "again"
            );
            let whole = run.says(next, TcpFlags::ACK, second);
            assert_eq!(whole.course, Course::Lost);
            let page = whole.to_client.first().unwrap().segment().unwrap();
            assert!(page.payload.starts_with(b"HTTP/1.1 200"));
            let next = base.wrapping_add(REQUEST.len() as u32);
            assert_eq!((page.seq, page.ack), (900, next));
            assert!(page.has(TcpFlags::FIN));
            let rst = whole.to_server.first().unwrap().segment().unwrap();
            assert!(rst.has(TcpFlags::RST));
            // The forged page may be lost: the request comes again, and so does the page.
            assert_eq!(run.says(base, TcpFlags::ACK, REQUEST).to_client.len(), 1);
            let end = run.says(next, TcpFlags::FIN | TcpFlags::ACK, b"");
            let ack = end.to_client.first().unwrap().segment().unwrap();
            assert_eq!(ack.ack, next.wrapping_add(1));
            // What the server still sends is lost.
            let back = Segment {
                from: "21.1.0.80:80".parse().unwrap(),
                to: "20.1.0.7:4000".parse().unwrap(),
                ..said(900, TcpFlags::ACK, b"late")
            };
            let back = Packet::tcp(&back).unwrap();
            assert!(!run.tamper.inbound(&[], 64_500, &back, run.start));
        }
    }

    #[test]
    fn a_box_that_does_not_reassemble_reads_the_first_segment_alone() {
        let named = "GET / HTTP/1.1\r\nHost: news.example".len();
        for cut in 1..=REQUEST.len() {
            let mut run = Run::new(PAGE, false);
            run.says(0, TcpFlags::SYN, b"");
            run.says(1, TcpFlags::ACK, b"");
            let (first, second) = REQUEST.split_at(cut);
            let begun = run.says(1, TcpFlags::ACK, first);
            let read = cut >= named;
            assert_eq!(begun.course == Course::Lost, read, "{cut}");
            let rest = run.says(1 + cut as u32, TcpFlags::ACK, second);
            assert_eq!(rest.course == Course::Lost, read, "{cut}");
            let again = run.says(1, TcpFlags::ACK, REQUEST);
            assert_eq!(again.course == Course::Lost, read, "{cut}");
        }
    }

    #[test]
    fn a_throttled_stream_goes_on_and_trickles_back() {
        let throttled = PAGE.replace("http_blockpage", "throttle");
        let mut run = Run::new(&throttled, true);
        run.says(0, TcpFlags::SYN, b"");
        let hello = Hello {
            random: [1; 32],
            session_id: [2; 32],
            server_name: Some("news.example"),
            alpn: &[],
            key_share: KeyShare::X25519([3; 32]),
        };
        let mut octets = [0; Hello::MAX_LEN];
        let length = hello.emit(&mut octets).unwrap();
        let sent = run.says(1, TcpFlags::ACK, &octets[..length]);
        assert_eq!(sent.course, Course::On);
        assert!(sent.to_client.is_empty() && sent.to_server.is_empty());
        let large = [7; 1000];
        let mut back = |payload| {
            let back = Segment {
                from: "21.1.0.80:80".parse().unwrap(),
                to: "20.1.0.7:4000".parse().unwrap(),
                ..said(900, TcpFlags::ACK, payload)
            };
            run.tamper
                .inbound(&[], 64_500, &Packet::tcp(&back).unwrap(), run.start)
        };
        assert!(back(&large), "a handshake's flight");
        assert!(!back(&large), "a page");
        assert!(back(b""), "an acknowledgement");
    }

    #[test]
    fn others_pass_and_are_not_kept() {
        let mut run = Run::new(PAGE, true);
        run.says(0, TcpFlags::SYN, b"");
        let other = b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n";
        assert_eq!(run.says(1, TcpFlags::ACK, other).course, Course::On);
        // Only the first request of a stream is read.
        let next = 1 + other.len() as u32;
        assert_eq!(run.says(next, TcpFlags::ACK, REQUEST).course, Course::On);
        let endless = vec![b'x'; FLIGHT + 1];
        run.says(0, TcpFlags::SYN, b"");
        assert_eq!(run.says(1, TcpFlags::ACK, &endless).course, Course::On);
        let stream = run.tamper.streams.values().next().unwrap();
        assert_eq!((&stream.state, stream.first.len()), (&State::Ignored, 0));
    }

    #[test]
    fn a_long_page_comes_in_segments() {
        let action = Action::Answer(vec![7; 3000]);
        let outcome = execute(&action, &said(1, TcpFlags::ACK, REQUEST));
        let segments: Vec<_> = outcome
            .to_client
            .iter()
            .filter_map(Packet::segment)
            .collect();
        let sizes: Vec<_> = segments.iter().map(|s| (s.seq, s.payload.len())).collect();
        assert_eq!(sizes, [(900, 1360), (2260, 1360), (3620, 280)]);
        let ends = segments.iter().map(|s| s.has(TcpFlags::FIN));
        assert!(ends.eq([false, false, true]));
    }
}
