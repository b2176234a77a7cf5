//! How is a name kept and made without a message around it?
//!
//! Uncompressed wire form (RFC 1035 section 3.1) in a fixed buffer of 255 octets, the most a
//! name can take (section 2.3.4). Text is the master-file form of section 5.1: `\.` and
//! `\DDD` escapes are read, a final dot is welcome and changes nothing.

use super::Name;
use core::fmt;

/// The text is not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BadName {
    /// Nothing, or nothing between two dots.
    #[error("a label of a name is empty")]
    EmptyLabel,
    /// A label is longer than 63 octets.
    #[error("a label of a name is longer than 63 octets")]
    LongLabel,
    /// The name is longer than 255 octets on the wire.
    #[error("a name is longer than 255 octets")]
    LongName,
    /// A backslash without a character or three digits up to 255 behind it.
    #[error("a backslash in a name escapes nothing")]
    BadEscape,
    /// A character outside printable ASCII: internationalized names come as A-labels
    /// (RFC 5890).
    #[error("a name has a character outside printable ASCII; write it in its xn-- form")]
    NotAscii,
}

/// An owned name. Equality is of octets, case included; see [`Name::eq_ignore_ascii_case`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameBuf {
    wire: [u8; Self::MAX_LEN],
    len: u8,
}

impl NameBuf {
    /// The most octets a name takes on the wire, root included (RFC 1035 section 2.3.4).
    pub const MAX_LEN: usize = 255;
    /// The root of the tree.
    pub const ROOT: Self = Self {
        wire: [0; Self::MAX_LEN],
        len: 1,
    };

    /// From labels without the root, leftmost first.
    pub fn from_labels<'l>(
        labels: impl IntoIterator<Item = &'l [u8]>,
    ) -> Result<Self, BadName> {
        let mut name = Self::ROOT;
        labels.into_iter().try_for_each(|label| name.push(label))?;
        Ok(name)
    }

    /// Append a label above the root.
    fn push(&mut self, label: &[u8]) -> Result<(), BadName> {
        let octets = match label.len() {
            0 => return Err(BadName::EmptyLabel),
            len @ 1..=63 => len as u8,
            _ => return Err(BadName::LongLabel),
        };
        let at = usize::from(self.len) - 1;
        // The last octet stays zero: the root.
        let room = self.wire.get_mut(at..Self::MAX_LEN - 1).unwrap_or(&mut []);
        let [length, rest @ ..] = room else {
            return Err(BadName::LongName);
        };
        rest.get_mut(..label.len())
            .ok_or(BadName::LongName)?
            .copy_from_slice(label);
        *length = octets;
        self.len += octets + 1;
        Ok(())
    }

    /// The uncompressed wire form, root included.
    pub fn as_wire(&self) -> &[u8] {
        self.wire.get(..usize::from(self.len)).unwrap_or(&[0])
    }

    /// A view like those into messages.
    pub fn as_name(&self) -> Name<'_> {
        Name::from_wire(self.as_wire())
    }

    /// With every ASCII letter in lower case (RFC 4343 section 3).
    #[must_use]
    pub fn to_ascii_lowercase(mut self) -> Self {
        // Length octets are at most 63 and so are never mistaken for letters.
        self.wire.make_ascii_lowercase();
        self
    }
}

/// Randomise the case of a name's letters, so that a reply which repeats it has seen the
/// query (draft-vixie-dnsext-dns0x20): letter *n* is upper case where bit *n* of `bits`, least
/// significant first, is set. Bits are used again from the start when they run out (32 octets
/// are always enough); without any, all letters are lower case.
#[must_use]
pub fn encode_0x20(name: &NameBuf, bits: &[u8]) -> NameBuf {
    let mut name = name.to_ascii_lowercase();
    let coins = bits
        .iter()
        .flat_map(|byte| (0..8).map(move |n| byte >> n & 1 == 1))
        .cycle();
    let letters = name
        .wire
        .iter_mut()
        .filter(|octet| octet.is_ascii_lowercase());
    for (letter, upper) in letters.zip(coins) {
        if upper {
            letter.make_ascii_uppercase();
        }
    }
    name
}

impl Default for NameBuf {
    fn default() -> Self {
        Self::ROOT
    }
}

