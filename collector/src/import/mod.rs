//! How does what others measured come in?

pub mod ooni;
