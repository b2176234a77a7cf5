//! `judge ooni DIR --asn-map FILE`: a line of JSON for each measurement, without a store:
//! OONI's classic verdict, its layered likelihoods, and our own verdict with its reasons.

use super::{
    Document, Judged, convert::convert_judged, files, judge, likelihoods, read_measurements,
};
use crate::{
    fingerprints::Fingerprints,
    rules::{self, Known},
};
use faultline_core::{
    id::Asn,
    verdict::{self, Reason},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Which network announces an address: a JSON object of address to number.
#[derive(Clone, Debug, Default)]
pub struct AsnMap(BTreeMap<IpAddr, u32>);

/// Why a map cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the ASN map {path}: {reason}; it is a JSON object of address to AS number")]
pub struct AsnMapError {
    path: PathBuf,
    reason: String,
}

impl AsnMap {
    /// Reads a map.
    pub fn read(path: &Path) -> Result<Self, AsnMapError> {
        let wrong = |reason: String| AsnMapError {
            path: path.into(),
            reason,
        };
        let bytes = fs::read(path).map_err(|e| wrong(e.to_string()))?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|e| wrong(e.to_string()))
    }

    /// The network of an address.
    pub fn asn_of(&self, ip: IpAddr) -> Option<u32> {
        self.0.get(&ip).copied()
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Measurements judged.
    pub judged: usize,
    /// Measurements that do not hold what a judgement needs.
    pub unjudged: usize,
    /// Measurements of other nettests.
    pub others: usize,
    /// Documents, files and folders that could not be read.
    pub unreadable: usize,
}

/// What our own rules say of a document.
fn own_verdict(
    document: &Document<'_>,
    judged: &Judged,
    asn_map: Option<&AsnMap>,
    fingerprints: Option<&Fingerprints>,
) -> Value {
    let converted = match convert_judged(document, |_| judged.clone()) {
        Ok(converted) => converted,
        Err(e) => return json!({ "unjudged": e.to_string() }),
    };
    let asn_of = |ip: IpAddr| match asn_map {
        Some(map) => map.asn_of(ip).map(Asn),
        None => converted.networks.get(&ip).copied(),
    };
    let known = Known {
        asn_of: &asn_of,
        home: Some(converted.asn),
        fingerprints,
    };
    let verdict = verdict::judge(&converted.measurement, converted.control.as_ref(), &known);
    let reasons: Vec<Value> = verdict.reasons.iter().map(reason).collect();
    json!({
        "rules": verdict.rules,
        "outcome": rules::name(verdict.outcome),
        "mechanism": verdict.mechanism.map(verdict::Mechanism::label),
        "reasons": reasons,
    })
}

fn reason(reason: &Reason) -> Value {
    json!({ "rule": reason.rule, "sentence": reason.rule.sentence() })
}

/// Judges every measurement below a folder (or in a file), in the order of file names. Each
/// gives a line, and so does whatever cannot be read. Without a map, the networks are those
/// that each document gives itself.
pub fn judge_directory(
    folder: &Path,
    asn_map: Option<&AsnMap>,
    fingerprints: Option<&Fingerprints>,
    out: &mut dyn Write,
) -> io::Result<Summary> {
    let mut summary = Summary::default();
    for path in files(folder) {
        let opened = path.and_then(|path| Ok((read_measurements(&path)?, path)));
        let (mut measurements, path) = match opened {
            Ok(opened) => opened,
            Err(e) => {
                summary.unreadable += 1;
                writeln!(out, "{}", json!({ "file": null, "error": e.to_string() }))?;
                continue;
            }
        };
        let name = path.strip_prefix(folder).unwrap_or(&path);
        let file = if name.as_os_str().is_empty() {
            &path
        } else {
            name
        };
        let file = file.to_string_lossy();
        while let Some(measurement) = measurements.next_document() {
            let line = match measurement {
                Ok((at, document)) if document.test_name() == "web_connectivity" => {
                    let own: BTreeMap<_, _> = document.networks().collect();
                    let asn_of = |ip| match asn_map {
                        Some(map) => map.asn_of(ip),
                        None => own.get(&ip).copied(),
                    };
                    let judged = judge(&document, &asn_of);
                    if judged.unjudged.is_some() {
                        summary.unjudged += 1;
                    } else {
                        summary.judged += 1;
                    }
                    let mut line = json!({
                        "file": file, "line": at, "input": document.input(),
                        "rules": judged.rules, "verdict": &judged.verdict,
                    });
                    if let Some(why) = judged.unjudged {
                        line["unjudged"] = why.into();
                    }
                    if judged.rules == "0.5" {
                        let likely = likelihoods(&document, &asn_of, fingerprints);
                        line["likelihoods"] = json!(likely);
                    }
                    line["own"] = own_verdict(&document, &judged, asn_map, fingerprints);
                    line
                }
                Ok((at, document)) => {
                    summary.others += 1;
                    let skipped = format!("not web_connectivity: {}", document.test_name());
                    json!({ "file": file, "line": at, "skipped": skipped })
                }
                Err(e) => {
                    summary.unreadable += 1;
                    json!({ "file": file, "error": e.to_string() })
                }
            };
            writeln!(out, "{line}")?;
        }
    }
    Ok(summary)
}
