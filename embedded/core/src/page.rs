//! What do a page's title and headers say about which page it is?
//!
//! The pieces that OONI's Web Connectivity compares pages by (ts-017 and, where they differ,
//! the code of probe-cli): the title, its long words, and the headers that every site sends
//! and that therefore say nothing. How these are weighed is each verdict's own business.

use alloc::{borrow::Cow, collections::BTreeSet, string::String};

/// Characters of the longest title.
const LONGEST: usize = 512;
const OPEN: &[u8] = b"<title>";
const CLOSE: &[u8] = b"</title>";

/// The text of the first `<title>`, any case: what `<title>([^<]{1,512})</title>` finds,
/// counted in characters. Octets outside UTF-8 are replaced.
pub fn title(body: &[u8]) -> Option<String> {
    // No character is longer than four octets.
    let reach = LONGEST * 4 + 1;
    body.windows(OPEN.len())
        .enumerate()
        .filter(|(_, window)| window.eq_ignore_ascii_case(OPEN))
        .find_map(|(at, _)| {
            let rest = body.get(at + OPEN.len()..)?;
            let length = rest.iter().take(reach).position(|octet| *octet == b'<')?;
            let (text, behind) = rest.split_at_checked(length)?;
            let closed = behind.get(..CLOSE.len())?.eq_ignore_ascii_case(CLOSE);
            let text = String::from_utf8_lossy(text);
            let fits = (1..=LONGEST).contains(&text.chars().count());
            (closed && fits).then(|| Cow::into_owned(text))
        })
}

/// The words of a title by which titles are compared: of five octets or more, in lower case.
pub fn long_words(title: &str) -> BTreeSet<String> {
    title
        .split(' ')
        .filter(|word| word.len() >= 5)
        .map(str::to_lowercase)
        .collect()
}

/// Whether nearly every site sends the header, by OONI's list (`httpdiff.go`). The name in
/// lower case.
pub fn is_common_header(name: &str) -> bool {
    COMMON_HEADERS.contains(&name)
}

/// The names of headers that say something about the page, in lower case.
pub fn uncommon_headers<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names
        .into_iter()
        .map(str::to_lowercase)
        .filter(|name| !is_common_header(name))
        .collect()
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;

    #[test]
    fn titles_are_what_the_expression_would_find() {
        for (body, found) in [
            ("<html><TITLE>Hi</Title>", Some("Hi")),
            ("<title></title><title>second</title>", Some("second")),
            ("<title>a<b></title>", None),
            ("<title>open", None),
            ("<titl", None),
            ("", None),
        ] {
            assert_eq!(title(body.as_bytes()).as_deref(), found, "{body}");
        }
    }

    #[test]
    fn the_limit_counts_characters_not_octets() {
        for letter in ["x", "\u{434}", "\u{1f600}"] {
            let long = |n: usize| format!("<title>{}</title>", letter.repeat(n));
            assert!(title(long(512).as_bytes()).is_some(), "{letter}");
            assert!(title(long(513).as_bytes()).is_none(), "{letter}");
        }
    }

    #[test]
    fn words_are_measured_in_octets() {
        // Three Cyrillic letters are six octets.
        let words = long_words("The \u{434}\u{43e}\u{43c} Paper");
        assert_eq!(
            words.into_iter().collect::<alloc::vec::Vec<_>>(),
            ["paper", "\u{434}\u{43e}\u{43c}"]
        );
    }

    proptest! {
        #[test]
        fn any_octets_have_a_title_or_none(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            title(&[b"<TITLE>".as_slice(), &bytes].concat());
        }
    }
}
