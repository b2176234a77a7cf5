//! How is one target measured, from the first packet to a measurement?
//!
//! Experiments run over any [`Network`] and [`Clock`] and report what they saw in a fixed
//! order, whatever the order of completion, so that a simulated run repeats exactly. Waiting
//! goes through the clock alone: virtual time needs no real time to pass.
//!
//! | experiment | asks | after |
//! |---|---|---|
//! | [`dns_consistency`] | do resolvers agree on a name? | OONI ts-002, GFWatch |
//! | [`web`] | can a page be reached, and if not, at which step? | OONI ts-017 |
//! | [`namespace`] | is a top-level domain where it is for everybody? | RFC 2826, ICANN OCTO-034 |
//! | [`special_names`] | does a special-use name lead to a public address? | RFC 6761, RFC 9476 |
//! | [`transparency`] | does the DNS pass as it was sent? | RFC 3597, RFC 6891, RFC 7766 |
//! | [`hello`] | does the target's name pass in a ClientHello? | TSPU (IMC 2022), with a neutral twin |
//! | [`quic`] | does QUIC reach the target where TLS over TCP does? | IMC 2021, OONI quicping |
//! | [`encrypted_dns`] | is a public resolver reached over TLS, HTTPS, QUIC? | RFC 7858, 8484, 9250; OONI dnscheck |
//! | [`ech`] | does a ClientHello pass whose name is encrypted? | RFC 9849, with two near misses |
//! | [`control`] | what does a clean place see of the same? | OONI test helper |
//! | [`behind_captive_portal`] | does the network answer in the Internet's place? | RFC 8952 |

mod addresses;
mod captive;
mod control;
mod dns_consistency;
mod ech;
mod encrypted;
mod encrypted_dns;
mod fetch;
mod handshake;
mod hello;
mod late;
mod lookup;
mod namespace;
mod outcome;
mod plan;
mod quic;
mod run;
mod special_names;
mod traces;
mod transparency;
mod verifier;
mod watch;
mod web;

pub use captive::behind_captive_portal;
pub use control::{control, told};
pub use dns_consistency::{Listening, ask_names, dns_consistency};
pub use ech::ech;
pub use encrypted_dns::encrypted_dns;
pub use hello::{hello, is_stopped_by_name};
pub use namespace::namespace;
pub use outcome::{Outcome, Surroundings, measure};
pub use plan::{CaptiveCheck, EncryptedResolver, Nobody, Plan, QuicReference, Timeouts};
pub use quic::quic;
pub use run::World;
pub use special_names::special_names;
pub use transparency::transparency;
pub use web::web;

#[cfg(test)]
mod tests;
