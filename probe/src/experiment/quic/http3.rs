//! What is the least that gets a status over HTTP/3?
//!
//! RFC 9114 with the static table of QPACK (RFC 9204) alone: we allow no dynamic one, so no
//! peer may use one. One GET; of the response only the status is read.
//!
//! ```text
//! control stream:  00 | 04 00                      (an empty SETTINGS frame)
//! request stream:  01 | length | field section     (a HEADERS frame)
//! ```

use url::Url;

/// The application protocol (RFC 9114 section 3.1).
pub(super) const ALPN: &[u8] = b"h3";
/// `H3_NO_ERROR`.
pub(super) const NO_ERROR: u32 = 0x100;
/// What goes out on the control stream.
pub(super) const CONTROL: &[u8] = &[0, 4, 0];

const HEADERS: u64 = 1;
/// Octets of one frame that are looked at.
const LONGEST: u64 = 16 << 10;

/// Entries of the static table (RFC 9204 appendix A) that are a status.
const STATUSES: &[(u64, u16)] = &[
    (24, 103),
    (25, 200),
    (26, 304),
    (27, 404),
    (28, 503),
    (63, 100),
    (64, 204),
    (65, 206),
    (66, 302),
    (67, 400),
    (68, 403),
    (69, 421),
    (70, 425),
    (71, 500),
];

/// A GET for a page, as one HEADERS frame.
pub(super) fn request(url: &Url, user_agent: &str) -> Vec<u8> {
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    // No dynamic table; `:method GET` and `:scheme https`, both of the static one.
    let mut section = vec![0, 0, 0xd1, 0xd7];
    for (name, value) in [(0, host), (1, path), (95, user_agent)] {
        integer(&mut section, 0x50, 4, name);
        integer(&mut section, 0, 7, value.len() as u64);
        section.extend(value.as_bytes());
    }
    section.push(0xdd); // `accept: */*`
    let mut frame = vec![HEADERS as u8];
    frame.extend(varint(section.len() as u64));
    frame.extend(section);
    frame
}

/// What the start of a response stream says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// More octets are needed.
    Unknown,
    /// A response with this status.
    Status(u16),
    /// Not HTTP/3, or not as we allowed it.
    Malformed,
}

/// Reads as far as the first status that is not interim (RFC 9110 section 15.2).
pub(super) fn answer(stream: &[u8]) -> Answer {
    let mut rest = stream;
    loop {
        let Some((kind, after)) = read_varint(rest) else {
            return Answer::Unknown;
        };
        let Some((length, after)) = read_varint(after) else {
            return Answer::Unknown;
        };
        if length > LONGEST {
            return Answer::Malformed;
        }
        let Some((frame, after)) = after.split_at_checked(length as usize) else {
            return Answer::Unknown;
        };
        rest = after;
        if kind != HEADERS {
            continue; // unknown frames are skipped (RFC 9114 section 9)
        }
        match status(frame) {
            Some(100..200) => {}
            Some(status) => return Answer::Status(status),
            None => return Answer::Malformed,
        }
    }
}

/// The status in a field section: pseudo-header fields come first.
fn status(section: &[u8]) -> Option<u16> {
    let (required, rest) = prefixed(section, 8)?;
    let (_, rest) = prefixed(rest, 7)?;
    let first = *rest.first()?;
    if required != 0 {
        return None;
    }
    let is_status = |index| STATUSES.iter().find(|(at, _)| *at == index);
    if first & 0xc0 == 0xc0 {
        let (index, _) = prefixed(rest, 6)?;
        return Some(is_status(index)?.1);
    }
    let value = if first & 0xd0 == 0x50 {
        let (index, value) = prefixed(rest, 4)?;
        is_status(index)?;
        value
    } else if first & 0xe8 == 0x20 {
        let (length, name) = prefixed(rest, 3)?;
        let (name, value) = name.split_at_checked(usize::try_from(length).ok()?)?;
        (name == b":status").then_some(value)?
    } else {
        return None;
    };
    let coded = value.first()? & 0x80 != 0;
    let (length, value) = prefixed(value, 7)?;
    let value = value.get(..usize::try_from(length).ok()?)?;
    let digits = if coded {
        huffman_digits(value)?
    } else {
        value.to_vec()
    };
    let text = std::str::from_utf8(&digits).ok()?;
    let three = digits.len() == 3 && digits.iter().all(u8::is_ascii_digit);
    text.parse().ok().filter(|_| three)
}

/// Digits in the code of RFC 7541 appendix B: five bits for 0 to 2, six for 3 to 9.
fn huffman_digits(octets: &[u8]) -> Option<Vec<u8>> {
    let bits = octets
        .iter()
        .flat_map(|octet| (0..8).rev().map(move |at| octet >> at & 1));
    let mut digits = Vec::new();
    let mut code = 0;
    let mut length = 0;
    for bit in bits {
        code = code << 1 | bit;
        length += 1;
        let digit = match (length, code) {
            (5, 0..=2) => b'0' + code,
            (6, 0x19..=0x1f) => b'3' + code - 0x19,
            // Padding, so far.
            (0..6, _) | (6, 0x3f) | (7, 0x7f) => continue,
            _ => return None,
        };
        digits.push(digit);
        (code, length) = (0, 0);
    }
    // What is left must be padding: bits that are set.
    (u16::from(code) + 1 == 1 << length).then_some(digits)
}

