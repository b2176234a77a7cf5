//! How does a host without a kernel find its way? As at home: it asks who gives addresses
//! (DHCP, RFC 2131) and whose hardware is behind one (ARP, RFC 826).
//!
//! The router answers on the links of boards, at once and without delay or loss, as equipment
//! at home does. It gives each its one address, calls itself the gateway, and says to every
//! question by ARP that the address is behind itself (RFC 1027).

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress,
    EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket,
    UdpRepr,
};
use std::net::Ipv4Addr;

/// The hardware address of every end of the router's.
pub(super) const ROUTER: [u8; 6] = [2, 0, 0, 1, 0, 0];
/// Seconds for which an address is given.
const LEASE: u32 = 3600;
/// Ports of server and client (RFC 2131 section 4.1).
const SERVER: u16 = 67;
const CLIENT: u16 = 68;
/// Resolvers that a board is told of at most; more would be dropped by it.
const RESOLVERS: usize = 3;

/// What a board is given.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) address: Ipv4Addr,
    pub(super) resolvers: Vec<Ipv4Addr>,
}

impl Lease {
    /// The gateway that a board is told of: the last address of its 254.
    fn gateway(&self) -> Ipv4Addr {
        let [a, b, c, _] = self.address.octets();
        Ipv4Addr::new(a, b, c, 254)
    }

    /// The frame that answers `frame`, where it asks for a way.
    pub(super) fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let frame = EthernetFrame::new_checked(frame).ok()?;
        match frame.ethertype() {
            EthernetProtocol::Arp => self.resolve(&frame),
            EthernetProtocol::Ipv4 => self.give(&frame),
            _ => None,
        }
    }

    fn resolve(&self, frame: &EthernetFrame<&[u8]>) -> Option<Vec<u8>> {
        let asked = ArpRepr::parse(&ArpPacket::new_checked(frame.payload()).ok()?).ok()?;
        let ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: asker,
            source_protocol_addr: from,
            target_protocol_addr: wanted,
            ..
        } = asked
        else {
            return None;
        };
        // Its own address is behind itself: whoever asks looks for another that has it.
        if wanted == self.address {
            return None;
        }
        let answer = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: EthernetAddress(ROUTER),
            source_protocol_addr: wanted,
            target_hardware_addr: asker,
            target_protocol_addr: from,
        };
        let write = |room: &mut [u8]| answer.emit(&mut ArpPacket::new_unchecked(room));
        let length = answer.buffer_len();
        Some(framed(asker, EthernetProtocol::Arp, length, write))
    }

    fn give(&self, frame: &EthernetFrame<&[u8]>) -> Option<Vec<u8>> {
        let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
        if packet.next_header() != IpProtocol::Udp {
            return None;
        }
        let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
        if datagram.dst_port() != SERVER {
            return None;
        }
        let message = DhcpPacket::new_checked(datagram.payload()).ok()?;
        let asked = DhcpRepr::parse(&message).ok()?;
        let message_type = match asked.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            DhcpMessageType::Request => {
                let wanted = asked.requested_ip.unwrap_or(asked.client_ip);
                if wanted == self.address {
                    DhcpMessageType::Ack
                } else {
                    DhcpMessageType::Nak
                }
            }
            _ => return None,
        };
        let resolvers = self.resolvers.iter().take(RESOLVERS);
        let answer = DhcpRepr {
            message_type,
            your_ip: self.address,
            server_ip: self.gateway(),
            router: Some(self.gateway()),
            subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(self.gateway()),
            parameter_request_list: None,
            dns_servers: Some(resolvers.copied().collect()),
            max_size: None,
            lease_duration: Some(LEASE),
            ..asked
        };
        let length = answer.buffer_len();
        let ports = UdpRepr {
            src_port: SERVER,
            dst_port: CLIENT,
        };
        let header = Ipv4Repr {
            src_addr: self.gateway(),
            dst_addr: Ipv4Addr::BROADCAST,
            next_header: IpProtocol::Udp,
            payload_len: ports.header_len() + length,
            hop_limit: 64,
        };
        let checksums = ChecksumCapabilities::default();
        let write = |room: &mut [u8]| {
            let mut packet = Ipv4Packet::new_unchecked(room);
            header.emit(&mut packet, &checksums);
            let payload = |room: &mut [u8]| {
                // As long as it said that it needs.
                let _ = answer.emit(&mut DhcpPacket::new_unchecked(room));
            };
            ports.emit(
                &mut UdpPacket::new_unchecked(packet.payload_mut()),
                &header.src_addr.into(),
                &header.dst_addr.into(),
                length,
                payload,
                &checksums,
            );
        };
        let whole = header.buffer_len() + header.payload_len;
        let to = asked.client_hardware_address;
        Some(framed(to, EthernetProtocol::Ipv4, whole, write))
    }
}

fn framed(
    to: EthernetAddress,
    ethertype: EthernetProtocol,
    length: usize,
    write: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let header = EthernetRepr {
        src_addr: EthernetAddress(ROUTER),
        dst_addr: to,
        ethertype,
    };
    let mut octets = vec![0; header.buffer_len() + length];
    let mut frame = EthernetFrame::new_unchecked(&mut octets[..]);
    header.emit(&mut frame);
    write(frame.payload_mut());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOARD: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 9]);

    fn lease() -> Lease {
        Lease {
            address: Ipv4Addr::new(20, 1, 0, 7),
            resolvers: vec![Ipv4Addr::new(20, 1, 0, 53)],
        }
    }

    fn question(wanted: [u8; 4]) -> Vec<u8> {
        let question = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Request,
            source_hardware_addr: BOARD,
            source_protocol_addr: lease().address,
            target_hardware_addr: EthernetAddress([0; 6]),
            target_protocol_addr: wanted.into(),
        };
        let write = |room: &mut [u8]| question.emit(&mut ArpPacket::new_unchecked(room));
        framed(EthernetAddress::BROADCAST, EthernetProtocol::Arp, 28, write)
    }

    #[test]
    fn every_address_but_its_own_is_behind_the_router() {
        for wanted in [[20, 1, 0, 254], [20, 1, 0, 53], [21, 1, 0, 80]] {
            let answer = lease().answer(&question(wanted)).unwrap();
            let frame = EthernetFrame::new_checked(&answer[..]).unwrap();
            assert_eq!(frame.dst_addr(), BOARD);
            let arp = ArpRepr::parse(&ArpPacket::new_checked(frame.payload()).unwrap());
            let ArpRepr::EthernetIpv4 {
                source_hardware_addr,
                source_protocol_addr,
                ..
            } = arp.unwrap()
            else {
                panic!("not of Ethernet");
            };
            assert_eq!(source_hardware_addr, EthernetAddress(ROUTER));
            assert_eq!(source_protocol_addr.octets(), wanted);
        }
        assert_eq!(lease().answer(&question([20, 1, 0, 7])), None);
    }

    #[test]
    fn what_asks_for_no_way_is_not_answered() {
        let mut noise = question([20, 1, 0, 254]);
        for at in 0..noise.len() {
            let _ = lease().answer(&noise[..at]);
        }
        noise[12..14].copy_from_slice(&[0x86, 0xdd]);
        assert_eq!(lease().answer(&noise), None);
    }
}
