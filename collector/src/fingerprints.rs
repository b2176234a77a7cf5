//! Is an answer or a page that of a known blockpage? Signatures in OONI's CSV format
//! (ooni/blocking-fingerprints), given by the operator; the project ships none.
//!
//! Signatures of false positives (scope `fp`) come first: a page that one of them fits is
//! nobody's blockpage. Of the rest only those of an ISP or a nation accuse, as in OONI's
//! fastpath; a product, an institution or a vague word does not say who interferes.
//! A body is read once for all its patterns (Aho-Corasick), and only for a few octets of each,
//! those that pages hold least often: so the automaton is small enough to be one without failure
//! links, and to stay in the processor's cache. Where they are found the whole text is compared,
//! and an expression is asked only where a text that it cannot do without was found.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use faultline_core::{id::Country, observation::Fetch};
use regex::bytes::Regex;
use regex_syntax::hir::{Hir, HirKind};
use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

/// Bytes of a body that are looked at: as many as probes fetch.
const BODY_CAP: usize = 512 * 1024;
/// Octets of each text that the automaton knows.
const KEY: usize = 8;

/// Who shows a page, by OONI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `nat`: a nation's.
    Nation,
    /// `isp`: a provider's.
    Provider,
    /// `fp`: nobody's, it only looks like one.
    FalsePositive,
    /// `prod`, `inst`, `vbw`, ...: a product, an institution, a vague word.
    Other,
}

/// What is known of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Its name in the list.
    pub name: String,
    /// Who shows it.
    pub scope: Scope,
    /// How sure it is not to fit others, 0 to 10.
    pub confidence: u8,
    /// Where it is expected; empty where that is not said.
    pub countries: Vec<Country>,
}