/// RFC 9000 section 16.
fn varint(value: u64) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (value as u16 | 0x4000).to_be_bytes().to_vec(),
        _ => (value as u32 | 0x8000_0000).to_be_bytes().to_vec(),
    }
}

fn read_varint(octets: &[u8]) -> Option<(u64, &[u8])> {
    let length = 1 << (octets.first()? >> 6);
    let (number, rest) = octets.split_at_checked(length)?;
    let value = number
        .iter()
        .fold(0, |sum, octet| sum << 8 | u64::from(*octet));
    Some((value & (u64::MAX >> (66 - 8 * length)), rest))
}

/// RFC 7541 section 5.1: an integer behind `high` in an octet with so many bits of room.
fn integer(into: &mut Vec<u8>, high: u8, bits: u8, value: u64) {
    let most = (1 << bits) - 1;
    if value < most {
        into.push(high | value as u8);
        return;
    }
    into.push(high | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        into.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    into.push(rest as u8);
}

fn prefixed(octets: &[u8], bits: u8) -> Option<(u64, &[u8])> {
    let (first, mut rest) = octets.split_first()?;
    let most = (1_u64 << bits) - 1;
    let mut value = u64::from(*first) & most;
    if value < most {
        return Some((value, rest));
    }
    for shift in (0..35).step_by(7) {
        let (octet, after) = rest.split_first()?;
        rest = after;
        value += u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(section: &[u8]) -> Vec<u8> {
        [&[1, section.len() as u8], section].concat()
    }

    #[test]
    fn a_status_is_read_however_it_is_written() {
        for (section, status) in [
            (&[0, 0, 0xd9][..], 200),
            (&[0, 0, 0xff, 0], 100), // 63, in two octets; interim
            (&[0, 0, 0xff, 8], 500),
            (&[0, 0, 0x5f, 9, 3, b'4', b'5', b'1'], 451),
            // 301 by Huffman: 011001 00000 00001, no padding.
            (&[0, 0, 0x5f, 9, 0x82, 0b0110_0100, 0b0000_0001], 301),
            (b"\0\0\x27\0:status\x03418", 418),
            // 429: 011010 00010 011111, and seven bits of padding.
            (&[0, 0, 0x5f, 9, 0x83, 0b0110_1000, 0b0100_1111, 0xff], 429),
        ] {
            let whole = headers(section);
            let expected = match status {
                100 => Answer::Unknown,
                status => Answer::Status(status),
            };
            assert_eq!(answer(&whole), expected, "{status}");
            for length in 0..whole.len() {
                assert_eq!(answer(&whole[..length]), Answer::Unknown, "{status}");
            }
            let greased = [&[0x21, 2, 9, 9][..], &whole].concat();
            assert_eq!(answer(&greased), expected, "behind a frame to be skipped");
        }
        for bad in [
            &[][..],
            &[0],
            &[1, 0, 0xd9],
            &[0, 0, 0xd1],
            &[0, 0, 0x80],
            &[0, 0, 0x5f, 9, 3, b'4', b'x', b'1'],
            &[0, 0, 0x5f, 9, 0x82, 0xff, 0xff],
        ] {
            assert_eq!(answer(&headers(bad)), Answer::Malformed, "{bad:?}");
        }
        assert_eq!(answer(&[1, 0x80, 1, 0, 0]), Answer::Malformed, "too long");
    }

    #[test]
    fn a_request_names_host_and_path() {
        let url = Url::parse("https://news.example/a?b=c#d").unwrap();
        let frame = request(&url, "me");
        assert_eq!(frame[..6], [1, 32, 0, 0, 0xd1, 0xd7]);
        assert_eq!(frame.len(), 34);
        assert_eq!(frame[6..20], *b"\x50\x0cnews.example");
        assert_eq!(frame[20..28], *b"\x51\x06/a?b=c");
        assert_eq!(frame[28..], *b"\x5f\x50\x02me\xdd");
        let long = Url::parse(&format!("https://news.example/{}", "x".repeat(20_000))).unwrap();
        let frame = request(&long, "me");
        let (length, rest) = read_varint(&frame[1..]).unwrap();
        assert_eq!(length, rest.len() as u64);
    }

    proptest! {
        #[test]
        fn no_octets_do_harm(octets in any::<Vec<u8>>()) {
            let _ = answer(&octets);
            let _ = answer(&headers(&octets[..octets.len().min(63)]));
        }

        #[test]
        fn integers_come_back(value in 0..1_u64 << 32, bits in 3..8_u8) {
            let mut written = Vec::new();
            integer(&mut written, 0, bits, value);
            prop_assert_eq!(prefixed(&written, bits), Some((value, &[][..])));
        }
    }
}
