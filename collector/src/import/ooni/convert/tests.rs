//! Synthetic documents, each about one thing.
