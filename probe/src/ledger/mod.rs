//! What does the probe note of its own connection, and how does it tell the collector that it
//! lives?
//!
//! At each beat it climbs a ladder from its own plug to the world ([`climb`]), notes what it
//! found ([`Desk`], [`Log`]) and sends one signed datagram ([`Beats`]). What the collector
//! missed goes into batches, oldest first ([`Desk::page`]).

mod beats;
mod climb;
mod desk;
mod log;

pub use beats::{Beats, Settings, boot_id};
pub use climb::{Anchor, Method, anchors, climb};
pub use desk::Desk;
pub use log::{Log, Read, look};
