//! Who and where: identifiers, each a newtype so that they cannot be mixed up.

use core::fmt;

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl core::str::FromStr for $name {
            type Err = BadId;
            fn from_str(s: &str) -> Result<Self, BadId> {
                let hex = s.as_bytes();
                let mut out = [0; 16];
                if hex.len() != 32 {
                    return Err(BadId);
                }
                for (byte, pair) in out.iter_mut().zip(hex.chunks_exact(2)) {
                    let digit = |c: u8| char::from(c).to_digit(16).ok_or(BadId);
                    let [high, low] = pair else { return Err(BadId) };
                    *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
                }
                Ok(Self(out))
            }
        }
        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        #[cfg(all(feature = "serde", feature = "alloc"))]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let s = alloc::string::String::deserialize(d)?;
                s.parse().map_err(serde::de::Error::custom)
            }
        }
        #[cfg(feature = "alloc")]
        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }
        #[cfg(feature = "alloc")]
        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                let bytes = d.bytes()?;
                bytes
                    .try_into()
                    .map(Self)
                    .map_err(|_| minicbor::decode::Error::message("identifier is not 16 bytes"))
            }
        }
    };
}

opaque_id! {
    /// A probe: the first 16 bytes of the SHA-256 of its public key (SEC1 compressed).
    ProbeId
}
opaque_id! {
    /// One signed upload.
    BatchId
}
opaque_id! {
    /// One measurement: drawn at random by the probe.
    MeasurementId
}

/// Not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identifier is 32 hexadecimal digits")]
pub struct BadId;

/// An autonomous system number (RFC 6793); 0 means unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "alloc",
    derive(minicbor::Encode, minicbor::Decode),
    cbor(transparent)
)]
pub struct Asn(#[cfg_attr(feature = "alloc", n(0))] pub u32);

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

/// A country: ISO 3166-1 alpha-2, upper case; `ZZ` means unknown. The simulated world uses
/// the user-assigned range `XA` to `XZ`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Unknown.
    pub const UNKNOWN: Self = Self(*b"ZZ");

    /// Two ASCII letters, made upper case.
    pub fn new(code: &str) -> Option<Self> {
        match code.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// The two letters.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("ZZ")
    }
}

impl Default for Country {
    fn default() -> Self {
        Self::UNKNOWN
    }
}
impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Country({self})")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Country {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}
#[cfg(all(feature = "serde", feature = "alloc"))]
impl<'de> serde::Deserialize<'de> for Country {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = alloc::string::String::deserialize(d)?;
        Self::new(&s).ok_or_else(|| serde::de::Error::custom("a country is two letters"))
    }
}
#[cfg(feature = "alloc")]
impl<C> minicbor::Encode<C> for Country {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(self.as_str())?.ok()
    }
}
#[cfg(feature = "alloc")]
impl<'b, C> minicbor::Decode<'b, C> for Country {
    fn decode(
        d: &mut minicbor::Decoder<'b>,
        _: &mut C,
    ) -> Result<Self, minicbor::decode::Error> {
        Self::new(d.str()?)
            .ok_or_else(|| minicbor::decode::Error::message("a country is two letters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn identifiers_round_trip_as_text() {
        let id = ProbeId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("zz".parse::<ProbeId>(), Err(BadId));
        assert_eq!("+f".repeat(16).parse::<ProbeId>(), Err(BadId));
    }

    #[test]
    fn countries_are_two_letters() {
        assert_eq!(
            Country::new("it").map(|c| c.to_string()).as_deref(),
            Some("IT")
        );
        assert_eq!(Country::new("ITA"), None);
        assert_eq!(Country::new("1T"), None);
    }
}
