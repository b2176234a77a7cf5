//! Which name does a ClientHello say? (RFC 8446 section 4.1.2, RFC 6066 section 3)
//!
//! A box reads what comes in one segment, also where the message spans records; a ClientHello
//! that spans segments passes it unread.

use super::{Action, Kind, Middlebox};
use crate::resolver::below;
use faultline_core::wire::tls::{ClientHello, Next, Stream};

/// What a box that reads ClientHellos does.
pub(super) fn act(middlebox: &Middlebox, first: &[u8]) -> Action {
    match server_name(first) {
        Some(name) if concerns(middlebox, &name) => match middlebox.kind {
            Kind::SniReset => Action::Reset,
            Kind::SniDrop => Action::Drop,
            Kind::Throttle => Action::Throttle,
            Kind::TlsMitm => Action::Intercept(name),
            _ => Action::Pass,
        },
        _ => Action::Pass,
    }
}

fn concerns(middlebox: &Middlebox, name: &str) -> bool {
    let allowed = &middlebox.spares;
    below(&middlebox.names, name) || !allowed.is_empty() && !below(allowed, name)
}

/// The name in the first message, lower case.
pub fn server_name(first: &[u8]) -> Option<String> {
    let mut together = vec![0; first.len()];
    let hello = read(first, &mut together)?;
    let name = std::str::from_utf8(hello.server_name()?).ok()?;
    Some(name.to_ascii_lowercase())
}

/// The first message, where it is a ClientHello.
pub(super) fn read<'a>(first: &'a [u8], together: &'a mut [u8]) -> Option<ClientHello<'a>> {
    let Ok(Next::Handshake(message)) = Stream::new(first).next(together) else {
        return None;
    };
    ClientHello::parse(&message).ok()
}
