//! What do Faultline's parts say to each other?
//!
//! The language of the system: identifiers, times, failures, observations, measurements,
//! wire views, engines, the codec and the rules of judgement. Nothing here opens a socket,
//! reads a clock, touches a file or draws a random number: time, bytes and entropy come in
//! as arguments, so the same code runs in a probe, in the collector, on an ARM board and in
//! a simulated Internet at thousands of runs a second.
//!
//! ```text
//!   bytes ──► wire, dns ──► engine ──► observation ──► measurement ──► codec
//!                                          └──────────────┴──► verdict
//! ```
//!
//! Without features the crate is `no_std` and allocates nothing; `alloc` adds owned
//! messages, measurements, engines, the codec and verdicts; `transports` the observations of
//! QUIC, which boards have no room for, and their rules; `std` (with them) and `serde` add trait
//! implementations. No feature changes what code does with what it knows.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "alloc")]
pub mod codec;
pub mod dns;
#[cfg(feature = "alloc")]
pub mod engine;
pub mod failure;
pub mod id;
#[cfg(feature = "alloc")]
pub mod measurement;
#[cfg(feature = "alloc")]
pub mod observation;
#[cfg(feature = "alloc")]
pub mod page;
#[cfg(feature = "alloc")]
pub mod protocol;
mod registry;
#[cfg(feature = "alloc")]
pub mod resolver;
pub mod time;
#[cfg(feature = "alloc")]
pub mod trace;
#[cfg(feature = "alloc")]
pub mod value;
#[cfg(feature = "alloc")]
pub mod verdict;
pub mod wire;
