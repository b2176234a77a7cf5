//! How did the network say no?
//!
//! A failure is data, not an error. Codes are stable numbers, grouped by layer in hundreds,
//! made from errno, alert and rcode *numbers*, never from text. Each maps to the failure
//! string of OONI's df-007, from which several of ours are told apart.

/// The layer at which a failure showed itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Layer {
    /// Any layer or none in particular.
    Network,
    /// Name resolution.
    Dns,
    /// TCP connection.
    Tcp,
    /// TLS handshake and certificates.
    Tls,
    /// HTTP exchange.
    Http,
    /// QUIC: a handshake over datagrams.
    Quic,
}

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $label:literal, $ooni:literal;)*) => {
        /// Why a step did not succeed. Stable `u16` codes; the hundreds give the layer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Failure {
            $($(#[$doc])* $name,)*
            /// A TLS alert (RFC 8446 section 6.2) received from the far side: code 300 + alert.
            TlsAlert(u8),
            /// A code that this version does not know.
            Unknown(u16),
        }

        impl Failure {
            /// All failures with a name of their own.
            pub const NAMED: &'static [Self] = &[$(Self::$name),*];

            /// The stable number.
            pub const fn code(self) -> u16 {
                match self {
                    $(Self::$name => $code,)*
                    Self::TlsAlert(alert) => 300 + alert as u16,
                    Self::Unknown(code) => code,
                }
            }

            /// From a stable number; never fails.
            pub const fn from_code(code: u16) -> Self {
                match code {
                    $($code => Self::$name,)*
                    300..=555 => Self::TlsAlert((code - 300) as u8),
                    other => Self::Unknown(other),
                }
            }

            /// A short name for people and JSON: `dns.nxdomain`.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                    Self::TlsAlert(_) => "tls.alert",
                    Self::Unknown(_) => "unknown",
                }
            }

            /// From the name that [`Self::label`] gives; alerts come as `tls.alert.40`.
            pub fn from_label(label: &str) -> Option<Self> {
                match label {
                    $($label => Some(Self::$name),)*
                    other => {
                        if let Some(alert) = other.strip_prefix("tls.alert.") {
                            return alert.parse().ok().map(Self::TlsAlert);
                        }
                        other.strip_prefix("unknown.")?.parse().ok().map(Self::Unknown)
                    }
                }
            }

            /// OONI's failure string (df-007); alerts as OONI maps QUIC's, where it has a word.
            pub const fn ooni(self) -> &'static str {
                match self {
                    $(Self::$name => $ooni,)*
                    Self::TlsAlert(42..=46) => "ssl_invalid_certificate",
                    Self::TlsAlert(48) => "ssl_unknown_authority",
                    Self::TlsAlert(112) => "ssl_invalid_hostname",
                    Self::TlsAlert(_) => "ssl_failed_handshake",
                    Self::Unknown(_) => "unknown_failure",
                }
            }
        }
    };
}

