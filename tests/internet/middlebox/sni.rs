//! Which name does a ClientHello say? (RFC 8446 section 4.1.2, RFC 6066 section 3)
//!
//! ```text
//! record   | 16 | version 2 | length 2 |
//! handshake| 01 | length 3 | version 2 | random 32 | session <1> | suites <2> | methods <1> |
//! extension| length 2 | { type 2 | data <2> } ...   type 0: list <2> { 00 | name <2> }
//! ```

use super::{Action, Kind, Middlebox};
use crate::resolver::below;

/// What a box that reads ClientHellos does.
pub(super) fn act(middlebox: &Middlebox, first: &[u8]) -> Action {
    match server_name(first) {
        Some(name) if below(&middlebox.names, &name) => match middlebox.kind {
            Kind::SniReset => Action::Reset,
            Kind::SniDrop => Action::Drop,
            Kind::Throttle => Action::Throttle,
            Kind::TlsMitm => Action::Intercept(name),
            _ => Action::Pass,
        },
        _ => Action::Pass,
    }
}

/// The name in the first record, lower case.
pub fn server_name(first: &[u8]) -> Option<String> {
    let mut hello = Cursor(first);
    if hello.take(5)?.first() != Some(&0x16) || hello.take(4)?.first() != Some(&1) {
        return None;
    }
    hello.take(34)?;
    hello.vector(1)?;
    hello.vector(2)?;
    hello.vector(1)?;
    let mut extensions = Cursor(hello.vector(2)?);
    loop {
        let kind = extensions.number(2)?;
        let mut data = Cursor(extensions.vector(2)?);
        if kind == 0 {
            let mut names = Cursor(data.vector(2)?);
            names.take(1)?;
            let name = std::str::from_utf8(names.vector(2)?).ok()?;
            return Some(name.to_ascii_lowercase());
        }
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
    fn number(&mut self, width: usize) -> Option<usize> {
        let octets = self.take(width)?;
        Some(
            octets
                .iter()
                .fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
        )
    }
    fn vector(&mut self, width: usize) -> Option<&'a [u8]> {
        let length = self.number(width)?;
        self.take(length)
    }
}
