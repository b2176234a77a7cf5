//! What does a box read in QUIC datagrams, and what does it do?
//!
//! Initials of version 1 are protected by keys that everybody on the path can derive from the
//! client's first connection ID (RFC 9001 section 5.2): the name in the ClientHello is there
//! to be read, as the Great Firewall does since 2024. TSPU in 2022 dropped whatever said
//! version 1. The same keys let a box close a connection in the server's name.

use super::{Kind, Middlebox, sni};
use crate::resolver::below;
use faultline_core::wire::quic::{Long, V1, is_initial, negotiate};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{DirectionalKeys, Keys, Version};
use std::net::SocketAddr;

/// The ports that boxes watch: of pages, and of names (RFC 9250 section 4.1.1).
pub const PORT: u16 = 443;
pub const NAMES: u16 = 853;
/// What a forged Version Negotiation packet offers instead: draft 29, which nobody speaks now.
const DRAFT_29: u32 = 0xff00_001d;
/// `CONNECTION_REFUSED` (RFC 9000 section 20.1).
const REFUSED: u8 = 2;

/// What becomes of a datagram of a client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Pass,
    /// It is lost; others of its flow may pass.
    Lose,
    /// Nothing of its flow passes any more, in either direction; the client may get an answer.
    Condemn(Option<Vec<u8>>),
}

impl Middlebox {
    /// What becomes of a client's datagram to `to`.
    pub fn on_datagram(&self, to: SocketAddr, datagram: &[u8]) -> Fate {
        let here = self.addresses.is_empty() || self.addresses.contains(&to.ip());
        if !matches!(to.port(), PORT | NAMES) || !here {
            return Fate::Pass;
        }
        let named = || server_name(datagram).is_some_and(|name| below(&self.names, &name));
        match self.kind {
            Kind::UdpDrop => Fate::Lose,
            Kind::QuicVersionDrop
                if Long::parse(datagram).is_some_and(|long| long.version == V1) =>
            {
                Fate::Lose
            }
            Kind::QuicDrop if named() => Fate::Condemn(None),
            Kind::QuicVersionForge if named() => {
                let mut answer = [0; 64];
                let length = negotiate(datagram, &[DRAFT_29], &mut answer);
                Fate::Condemn(length.map(|length| answer[..length].to_vec()))
            }
            Kind::QuicClose if named() => Fate::Condemn(close(datagram)),
            _ => Fate::Pass,
        }
    }
}

/// The name in a client's Initial, lower case.
pub fn server_name(datagram: &[u8]) -> Option<String> {
    let hello = hello(datagram)?;
    let length = u16::try_from(hello.len()).ok()?.to_be_bytes();
    let record = [&[0x16, 3, 1], &length[..], &hello].concat();
    sni::server_name(&record)
}

/// The keys of the one who first sent to `destination`, and of who answers.
fn keys(destination: &[u8]) -> Option<(DirectionalKeys, DirectionalKeys)> {
    let suite = TLS13_AES_128_GCM_SHA256.tls13()?.quic_suite()?;
    let Keys { local, remote } = suite.keys(destination, rustls::Side::Server, Version::V1);
    Some((remote, local))
}

/// The CRYPTO frames of an Initial, put together.
fn hello(datagram: &[u8]) -> Option<Vec<u8>> {
    if !is_initial(datagram) {
        return None;
    }
    let long = Long::parse(datagram)?;
    let (token, rest) = varint(long.rest)?;
    let rest = rest.get(usize::try_from(token).ok()?..)?;
    let (length, body) = varint(rest)?;
    let at = datagram.len() - body.len();
    let end = at.checked_add(usize::try_from(length).ok()?)?;
    let mut packet = datagram.get(..end)?.to_vec();
    let (client, _) = keys(long.destination)?;
    let sample = packet
        .get(at + 4..at + 4 + client.header.sample_len())?
        .to_vec();
    let (head, tail) = packet.split_at_mut(at);
    let number = tail.get_mut(..4)?;
    client
        .header
        .decrypt_in_place(&sample, &mut head[0], number)
        .ok()?;
    let width = usize::from(head[0] & 3) + 1;
    let number = tail[..width]
        .iter()
        .fold(0, |sum, o| sum << 8 | u64::from(*o));
    let (header, payload) = packet.split_at_mut(at + width);
    let frames = client
        .packet
        .decrypt_in_place(number, header, payload)
        .ok()?;
    reassemble(frames)
}

