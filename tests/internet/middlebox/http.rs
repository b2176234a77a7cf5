//! Which host does a plain request name, and what comes back in its place?

use super::{Action, Kind, Middlebox};
use crate::resolver::below;
use crate::web::{host, response};

/// What a box that reads plain requests does.
pub(super) fn act(middlebox: &Middlebox, first: &[u8]) -> Action {
    match host(first) {
        Some(name) if below(&middlebox.names, &name) => match middlebox.kind {
            Kind::HttpBlockpage => {
                let page = format!("<html><title>{}</title></html>", middlebox.title);
                Action::Answer(response(200, &[], page.as_bytes()))
            }
            Kind::HttpRedirect => {
                Action::Answer(response(302, &[("Location", &middlebox.location)], b""))
            }
            Kind::HttpReset => Action::Reset,
            Kind::HttpDrop => Action::Drop,
            _ => Action::Pass,
        },
        _ => Action::Pass,
    }
}
