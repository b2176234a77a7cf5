//! The collector: what it takes in, keeps, derives and serves.

pub mod api;
pub mod config;
pub mod import;
pub mod ingest;
pub mod store;
pub mod targets;