fn reassemble(mut frames: &[u8]) -> Option<Vec<u8>> {
    let mut crypto = Vec::new();
    while let Some((kind, rest)) = frames.split_first() {
        frames = match kind {
            0 | 1 => rest, // PADDING, PING
            6 => {
                let (offset, rest) = varint(rest)?;
                let (length, rest) = varint(rest)?;
                let (data, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
                let from = usize::try_from(offset)
                    .ok()
                    .filter(|from| *from < 1 << 16)?;
                if crypto.len() < from + data.len() {
                    crypto.resize(from + data.len(), 0);
                }
                crypto[from..from + data.len()].copy_from_slice(data);
                rest
            }
            _ => break,
        };
    }
    Some(crypto)
}

/// An Initial of the server's that closes the connection.
fn close(datagram: &[u8]) -> Option<Vec<u8>> {
    let long = Long::parse(datagram)?;
    let (_, server) = keys(long.destination)?;
    // CONNECTION_CLOSE, caused by no frame, without a reason; padded to give a sample.
    let mut payload = vec![0x1c, REFUSED, 0, 0];
    payload.resize(32, 0);
    let mut packet = vec![0xc0];
    packet.extend(V1.to_be_bytes());
    for id in [long.source, long.destination] {
        packet.push(id.len() as u8);
        packet.extend(id);
    }
    packet.push(0); // no token
    let length = 1 + payload.len() + server.packet.tag_len();
    packet.extend((length as u16 | 0x4000).to_be_bytes());
    let at = packet.len();
    packet.push(0); // packet number
    let tag = server
        .packet
        .encrypt_in_place(0, &packet, &mut payload)
        .ok()?;
    packet.extend(payload);
    packet.extend(tag.as_ref());
    let sample = packet
        .get(at + 4..at + 4 + server.header.sample_len())?
        .to_vec();
    let (head, tail) = packet.split_at_mut(at);
    let number = tail.get_mut(..1)?;
    server
        .header
        .encrypt_in_place(&sample, &mut head[0], number)
        .ok()?;
    Some(packet)
}

/// RFC 9000 section 16.
fn varint(octets: &[u8]) -> Option<(u64, &[u8])> {
    let length = 1 << (octets.first()? >> 6);
    let (number, rest) = octets.split_at_checked(length)?;
    let value = number.iter().fold(0, |sum, o| sum << 8 | u64::from(*o));
    Some((value & (u64::MAX >> (66 - 8 * length)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quic::first_datagram;

    fn middlebox(kind: &str) -> Middlebox {
        let text = format!("kind = '{kind}'\nasn = 64500\nnames = ['news.example']");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn a_name_is_read_in_an_initial_of_another_implementation() {
        let datagram = first_datagram("www.News.example");
        assert_eq!(server_name(&datagram).as_deref(), Some("www.news.example"));
        for length in 0..datagram.len() {
            assert_eq!(server_name(&datagram[..length]), None, "{length}");
        }
    }

    #[test]
    fn a_box_knows_whom_it_means() {
        let to = "21.1.0.80:443".parse().unwrap();
        let (listed, other) = (first_datagram("news.example"), first_datagram("a.example"));
        let condemns = |kind| {
            let middlebox = middlebox(kind);
            assert_eq!(middlebox.on_datagram(to, &other), Fate::Pass);
            match middlebox.on_datagram(to, &listed) {
                Fate::Condemn(answer) => answer,
                fate => panic!("{kind}: {fate:?}"),
            }
        };
        assert_eq!(condemns("quic_drop"), None);
        let forged = condemns("quic_version_forge").unwrap();
        let versions: Vec<_> = Long::parse(&forged).unwrap().versions().collect();
        assert_eq!(versions, [DRAFT_29]);
        assert!(condemns("quic_close").is_some());
        for kind in ["quic_version_drop", "udp_drop"] {
            let middlebox = middlebox(kind);
            assert_eq!(middlebox.on_datagram(to, &other), Fate::Lose);
            let elsewhere = "21.1.0.80:53".parse().unwrap();
            assert_eq!(middlebox.on_datagram(elsewhere, &other), Fate::Pass);
        }
    }
}
