//! How does a stream to the collector become one that nobody can read or change?
//!
//! The application speaks HTTP over whatever comes out of [`Secure::secure`]. Boards use TLS
//! with the collector's pinned authority; tests may use [`Plain`].

use embedded_io_async::{Read, Write};
use faultline_core::time::UnixTime;

/// Makes streams secure.
#[allow(async_fn_in_trait)] // one executor, one thread
pub trait Secure {
    /// Shakes hands over `stream` with a server that must prove to be `name`. `now` is the
    /// wall clock where it can be trusted: certificates' dates are judged by it. `entropy` is
    /// for this handshake alone.
    async fn secure<S: Read + Write>(
        &mut self,
        stream: S,
        name: &str,
        now: Option<UnixTime>,
        entropy: [u8; 32],
    ) -> Result<impl Read + Write, Unsecured>;
}

/// Why there is no secure channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsecured {
    /// The name is none that a certificate could be for.
    #[error("the collector's name is no name for a certificate: check the settings")]
    Name,
    /// The other end did not prove to be the collector.
    #[error("whoever answers is not the collector: its certificate is refused")]
    Certificate,
    /// What came was not TLS, or ended the handshake.
    #[error("the handshake with the collector broke")]
    Handshake,
    /// The connection ended.
    #[error("the connection ended during the handshake")]
    Closed,
}

/// No security: for closed test networks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Secure for Plain {
    async fn secure<S: Read + Write>(
        &mut self,
        stream: S,
        _: &str,
        _: Option<UnixTime>,
        _: [u8; 32],
    ) -> Result<impl Read + Write, Unsecured> {
        Ok(stream)
    }
}
