//! OONI Web Connectivity: what would OONI itself say of a measurement?
//!
//! The compatibility mode follows the code of probe-cli, not its specification, where they
//! differ: of Web Connectivity LTE (0.5) `minipipeline` for observations and analysis and
//! `webconnectivitylte` for the classic verdict and the extended flags; of 0.4, whose
//! documents hold less, `webconnectivity`. Our own verdict is another thing and stands
//! beside it. [`likelihoods`] are those of OONI's data pipeline.

mod analysis;
mod classic;
mod convert;
mod document;
mod files;
mod judge;
mod likelihood;
mod observation;
mod older;
mod pages;
mod read;
mod surrogates;
mod tape;

pub use classic::{Blocking, ClassicVerdict};
pub(crate) use convert::words;
pub use convert::{Converted, Unusable, convert};
pub use document::Document;
pub use files::files;
pub use judge::{AsnMap, AsnMapError, Summary, judge_directory};
pub use likelihood::{Evidence, Layer, Likelihoods, likelihoods};
pub use read::{Documents, Found, LONGEST, ReadError, read_measurements};

use serde::Serialize;
use std::net::IpAddr;

/// A classic verdict and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// Whose rules spoke: those of version `0.4` or `0.5`.
    pub rules: &'static str,
    /// Why there is no verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unjudged: Option<&'static str>,
    /// The verdict; all unknown where there is none.
    #[serde(flatten)]
    pub verdict: ClassicVerdict,
}

/// The classic verdict on a document. `asn_of` is asked for answered addresses.
pub fn judge(document: &Document<'_>, asn_of: &dyn Fn(IpAddr) -> Option<u32>) -> Judged {
    if is_older(document) {
        older::judge(document, asn_of)
    } else {
        Judged {
            rules: "0.5",
            unjudged: None,
            verdict: classic::judge(document, asn_of),
        }
    }
}

/// Whether the rules of 0.4 apply: by the version that the document names, or, where it names
/// none, by whether its steps are tied together.
fn is_older(document: &Document<'_>) -> bool {
    let version = document::text(document.top("test_version"));
    let mut parts = version.split('.').map(str::parse::<u32>);
    if let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) {
        return (major, minor) < (0, 5);
    }
    let tied = |name| {
        let mut events = document.list(name);
        events.any(|event| document::number(event.field("transaction_id")) != 0)
    };
    !["queries", "tcp_connect", "requests"].into_iter().any(tied)
}

#[cfg(test)]
mod tests;
