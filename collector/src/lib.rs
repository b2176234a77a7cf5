//! What do many probes see together? Takes their signed results and what others measured,
//! judges them, and serves what it knows with its evidence.

// `cli` is written as a user of this library.
extern crate self as faultline_collector;

pub mod alert;
pub mod anchors;
pub mod api;
pub mod cli;
pub mod config;
pub mod control;
pub mod detect;
pub mod doors;
pub mod export;
pub mod fingerprints;
pub mod import;
pub mod ingest;
pub mod names;
mod nobody;
pub mod rules;
pub mod score;
mod signature;
pub mod store;
pub mod targets;
pub mod tls;
pub mod traces;
pub mod watch;
