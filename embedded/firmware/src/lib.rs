//! What does a board do that has no operating system?
//!
//! The same as the probe for Linux, with the engines of `faultline-core` unchanged, over
//! embassy-net. This crate is everything but the metal: a board brings a [`Board`], a
//! network device and an executor, and calls [`run`].
//!
//! ```text
//!   device -> Tapped (witness) -> embassy_net::new -> Runner (the board's task)
//!                  |                    |
//!                  +---- Line ----------+
//!                          v
//!   Board ------------> run() <------ Settings, Secure (the way to the collector)
//! ```
//!
//! What it measures and what it leaves out is in `docs/firmware.md`, and in every measurement.
#![no_std]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(any(feature = "host", test))]
extern crate std;

mod beats;
mod board;
mod captive;
mod chance;
mod channel;
mod clock;
#[cfg(test)]
mod flash_model;
#[cfg(feature = "host")]
pub mod host;
mod http;
mod line;
mod log;
pub mod measure;
pub mod provision;
mod run;
mod settings;
pub mod store;
pub mod tls;
mod uplink;
mod witness;

pub use board::{Board, Layout, NoEntropy, Wall, Woke};
pub use chance::Chance;
pub use channel::{Plain, Secure, Unsecured};
pub use clock::WallClock;
pub use run::{Line, Note, SOCKETS, run};
pub use settings::{Captive, CollectorAt, Consent, Settings, Timeouts};
pub use uplink::UplinkError;
pub use witness::{Tapped, Witness};
