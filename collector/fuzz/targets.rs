//! What does each fuzz target do with octets? `true` where they were taken. The same functions
//! replay the committed corpora in `tests/fuzz_corpus.rs`, without a fuzzer.

use faultline_collector::{
    fingerprints::Fingerprints,
    import::ooni::{Document, Documents, convert, judge, likelihoods},
};
use faultline_core::{observation::Fetch, value::Blob};
use std::{fmt::Debug, io::Cursor, net::IpAddr, path::Path};

/// A file of OONI's documents: each is judged both ways and converted, or refused with its
/// line; and says the same when it is read as a tree of JSON.
pub(crate) fn ooni(octets: &[u8]) -> bool {
    let mut documents = Documents::new(Path::new("x"), Cursor::new(octets));
    let (mut whole, mut refused) = (0, 0);
    while let Some(found) = documents.next_document() {
        let Ok((_, document)) = found else {
            refused += 1;
            continue;
        };
        whole += 1;
        let _ = everything(&document);
        // Both from what it says: long numbers need not read back to the bit.
        let text = String::from_utf8(document.to_json()).expect("JSON is text");
        let tree = serde_json::from_str(&text).expect("what it says is JSON");
        let again = Document::parse(&text).expect("what it says is JSON");
        assert_eq!(everything(&again), everything(&Document::new(&tree)));
    }
    whole > 0 && refused == 0
}

fn everything(document: &Document<'_>) -> impl Debug + PartialEq + use<> {
    let judged = judge(document, &|_| None);
    assert!(judged.unjudged.is_none() || judged.verdict.accessible.is_none());
    (
        judged,
        likelihoods(document, &|_| None, None),
        convert(document, &|_| None),
        document.digest(),
    )
}

/// A page, a zero octet, and a list of signatures: a text of the list that the page holds is
/// found, and one of a false positive clears it, as by looking for one after the other.
pub(crate) fn fingerprints(octets: &[u8]) -> bool {
    let at = octets.iter().position(|octet| *octet == 0);
    let (body, list) = octets.split_at(at.unwrap_or(octets.len()));
    let Ok(list) = std::str::from_utf8(list.get(1..).unwrap_or_default()) else {
        return false;
    };
    let Ok(known) = Fingerprints::parse("", list) else {
        return false;
    };
    let found = known.page(&page(body));
    let (mut fits, mut harmless) = (false, false);
    for row in csv::Reader::from_reader(list.as_bytes()).deserialize() {
        let Row {
            scope,
            location_found,
            pattern_type,
            pattern,
        } = row.expect("it was read before");
        let text = pattern.as_bytes();
        if (location_found.as_str(), pattern_type.as_str()) == ("body", "contains")
            && body.windows(text.len()).any(|window| window == text)
        {
            fits = true;
            harmless |= scope == "fp";
        }
    }
    assert!(!harmless || found.is_none());
    // A false positive may be an expression, too.
    assert!(harmless || !fits || found.is_some() || list.contains("fp"));
    true
}

/// The columns of a list that say what fits.
#[derive(serde::Deserialize)]
struct Row {
    scope: String,
    location_found: String,
    pattern_type: String,
    pattern: String,
}

fn page(body: &[u8]) -> Fetch {
    Fetch {
        url: "http://news.example/".into(),
        ip: IpAddr::from([20, 1, 0, 1]).into(),
        port: 80,
        depth: 0,
        status: Some(200),
        headers: Vec::new(),
        body_length: body.len() as u64,
        body_truncated: false,
        body_sha256: None,
        body: Some(Blob(body.to_vec())),
        title: None,
        location: None,
        authenticated: false,
    }
}
