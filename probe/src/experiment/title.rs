//! What does a page call itself?
//!
//! The first match of OONI's `(?i)<title>([^<]{1,512})</title>` (ts-017), as octets, without
//! a regular expression.

const OPEN: &[u8] = b"<title>";
const CLOSE: &[u8] = b"</title>";
/// Octets of the longest title.
const LONGEST: usize = 512;

/// The title, octets outside UTF-8 replaced.
pub(super) fn title(body: &[u8]) -> Option<String> {
    body.windows(OPEN.len())
        .enumerate()
        .filter(|(_, window)| window.eq_ignore_ascii_case(OPEN))
        .find_map(|(at, _)| {
            let rest = body.get(at + OPEN.len()..)?;
            let length = rest
                .iter()
                .take(LONGEST + 1)
                .position(|octet| *octet == b'<')?;
            let (text, behind) = rest.split_at_checked(length)?;
            let closed = behind.get(..CLOSE.len())?.eq_ignore_ascii_case(CLOSE);
            (closed && !text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
        })
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn is_what_the_expression_would_find() {
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
        let long = |n: usize| format!("<title>{}</title>", "x".repeat(n));
        assert!(title(long(512).as_bytes()).is_some());
        assert!(title(long(513).as_bytes()).is_none());
    }
}
