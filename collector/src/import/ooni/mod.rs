//! OONI Web Connectivity: what would OONI itself say of a measurement?
//!
//! The compatibility mode follows the code of probe-cli's Web Connectivity LTE (0.5), not its
//! specification, where they differ: `minipipeline` for observations and analysis,
//! `webconnectivitylte` for the classic verdict and the extended flags. Our own verdict is
//! another thing and stands beside it.

mod analysis;
mod classic;
mod document;
mod judge;
mod observation;
mod pages;
mod read;

pub use classic::{Blocking, ClassicVerdict};
pub use document::Document;
pub use judge::{AsnMap, AsnMapError, JudgeError, Summary, judge_directory};
pub use read::{ReadError, read_measurements};

use std::net::IpAddr;

/// The classic verdict on a document. `asn_of` is asked for answered addresses.
pub fn judge(document: &Document, asn_of: &dyn Fn(IpAddr) -> Option<u32>) -> ClassicVerdict {
    classic::judge(document, asn_of)
}

#[cfg(test)]
mod tests;