impl core::str::FromStr for NameBuf {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let mut name = Self::ROOT;
        if text == "." {
            return Ok(name);
        }
        let mut label = [0; 63];
        let mut len = 0;
        let mut octets = text.bytes();
        while let Some(octet) = octets.next() {
            let octet = match octet {
                b'.' => {
                    name.push(label.get(..len).ok_or(BadName::LongLabel)?)?;
                    len = 0;
                    continue;
                }
                b'\\' => escaped(&mut octets)?,
                0x21..=0x7e => octet,
                _ => return Err(BadName::NotAscii),
            };
            *label.get_mut(len).ok_or(BadName::LongLabel)? = octet;
            len += 1;
        }
        // Nothing behind a final dot, but a name that is nothing is no name.
        if len > 0 || name == Self::ROOT {
            name.push(label.get(..len).ok_or(BadName::LongLabel)?)?;
        }
        Ok(name)
    }
}

/// What stands behind a backslash: three decimal digits or any one printable character.
fn escaped(octets: &mut core::str::Bytes<'_>) -> Result<u8, BadName> {
    let first = octets.next().ok_or(BadName::BadEscape)?;
    if !first.is_ascii_digit() {
        return if first.is_ascii_graphic() {
            Ok(first)
        } else {
            Err(BadName::BadEscape)
        };
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = octets
            .next()
            .filter(u8::is_ascii_digit)
            .ok_or(BadName::BadEscape)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| BadName::BadEscape)
}

impl fmt::Display for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_name().fmt(f)
    }
}
impl fmt::Debug for NameBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NameBuf({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn text_round_trips_with_escapes() {
        for (text, shown) in [
            ("www.example.org", "www.example.org"),
            ("www.example.org.", "www.example.org"),
            (".", "."),
            (r"a\.b.c\\d.\000\255", r"a\.b.c\\d.\000\255"),
            (r"_dns.\065", "_dns.A"),
        ] {
            let name: NameBuf = text.parse().unwrap();
            assert_eq!(name.to_string(), shown);
            assert_eq!(shown.parse(), Ok(name));
        }
        assert_eq!(
            "a.bc".parse::<NameBuf>().unwrap().as_wire(),
            b"\x01a\x02bc\0"
        );
    }

    #[test]
    fn limits_are_those_of_rfc_1035() {
        let parse = str::parse::<NameBuf>;
        assert_eq!(parse(""), Err(BadName::EmptyLabel));
        assert_eq!(parse("a..b"), Err(BadName::EmptyLabel));
        assert_eq!(parse(".a"), Err(BadName::EmptyLabel));
        assert_eq!(parse("a.."), Err(BadName::EmptyLabel));
        assert_eq!(parse("ex ample"), Err(BadName::NotAscii));
        assert_eq!(parse("münchen.de"), Err(BadName::NotAscii));
        assert_eq!(parse(r"a\25"), Err(BadName::BadEscape));
        assert_eq!(parse(r"a\256"), Err(BadName::BadEscape));
        assert_eq!(parse("a\\"), Err(BadName::BadEscape));
        let l63 = "x".repeat(63);
        assert!(parse(&l63).is_ok());
        assert_eq!(parse(&"x".repeat(64)), Err(BadName::LongLabel));
        // 3 * 64 + 62 + 1 = 255 octets.
        let most = std::format!("{l63}.{l63}.{l63}.{}", "y".repeat(61));
        let name = parse(&most).unwrap();
        assert_eq!(name.as_wire().len(), 255);
        assert_eq!(Name::read(name.as_wire(), 0).unwrap().1, 255);
        let over = std::format!("{l63}.{l63}.{l63}.{}", "y".repeat(62));
        assert_eq!(parse(&over), Err(BadName::LongName));
        assert_eq!(parse(&std::format!("{most}.z")), Err(BadName::LongName));
    }

    #[test]
    fn case_carries_the_bits() {
        let name: NameBuf = "www.Example-1.org".parse().unwrap();
        assert_eq!(encode_0x20(&name, &[]).to_string(), "www.example-1.org");
        assert_eq!(encode_0x20(&name, &[0xff]).to_string(), "WWW.EXAMPLE-1.ORG");
        let mixed = encode_0x20(&name, &[0b0000_0101, 0]);
        assert_eq!(mixed.to_string(), "WwW.example-1.org");
        assert!(mixed.as_name().eq_ignore_ascii_case(&name.as_name()));
        assert!(!mixed.as_name().eq_exact(&name.as_name()));
    }
}
