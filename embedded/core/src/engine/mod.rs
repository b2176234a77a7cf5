//! How is a step measured where nothing may wait, listen or look at a clock?
//!
//! State machines without I/O, driven alike by a probe's sockets, a board's network stack, a
//! simulated Internet and a fuzzer. Time, octets and chance are arguments:
//!
//! ```text
//!   loop {
//!       match engine.poll(now) {
//!           Want::Send(octets) => send them,
//!           Want::Wait => until engine.poll_at(), or something comes: engine.handle(now, it),
//!           Want::Nothing => break engine.finish(now),
//!       }
//!   }
//! ```
//!
//! What comes out is an [`Observation`](crate::observation::Observation): engines judge how a
//! step ended, never what that means. They bound what a hostile peer makes them keep.

pub mod agenda;
pub mod framing;
pub mod handshake;
pub mod heartbeat;
pub mod ledger;
pub mod lookup;

/// What an engine wants of its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want<'a> {
    /// These octets are to be sent, now and once.
    Send(&'a [u8]),
    /// Something is to come, or time is to pass.
    Wait,
    /// It has seen enough.
    Nothing,
}

#[cfg(test)]
mod tests;
