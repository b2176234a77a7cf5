//! How do settings get into a board that has no screen and no keyboard? As one block at the
//! start of its flash, written when the board is flashed.
//!
//! ```text
//! "FLB1" | length of the CBOR, u32, big endian | SHA-256 of the CBOR | CBOR
//! ```
//!
//! The CBOR has numbered fields (`minicbor`), as everything else in Faultline: an older image
//! skips what it does not know, a newer one has defaults for what is missing.

use crate::{Captive, CollectorAt, Consent, Settings, Timeouts};
use alloc::{string::String, vec::Vec};
use core::net::{Ipv4Addr, SocketAddrV4};
use faultline_core::{protocol::Risk, time::Duration};
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

/// Octets that a board keeps for the block, at the start of its flash.
pub const ROOM: usize = 8192;
/// Octets before the CBOR.
const HEAD: usize = 4 + 4 + 32;
const MAGIC: &[u8; 4] = b"FLB1";

/// What a board is told before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provision {
    /// What its owner set.
    pub settings: Settings,
    /// The certificate of the collector's authority, DER; empty where the collector is spoken
    /// to in the clear.
    pub authority: Vec<u8>,
}

/// Why a board knows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvisionError {
    /// There is no block.
    #[error("the board has no settings: write the settings block to the start of its flash")]
    Empty,
    /// The block is not what was written.
    #[error("the board's settings are damaged: write the settings block again")]
    Damaged,
    /// The settings do not fit.
    #[error("the settings take {0} octets, and there is room for 8152: name fewer targets")]
    TooLong(usize),
    /// Without TLS, whoever is on the way says what is measured, and reads what was.
    #[error(
        "the board is to speak to its collector in the clear, which only closed test networks may: set `tls`, and name the authority"
    )]
    Plain,
}

impl Provision {
    /// The block to write.
    pub fn block(&self) -> Result<Vec<u8>, ProvisionError> {
        self.is_safe()?;
        let cbor = faultline_core::codec::to_cbor(&Written::from(self));
        let length = u32::try_from(cbor.len()).unwrap_or(u32::MAX);
        if cbor.len() > ROOM - HEAD {
            return Err(ProvisionError::TooLong(cbor.len()));
        }
        let mut block = MAGIC.to_vec();
        block.extend_from_slice(&length.to_be_bytes());
        block.extend_from_slice(&Sha256::digest(&cbor));
        block.extend_from_slice(&cbor);
        Ok(block)
    }

    /// Reads a block, which may be followed by anything.
    pub fn read(flash: &[u8]) -> Result<Self, ProvisionError> {
        let rest = flash.strip_prefix(MAGIC).ok_or(ProvisionError::Empty)?;
        let (length, rest) = rest.split_first_chunk().ok_or(ProvisionError::Damaged)?;
        let (digest, rest) = rest
            .split_first_chunk::<32>()
            .ok_or(ProvisionError::Damaged)?;
        let length = u32::from_be_bytes(*length) as usize;
        let cbor = rest.get(..length).ok_or(ProvisionError::Damaged)?;
        if Sha256::digest(cbor)[..] != digest[..] {
            return Err(ProvisionError::Damaged);
        }
        let written: Written =
            faultline_core::codec::from_cbor(cbor).map_err(|_| ProvisionError::Damaged)?;
        let provision = Self::from(written);
        provision.is_safe()?;
        Ok(provision)
    }

    const fn is_safe(&self) -> Result<(), ProvisionError> {
        if self.settings.collector.tls || self.settings.contact_special {
            Ok(())
        } else {
            Err(ProvisionError::Plain)
        }
    }
}

