//! Are two pages alike? The four measures of the HTTP diff.

use super::observation::{Container, Page};
use std::collections::BTreeSet;

/// The HTTP diff of the first final response with the control's; `None` is "cannot tell".
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Diff {
    pub(super) proportion: Option<f64>,
    pub(super) status: Option<bool>,
    pub(super) headers: Option<bool>,
    pub(super) title: Option<bool>,
}

impl Diff {
    pub(super) fn new(seen: &Container) -> Self {
        let ours = seen
            .endpoints
            .values()
            .filter_map(|e| e.page.as_ref())
            .find(|p| p.is_final());
        let control = seen
            .control
            .as_ref()
            .filter(|control| control.http.is_empty());
        let (Some(ours), Some(control)) = (ours, control) else {
            return Self::default();
        };
        Self::between(ours, &control.page)
    }

    fn between(ours: &Page, control: &Page) -> Self {
        let measurable = !ours.truncated && ours.length > 0 && control.length > 0;
        let (short, long) = (
            ours.length.min(control.length),
            ours.length.max(control.length),
        );
        let equal = ours.status == control.status;
        let uncommon = |names: &BTreeSet<String>| -> BTreeSet<String> {
            let lower = names.iter().map(|name| name.to_lowercase());
            lower
                .filter(|name| !COMMON_HEADERS.contains(&name.as_str()))
                .collect()
        };
        let words = |title: &str| -> BTreeSet<String> {
            title
                .split(' ')
                .filter(|w| w.len() >= 5)
                .map(str::to_lowercase)
                .collect()
        };
        Self {
            proportion: measurable.then(|| short as f64 / long as f64),
            // A control that was turned away cannot say that another answer is wrong.
            status: (equal || control.status / 100 == 2).then_some(equal),
            headers: Some(!uncommon(&ours.headers).is_disjoint(&uncommon(&control.headers))),
            title: Some(words(&ours.title) == words(&control.title)),
        }
    }

    pub(super) fn length(&self) -> Option<bool> {
        self.proportion.map(|proportion| proportion > 0.7)
    }

    /// Whether the pages differ: in status, or in length, headers and title together.
    pub(super) fn differs(&self) -> bool {
        let yes = Some(true);
        let alike = self.length() == yes || self.headers == yes || self.title == yes;
        self.status != yes || !alike
    }
}

/// The text of the first `<title>`: 1 to 512 characters without `<`, any case.
pub(super) fn title(body: &[u8]) -> String {
    let page = String::from_utf8_lossy(body);
    // Lower-casing ASCII only keeps every offset.
    let lower = page.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find("<title>") {
        let start = from + found + "<title>".len();
        if let Some(end) = lower[start..].find('<') {
            let inside = &page[start..start + end];
            if lower[start + end..].starts_with("</title>")
                && (1..=512).contains(&inside.chars().count())
            {
                return inside.to_owned();
            }
        }
        from = start;
    }
    String::new()
}

/// Headers that every site sends (probe-cli `minipipeline/httpdiff.go`).
const COMMON_HEADERS: [&str; 25] = [
    "accept-ranges",
    "age",
    "cache-control",
    "cf-ray",
    "content-encoding",
    "content-language",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "link",
    "location",
    "p3p",
    "pragma",
    "server",
    "set-cookie",
    "strict-transport-security",
    "vary",
    "via",
    "x-content-type-options",
    "x-frame-options",
    "x-powered-by",
    "x-varnish",
    "x-xss-protection",
];
