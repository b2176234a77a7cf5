//! Which failure is this error of the operating system?
//!
//! By number, never by text: `errno` on Linux (`errno(3)`), simulated errors included.

use faultline_core::failure::{Failure, Layer};
use std::io::{self, ErrorKind};

const ENETDOWN: i32 = 100;
const ENETUNREACH: i32 = 101;
const ECONNABORTED: i32 = 103;
const ECONNRESET: i32 = 104;
const ETIMEDOUT: i32 = 110;
const ECONNREFUSED: i32 = 111;
const EHOSTDOWN: i32 = 112;
const EHOSTUNREACH: i32 = 113;
const EPIPE: i32 = 32;

/// From an `errno` that a connection or a datagram met at `layer`.
pub fn from_errno(errno: i32, layer: Layer) -> Failure {
    match errno {
        ENETDOWN => Failure::NetworkDown,
        ENETUNREACH => Failure::NetworkUnreachable,
        EHOSTUNREACH | EHOSTDOWN => Failure::HostUnreachable,
        ECONNABORTED => Failure::TcpAborted,
        ECONNREFUSED if layer == Layer::Dns => Failure::DnsUnreachable,
        ECONNREFUSED if layer == Layer::Quic => Failure::QuicUnreachable,
        ECONNREFUSED => Failure::TcpRefused,
        // A write after the reset gives EPIPE where the reset itself went unread.
        ECONNRESET | EPIPE => reset(layer),
        ETIMEDOUT => timeout(layer),
        _ => Failure::LocalError,
    }
}

/// From an error of a stream at `layer`.
pub fn at_layer(error: &io::Error, layer: Layer) -> Failure {
    if let Some(errno) = error.raw_os_error() {
        return from_errno(errno, layer);
    }
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => reset(layer),
        ErrorKind::ConnectionRefused => from_errno(ECONNREFUSED, layer),
        ErrorKind::ConnectionAborted => Failure::TcpAborted,
        ErrorKind::TimedOut => timeout(layer),
        ErrorKind::NetworkUnreachable => Failure::NetworkUnreachable,
        ErrorKind::HostUnreachable => Failure::HostUnreachable,
        ErrorKind::UnexpectedEof => closed(layer),
        ErrorKind::InvalidData => malformed(layer),
        _ => Failure::LocalError,
    }
}

/// Time ran out at `layer`.
pub(crate) fn timeout(layer: Layer) -> Failure {
    match layer {
        Layer::Dns => Failure::DnsTimeout,
        Layer::Tls => Failure::TlsTimeout,
        Layer::Http => Failure::HttpTimeout,
        Layer::Quic => Failure::QuicTimeout,
        Layer::Tcp | Layer::Network => Failure::TcpTimeout,
    }
}

fn reset(layer: Layer) -> Failure {
    match layer {
        Layer::Dns => Failure::DnsUnreachable,
        Layer::Tls => Failure::TlsReset,
        Layer::Http => Failure::HttpReset,
        Layer::Quic => Failure::QuicReset,
        Layer::Tcp | Layer::Network => Failure::TcpReset,
    }
}

fn closed(layer: Layer) -> Failure {
    match layer {
        // A resolver that takes the connection and closes it without a word serves nobody.
        Layer::Dns => Failure::DnsUnreachable,
        Layer::Tls => Failure::TlsEof,
        Layer::Http => Failure::HttpEof,
        Layer::Quic => Failure::QuicClosed,
        Layer::Tcp | Layer::Network => Failure::TcpAborted,
    }
}

fn malformed(layer: Layer) -> Failure {
    match layer {
        Layer::Dns => Failure::DnsMalformed,
        Layer::Tls => Failure::TlsMalformed,
        Layer::Http => Failure::HttpMalformed,
        Layer::Quic => Failure::QuicMalformed,
        Layer::Tcp | Layer::Network => Failure::LocalError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_this_system() {
        for (errno, kind) in [
            (ECONNREFUSED, ErrorKind::ConnectionRefused),
            (ECONNRESET, ErrorKind::ConnectionReset),
            (ECONNABORTED, ErrorKind::ConnectionAborted),
            (ETIMEDOUT, ErrorKind::TimedOut),
            (EPIPE, ErrorKind::BrokenPipe),
            (ENETUNREACH, ErrorKind::NetworkUnreachable),
            (EHOSTUNREACH, ErrorKind::HostUnreachable),
            (ENETDOWN, ErrorKind::NetworkDown),
        ] {
            assert_eq!(io::Error::from_raw_os_error(errno).kind(), kind, "{errno}");
        }
    }

    #[test]
    fn the_same_reset_has_a_name_at_each_layer() {
        let error = io::Error::from_raw_os_error(ECONNRESET);
        assert_eq!(at_layer(&error, Layer::Tcp), Failure::TcpReset);
        assert_eq!(at_layer(&error, Layer::Tls), Failure::TlsReset);
        assert_eq!(at_layer(&error, Layer::Http), Failure::HttpReset);
        assert_eq!(at_layer(&error, Layer::Dns), Failure::DnsUnreachable);
    }
}
