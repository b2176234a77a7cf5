//! How does one side say that it gives up? (RFC 8446 section 6)

use super::{Field, Malformed};
use crate::failure::Failure;
use crate::registry::registry;
use core::fmt;

/// An alert in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alert {
    /// 1 is a warning, 2 is fatal; TLS 1.3 ignores it (RFC 8446 section 6).
    pub level: u8,
    /// What is wrong.
    pub description: AlertDescription,
}

impl Alert {
    /// From the fragment of an alert record. An encrypted one is longer and says nothing.
    pub fn parse(fragment: &[u8]) -> Result<Self, Malformed> {
        match *fragment {
            [level, description] => Ok(Self {
                level,
                description: AlertDescription(description),
            }),
            _ => Err(Malformed::new(Field::Alert, 0)),
        }
    }

    /// Whether the handshake may go on: what TLS 1.2 sends with level 1 (RFC 5246 section
    /// 7.2), unrecognized_name among it, is followed by a ServerHello all the same.
    pub fn is_warning(self) -> bool {
        self.level == 1 && self.description != AlertDescription::CLOSE_NOTIFY
    }
}

/// The handshake ended so.
impl From<Alert> for Failure {
    fn from(alert: Alert) -> Self {
        Self::TlsAlert(alert.description.0)
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            1 => "warning",
            2 => "fatal",
            _ => "unknown level",
        };
        write!(f, "{} ({level})", self.description)
    }
}

registry! {
    /// IANA's "TLS Alerts".
    AlertDescription(u8), name, "{:#06x}";
    /// The end of what this side sends.
    CLOSE_NOTIFY = 0 "close_notify";
    /// A message at the wrong time.
    UNEXPECTED_MESSAGE = 10 "unexpected_message";
    /// A record that does not decrypt.
    BAD_RECORD_MAC = 20 "bad_record_mac";
    /// RFC 5246, reserved.
    DECRYPTION_FAILED = 21 "decryption_failed";
    /// A record that is too long.
    RECORD_OVERFLOW = 22 "record_overflow";
    /// RFC 5246.
    DECOMPRESSION_FAILURE = 30 "decompression_failure";
    /// Nothing in common.
    HANDSHAKE_FAILURE = 40 "handshake_failure";
    /// SSL 3.0, reserved.
    NO_CERTIFICATE = 41 "no_certificate";
    /// A certificate that is corrupt.
    BAD_CERTIFICATE = 42 "bad_certificate";
    /// A certificate of an unsupported type.
    UNSUPPORTED_CERTIFICATE = 43 "unsupported_certificate";
    /// A certificate that was revoked.
    CERTIFICATE_REVOKED = 44 "certificate_revoked";
    /// A certificate out of date.
    CERTIFICATE_EXPIRED = 45 "certificate_expired";
    /// A certificate with another fault.
    CERTIFICATE_UNKNOWN = 46 "certificate_unknown";
    /// A field that makes no sense.
    ILLEGAL_PARAMETER = 47 "illegal_parameter";
    /// No path to a trusted authority.
    UNKNOWN_CA = 48 "unknown_ca";
    /// The certificate is fine, its bearer may not enter.
    ACCESS_DENIED = 49 "access_denied";
    /// A message that does not decode.
    DECODE_ERROR = 50 "decode_error";
    /// A signature or binder that does not verify.
    DECRYPT_ERROR = 51 "decrypt_error";
    /// RFC 9325 names it, TLS 1.0 export ciphers used it; reserved.
    EXPORT_RESTRICTION = 60 "export_restriction";
    /// No version in common.
    PROTOCOL_VERSION = 70 "protocol_version";
    /// Nothing strong enough in common.
    INSUFFICIENT_SECURITY = 71 "insufficient_security";
    /// The side's own fault.
    INTERNAL_ERROR = 80 "internal_error";
    /// A retry at a lower version than needed (RFC 7507).
    INAPPROPRIATE_FALLBACK = 86 "inappropriate_fallback";
    /// Somebody pressed stop.
    USER_CANCELED = 90 "user_canceled";
    /// RFC 5246.
    NO_RENEGOTIATION = 100 "no_renegotiation";
    /// An extension that had to be there.
    MISSING_EXTENSION = 109 "missing_extension";
    /// An extension that must not be there.
    UNSUPPORTED_EXTENSION = 110 "unsupported_extension";
    /// RFC 6066.
    CERTIFICATE_UNOBTAINABLE = 111 "certificate_unobtainable";
    /// Nobody of that name lives here (RFC 6066).
    UNRECOGNIZED_NAME = 112 "unrecognized_name";
    /// RFC 6066.
    BAD_CERTIFICATE_STATUS_RESPONSE = 113 "bad_certificate_status_response";
    /// RFC 6066.
    BAD_CERTIFICATE_HASH_VALUE = 114 "bad_certificate_hash_value";
    /// RFC 4279.
    UNKNOWN_PSK_IDENTITY = 115 "unknown_psk_identity";
    /// A client without a certificate.
    CERTIFICATE_REQUIRED = 116 "certificate_required";
    /// RFC 9846.
    GENERAL_ERROR = 117 "general_error";
    /// No protocol in common (RFC 7301).
    NO_APPLICATION_PROTOCOL = 120 "no_application_protocol";
    /// RFC 9849.
    ECH_REQUIRED = 121 "ech_required";
}
