//! What does a packet say, and how is one made? IPv4 (RFC 791) and IPv6 (RFC 8200) with
//! TCP, UDP and ICMP in them.
//!
//! Packets are read as they come off a veth, where checksums may be left to hardware that
//! is not there: [`Packet::seal`] computes them all anew before anything is sent on.

use pnet_packet::icmp::{self, IcmpCode, IcmpType, MutableIcmpPacket};
use pnet_packet::icmpv6::{self, Icmpv6Code, Icmpv6Type, MutableIcmpv6Packet};
use pnet_packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols as Protocol};
use pnet_packet::ipv4::{self, Ipv4Packet, MutableIpv4Packet};
use pnet_packet::ipv6::{Ipv6Packet, MutableIpv6Packet};
use pnet_packet::tcp::{self, MutableTcpPacket, TcpFlags, TcpPacket};
use pnet_packet::udp::{self, MutableUdpPacket, UdpPacket};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Hop limit of packets that routers and boxes make.
const HOPS: u8 = 64;
/// Lengths of headers without options.
const V4: usize = 20;
const V6: usize = 40;
const TCP: usize = 20;
const UDP: usize = 8;
/// Octets of a packet that an ICMP error quotes: what fits the least MTU of IPv6
/// (RFC 4443 section 2.4), and of IPv4's routers (RFC 1812 section 4.3.2.3).
const QUOTED: usize = 548;

/// An IP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    octets: Vec<u8>,
    src: IpAddr,
    dst: IpAddr,
    protocol: IpNextHeaderProtocol,
    /// Where the transport's header begins.
    header: usize,
    /// Part of a datagram: its transport's header may be elsewhere.
    fragment: bool,
}

/// What a TCP segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) payload: &'a [u8],
}

impl Segment<'_> {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
    /// The sequence number after this segment.
    pub(super) fn next_seq(&self) -> u32 {
        let marks = u32::from(self.has(TcpFlags::SYN)) + u32::from(self.has(TcpFlags::FIN));
        self.seq
            .wrapping_add(self.payload.len() as u32)
            .wrapping_add(marks)
    }
}

/// What a UDP datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagram<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) payload: &'a [u8],
}

/// Errors of routers, as (type, code) of ICMP (RFC 792) and ICMPv6 (RFC 4443).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    HostUnreachable,
    TimeExceeded,
}

impl Complaint {
    fn v4(self) -> (u8, u8) {
        match self {
            Self::HostUnreachable => (3, 1),
            Self::TimeExceeded => (11, 0),
        }
    }
    fn v6(self) -> (u8, u8) {
        match self {
            Self::HostUnreachable => (1, 3),
            Self::TimeExceeded => (3, 0),
        }
    }
}

impl Packet {
    /// From what follows a link's header. `None` for what is not IP, or cut short.
    pub(super) fn read(octets: &[u8]) -> Option<Self> {
        match octets.first()? >> 4 {
            4 => {
                let ip = Ipv4Packet::new(octets)?;
                let (header, total) = (
                    usize::from(ip.get_header_length()) * 4,
                    usize::from(ip.get_total_length()),
                );
                // More fragments, or not the first one.
                let fragment = ip.get_flags() & 1 != 0 || ip.get_fragment_offset() != 0;
                (header >= V4 && total >= header).then_some(())?;
                Some(Self {
                    src: ip.get_source().into(),
                    dst: ip.get_destination().into(),
                    protocol: ip.get_next_level_protocol(),
                    octets: octets.get(..total)?.to_vec(),
                    header,
                    fragment,
                })
            }
            6 => {
                let ip = Ipv6Packet::new(octets)?;
                let total = V6 + usize::from(ip.get_payload_length());
                Some(Self {
                    src: ip.get_source().into(),
                    dst: ip.get_destination().into(),
                    protocol: ip.get_next_header(),
                    octets: octets.get(..total)?.to_vec(),
                    header: V6,
                    fragment: false,
                })
            }
            _ => None,
        }
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }
    pub(super) fn src(&self) -> IpAddr {
        self.src
    }
    pub(super) fn dst(&self) -> IpAddr {
        self.dst
    }

