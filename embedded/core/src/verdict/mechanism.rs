//! How was it done? Labels follow OONI's taxonomy where it has a word.

use crate::failure::Layer;
use minicbor::{Decode, Encode};

macro_rules! mechanisms {
    ($($n:literal $name:ident $layer:ident $label:literal,)*) => {
        /// How interference was done. Numbers are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(index_only)]
        #[allow(missing_docs)] // the label is the documentation
        #[non_exhaustive]
        pub enum Mechanism { $(#[n($n)] $name,)* }

        impl Mechanism {
            /// Every mechanism.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The label: `tls.reset.sni`.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
            /// The layer at which it works.
            pub const fn layer(self) -> Layer {
                match self { $(Self::$name => Layer::$layer,)* }
            }
        }
    };
}

mechanisms! {
    0 DnsInjectionBlockpage Dns "dns.injection.blockpage",
    1 DnsInjectionBogon Dns "dns.injection.bogon",
    2 DnsInjectionOther Dns "dns.injection.other",
    3 DnsHijackBlockpage Dns "dns.hijack.blockpage",
    4 DnsHijackBogon Dns "dns.hijack.bogon",
    5 DnsHijackOther Dns "dns.hijack.other",
    6 DnsNxDomain Dns "dns.nxdomain",
    7 DnsNoAnswer Dns "dns.no_answer",
    8 DnsRefused Dns "dns.refused",
    9 DnsServFail Dns "dns.servfail",
    10 DnsTimeout Dns "dns.timeout",
    11 DnsGhost Dns "dns.ghost",
    12 NamespaceRemoved Dns "namespace.removed",
    13 NamespaceReplaced Dns "namespace.replaced",
    14 NamespaceAdded Dns "namespace.added",
    15 SpecialAnswered Dns "special.answered",
    16 TransparencyDropped Dns "transparency.dropped",
    17 TransparencyAltered Dns "transparency.altered",
    20 TcpReset Tcp "tcp.reset",
    21 TcpRefused Tcp "tcp.refused",
    22 TcpTimeout Tcp "tcp.timeout",
    23 IpUnreachable Tcp "ip.unreachable",
    30 TlsResetSni Tls "tls.reset.sni",
    31 TlsResetOther Tls "tls.reset.other",
    32 TlsTimeoutSni Tls "tls.timeout.sni",
    33 TlsTimeoutOther Tls "tls.timeout.other",
    34 TlsMitm Tls "tls.mitm",
    35 TlsAlert Tls "tls.alert",
    36 TlsOther Tls "tls.other",
    37 TlsResetEch Tls "tls.reset.ech",
    38 TlsTimeoutEch Tls "tls.timeout.ech",
    40 HttpBlockpage Http "http.blockpage",
    41 HttpRedirect Http "http.redirect",
    42 HttpReset Http "http.reset",
    43 HttpTimeout Http "http.timeout",
    44 HttpDiff Http "http.diff",
    50 QuicTimeoutSni Quic "quic.timeout.sni",
    51 QuicTimeoutOther Quic "quic.timeout.other",
    52 QuicVersion Quic "quic.version",
    53 QuicReset Quic "quic.reset",
}

impl core::fmt::Display for Mechanism {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.label())
    }
}
#[cfg(feature = "serde")]
impl serde::Serialize for Mechanism {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.label())
    }
}
