//! What came over the wire that the stack does not tell?
//!
//! embassy-net says `ConnectionReset` for a reset and for its own timeouts, drops ICMP errors
//! about TCP and shows no datagram's hop limit. A [`Tapped`] device lets a [`Witness`] look at
//! every frame on its way in, before the stack gets it: which connection was reset, which destination a router called unreachable (RFC 792), with what hop
//! limit a datagram came. It keeps as many facts as a measurement has flows at a time, the
//! oldest goes first: whoever floods makes it forget, not grow.

use core::cell::RefCell;
use core::future::poll_fn;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::task::{Context, Poll, Waker};
use critical_section::Mutex;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv4Message, Icmpv4Packet, IpProtocol, Ipv4Packet,
    TcpPacket, UdpPacket,
};

/// Facts kept.
const KEPT: usize = 16;

/// One thing that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    /// A TCP segment with RST.
    Reset { from: SocketAddrV4 },
    /// A router or host said that what was sent to `to` cannot be delivered.
    Unreachable { to: SocketAddrV4, code: u8 },
    /// A datagram.
    Datagram {
        from: SocketAddrV4,
        port: u16,
        hop_limit: u8,
    },
}

/// What was seen of late.
#[derive(Debug)]
pub struct Witness {
    seen: Mutex<RefCell<Seen>>,
}

#[derive(Debug)]
struct Seen {
    /// A ring.
    facts: [Option<Fact>; KEPT],
    next: usize,
    /// Whether a fact was lost.
    overflowed: bool,
    /// Who waits for news.
    waker: Option<Waker>,
}

impl Default for Witness {
    fn default() -> Self {
        Self::new()
    }
}

impl Witness {
    /// One that has seen nothing.
    pub const fn new() -> Self {
        Self {
            seen: Mutex::new(RefCell::new(Seen::new())),
        }
    }

    /// Forgets everything, before a flow begins.
    pub(crate) fn forget(&self) {
        critical_section::with(|section| {
            let mut seen = self.seen.borrow_ref_mut(section);
            *seen = Seen::new();
        });
    }

    /// Returns once a router or host has called `to` unreachable, with the code that it gave
    /// (RFC 792). One flow waits at a time.
    pub(crate) async fn unreachable(&self, to: SocketAddrV4) -> u8 {
        poll_fn(|context| {
            critical_section::with(|section| {
                let mut seen = self.seen.borrow_ref_mut(section);
                let code = seen.take(|fact| match fact {
                    Fact::Unreachable { to: about, code } if *about == to => Some(*code),
                    _ => None,
                });
                if code.is_none() {
                    seen.waker = Some(context.waker().clone());
                }
                code.map_or(Poll::Pending, Poll::Ready)
            })
        })
        .await
    }

    /// Whether a segment with RST came from `from`.
    pub(crate) fn reset(&self, from: SocketAddrV4) -> bool {
        let is =
            |fact: &Fact| matches!(fact, Fact::Reset { from: by } if *by == from).then_some(());
        critical_section::with(|section| self.seen.borrow_ref_mut(section).take(is).is_some())
    }

    /// The hop limit of the oldest datagram from `from` to `port` that was not asked for yet;
    /// `None` where a flood made it uncertain which that is.
    pub(crate) fn hop_limit(&self, from: SocketAddrV4, port: u16) -> Option<u8> {
        critical_section::with(|section| {
            let mut seen = self.seen.borrow_ref_mut(section);
            let found = seen.take(|fact| match fact {
                Fact::Datagram {
                    from: by,
                    port: to,
                    hop_limit,
                } if *by == from && *to == port => Some(*hop_limit),
                _ => None,
            });
            found.filter(|_| !seen.overflowed)
        })
    }

    /// Looks at a frame.
    fn look(&self, frame: &[u8]) {
        let Some(fact) = read(frame) else { return };
        critical_section::with(|section| {
            let mut seen = self.seen.borrow_ref_mut(section);
            seen.add(fact);
            if let Some(waker) = seen.waker.take() {
                waker.wake();
            }
        });
    }
}