impl Signature {
    /// Whether it says by itself that somebody blocks.
    pub const fn accuses(&self) -> bool {
        matches!(self.scope, Scope::Nation | Scope::Provider)
    }
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FingerprintsError {
    /// The file cannot be read.
    #[error("cannot read the fingerprints {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No CSV.
    #[error("the fingerprints are no CSV in OONI's format")]
    Csv(#[from] csv::Error),
    /// A line that says nothing usable.
    #[error("line {line} of the fingerprints: {reason}")]
    Line {
        /// Which.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// Too many patterns.
    #[error("the patterns of the fingerprints cannot be put together")]
    Patterns(#[from] aho_corasick::BuildError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Full,
    Prefix,
    Contains,
}

/// A pattern of a header's value.
struct HeaderPattern {
    name: String,
    kind: Kind,
    pattern: String,
    signature: usize,
}

/// A text in a body, and what it means.
struct Text {
    whole: String,
    /// Where in it the octets begin that are looked for.
    key: usize,
    /// Only if this expression fits, too.
    only_if: Option<Regex>,
    signature: usize,
}

/// Signatures, ready to be asked.
#[derive(Default)]
pub struct Fingerprints {
    signatures: Vec<Signature>,
    addresses: BTreeMap<IpAddr, usize>,
    headers: Vec<HeaderPattern>,
    /// Whole bodies.
    whole: Vec<(String, usize)>,
    /// Finds the keys of the texts.
    keys: Option<AhoCorasick>,
    texts: Vec<Text>,
    /// Expressions without a text that they need.
    always: Vec<(Regex, usize)>,
}

impl Fingerprints {
    /// Reads the lists of addresses (`fingerprints_dns.csv`) and pages
    /// (`fingerprints_http.csv`).
    pub fn read(dns: Option<&Path>, http: Option<&Path>) -> Result<Self, FingerprintsError> {
        let text = |path: Option<&Path>| match path {
            None => Ok(String::new()),
            Some(path) => {
                std::fs::read_to_string(path).map_err(|source| FingerprintsError::Read {
                    path: path.into(),
                    source,
                })
            }
        };
        Self::parse(&text(dns)?, &text(http)?)
    }

    /// From the texts of both lists; an empty one has no signatures.
    pub fn parse(dns: &str, http: &str) -> Result<Self, FingerprintsError> {
        let mut all = Self::default();
        for list in [dns, http] {
            let mut reader = csv::Reader::from_reader(list.as_bytes());
            let columns = reader.headers()?.clone();
            for record in reader.records() {
                let record = record?;
                let line = record.position().map_or(0, csv::Position::line);
                all.add(record.deserialize(Some(&columns))?)
                    .map_err(|reason| FingerprintsError::Line { line, reason })?;
            }
        }
        all.find_keys()?;
        Ok(all)
    }

    fn find_keys(&mut self) -> Result<(), FingerprintsError> {
        if self.texts.is_empty() {
            return Ok(());
        }
        let common = Common::new(self.texts.iter().map(|text| text.whole.as_bytes()));
        for text in &mut self.texts {
            text.key = common.rarest(text.whole.as_bytes());
        }
        let keys = self.texts.iter().map(|text| {
            let from = &text.whole.as_bytes()[text.key..];
            &from[..from.len().min(KEY)]
        });
        let built = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(keys)?;
        self.keys = Some(built);
        Ok(())
    }

    fn text(&mut self, whole: String, only_if: Option<Regex>) {
        self.texts.push(Text {
            whole,
            key: 0,
            only_if,
            signature: self.signatures.len(),
        });
    }

    fn add(&mut self, row: Row) -> Result<(), String> {
        let at = self.signatures.len();
        if row.pattern.is_empty() {
            return Err("the pattern is empty and would fit everything".into());
        }
        let kind = match row.pattern_type.as_str() {
            "full" => Some(Kind::Full),
            "prefix" => Some(Kind::Prefix),
            "contains" => Some(Kind::Contains),
            "regexp" => None,
            other => {
                let known = "full, prefix, contains and regexp";
                return Err(format!("pattern type {other:?}, known are {known}"));
            }
        };
        match (row.location_found.as_str(), kind) {
            ("dns", Some(Kind::Full)) => {
                // Some lists hold names, too; answers are compared by address.
                if let Ok(ip) = row.pattern.parse() {
                    self.addresses.insert(ip, at);
                }
            }
            ("body", Some(Kind::Full)) => self.whole.push((row.pattern.clone(), at)),
            ("body", Some(Kind::Contains)) => self.text(row.pattern.clone(), None),
            ("body", None) => {
                let regex = Regex::new(&row.pattern)
                    .or_else(|_| Regex::new(&braced(&row.pattern)))
                    .map_err(|e| format!("no expression: {e}"))?;
                match needed(regex.as_str()) {
                    Some(text) => self.text(text, Some(regex)),
                    None => self.always.push((regex, at)),
                }
            }
            (location, Some(kind)) if location.starts_with("header.") => {
                self.headers.push(HeaderPattern {
                    name: location["header.".len()..].to_owned(),
                    kind,
                    pattern: row.pattern.clone(),
                    signature: at,
                });
            }
            (location, _) => {
                let what = &row.pattern_type;
                return Err(format!("{what} of {location:?} is not known"));
            }
        }
        self.signatures.push(Signature {
            name: row.name,
            scope: match row.scope.as_str() {
                "nat" => Scope::Nation,
                "isp" => Scope::Provider,
                "fp" => Scope::FalsePositive,
                _ => Scope::Other,
            },
            confidence: row.confidence_no_fp,
            countries: row
                .expected_countries
                .split(',')
                .filter_map(|code| Country::new(code.trim()))
                .collect(),
        });
        Ok(())
    }

    /// The signature of an answered address.
    pub fn address(&self, ip: IpAddr) -> Option<&Signature> {
        let signature = &self.signatures[*self.addresses.get(&ip)?];
        (signature.scope != Scope::FalsePositive).then_some(signature)
    }

    /// The signature that says most of a page: one that accuses before one that does not,
    /// then the surest, then the first; none if a false positive fits.
    pub fn page(&self, fetch: &Fetch) -> Option<&Signature> {
        let mut best: Option<usize> = None;
        let mut harmless = false;
        let mut found = |at: usize| {
            let rank = |at: usize| {
                let s = &self.signatures[at];
                (s.accuses(), s.confidence, std::cmp::Reverse(at))
            };
            harmless |= self.signatures[at].scope == Scope::FalsePositive;
            if best.is_none_or(|other| rank(other) < rank(at)) {
                best = Some(at);
            }
        };
        for header in &fetch.headers {
            self.header(&header.name, &header.value, &mut found);
        }
        let told = |name: &str| {
            fetch
                .headers
                .iter()
                .any(|h| h.name.eq_ignore_ascii_case(name))
        };
        if let Some(location) = fetch.location.as_deref().filter(|_| !told("location")) {
            self.header("location", location, &mut found);
        }
        let body = fetch.body.as_ref().map_or(&[][..], |body| &body.0);
        self.body(&body[..body.len().min(BODY_CAP)], &mut found);
        let at = best.filter(|_| !harmless)?;
        Some(&self.signatures[at])
    }

    fn header(&self, name: &str, value: &str, found: &mut impl FnMut(usize)) {
        for one in &self.headers {
            let fits = one.name.eq_ignore_ascii_case(name)
                && match one.kind {
                    Kind::Full => value == one.pattern,
                    Kind::Prefix => value.starts_with(&one.pattern),
                    Kind::Contains => value.contains(&one.pattern),
                };
            if fits {
                found(one.signature);
            }
        }
    }

    fn body(&self, body: &[u8], found: &mut impl FnMut(usize)) {
        for (pattern, at) in &self.whole {
            if body == pattern.as_bytes() {
                found(*at);
            }
        }
        for (regex, at) in &self.always {
            if regex.is_match(body) {
                found(*at);
            }
        }
        let Some(keys) = &self.keys else { return };
        let mut seen = vec![false; self.texts.len()];
        for hit in keys.find_overlapping_iter(body) {
            let at = hit.pattern().as_usize();
            let text = &self.texts[at];
            if seen[at] || !holds(body, &text.whole, hit.start(), text.key) {
                continue;
            }
            seen[at] = true;
            if text
                .only_if
                .as_ref()
                .is_none_or(|regex| regex.is_match(body))
            {
                found(text.signature);
            }
        }
    }
}

/// Whether a body holds a text whose octets from `key` on are at `at`.
fn holds(body: &[u8], text: &str, at: usize, key: usize) -> bool {
    let from = at.checked_sub(key).and_then(|from| body.get(from..));
    from.is_some_and(|body| body.starts_with(text.as_bytes()))
}

/// How often two octets follow each other in the texts: what many of them share is markup,
/// and pages share it, too.
struct Common(Vec<u32>);

impl Common {
    fn new<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut count = vec![0; 1 << 16];
        for text in texts {
            for pair in text.windows(2) {
                count[Self::at(pair)] += 1;
            }
        }
        Self(count)
    }

    fn at(pair: &[u8]) -> usize {
        pair.iter()
            .fold(0, |all, octet| all << 8 | usize::from(*octet))
    }

    /// Where the octets of a text begin that are to be looked for.
    fn rarest(&self, text: &[u8]) -> usize {
        let often = |key: &[u8]| -> u32 { key.windows(2).map(|p| self.0[Self::at(p)]).sum() };
        let keys = text.windows(KEY).map(often).enumerate();
        keys.min_by_key(|(_, often)| *often).map_or(0, |(at, _)| at)
    }
}

/// A line of a list.
#[derive(serde::Deserialize)]
struct Row {
    name: String,
    scope: String,
    location_found: String,
    pattern_type: String,
    pattern: String,
    #[serde(default)]
    confidence_no_fp: u8,
    #[serde(default)]
    expected_countries: String,
}

/// A brace that counts nothing is a brace: so Python, for which the lists are written.
fn braced(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut before = None;
    for (at, c) in pattern.char_indices() {
        let counts =
            pattern[at + c.len_utf8()..].starts_with(|next: char| next.is_ascii_digit());
        if c == '{' && before != Some('\\') && !counts {
            out.push('\\');
        }
        out.push(c);
        before = Some(c);
    }
    out
}

/// The longest text without which an expression does not fit, if it has one.
fn needed(pattern: &str) -> Option<String> {
    let parsed = regex_syntax::parse(pattern).ok()?;
    let literal = |hir: &Hir| match hir.kind() {
        HirKind::Literal(text) => String::from_utf8(text.0.to_vec()).ok(),
        _ => None,
    };
    match parsed.kind() {
        HirKind::Concat(parts) => parts.iter().filter_map(literal).max_by_key(String::len),
        _ => literal(&parsed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faultline_core::{observation::Header, value::Blob};

    const COLUMNS: &str = "name,scope,other_names,location_found,pattern_type,pattern,confidence_no_fp,expected_countries,source,exp_url,notes\n";

    fn list(lines: &[&str]) -> String {
        COLUMNS.to_owned() + &lines.join("\n")
    }

    fn known(lines: &[&str]) -> Fingerprints {
        Fingerprints::parse("", &list(lines)).unwrap()
    }

    fn page(body: &str, headers: &[(&str, &str)]) -> Fetch {
        let mut fetch = crate::fingerprints::tests::empty();
        fetch.body = Some(Blob(body.as_bytes().to_vec()));
        fetch.headers = headers
            .iter()
            .map(|(name, value)| Header {
                name: (*name).into(),
                value: (*value).into(),
            })
            .collect();
        fetch
    }

    fn empty() -> Fetch {
        Fetch {
            url: "http://news.example/".into(),
            ip: "20.1.0.1".parse::<IpAddr>().unwrap().into(),
            port: 80,
            depth: 0,
            status: Some(200),
            headers: Vec::new(),
            body_length: 0,
            body_truncated: false,
            body_sha256: None,
            body: None,
            title: None,
            location: None,
            authenticated: false,
        }
    }

    fn named<'a>(known: &'a Fingerprints, fetch: &Fetch) -> Option<&'a str> {
        known.page(fetch).map(|s| s.name.as_str())
    }

    #[test]
    fn addresses_fit_as_a_whole() {
        let dns = list(&[
            "a,nat,,dns,full,8.7.198.45,5,CN,ooni,,",
            "b,fp,,dns,full,20.1.0.1,5,,ooni,,",
            "c,prod,,dns,full,20.1.0.2,5,\"DE,FR\",ooni,,",
            "d,isp,,dns,full,not-an-address.example,5,IT,ooni,,",
        ]);
        let known = Fingerprints::parse(&dns, "").unwrap();
        let at = |ip: &str| known.address(ip.parse().unwrap());
        assert!(at("8.7.198.45").is_some_and(Signature::accuses));
        assert_eq!(at("20.1.0.1"), None, "a false positive is none");
        let product = at("20.1.0.2").unwrap();
        assert!(!product.accuses() && product.countries.len() == 2);
        assert_eq!((known.signatures.len(), at("20.1.0.3")), (4, None));
    }

    #[test]
    fn every_kind_of_pattern_fits_where_it_should() {
        let known = known(&[
            "full,isp,,header.server,full,WireFilter,5,AE,ooni,,",
            "prefix,isp,,header.location,prefix,http://block.example/,5,AE,ooni,,",
            "contains,isp,,header.via,contains,gate,5,AE,ooni,,",
            "body,isp,,body,contains,is blocked by order,5,AE,ooni,,",
            "whole,isp,,body,full,no,5,AE,ooni,,",
            "expression,isp,,body,regexp,URL .* Sp.*er Gate,5,AE,ooni,,",
            "open,isp,,body,regexp,[0-9]{20},5,AE,ooni,,",
            r#"brace,isp,,body,regexp,"é{""msg"":.*""id"":",5,AE,ooni,,"#,
        ]);
        let of = |body: &str, headers: &[(&str, &str)]| {
            named(&known, &page(body, headers)).map(str::to_owned)
        };
        assert_eq!(of("", &[("Server", "WireFilter")]).as_deref(), Some("full"));
        assert_eq!(of("", &[("Server", "WireFilter 2")]), None);
        let to = |url: &str| of("", &[("location", url)]);
        assert_eq!(to("http://block.example/?u=1").as_deref(), Some("prefix"));
        assert_eq!(to("https://news.example/?to=http://block.example/"), None);
        assert_eq!(of("", &[("via", "1.1 gate7")]).as_deref(), Some("contains"));
        assert_eq!(
            of("<p>It is blocked by order</p>", &[]).as_deref(),
            Some("body")
        );
        assert_eq!(
            (of("no", &[]).as_deref(), of("not", &[])),
            (Some("whole"), None)
        );
        let gate = of("The URL x at Spyder Gate", &[]);
        assert_eq!(gate.as_deref(), Some("expression"));
        assert_eq!(of("Spyder Gate without it", &[]), None);
        assert_eq!(of(&"7".repeat(20), &[]).as_deref(), Some("open"));
        assert_eq!(of(r#"é{"msg":1,"id":2}"#, &[]).as_deref(), Some("brace"));
        let mut told = empty();
        told.location = Some("http://block.example/".into());
        assert_eq!(named(&known, &told), Some("prefix"));
    }

    #[test]
    fn false_positives_clear_a_page_whatever_else_fits() {
        let known = known(&[
            "page,nat,,body,contains,blocked,10,AE,ooni,,",
            "harmless,fp,,body,contains,How to get un,5,,ooni,,",
        ]);
        assert_eq!(named(&known, &page("this is blocked", &[])), Some("page"));
        assert_eq!(
            named(&known, &page("How to get unblocked", &[])),
            None,
            "overlapping patterns are both seen"
        );
    }

    #[test]
    fn what_accuses_comes_first_then_what_is_sure() {
        let known = known(&[
            "vague,vbw,,body,contains,blocked,10,,ooni,,",
            "unsure,isp,,body,contains,is blocked,5,,ooni,,",
            "sure,isp,,body,contains,blocked here,8,,ooni,,",
        ]);
        assert_eq!(
            named(&known, &page("it is blocked here", &[])),
            Some("sure")
        );
        let vague = known.page(&page("un-blocked", &[])).unwrap();
        assert!(!vague.accuses());
    }

    #[test]
    fn a_list_that_says_nonsense_is_refused_with_its_line() {
        for (line, says) in [
            (
                "a,isp,,body,glob,x*,5,AE,ooni,,",
                "line 3 of the fingerprints: pattern type \"glob\"",
            ),
            ("a,isp,,body,contains,,5,AE,ooni,,", "the pattern is empty"),
            ("a,isp,,body,regexp,(,5,AE,ooni,,", "no expression"),
            (
                "a,isp,,body,prefix,x,5,AE,ooni,,",
                "prefix of \"body\" is not known",
            ),
        ] {
            let lines = ["fine,isp,,body,contains,x,5,AE,ooni,,", line];
            let error = Fingerprints::parse("", &list(&lines)).err().unwrap();
            assert!(error.to_string().contains(says), "{error}");
        }
        assert!(Fingerprints::parse("name\n1,2\n", "").is_err());
    }

    /// Every signature of OONI's lists fits a page made of its own pattern, false positives
    /// aside, and an ordinary page fits none.
    #[test]
    fn the_lists_of_ooni_itself() {
        let shared = std::env::var_os("FAULTLINE_SHARED").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
            Into::into,
        );
        let folder = shared.join("data/fingerprints");
        if !folder.exists() {
            println!("skipped: no ../shared");
            return;
        }
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let (dns, http) = (read("fingerprints_dns.csv"), read("fingerprints_http.csv"));
        let known = Fingerprints::parse(&dns, &http).unwrap();
        assert_eq!(known.signatures.len(), 226 + 1729);
        let rows = |text: &str| -> Vec<Row> {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            reader.deserialize().map(Result::unwrap).collect()
        };
        for row in rows(&dns) {
            if let Ok(ip) = row.pattern.parse() {
                assert!(known.address(ip).is_some(), "{}", row.name);
            }
        }
        let mut missed = Vec::new();
        let pages = rows(&http);
        for row in pages.iter().filter(|row| row.pattern_type != "regexp") {
            let fetch = match row.location_found.strip_prefix("header.") {
                Some(name) => page("", &[(name, &row.pattern)]),
                None => page(&row.pattern, &[]),
            };
            // Another signature may fit as well and say more; a false positive says none.
            let found = known.page(&fetch).is_some();
            if found == (row.scope == "fp") {
                missed.push(&row.name);
            }
        }
        // Patterns of blockpages that hold one of a false positive, or the other way around.
        assert!(missed.len() < 10, "{missed:?}");
        let plain = page(
            "<html><title>Morning news</title><p>All is well.",
            &[("Server", "nginx")],
        );
        assert_eq!(known.page(&plain), None);
    }

    proptest::proptest! {
        /// One pass finds what one search for each pattern finds.
        #[test]
        fn a_page_fits_what_it_holds(
            words in proptest::collection::vec("[ab]{1,12}", 1..12),
            body in "[ab]{0,60}",
        ) {
            let lines: Vec<String> = words.iter().enumerate()
                .map(|(at, word)| format!("{at},isp,,body,contains,{word},5,,ooni,,"))
                .collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let known = known(&lines);
            let first = words.iter().position(|word| body.contains(word.as_str()));
            let found = known.page(&page(&body, &[])).map(|s| s.name.clone());
            proptest::prop_assert_eq!(found, first.map(|at| at.to_string()));
        }
    }
}
