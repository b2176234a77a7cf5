//! Which octets stand on the wire, below DNS?
//!
//! Checked views in the manner of [`crate::dns`]: parsing looks at every octet once, accessors
//! neither panic nor fail, nothing allocates, and what cannot be read says where
//! ([`tls::Malformed`]). Octets of the network are hostile input and data at the same time.

pub mod quic;
pub mod tls;
