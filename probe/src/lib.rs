//! What does a volunteer's machine see of the Internet?
//!
//! A library, so that the simulated Internet can drive the very same experiments, and the
//! collector's control can look with the same eyes: a difference between probe and control
//! is then never a difference of tools.
pub mod experiment;
pub mod net;
pub mod random;
pub mod scrub;

pub mod budget;
pub mod config;
pub mod consent;
pub mod identity;
pub mod spool;
pub mod uplink;
