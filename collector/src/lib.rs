//! The collector: what it takes in, keeps and derives.

pub mod ingest;
pub mod store;