failures! {
    /// The local system refused or could not: no route, no buffer, no permission.
    LocalError = 1, "local_error", "unknown_failure";
    /// No route to the network (ENETUNREACH or ICMP code 0).
    NetworkUnreachable = 2, "network_unreachable", "network_unreachable";
    /// No route to the host (EHOSTUNREACH or ICMP code 1).
    HostUnreachable = 3, "host_unreachable", "host_unreachable";
    /// The interface is down.
    NetworkDown = 4, "network_down", "network_down";
    /// The measurement was interrupted by its owner or its budget.
    Interrupted = 5, "interrupted", "interrupted";

    /// NXDOMAIN (RFC 1035 rcode 3).
    DnsNxDomain = 100, "dns.nxdomain", "dns_nxdomain_error";
    /// NOERROR without an answer of the asked type (RFC 2308 NODATA).
    DnsNoAnswer = 101, "dns.no_answer", "dns_no_answer";
    /// REFUSED (rcode 5).
    DnsRefused = 102, "dns.refused", "dns_refused_error";
    /// SERVFAIL (rcode 2).
    DnsServFail = 103, "dns.servfail", "dns_servfail_error";
    /// Any other rcode.
    DnsOtherRcode = 104, "dns.other_rcode", "dns_server_misbehaving";
    /// No reply in time.
    DnsTimeout = 105, "dns.timeout", "generic_timeout_error";
    /// A reply that is not a DNS message.
    DnsMalformed = 106, "dns.malformed", "dns_server_misbehaving";
    /// Only replies with another transaction id or question.
    DnsMismatch = 107, "dns.mismatch", "dns_reply_with_wrong_query_id";
    /// The name's answers were bogons (OONI's own class; we record answers instead).
    DnsBogon = 108, "dns.bogon", "dns_bogon_error";
    /// The resolver's port refused (ICMP port unreachable, or RST over TCP).
    DnsUnreachable = 109, "dns.unreachable", "connection_refused";
    /// The system resolver failed and did not say why.
    DnsSystem = 110, "dns.system", "dns_non_recoverable_failure";
    /// The system resolver asked for another try (EAI_AGAIN).
    DnsTemporary = 111, "dns.temporary", "dns_temporary_failure";
    /// Android's cache had no data (EAI_NODATA); the reason is not known.
    DnsAndroidNoData = 112, "dns.android_no_data", "android_dns_cache_no_data";
    /// A reply cut down to nothing (TC): the answer is to be had over TCP only.
    DnsTruncated = 113, "dns.truncated", "unknown_failure";

    /// RST in answer to the SYN.
    TcpRefused = 200, "tcp.refused", "connection_refused";
    /// RST during connection set-up, or another reset before TLS and HTTP began.
    TcpReset = 201, "tcp.reset", "connection_reset";
    /// No SYN-ACK in time.
    TcpTimeout = 202, "tcp.timeout", "generic_timeout_error";
    /// The connection was aborted locally (ECONNABORTED).
    TcpAborted = 203, "tcp.aborted", "connection_aborted";

    /// RST during the handshake.
    TlsReset = 600, "tls.reset", "connection_reset";
    /// The connection closed during the handshake.
    TlsEof = 601, "tls.eof", "eof_error";
    /// No progress in time during the handshake.
    TlsTimeout = 602, "tls.timeout", "generic_timeout_error";
    /// What came back is not TLS.
    TlsMalformed = 603, "tls.malformed", "ssl_failed_handshake";
    /// The handshake failed in another way.
    TlsHandshake = 604, "tls.handshake", "ssl_failed_handshake";
    /// The server did not take the key for ECH that it was offered, and said so under the name
    /// that ECH shows, with a valid certificate (RFC 9849 section 6.1.6).
    TlsEchRejected = 605, "tls.ech_rejected", "ssl_failed_handshake";
    /// The certificate is for another name.
    CertName = 610, "tls.cert.name", "ssl_invalid_hostname";
    /// No path to a trusted root.
    CertChain = 611, "tls.cert.chain", "ssl_unknown_authority";
    /// Expired or not yet valid, by a clock that can be trusted.
    CertExpired = 612, "tls.cert.expired", "ssl_invalid_certificate";
    /// Dates do not fit, but the probe's clock cannot be trusted.
    CertClockUntrusted = 613, "tls.cert.clock_untrusted", "ssl_invalid_certificate";
    /// Invalid in another way.
    CertInvalid = 614, "tls.cert.invalid", "ssl_invalid_certificate";

    /// RST during the HTTP exchange.
    HttpReset = 700, "http.reset", "connection_reset";
    /// The connection closed before the response was whole.
    HttpEof = 701, "http.eof", "eof_error";
    /// No progress in time.
    HttpTimeout = 702, "http.timeout", "generic_timeout_error";
    /// What came back is not HTTP.
    HttpMalformed = 703, "http.malformed", "http_request_failed";
    /// More redirects than allowed, or one to an address that is no URL.
    HttpBadRedirect = 704, "http.bad_redirect", "http_invalid_redirect_location_host";

    /// The handshake did not come to its end in time.
    QuicTimeout = 800, "quic.timeout", "generic_timeout_error";
    /// A Version Negotiation packet without the version offered (RFC 9000 section 6.2).
    QuicVersion = 801, "quic.version", "quic_incompatible_version";
    /// The far side closed the connection with an error that is no TLS alert.
    QuicClosed = 802, "quic.closed", "connection_refused";
    /// A stateless reset (RFC 9000 section 10.3).
    QuicReset = 803, "quic.reset", "connection_reset";
    /// Nobody listens there (ICMP port unreachable).
    QuicUnreachable = 804, "quic.unreachable", "connection_refused";
    /// What came breaks the protocol.
    QuicMalformed = 805, "quic.malformed", "unknown_failure";
}

impl Failure {
    /// The layer the code belongs to.
    pub const fn layer(self) -> Layer {
        match self.code() {
            100..=199 => Layer::Dns,
            200..=299 => Layer::Tcp,
            300..=699 => Layer::Tls,
            700..=799 => Layer::Http,
            800..=899 => Layer::Quic,
            _ => Layer::Network,
        }
    }

    /// Whether the step ended because time ran out.
    pub const fn is_timeout(self) -> bool {
        matches!(
            self,
            Self::DnsTimeout
                | Self::TcpTimeout
                | Self::TlsTimeout
                | Self::HttpTimeout
                | Self::QuicTimeout
        )
    }

    /// From a DNS rcode (RFC 1035 section 4.1.1, RFC 6895); `None` for NOERROR.
    pub const fn from_rcode(rcode: u8) -> Option<Self> {
        match rcode {
            0 => None,
            2 => Some(Self::DnsServFail),
            3 => Some(Self::DnsNxDomain),
            5 => Some(Self::DnsRefused),
            _ => Some(Self::DnsOtherRcode),
        }
    }
}

/// Named failures print their label, others carry their number: `tls.alert.40`.
impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TlsAlert(alert) => write!(f, "tls.alert.{alert}"),
            Self::Unknown(code) => write!(f, "unknown.{code}"),
            named => f.write_str(named.label()),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Failure {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
#[cfg(all(feature = "serde", feature = "alloc"))]
impl<'de> serde::Deserialize<'de> for Failure {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = alloc::string::String::deserialize(d)?;
        Self::from_label(&s)
            .ok_or_else(|| serde::de::Error::custom("not the name of a failure"))
    }
}
#[cfg(feature = "alloc")]
impl<C> minicbor::Encode<C> for Failure {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u16(self.code())?.ok()
    }
}
#[cfg(feature = "alloc")]
impl<'b, C> minicbor::Decode<'b, C> for Failure {
    fn decode(
        d: &mut minicbor::Decoder<'b>,
        _: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        d.u16().map(Self::from_code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn codes_and_labels_round_trip_and_sit_in_their_layer() {
        for code in 0..=u16::MAX {
            let failure = Failure::from_code(code);
            assert_eq!(failure.code(), code);
            assert_eq!(Failure::from_label(&failure.to_string()), Some(failure));
        }
        for failure in Failure::NAMED {
            if let Some((layer, _)) = failure.label().split_once('.') {
                let is = std::format!("{:?}", failure.layer()).to_lowercase();
                assert_eq!(layer, is, "{failure}");
            }
        }
    }
}
