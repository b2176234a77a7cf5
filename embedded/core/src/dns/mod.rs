//! What did the resolver say, octet by octet?
//!
//! DNS messages (RFC 1035 section 4.1) are read through checked views that allocate nothing:
//! [`Message::parse`] walks every name and record once, and whatever it accepts can be read
//! through accessors that neither panic nor fail. Replies from the network are hostile input;
//! a reply that does not parse is an observation ([`Malformed`] says where), not an error.
//!
//! [`Query`] and [`ResponseBuilder`] write messages into a caller's buffer, [`special`] knows
//! the addresses at which no public site can live. Nothing here sends, waits or decides.
//!
//! ```text
//!   +------------+----------+--------+-----------+------------+----------+
//!   | header  12 | question | answer | authority | additional | trailing |
//!   +------------+----------+--------+-----------+------------+----------+
//!                 counted by QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT  uncounted
//! ```

mod edns;
mod error;
mod header;
mod message;
mod name;
mod name_buf;
mod pretty;
mod query;
mod reader;
mod record;
mod registry;
mod response;
mod service;
pub mod special;
mod writer;

pub use edns::{Edns, EdnsOption, EdnsOptions};
pub use error::{Field, Malformed};
pub use header::Header;
pub use message::{Message, Question, Questions, Records};
pub use name::{Label, Labels, Name};
pub use name_buf::{BadName, NameBuf, encode_0x20};
pub use pretty::pretty;
pub use query::{EdnsRequest, Query};
pub use record::{RData, Record, Soa, Strings, Txt};
pub use registry::{Class, Rcode, RecordType};
pub use response::{Data, Owner, ResponseBuilder, Section};
pub use service::{Service, ech_config};
pub use special::is_bogon;
pub use writer::EmitError;

#[cfg(test)]
mod tests;
