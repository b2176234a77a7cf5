//! What do the two sides of a TLS connection say before they hide?
//!
//! Everything up to the ServerHello travels in the clear, in TLS 1.2 (RFC 5246) and 1.3
//! (RFC 8446) alike, and that is where boxes on the path decide: they read the name in the
//! [`ClientHello`], and what comes back ([`ServerHello`], [`Alert`], other octets, nothing)
//! tells who answered. [`Stream`] takes records and handshake messages out of the octets of
//! one direction, also where a message spans records; [`Hello`] writes a ClientHello that
//! real servers answer. No cryptography: nothing here shakes hands to the end.
//!
//! ```text
//!   record     | type 1 | version 2 | length 2 | fragment ...            |
//!   fragments  |   handshake: type 1 | length 3 | body ...  (may span)   |
//!              |   alert: level 1 | description 1                        |
//! ```

mod alert;
mod client_hello;
mod error;
mod extension;
mod hello;
mod reader;
mod record;
mod registry;
mod server_hello;
mod stream;

pub use alert::{Alert, AlertDescription};
pub use client_hello::{ClientHello, KeyShares, Names, Numbers};
pub use error::{Field, Malformed};
pub use extension::{Extension, Extensions};
pub use hello::{EmitError, Hello, KeyShare};
pub use record::{Record, Records, could_be_tls};
pub use registry::{CipherSuite, ContentType, ExtensionType, Group, MessageType, Version};
pub use server_hello::ServerHello;
pub use stream::{Message, Next, Stream};

#[cfg(test)]
mod tests;
