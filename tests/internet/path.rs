//! What happens between a client's socket and a host's? Delay, and boxes that read along.

use crate::link::Link;
use crate::middlebox::{Action, TRICKLE, behind};
use crate::web;
use crate::world::World;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

/// `ECONNRESET` on Linux.
const RESET: i32 = 104;
/// `EHOSTUNREACH` on Linux: a router says that a packet expired.
const EXPIRED: i32 = 113;
/// How long a throttled chunk takes.
const THROTTLED: std::time::Duration = std::time::Duration::from_secs(1);
/// Octets in flight.
const WINDOW: usize = 65_536;

/// A client's end of a simulated TCP connection.
#[derive(Debug)]
pub struct SimStream {
    inner: DuplexStream,
    torn: Arc<AtomicI32>,
    hops: Arc<AtomicU8>,
}

impl SimStream {
    /// Lets what is sent from now on go only so many hops.
    pub(crate) fn limit_hops(&self, hops: u8) {
        self.hops.store(hops, Ordering::Relaxed);
    }

    fn torn(&self) -> Option<io::Error> {
        let errno = self.torn.load(Ordering::Relaxed);
        (errno != 0).then(|| io::Error::from_raw_os_error(errno))
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(error) = self.torn() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(error) = self.torn() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.inner).poll_write(cx, octets)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A path that a stream takes.
pub(crate) struct Path {
    pub(crate) world: Arc<World>,
    pub(crate) link: Arc<Link>,
    pub(crate) asn: u32,
    pub(crate) captive: bool,
    /// Octets of the client's that travel in one segment.
    pub(crate) segment: Option<usize>,
    pub(crate) to: SocketAddr,
}

impl Path {
    /// The client's end of a stream along this path.
    pub(crate) fn open(self) -> SimStream {
        let (near, far) = tokio::io::duplex(WINDOW);
        let torn = Arc::new(AtomicI32::new(0));
        let hops = Arc::new(AtomicU8::new(u8::MAX));
        tokio::spawn(self.carry(far, Arc::clone(&torn), Arc::clone(&hops)));
        SimStream {
            inner: near,
            torn,
            hops,
        }
    }

    async fn carry(self, mut client: DuplexStream, torn: Arc<AtomicI32>, hops: Arc<AtomicU8>) {
        let mut first = vec![0; self.segment.unwrap_or(WINDOW)];
        let Ok(length @ 1..) = client.read(&mut first).await else {
            return;
        };
        first.truncate(length);
        if self.reassembles() {
            complete(&mut client, &mut first).await;
        }
        tokio::time::sleep(self.link.reliable()).await;
        let (near, far) = tokio::io::duplex(WINDOW);
        let behind = behind(&self.world.boxes, self.asn);
        let hops = hops.load(Ordering::Relaxed);
        let action = if hops > behind {
            self.action(&first)
        } else {
            Action::Pass
        };
        // The core is one hop behind the boxes, and the host one behind the core.
        if action == Action::Pass && hops <= behind.saturating_add(1) {
            tokio::time::sleep(self.link.one_way()).await;
            torn.store(EXPIRED, Ordering::Relaxed);
            return;
        }
        let chunk = if action == Action::Throttle {
            TRICKLE
        } else {
            WINDOW
        };
        match action {
            Action::Pass | Action::Throttle => {
                let country = self.world.country(self.asn).to_owned();
                tokio::spawn(web::serve(Arc::clone(&self.world), self.to, country, far));
            }
            Action::Intercept(name) => {
                tokio::spawn(web::impersonate(Arc::clone(&self.world), name, far));
            }
            Action::Reset => {
                tokio::time::sleep(self.link.one_way()).await;
                torn.store(RESET, Ordering::Relaxed);
                return;
            }
            Action::Drop => {
                while matches!(client.read(&mut first).await, Ok(1..)) {}
                return;
            }
            Action::Answer(octets) => {
                tokio::time::sleep(self.link.one_way()).await;
                let _ = client.write_all(&octets).await;
                return;
            }
        }
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_host, mut to_host) = tokio::io::split(near);
        if to_host.write_all(&first).await.is_err() {
            return;
        }
        tokio::join!(
            relay(&self.link, WINDOW, &mut from_client, &mut to_host),
            relay(&self.link, chunk, &mut from_host, &mut to_client),
        );
    }

    /// Whether a box on the path waits for a whole ClientHello.
    fn reassembles(&self) -> bool {
        let mut boxes = self.world.boxes.iter().filter(|b| b.asn == self.asn);
        boxes.any(|middlebox| middlebox.reassembles)
    }

    fn action(&self, first: &[u8]) -> Action {
        if self.captive {
            return crate::captive::on_stream(self.to.port());
        }
        if web::resets(&self.world, self.to.ip()) {
            return Action::Reset;
        }
        let boxes = self.world.boxes.iter().filter(|b| b.asn == self.asn);
        boxes
            .map(|middlebox| middlebox.on_stream(first))
            .find(|action| *action != Action::Pass)
            .unwrap_or(Action::Pass)
    }
}

/// Reads on until the ClientHello that has begun is whole, or the client ends.
async fn complete(client: &mut DuplexStream, first: &mut Vec<u8>) {
    let mut more = vec![0; WINDOW];
    while is_cut(first) {
        let Ok(length @ 1..) = client.read(&mut more).await else {
            return;
        };
        first.extend_from_slice(&more[..length]);
    }
}

/// Whether a TLS record has begun that is not whole (RFC 8446 section 5.1).
fn is_cut(first: &[u8]) -> bool {
    match first {
        [0x16, _, _, high, low, rest @ ..] => {
            rest.len() < usize::from(u16::from_be_bytes([*high, *low]))
        }
        [0x16, ..] => true,
        _ => false,
    }
}

/// Carries one direction until it ends, so many octets at a time; few come one a second.
async fn relay<R, W>(link: &Link, chunk: usize, from: &mut R, to: &mut W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut chunk = vec![0; chunk];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        tokio::time::sleep(link.reliable()).await;
        if chunk.len() < WINDOW {
            tokio::time::sleep(THROTTLED).await;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::is_cut;

    #[test]
    fn a_record_is_whole_at_its_length() {
        let record = [0x16, 3, 1, 0, 3, 1, 2, 3];
        for length in 1..record.len() {
            assert!(is_cut(&record[..length]), "{length}");
        }
        assert!(!is_cut(&record) && !is_cut(b"GET /") && !is_cut(&[]));
    }
}
