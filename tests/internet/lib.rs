//! The simulated Internet.