/// The settings as they are written.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Written {
    #[n(0)]
    consent: Option<Agreed>,
    #[n(1)]
    host: String,
    #[n(2)]
    port: u16,
    #[n(3)]
    tls: bool,
    #[n(4)]
    address: Option<u32>,
    #[n(5)]
    authority: minicbor::bytes::ByteVec,
    #[n(6)]
    targets: Vec<String>,
    #[n(7)]
    public_resolvers: Vec<At>,
    #[n(8)]
    non_resolver: Option<At>,
    #[n(9)]
    neutral_name: String,
    #[n(10)]
    captive: Option<Portal>,
    /// Microseconds, like all times below.
    #[n(11)]
    every: u64,
    #[n(12)]
    contact_special: bool,
    /// For names, their watch, connections, handshakes, pages.
    #[n(13)]
    timeouts: Option<[u64; 5]>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Agreed {
    #[n(0)]
    version: u16,
    #[n(1)]
    names: bool,
    #[n(2)]
    sites: bool,
    #[n(3)]
    risk: Risk,
    #[n(4)]
    #[cbor(default)]
    beat: bool,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct At {
    #[n(0)]
    address: u32,
    #[n(1)]
    port: u16,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Portal {
    #[n(0)]
    host: String,
    #[n(1)]
    path: String,
    #[n(2)]
    status: u16,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl From<&SocketAddrV4> for At {
    fn from(at: &SocketAddrV4) -> Self {
        Self {
            address: at.ip().to_bits(),
            port: at.port(),
        }
    }
}

impl From<At> for SocketAddrV4 {
    fn from(at: At) -> Self {
        Self::new(Ipv4Addr::from_bits(at.address), at.port)
    }
}

impl From<&Provision> for Written {
    fn from(provision: &Provision) -> Self {
        let settings = provision.settings.clone();
        let times = settings.timeouts;
        let times = [times.dns, times.watch, times.tcp, times.tls, times.http];
        Self {
            consent: settings.consent.map(|consent| Agreed {
                version: consent.version,
                names: consent.names,
                sites: consent.sites,
                risk: consent.risk,
                beat: consent.beat,
            }),
            host: settings.collector.host,
            port: settings.collector.port,
            tls: settings.collector.tls,
            address: settings.collector.address.map(Ipv4Addr::to_bits),
            authority: provision.authority.clone().into(),
            targets: settings.targets,
            public_resolvers: settings.public_resolvers.iter().map(At::from).collect(),
            non_resolver: settings.non_resolver.as_ref().map(At::from),
            neutral_name: settings.neutral_name,
            captive: settings.captive.map(|captive| Portal {
                host: captive.host,
                path: captive.path,
                status: captive.status,
            }),
            every: micros(settings.every),
            contact_special: settings.contact_special,
            timeouts: Some(times.map(micros)),
        }
    }
}

impl From<Written> for Provision {
    fn from(written: Written) -> Self {
        let timeouts = written.timeouts.map_or_else(Timeouts::default, |times| {
            let [dns, watch, tcp, tls, http] = times.map(Duration::from_micros);
            Timeouts {
                dns,
                watch,
                tcp,
                tls,
                http,
            }
        });
        Self {
            authority: written.authority.into(),
            settings: Settings {
                consent: written.consent.map(|agreed| Consent {
                    version: agreed.version,
                    names: agreed.names,
                    sites: agreed.sites,
                    risk: agreed.risk,
                    beat: agreed.beat,
                }),
                collector: CollectorAt {
                    host: written.host,
                    port: written.port,
                    tls: written.tls,
                    address: written.address.map(Ipv4Addr::from_bits),
                },
                targets: written.targets,
                public_resolvers: written
                    .public_resolvers
                    .into_iter()
                    .map(Into::into)
                    .collect(),
                non_resolver: written.non_resolver.map(Into::into),
                neutral_name: written.neutral_name,
                captive: written.captive.map(|portal| Captive {
                    host: portal.host,
                    path: portal.path,
                    status: portal.status,
                }),
                every: Duration::from_micros(written.every),
                contact_special: written.contact_special,
                timeouts,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn provision() -> Provision {
        Provision {
            settings: Settings {
                consent: Some(Consent {
                    version: 1,
                    names: true,
                    sites: false,
                    risk: Risk::Medium,
                    beat: true,
                }),
                collector: CollectorAt {
                    host: "collector.example".into(),
                    port: 443,
                    tls: true,
                    address: Some(Ipv4Addr::new(20, 1, 0, 55)),
                },
                targets: vec!["https://news.example/".into()],
                public_resolvers: vec!["20.1.0.53:53".parse().unwrap()],
                non_resolver: Some("20.1.0.99:53".parse().unwrap()),
                neutral_name: "neutral.example".into(),
                captive: Some(Captive {
                    host: "portal.example".into(),
                    path: "/generate_204".into(),
                    status: 204,
                }),
                every: Duration::from_mins(10),
                contact_special: true,
                timeouts: Timeouts {
                    dns: Duration::from_millis(1500),
                    ..Timeouts::default()
                },
            },
            authority: vec![0x30; 500],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut block = provision().block().unwrap();
        assert_eq!(Provision::read(&block), Ok(provision()));
        block.resize(ROOM, 0xff);
        assert_eq!(Provision::read(&block), Ok(provision()));
        let bare = Provision {
            settings: Settings {
                consent: None,
                non_resolver: None,
                captive: None,
                ..provision().settings
            },
            authority: Vec::new(),
        };
        assert_eq!(Provision::read(&bare.block().unwrap()), Ok(bare));
    }

    #[test]
    fn what_is_damaged_is_not_believed() {
        let block = provision().block().unwrap();
        for at in 0..block.len() {
            let mut damaged = block.clone();
            damaged[at] ^= 4;
            assert!(Provision::read(&damaged).is_err(), "octet {at}");
            assert!(Provision::read(&block[..at]).is_err(), "cut at {at}");
        }
        assert_eq!(Provision::read(&[0xff; 64]), Err(ProvisionError::Empty));
    }

    #[test]
    fn a_collector_in_the_clear_is_for_closed_networks() {
        let mut plain = provision();
        plain.settings.collector.tls = false;
        let mut block = plain.block().unwrap();
        assert_eq!(Provision::read(&block), Ok(plain.clone()));
        plain.settings.contact_special = false;
        assert_eq!(plain.block(), Err(ProvisionError::Plain));
        // Nor is one believed that another tool wrote.
        let cbor = faultline_core::codec::to_cbor(&Written::from(&plain));
        block.truncate(4);
        block.extend_from_slice(&(cbor.len() as u32).to_be_bytes());
        block.extend_from_slice(&Sha256::digest(&cbor));
        block.extend_from_slice(&cbor);
        assert_eq!(Provision::read(&block), Err(ProvisionError::Plain));
    }

    #[test]
    fn what_has_no_room_is_refused() {
        let mut large = provision();
        large.authority = vec![0; ROOM];
        assert!(matches!(large.block(), Err(ProvisionError::TooLong(_))));
    }
}
