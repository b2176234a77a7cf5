//! What if a document holds half a character? Python writes octets that are no UTF-8 as
//! surrogates (PEP 383), and JSON allows their escapes one by one (RFC 8259, section 8.2) where
//! no text can hold them. They become the replacement character, as octets outside UTF-8 do: a
//! page in another encoding costs its odd letters, not the document.

use std::borrow::Cow;

/// The text of a document that every parser takes as far as its characters go.
pub(super) fn characters(octets: Vec<u8>) -> String {
    let text = String::from_utf8(octets)
        .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    match paired(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(mended) => mended,
    }
}

/// Replaces escapes of surrogates that have no other half.
fn paired(text: &str) -> Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return Cow::Borrowed(text);
    }
    let (mut mended, mut taken, mut at) = (String::new(), 0, 0);
    while let Some(next) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += next;
        let escape = text.get(at..).unwrap_or_default();
        at += match unit(escape) {
            Some(0xd800..=0xdbff) if is_low(escape.get(6..)) => 12,
            Some(0xd800..=0xdfff) => {
                mended += text.get(taken..at).unwrap_or_default();
                mended += "\\ufffd";
                taken = at + 6;
                6
            }
            Some(_) => 6,
            None => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
    }
    if taken == 0 {
        return Cow::Borrowed(text);
    }
    Cow::Owned(mended + text.get(taken..).unwrap_or_default())
}

fn is_low(escape: Option<&str>) -> bool {
    matches!(escape.and_then(unit), Some(0xdc00..=0xdfff))
}

/// The number in the escape that a text begins with.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_are_replaced_and_wholes_are_not() {
        for (text, mended) in [
            (r#""\ud800""#, r#""\ufffd""#),
            (r#""a\uDCe9b""#, r#""a\ufffdb""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            // A backslash, and text that looks like an escape.
            (r#""\\ud800""#, r#""\\ud800""#),
            (r#""\ud8""#, r#""\ud8""#),
            (r#""\é\udc00\"#, r#""\é\ufffd\"#),
        ] {
            assert_eq!(characters(text.as_bytes().to_vec()), mended, "{text}");
        }
        assert_eq!(characters(b"caf\xe9".to_vec()), "caf\u{fffd}");
    }

    proptest! {
        /// Whatever is a text by the grammar is one afterwards, and stays one.
        #[test]
        fn what_is_mended_is_read(
            parts in prop::collection::vec(
                prop_oneof![
                    Just("\\ud83d".to_owned()), Just("\\ude00".to_owned()), Just("\\\\".to_owned()),
                    Just("\\\"".to_owned()), "[u\\u{e9}d8]{0,3}",
                ],
                0..12,
            )
        ) {
            let text = format!("\"{}\"", parts.concat());
            let mended = characters(text.clone().into_bytes());
            prop_assert!(serde_json::from_str::<String>(&mended).is_ok(), "{}", mended);
            prop_assert_eq!(characters(mended.clone().into_bytes()), mended.clone());
            if serde_json::from_str::<String>(&text).is_ok() {
                prop_assert_eq!(mended, text);
            }
        }
    }
}