    pub(super) fn segment(&self) -> Option<Segment<'_>> {
        let body = self.body(Protocol::Tcp)?;
        let tcp = TcpPacket::new(body)?;
        let payload = body.get(usize::from(tcp.get_data_offset()) * 4..)?;
        Some(Segment {
            from: SocketAddr::new(self.src, tcp.get_source()),
            to: SocketAddr::new(self.dst, tcp.get_destination()),
            seq: tcp.get_sequence(),
            ack: tcp.get_acknowledgement(),
            flags: tcp.get_flags(),
            payload,
        })
    }

    pub(super) fn datagram(&self) -> Option<Datagram<'_>> {
        let body = self.body(Protocol::Udp)?;
        let udp = UdpPacket::new(body)?;
        Some(Datagram {
            from: SocketAddr::new(self.src, udp.get_source()),
            to: SocketAddr::new(self.dst, udp.get_destination()),
            payload: body.get(UDP..)?,
        })
    }

    /// One hop further; false where the hop limit is used up.
    pub(super) fn hop(&mut self) -> bool {
        if self.src.is_ipv4() {
            let Some(mut ip) = MutableIpv4Packet::new(&mut self.octets) else {
                return false;
            };
            let left = ip.get_ttl().saturating_sub(1);
            ip.set_ttl(left);
            left > 0
        } else {
            let Some(mut ip) = MutableIpv6Packet::new(&mut self.octets) else {
                return false;
            };
            let left = ip.get_hop_limit().saturating_sub(1);
            ip.set_hop_limit(left);
            left > 0
        }
    }

    /// Computes every checksum that there is.
    pub(super) fn seal(&mut self) {
        if let Some(mut ip) = MutableIpv4Packet::new(&mut self.octets)
            && self.src.is_ipv4()
        {
            let sum = ipv4::checksum(&ip.to_immutable());
            ip.set_checksum(sum);
        }
        if self.fragment {
            return;
        }
        let (src, dst) = (self.src, self.dst);
        let Some(body) = self.octets.get_mut(self.header..) else {
            return;
        };
        match self.protocol {
            Protocol::Tcp => {
                if let Some(mut packet) = MutableTcpPacket::new(body) {
                    let sum = tcp_sum(&packet.to_immutable(), src, dst);
                    packet.set_checksum(sum);
                }
            }
            Protocol::Udp => {
                if let Some(mut packet) = MutableUdpPacket::new(body) {
                    let sum = udp_sum(&packet.to_immutable(), src, dst);
                    // Zero means that there is none (RFC 768).
                    packet.set_checksum(if sum == 0 { u16::MAX } else { sum });
                }
            }
            Protocol::Icmp => {
                if let Some(mut packet) = MutableIcmpPacket::new(body) {
                    let sum = icmp::checksum(&packet.to_immutable());
                    packet.set_checksum(sum);
                }
            }
            Protocol::Icmpv6 => {
                if let (Some(mut packet), IpAddr::V6(src), IpAddr::V6(dst)) =
                    (MutableIcmpv6Packet::new(body), src, dst)
                {
                    let sum = icmpv6::checksum(&packet.to_immutable(), &src, &dst);
                    packet.set_checksum(sum);
                }
            }
            _ => {}
        }
    }

    /// A TCP segment; `None` between addresses of two families.
    pub(super) fn tcp(segment: &Segment<'_>) -> Option<Self> {
        let mut body = vec![0; TCP + segment.payload.len()];
        let mut tcp = MutableTcpPacket::new(&mut body)?;
        tcp.set_source(segment.from.port());
        tcp.set_destination(segment.to.port());
        tcp.set_sequence(segment.seq);
        tcp.set_acknowledgement(segment.ack);
        tcp.set_data_offset((TCP / 4) as u8);
        tcp.set_flags(segment.flags);
        tcp.set_window(u16::MAX);
        tcp.set_payload(segment.payload);
        Self::wrap(segment.from.ip(), segment.to.ip(), Protocol::Tcp, &body)
    }

    /// A UDP datagram; `None` between addresses of two families.
    pub(super) fn udp(datagram: &Datagram<'_>) -> Option<Self> {
        let mut body = vec![0; UDP + datagram.payload.len()];
        let length = u16::try_from(body.len()).ok()?;
        let mut udp = MutableUdpPacket::new(&mut body)?;
        udp.set_source(datagram.from.port());
        udp.set_destination(datagram.to.port());
        udp.set_length(length);
        udp.set_payload(datagram.payload);
        Self::wrap(datagram.from.ip(), datagram.to.ip(), Protocol::Udp, &body)
    }

    /// What a router at `from` says to the sender of `about`; `None` about other errors.
    pub(super) fn complain(from: IpAddr, complaint: Complaint, about: &Self) -> Option<Self> {
        if matches!(about.protocol, Protocol::Icmp | Protocol::Icmpv6) {
            return None;
        }
        let quoted = about.octets.get(..QUOTED).unwrap_or(&about.octets);
        let mut body = vec![0; 8 + quoted.len()];
        body.get_mut(8..)?.copy_from_slice(quoted);
        if from.is_ipv4() {
            let mut icmp = MutableIcmpPacket::new(&mut body)?;
            let (kind, code) = complaint.v4();
            icmp.set_icmp_type(IcmpType(kind));
            icmp.set_icmp_code(IcmpCode(code));
            Self::wrap(from, about.src, Protocol::Icmp, &body)
        } else {
            let mut icmp = MutableIcmpv6Packet::new(&mut body)?;
            let (kind, code) = complaint.v6();
            icmp.set_icmpv6_type(Icmpv6Type(kind));
            icmp.set_icmpv6_code(Icmpv6Code(code));
            Self::wrap(from, about.src, Protocol::Icmpv6, &body)
        }
    }

    fn wrap(
        src: IpAddr,
        dst: IpAddr,
        protocol: IpNextHeaderProtocol,
        body: &[u8],
    ) -> Option<Self> {
        let (octets, header) = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => (wrap_v4(src, dst, protocol, body)?, V4),
            (IpAddr::V6(src), IpAddr::V6(dst)) => (wrap_v6(src, dst, protocol, body)?, V6),
            _ => return None,
        };
        let mut packet = Self {
            octets,
            src,
            dst,
            protocol,
            header,
            fragment: false,
        };
        packet.seal();
        Some(packet)
    }

    fn body(&self, protocol: IpNextHeaderProtocol) -> Option<&[u8]> {
        (self.protocol == protocol && !self.fragment)
            .then(|| self.octets.get(self.header..))
            .flatten()
    }
}

