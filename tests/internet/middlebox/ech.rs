//! Is the name in a ClientHello encrypted? (RFC 9849)

use super::{Action, Kind, Middlebox, sni::read};
use crate::resolver::below;

/// Octets of a ClientHello that an old box takes.
const OLD: usize = 400;

/// What a box that looks for ECH, or for length, does.
pub(super) fn act(middlebox: &Middlebox, first: &[u8]) -> Action {
    let mut together = vec![0; first.len()];
    let Some(hello) = read(first, &mut together) else {
        return Action::Pass;
    };
    let shown = hello.server_name().unwrap_or_default().to_ascii_lowercase();
    let shown = String::from_utf8_lossy(&shown);
    let named = middlebox.names.is_empty() || below(&middlebox.names, &shown);
    match middlebox.kind {
        Kind::LongDrop if first.len() > OLD => Action::Drop,
        Kind::EchDrop if hello.has_ech() && named => Action::Drop,
        Kind::EchReset if hello.has_ech() && named => Action::Reset,
        _ => Action::Pass,
    }
}
