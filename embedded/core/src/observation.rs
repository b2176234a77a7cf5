//! What was seen? Facts only, one step each; meaning comes later, in `verdict`.
//!
//! Offsets are microseconds since the measurement's start on the monotonic clock. Every
//! struct is a CBOR map with numbered keys: a new optional field gets a new number, old
//! numbers are never used again, and readers skip what they do not know.

use crate::{
    failure::Failure,
    value::{Blob, Ip},
};
use alloc::{string::String, vec::Vec};
use minicbor::{Decode, Encode};

macro_rules! fact {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$fdoc:meta])* $n:literal $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cbor(map)]
        pub struct $name { $($(#[$fdoc])* #[n($n)] pub $field: $ty,)* }
    };
}
macro_rules! code {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$vdoc:meta])* $n:literal $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
        #[cbor(index_only)]
        #[non_exhaustive]
        pub enum $name { $($(#[$vdoc])* #[n($n)] $variant,)* }
    };
}
pub(crate) use {code, fact};

fact! {
    /// One step of a measurement and how it ended.
    pub struct Observation {
        /// Microseconds from the measurement's start to the step's.
        0 started: u64,
        /// Microseconds from the measurement's start to the step's end.
        1 ended: u64,
        /// What was done and seen.
        2 step: Step,
        /// How the network said no; `None` where it did not.
        3 failure: Option<Failure>,
    }
}

/// What was done. New kinds get new numbers; a reader that does not know a kind keeps the
/// batch and says so.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Step {
    /// A name was asked of a resolver.
    #[n(0)]
    Lookup(#[n(0)] Lookup),
    /// A TCP connection was tried.
    #[n(1)]
    Connect(#[n(0)] Connect),
    /// A TLS handshake was tried.
    #[n(2)]
    Handshake(#[n(0)] Handshake),
    /// A page was fetched.
    #[n(3)]
    Fetch(#[n(0)] Fetch),
    /// A QUIC connection was tried.
    #[cfg(feature = "transports")]
    #[n(4)]
    Quic(#[n(0)] Quic),
}

code! {
    /// On whose behalf the asked resolver answers.
    pub enum ResolverRole {
        /// The operating system's resolver, whatever is behind it.
        0 System,
        /// A resolver that the network announced (DHCP, resolv.conf).
        1 Network,
        /// A public resolver over a plain transport.
        2 Public,
        /// A public resolver over an authenticated, encrypted transport: the control.
        3 Encrypted,
        /// An address that runs no resolver: any reply is an injection (GFWatch).
        4 NonResolver,
        /// The collector's own resolver (test helper).
        5 Helper,
        /// An address that runs no resolver, in the country that the probe is in, by the word
        /// of the collector that named it.
        6 NonResolverInside,
        /// The same in another country: a query to it leaves the probe's.
        7 NonResolverAbroad,
    }
}
code! {
    /// How a query travelled.
    pub enum DnsTransport {
        /// Unknown: the operating system's business.
        0 System,
        /// UDP, RFC 1035.
        1 Udp,
        /// TCP, RFC 7766.
        2 Tcp,
        /// DNS over TLS, RFC 7858.
        3 Tls,
        /// DNS over HTTPS, RFC 8484.
        4 Https,
        /// DNS over dedicated QUIC connections, RFC 9250.
        5 Quic,
    }
}
impl ResolverRole {
    /// Whether no resolver runs there: any reply is an injection.
    pub const fn is_nobody(self) -> bool {
        matches!(
            self,
            Self::NonResolver | Self::NonResolverInside | Self::NonResolverAbroad
        )
    }
}
fact! {
    /// A question to one resolver and every reply that came.
    pub struct Lookup {
        /// The name as asked, without 0x20 mixing, no trailing dot.
        0 name: String,
        /// Record type (IANA number: 1 A, 28 AAAA, 16 TXT ...).
        1 rtype: u16,
        /// On whose behalf the resolver answers.
        2 role: ResolverRole,
        /// How the query travelled.
        3 transport: DnsTransport,
        /// The resolver's address, where one was used.
        4 resolver: Option<Ip>,
        /// The resolver's authenticated name, for encrypted transports.
        5 resolver_name: Option<String>,
        /// Every datagram that came in the watch window, in order of arrival; for the
        /// operating system's resolver one synthetic reply without raw bytes.
        6 replies: Vec<Reply>,
        /// Microseconds that the watch stayed open after the first reply: at least half a
        /// second for datagrams, and up to five where other work went on.
        7 watched: u64,
        /// The query's number among retries to the same resolver, from 0.
        8 attempt: u8,
    }
}
fact! {
    /// One reply to a [`Lookup`].
    pub struct Reply {
        /// Microseconds after the query left.
        0 after: u64,
        /// Where it came from, as its datagram said.
        1 from: Option<Ip>,
        /// Response code, with the extended bits where EDNS carried them.
        2 rcode: u16,
        /// The 16 flag bits of the header (RFC 1035 section 4.1.1).
        3 flags: u16,
        /// Addresses of the asked type, in order.
        4 addresses: Vec<Ip>,
        /// Names that CNAME records led through, in order.
        5 aliases: Vec<String>,
        /// Smallest TTL of the answer section, seconds.
        6 ttl: Option<u32>,
        /// Whether an OPT record was present.
        7 edns: bool,
        /// Why the reply cannot count as an answer to the question: malformed, mismatched.
        8 failure: Option<Failure>,
        /// Whether the question's letter case came back as sent (0x20).
        9 case_echoed: Option<bool>,
        /// The datagram, capped.
        10 raw: Option<Blob>,
        /// IP TTL or hop limit of the datagram, where the driver sees it.
        11 hop_limit: Option<u8>,
    }
}
fact! {
    /// A TCP connection attempt.
    pub struct Connect {
        /// Destination address.
        0 ip: Ip,
        /// Destination port.
        1 port: u16,
        /// Who gave the address.
        2 source: AddressSource,
    }
}
code! {
    /// Who gave an address.
    pub enum AddressSource {
        /// A resolver that the probe asked.
        0 Probe,
        /// The control's answers.
        1 Control,
        /// The target itself is an address.
        2 Literal,
    }
}
code! {
    /// Why a handshake was made, over TCP or QUIC.
    pub enum HandshakeRole {
        /// With the target's name to one of its addresses.
        0 Target,
        /// Same address, a neutral name: tells name filtering from address filtering.
        1 NeutralName,
        /// The target's name to a neutral address.
        2 NeutralAddress,
        /// Another host under its own name: tells what is done to everybody from what is done
        /// to the target.
        3 Reference,
        /// Same address, a version of QUIC that nobody speaks (RFC 9000 section 6.3): who
        /// answers is reached by datagrams.
        4 OtherVersion,
        /// With the target's name and an ECH extension that means nothing (GREASE).
        5 GreaseEch,
        /// With the name of the target's client-facing server outside, the target's hidden in
        /// an ECH extension by the key that the DNS gave.
        6 Ech,
        /// With the name of the target's client-facing server and no ECH extension.
        7 PublicName,
        /// With the name that a handshake with ECH shows and no ECH extension, as long as that
        /// one: tells what is done to the extension from what is done to length.
        8 LongHello,
        /// With the target's name, in packets that may go only so many hops.
        9 HopTarget,
        /// Likewise, with a neutral name.
        10 HopNeutral,
    }
}
code! {
    /// How far a handshake came.
    pub enum HandshakeStage {
        /// Nothing was sent.
        0 Connected,
        /// The ClientHello was sent, nothing came back.
        1 HelloSent,
        /// A ServerHello came back.
        2 ServerHello,
        /// The handshake is complete.
        3 Complete,
    }
}
fact! {
    /// A TLS handshake over a TCP connection.
    pub struct Handshake {
        /// Destination address.
        0 ip: Ip,
        /// Destination port.
        1 port: u16,
        /// Name sent in SNI; `None` where none was sent.
        2 server_name: Option<String>,
        /// Why it was made.
        3 role: HandshakeRole,
        /// How far it came.
        4 stage: HandshakeStage,
        /// Negotiated version (0x0304 is TLS 1.3).
        5 version: Option<u16>,
        /// Negotiated cipher suite (IANA number).
        6 cipher: Option<u16>,
        /// Negotiated protocol (ALPN).
        7 alpn: Option<String>,
        /// Certificates as sent, DER, leaf first, capped.
        8 chain: Vec<Blob>,
        /// Whether the chain is valid for the name, and if not, why. `None` inside means
        /// valid; the field is absent where nothing could be said.
        9 certificate: Option<Validity>,
        /// First bytes received, capped, where they were not TLS.
        10 first_bytes: Option<Blob>,
        /// IP TTL or hop limit that the ClientHello left with, where it was lowered to find out
        /// how far it comes.
        11 hop_limit: Option<u8>,
    }
}
fact! {
    /// A QUIC handshake (RFC 9000, RFC 9001), and one request over HTTP/3 (RFC 9114) where it
    /// came to its end.
    pub struct Quic {
        /// Destination address.
        0 ip: Ip,
        /// Destination port.
        1 port: u16,
        /// Who gave the address.
        2 source: AddressSource,
        /// Name sent in SNI; `None` where none was sent.
        3 server_name: Option<String>,
        /// Why it was made.
        4 role: HandshakeRole,
        /// How far it came: an authentic answer to the Initial counts as a ServerHello.
        5 stage: HandshakeStage,
        /// Version of the Initials sent.
        6 version: u32,
        /// Versions that a Version Negotiation packet named, capped. Anybody on the path can
        /// write one.
        7 versions: Vec<u32>,
        /// Datagrams sent.
        8 sent: u32,
        /// Datagrams received.
        9 received: u32,
        /// Negotiated protocol (ALPN).
        10 alpn: Option<String>,
        /// Certificates as sent, DER, leaf first, capped; left out where they are valid.
        11 chain: Vec<Blob>,
        /// Whether the chain is valid for the name, and if not, why.
        12 certificate: Option<Validity>,
        /// Error code with which the far side closed the connection.
        13 close: Option<u64>,
        /// Status of the response over HTTP/3.
        14 status: Option<u16>,
        /// Microseconds from the first datagram sent to the first received.
        15 answered: Option<u64>,
    }
}
fact! {
    /// The judgement of a certificate chain by name, chain and date.
    pub struct Validity {
        /// What is wrong; `None` means valid.
        0 failure: Option<Failure>,
    }
}
fact! {
    /// An HTTP request and its response.
    pub struct Fetch {
        /// The URL asked for.
        0 url: String,
        /// Destination address.
        1 ip: Ip,
        /// Destination port.
        2 port: u16,
        /// Redirects followed before this request.
        3 depth: u8,
        /// Status code.
        4 status: Option<u16>,
        /// Header names and values in order of arrival.
        5 headers: Vec<Header>,
        /// Bytes of body received.
        6 body_length: u64,
        /// Whether the body was cut at the cap.
        7 body_truncated: bool,
        /// SHA-256 of the body received.
        8 body_sha256: Option<Blob>,
        /// First bytes of the body, capped.
        9 body: Option<Blob>,
        /// Text of the first title element.
        10 title: Option<String>,
        /// Where a redirect points.
        11 location: Option<String>,
        /// Whether the bytes came over a certificate valid for the URL's name.
        12 authenticated: bool,
    }
}
fact! {
    /// A header field.
    pub struct Header {
        /// Field name as sent.
        0 name: String,
        /// Field value, bytes outside UTF-8 replaced.
        1 value: String,
    }
}