fn wrap_v4(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: IpNextHeaderProtocol,
    body: &[u8],
) -> Option<Vec<u8>> {
    let mut octets = vec![0; V4 + body.len()];
    let total = u16::try_from(octets.len()).ok()?;
    let mut ip = MutableIpv4Packet::new(&mut octets)?;
    ip.set_version(4);
    ip.set_header_length((V4 / 4) as u8);
    ip.set_total_length(total);
    ip.set_flags(2); // don't fragment
    ip.set_ttl(HOPS);
    ip.set_next_level_protocol(protocol);
    ip.set_source(src);
    ip.set_destination(dst);
    ip.set_payload(body);
    Some(octets)
}

fn wrap_v6(
    src: Ipv6Addr,
    dst: Ipv6Addr,
    protocol: IpNextHeaderProtocol,
    body: &[u8],
) -> Option<Vec<u8>> {
    let mut octets = vec![0; V6 + body.len()];
    let mut ip = MutableIpv6Packet::new(&mut octets)?;
    ip.set_version(6);
    ip.set_payload_length(u16::try_from(body.len()).ok()?);
    ip.set_next_header(protocol);
    ip.set_hop_limit(HOPS);
    ip.set_source(src);
    ip.set_destination(dst);
    ip.set_payload(body);
    Some(octets)
}

