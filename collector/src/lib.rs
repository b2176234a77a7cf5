//! What do many probes see together? Takes their signed results and what others measured,
//! judges them, and serves what it knows with its evidence.

pub mod api;
pub mod config;
pub mod import;
pub mod ingest;
pub mod names;
pub mod rules;
pub mod score;
pub mod store;
pub mod targets;
