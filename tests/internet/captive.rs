//! What does a captive portal do before the login? (RFC 8952 section 1)
//!
//! It answers plain pages in everybody's place with its own, and resets what it cannot read.

use crate::middlebox::Action;

/// What becomes of a stream to `port` through a portal.
pub fn on_stream(port: u16) -> Action {
    if port == 80 {
        Action::Answer(crate::web::response(
            302,
            &[("Location", "http://login.portal.example/")],
            b"<title>Please log in</title>",
        ))
    } else {
        Action::Reset
    }
}
