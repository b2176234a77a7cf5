//! What passed over a stream, underneath TLS?
//!
//! A TLS library reports an error; which bytes led to it tells a silent box from a forged
//! answer. The wrapper counts, and keeps the first octets received.

use super::run::Traffic;
use faultline_core::{engine::handshake::read_answer, wire::tls::could_be_tls};
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets kept of what came first.
const KEPT: usize = 512;

/// A stream that remembers.
#[derive(Debug)]
pub(super) struct Watched<S> {
    inner: S,
    traffic: Rc<Traffic>,
    seen: Rc<RefCell<Seen>>,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, traffic: Rc<Traffic>) -> Self {
        Self {
            inner,
            traffic,
            seen: Rc::default(),
        }
    }
    /// What carries the octets.
    pub(super) fn carrier(&self) -> &S {
        &self.inner
    }
    /// What it has seen, readable also when the stream is gone.
    pub(super) fn seen(&self) -> Rc<RefCell<Seen>> {
        Rc::clone(&self.seen)
    }
}

/// What a [`Watched`] stream saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) sent: bool,
    pub(super) first: Vec<u8>,
}

impl Seen {
    /// Whether a ServerHello came, at least in part.
    pub(super) fn server_hello(&self) -> bool {
        read_answer(&self.first).begun
    }

    /// Whether what came begins like TLS.
    pub(super) fn is_tls(&self) -> bool {
        could_be_tls(&self.first)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        self.traffic.add_received(fresh.len());
        let first = &mut self.seen.borrow_mut().first;
        let room = KEPT.saturating_sub(first.len()).min(fresh.len());
        first.extend_from_slice(fresh.get(..room).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.traffic.add_sent(count);
        self.seen.borrow_mut().sent |= count > 0;
        Poll::Ready(Ok(count))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
