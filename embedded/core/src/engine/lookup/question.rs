//! What is asked, and in which octets?

use super::{Inquiry, Settings};
use crate::{
    dns::{EdnsRequest, NameBuf, Query, RecordType, encode_0x20},
    observation::{DnsTransport, ResolverRole},
};
use alloc::{string::String, vec, vec::Vec};
use core::net::SocketAddr;

/// A question to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name, without a final dot.
    pub name: String,
    /// Record type (IANA number).
    pub rtype: u16,
    /// On whose behalf the resolver answers.
    pub role: ResolverRole,
    /// How the question travels.
    pub transport: DnsTransport,
    /// Where it goes.
    pub resolver: SocketAddr,
    /// The resolver's authenticated name, for encrypted transports.
    pub resolver_name: Option<String>,
}

/// A question as it goes out.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) id: u16,
    pub(super) name: NameBuf,
    pub(super) rtype: RecordType,
    pub(super) wire: Vec<u8>,
}

impl Asked {
    /// The query's octets; in the clear with letter case mixed by chance, since a resolver
    /// echoes it and an injector has to (draft-vixie-dnsext-dns0x20). `None` where the name
    /// is no domain name.
    pub(super) fn new(
        question: &Question,
        settings: &Settings,
        entropy: &[u8; Inquiry::ENTROPY],
    ) -> Option<Self> {
        let name: NameBuf = question.name.parse().ok()?;
        let [high, low, case @ ..] = entropy;
        let drawn = u16::from_be_bytes([*high, *low]);
        let (id, name) = match question.transport {
            DnsTransport::Udp | DnsTransport::Tcp => (drawn, encode_0x20(&name, case)),
            // RFC 8484 section 4.1: zero, so that caches can work. RFC 9250 section 4.2.1: the
            // stream tells questions apart.
            DnsTransport::Https | DnsTransport::Quic => (0, name),
            _ => (drawn, name),
        };
        let rtype = RecordType(question.rtype);
        let edns = EdnsRequest {
            udp_size: settings.udp_size,
            dnssec_ok: settings.dnssec_ok,
            nsid: false,
        };
        let query = Query {
            edns: settings.edns.then_some(edns),
            ..Query::new(id, name, rtype)
        };
        let mut wire = vec![0; Query::MAX_LEN];
        let length = query.emit(&mut wire).ok()?;
        wire.truncate(length);
        Some(Self {
            id,
            name,
            rtype,
            wire,
        })
    }
}
