//! How is a resolver asked over QUIC?
//!
//! RFC 9250: a connection of its own, a stream for each question, each message behind its
//! length as over TCP, the identifier zero. The library is that of pages (decision 27).

use super::super::run::Run;
use super::dial::{Call, Talk, shake_hands};
use crate::net::{Clock, Network};
use faultline_core::{
    engine::framing::{Deframer, frame},
    failure::Failure,
    observation::{AddressSource, HandshakeRole, Observation},
};
use std::net::SocketAddr;

/// RFC 9250 section 4.1.1.
const ALPN: &[u8] = b"doq";
/// `DOQ_NO_ERROR` (RFC 9250 section 4.3).
const NO_ERROR: u32 = 0;

/// A connection to a resolver that has proven itself.
pub(in super::super) struct Line(Box<Talk>);

/// One handshake with a resolver; the connection, where a question is to follow and can.
pub(in super::super) async fn dial_resolver<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    to: SocketAddr,
    server: &str,
    role: HandshakeRole,
) -> (Observation, Option<Line>) {
    let call = Call {
        to,
        source: AddressSource::Literal,
        server,
        role,
        page: None,
    };
    let (seen, talk) = shake_hands(run, &call, ALPN).await;
    match talk {
        Some(talk) if role == HandshakeRole::Target => (seen, Some(Line(talk))),
        Some(mut talk) => {
            talk.hang_up(run, NO_ERROR);
            (seen, None)
        }
        None => (seen, None),
    }
}

/// One question over a connection, which is then closed.
pub(in super::super) async fn ask<N: Network, C: Clock>(
    run: &Run<'_, N, C>,
    Line(mut talk): Line,
    query: &[u8],
) -> Result<Vec<u8>, Failure> {
    let query = frame(query).ok_or(Failure::LocalError)?;
    let answer = talk.exchange(run, &query).await;
    talk.hang_up(run, NO_ERROR);
    let answer = answer.ok_or(Failure::DnsMalformed)?;
    let mut frames = Deframer::new(u16::MAX);
    match frames.push(&answer) {
        Ok(Some(message)) => Ok(message.to_vec()),
        _ => Err(Failure::DnsMalformed),
    }
}
