//! How does a board know that it speaks with its collector? By TLS 1.3 (RFC 8446) and one
//! authority whose certificate it was given: no other counts, however well known.
//!
//! rustls does the protocol and the path building; the cryptography is RustCrypto's, and only
//! what a collector of ours needs: P-256 for the exchange and for signatures, AES-128-GCM,
//! SHA-256. What else a server offers is refused, so a board with half a megabyte of flash has
//! room for the rest. See `tests/decisions/0018-tls-and-boards.md`.
//!
//! ```text
//! Trust (once a boot: authority, random numbers, clock)
//!   └─ Session (one stream: shakes hands, then reads and writes)
//! ```

mod authority;
mod cipher;
mod curve;
mod random;
mod session;
#[cfg(test)]
mod tests;

pub use session::Session;

use crate::channel::{Secure, Unsecured};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use authority::Authority;
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use embedded_io_async::{Read, Write};
use random::Random;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::SigningKey;
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, SupportedCipherSuite};

/// Octets of plain text in a record that a board sends.
const FRAGMENT: usize = 2048;
/// Header and tag of such a record, and its inner type (RFC 8446 section 5.2).
const AROUND: usize = 5 + 16 + 1;

/// Whom to believe. Made once a boot: what it allocates first it keeps for ever.
pub struct Trust {
    config: Arc<ClientConfig>,
    random: &'static Random,
    clock: Arc<Clock>,
}

impl Trust {
    /// Believes the authority with this certificate (X.509, DER) alone. `seed` is 32 octets
    /// that nobody can guess, from the board's own source.
    pub fn new(authority: &[u8], seed: [u8; 32]) -> Result<Self, TlsError> {
        let random: &'static Random = Box::leak(Box::new(Random::new(seed)));
        let group: &'static curve::P256 = Box::leak(Box::new(curve::P256 { random }));
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![SupportedCipherSuite::Tls13(&cipher::AES_128_GCM_SHA256)],
            kx_groups: vec![group],
            signature_verification_algorithms: curve::SIGNATURES,
            secure_random: random,
            key_provider: &NoKeys,
        });
        let clock = Arc::new(Clock(AtomicU32::new(0)));
        let verifier = Authority::new(authority, Arc::clone(&provider), Arc::clone(&clock))?;
        let time: Arc<dyn TimeProvider> = clock.clone();
        let mut config = ClientConfig::builder_with_details(provider, time)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Protocol)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        config.max_fragment_size = Some(FRAGMENT + AROUND);
        Ok(Self {
            config: Arc::new(config),
            random,
            clock,
        })
    }

    /// What the time is, seconds since 1970; the dates of certificates are judged by it. Zero,
    /// as at first, is "not known": then any date will do, and nothing else changes. A board
    /// without a battery learns the time from its collector, whom it could never ask otherwise.
    pub fn set_time(&self, unix_seconds: u32) {
        self.clock.0.store(unix_seconds, Relaxed);
    }

    /// Mixes further octets that nobody can guess into the random numbers to come.
    pub fn stir(&self, seed: [u8; 32]) {
        self.random.stir(seed);
    }

    /// Shakes hands over `stream` with the server called `name` (a DNS name or an address).
    pub async fn shake<S>(&self, name: &str, stream: S) -> Result<Session<S>, TlsError>
    where
        S: Read + Write,
    {
        let name = ServerName::try_from(name).map_err(|_| TlsError::Name)?;
        Session::shake(Arc::clone(&self.config), name.to_owned(), stream).await
    }
}

impl Secure for Trust {
    async fn secure<S: Read + Write>(
        &mut self,
        stream: S,
        name: &str,
        now: Option<faultline_core::time::UnixTime>,
        entropy: [u8; 32],
    ) -> Result<impl Read + Write, Unsecured> {
        self.stir(entropy);
        let seconds = now.map_or(0, |now| now.0 / 1_000_000);
        self.set_time(u32::try_from(seconds).unwrap_or(0));
        self.shake(name, stream).await.map_err(|error| match error {
            TlsError::Name => Unsecured::Name,
            TlsError::Authority | TlsError::Certificate(_) => Unsecured::Certificate,
            TlsError::Protocol(_) | TlsError::TooLong => Unsecured::Handshake,
            TlsError::Stream(_) | TlsError::CutOff => Unsecured::Closed,
        })
    }
}

/// Without an authority nobody is believed.
impl Secure for Option<Trust> {
    async fn secure<S: Read + Write>(
        &mut self,
        stream: S,
        name: &str,
        now: Option<faultline_core::time::UnixTime>,
        entropy: [u8; 32],
    ) -> Result<impl Read + Write, Unsecured> {
        match self {
            Some(trust) => trust.secure(stream, name, now, entropy).await,
            None => Err(Unsecured::Certificate),
        }
    }
}

/// Why there is no session, or no longer.
#[derive(Clone, Debug, PartialEq)]
pub enum TlsError {
    /// The authority's certificate is not one.
    Authority,
    /// What the server is called is neither a name nor an address.
    Name,
    /// The server's certificate is not to be believed.
    Certificate(CertificateError),
    /// The other side does not speak as it should, or refused.
    Protocol(rustls::Error),
    /// The stream failed.
    Stream(embedded_io_async::ErrorKind),
    /// The stream ended before the other side said that it would.
    CutOff,
    /// A message of the other side is longer than any that it needs.
    TooLong,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority => f.write_str(
                "the pinned authority is no X.509 certificate: give it as DER, as the \
                 collector's operator published it",
            ),
            Self::Name => {
                f.write_str("the collector's name is neither a DNS name nor an address")
            }
            Self::Certificate(CertificateError::UnknownIssuer) => f.write_str(
                "the certificate is not of the pinned authority: somebody else answers, or the \
                 collector has a new authority and this board needs it",
            ),
            Self::Certificate(error) => write!(f, "the certificate is not believed: {error}"),
            Self::Protocol(error) => write!(f, "TLS failed: {error}"),
            Self::Stream(kind) => write!(f, "the connection failed: {kind:?}"),
            Self::CutOff => f.write_str("the connection was cut off within TLS"),
            Self::TooLong => f.write_str("a TLS message is longer than any that is needed"),
        }
    }
}

impl core::error::Error for TlsError {}

impl embedded_io_async::Error for TlsError {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        match self {
            Self::Stream(kind) => *kind,
            Self::CutOff => embedded_io_async::ErrorKind::ConnectionAborted,
            _ => embedded_io_async::ErrorKind::InvalidData,
        }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::Certificate(error),
            other => Self::Protocol(other),
        }
    }
}

/// What the application said last; zero before.
#[derive(Debug)]
struct Clock(AtomicU32);

impl Clock {
    fn known(&self) -> bool {
        self.0.load(Relaxed) != 0
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        // rustls asks for some time before it asks whether to believe a certificate.
        let since = core::time::Duration::from_secs(self.0.load(Relaxed).into());
        Some(UnixTime::since_unix_epoch(since))
    }
}

/// A board signs batches, never TLS.
#[derive(Debug)]
struct NoKeys;

impl rustls::crypto::KeyProvider for NoKeys {
    fn load_private_key(
        &self,
        _key: PrivateKeyDer<'static>,
    ) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("boards have no TLS keys".into()))
    }
}
