//! What happens between a client's socket and a host's? Delay, and boxes that read along.

use crate::link::Link;
use crate::middlebox::Action;
use crate::web;
use crate::world::World;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

/// `ECONNRESET` on Linux.
const RESET: i32 = 104;
/// Octets in flight.
const WINDOW: usize = 65_536;

/// A client's end of a simulated TCP connection.
#[derive(Debug)]
pub struct SimStream {
    inner: DuplexStream,
    reset: Arc<AtomicBool>,
}

impl SimStream {
    fn torn(&self) -> Option<io::Error> {
        self.reset
            .load(Ordering::Relaxed)
            .then(|| io::Error::from_raw_os_error(RESET))
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
    pub(crate) to: SocketAddr,
}

impl Path {
    /// The client's end of a stream along this path.
    pub(crate) fn open(self) -> SimStream {
        let (near, far) = tokio::io::duplex(WINDOW);
        let reset = Arc::new(AtomicBool::new(false));
        tokio::spawn(self.carry(far, Arc::clone(&reset)));
        SimStream { inner: near, reset }
    }

    async fn carry(self, mut client: DuplexStream, reset: Arc<AtomicBool>) {
        let mut first = vec![0; WINDOW];
        let Ok(length @ 1..) = client.read(&mut first).await else {
            return;
        };
        first.truncate(length);
        tokio::time::sleep(self.link.reliable()).await;
        let (near, far) = tokio::io::duplex(WINDOW);
        match self.action(&first) {
            Action::Pass => {
                let country = self.world.country(self.asn).to_owned();
                tokio::spawn(web::serve(Arc::clone(&self.world), self.to, country, far));
            }
            Action::Intercept(name) => {
                tokio::spawn(web::impersonate(Arc::clone(&self.world), name, far));
            }
            Action::Reset => {
                tokio::time::sleep(self.link.one_way()).await;
                reset.store(true, Ordering::Relaxed);
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
            relay(&self.link, &mut from_client, &mut to_host),
            relay(&self.link, &mut from_host, &mut to_client),
        );
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

/// Carries one direction until it ends.
async fn relay<R, W>(link: &Link, from: &mut R, to: &mut W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut chunk = vec![0; WINDOW];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        tokio::time::sleep(link.reliable()).await;
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