fn tcp_sum(packet: &TcpPacket<'_>, src: IpAddr, dst: IpAddr) -> u16 {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => tcp::ipv4_checksum(packet, &src, &dst),
        (IpAddr::V6(src), IpAddr::V6(dst)) => tcp::ipv6_checksum(packet, &src, &dst),
        _ => 0,
    }
}

fn udp_sum(packet: &UdpPacket<'_>, src: IpAddr, dst: IpAddr) -> u16 {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => udp::ipv4_checksum(packet, &src, &dst),
        (IpAddr::V6(src), IpAddr::V6(dst)) => udp::ipv6_checksum(packet, &src, &dst),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_built_is_read() {
        for (from, to) in [
            ("20.1.0.7:4000", "21.1.0.80:443"),
            ("[2a0e::7]:4000", "[2a0e::80]:443"),
        ] {
            let segment = Segment {
                from: at(from),
                to: at(to),
                seq: u32::MAX,
                ack: 7,
                flags: TcpFlags::FIN | TcpFlags::ACK,
                payload: b"odd",
            };
            let built = Packet::tcp(&segment).unwrap();
            let read = Packet::read(built.octets()).unwrap();
            assert_eq!(read.segment(), Some(segment));
            assert_eq!(segment.next_seq(), 3, "three octets and a FIN, around zero");
            let datagram = Datagram {
                from: at(from),
                to: at(to),
                payload: b"odd",
            };
            let built = Packet::udp(&datagram).unwrap();
            let mut read = Packet::read(built.octets()).unwrap();
            assert_eq!(read.datagram(), Some(datagram));
            assert!(read.segment().is_none());
            let complaint =
                Packet::complain(at(to).ip(), Complaint::TimeExceeded, &read).unwrap();
            assert_eq!(complaint.dst(), at(from).ip());
            assert!(complaint.octets().ends_with(built.octets()), "it quotes");
            assert!(
                Packet::complain(at(to).ip(), Complaint::TimeExceeded, &complaint).is_none()
            );
            let hops = std::iter::from_fn(|| read.hop().then_some(())).count();
            assert_eq!(hops, usize::from(HOPS) - 1);
        }
    }

    #[test]
    fn checksums_are_those_of_the_rfc() {
        // RFC 1071: the sum over a sealed header, its checksum included, is all ones.
        let datagram = Datagram {
            from: at("20.1.0.7:4000"),
            to: at("21.1.0.80:443"),
            payload: b"even",
        };
        let mut packet = Packet::udp(&datagram).unwrap();
        let sealed = packet.clone();
        packet.octets[10] = 0;
        packet.octets[V4 + 6] = 0xaa;
        packet.seal();
        assert_eq!(packet, sealed);
        let words = sealed.octets[..V4].chunks(2);
        let sum: u32 = words
            .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])))
            .sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }

    #[test]
    fn what_is_cut_short_or_no_packet_is_refused_or_harmless() {
        let segment = Segment {
            from: at("20.1.0.7:4000"),
            to: at("21.1.0.80:443"),
            seq: 1,
            ack: 1,
            flags: TcpFlags::ACK,
            payload: b"payload",
        };
        let whole = Packet::tcp(&segment).unwrap().octets().to_vec();
        for length in 0..whole.len() {
            assert!(Packet::read(&whole[..length]).is_none());
        }
        let mut chance = crate::entropy::Seeded::new(7, 7);
        for _ in 0..20_000 {
            let mut octets = whole.clone();
            for _ in 0..4 {
                let at = chance.draw() as usize % octets.len();
                octets[at] = chance.draw() as u8;
            }
            if let Some(mut packet) = Packet::read(&octets) {
                let _ = (packet.segment(), packet.datagram());
                packet.hop();
                packet.seal();
                let _ = Packet::complain(packet.dst(), Complaint::HostUnreachable, &packet);
            }
        }
    }
}
