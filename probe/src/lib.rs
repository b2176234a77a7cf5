//! What does a volunteer's machine see of the Internet?
//!
//! A library, so that the simulated Internet can drive the very same experiments, and the
//! collector's control can look with the same eyes: a difference between probe and control
//! is then never a difference of tools.
pub mod agent;
pub mod budget;
pub mod cli;
pub mod config;
pub mod consent;
pub mod durable;
pub mod experiment;
pub mod identity;
pub mod learned;
pub mod ledger;
pub mod net;
pub mod random;
pub mod scrub;
pub mod show;
pub mod spool;
pub mod state;
pub mod trust;
pub mod uplink;