impl Seen {
    const fn new() -> Self {
        Self {
            facts: [None; KEPT],
            next: 0,
            overflowed: false,
            waker: None,
        }
    }

    fn add(&mut self, fact: Fact) {
        let next = self.next;
        if let Some(place) = self.facts.get_mut(next) {
            self.overflowed |= place.replace(fact).is_some();
        }
        self.next = (next + 1) % KEPT;
    }

    /// What `wanted` says of the oldest fact of which it says something; that fact is gone.
    fn take<T>(&mut self, wanted: impl Fn(&Fact) -> Option<T>) -> Option<T> {
        let (newer, older) = self.facts.split_at_mut_checked(self.next)?;
        older.iter_mut().chain(newer).find_map(|place| {
            let said = wanted(place.as_ref()?)?;
            *place = None;
            Some(said)
        })
    }
}

fn read(frame: &[u8]) -> Option<Fact> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    let (source, hop_limit) = (ip.src_addr(), ip.hop_limit());
    // Ports stand in the first fragment alone; the stack puts none together.
    if ip.frag_offset() != 0 || ip.more_frags() {
        return None;
    }
    match ip.next_header() {
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
            tcp.rst().then(|| Fact::Reset {
                from: SocketAddrV4::new(source, tcp.src_port()),
            })
        }
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(ip.payload()).ok()?;
            Some(Fact::Datagram {
                from: SocketAddrV4::new(source, udp.src_port()),
                port: udp.dst_port(),
                hop_limit,
            })
        }
        IpProtocol::Icmp => {
            let icmp = Icmpv4Packet::new_checked(ip.payload()).ok()?;
            (icmp.msg_type() == Icmpv4Message::DstUnreachable).then_some(())?;
            quoted(icmp.data(), icmp.msg_code())
        }
        _ => None,
    }
}

/// Whom an error is about: the IP header and eight octets that it quotes.
fn quoted(quote: &[u8], code: u8) -> Option<Fact> {
    let ip = Ipv4Packet::new_unchecked(quote.get(..20)?);
    if ip.version() != 4 || !matches!(ip.next_header(), IpProtocol::Tcp | IpProtocol::Udp) {
        return None;
    }
    let ports = quote.get(usize::from(ip.header_len())..)?;
    let [_, _, c, d, ..] = *ports else {
        return None;
    };
    let to: Ipv4Addr = ip.dst_addr();
    Some(Fact::Unreachable {
        to: SocketAddrV4::new(to, u16::from_be_bytes([c, d])),
        code,
    })
}

/// A device whose frames a witness sees.
#[derive(Debug)]
pub struct Tapped<'w, D> {
    device: D,
    witness: &'w Witness,
}

impl<'w, D: Driver> Tapped<'w, D> {
    /// Lets `witness` see what `device` receives.
    pub fn new(device: D, witness: &'w Witness) -> Self {
        Self { device, witness }
    }
}

impl<D: Driver> Driver for Tapped<'_, D> {
    type RxToken<'a>
        = Looked<'a, D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = D::TxToken<'a>
    where
        Self: 'a;

    fn receive(
        &mut self,
        context: &mut Context<'_>,
    ) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let witness = self.witness;
        let (token, back) = self.device.receive(context)?;
        Some((Looked { token, witness }, back))
    }
    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        self.device.transmit(context)
    }
    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        self.device.link_state(context)
    }
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }
    fn hardware_address(&self) -> HardwareAddress {
        self.device.hardware_address()
    }
}

/// A frame on its way in.
#[derive(Debug)]
pub struct Looked<'a, T> {
    token: T,
    witness: &'a Witness,
}

impl<T: RxToken> RxToken for Looked<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        self.token.consume(|frame| {
            self.witness.look(frame);
            read(frame)
        })
    }
}
