//! Values that must look the same in CBOR and in JSON: addresses and byte strings.

use alloc::vec::Vec;
use core::net::IpAddr;
use minicbor::{Decode, Decoder, Encode, Encoder, data::Type, decode, encode};

/// An IP address: 4 or 16 bytes in CBOR, text in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Ip(pub IpAddr);

impl From<IpAddr> for Ip {
    fn from(ip: IpAddr) -> Self {
        Self(ip)
    }
}
impl core::fmt::Display for Ip {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}
impl<C> Encode<C> for Ip {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        match self.0 {
            IpAddr::V4(ip) => e.bytes(&ip.octets())?.ok(),
            IpAddr::V6(ip) => e.bytes(&ip.octets())?.ok(),
        }
    }
}
impl<'b, C> Decode<'b, C> for Ip {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = d.bytes()?;
        if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
            return Ok(Self(v4.into()));
        }
        <[u8; 16]>::try_from(bytes)
            .map(|v6| Self(v6.into()))
            .map_err(|_| decode::Error::message("an address is 4 or 16 bytes"))
    }
}

/// Bytes as seen: a byte string in CBOR, lower-case hexadecimal in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob(pub Vec<u8>);

impl<C> Encode<C> for Blob {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}
impl<'b, C> Decode<'b, C> for Blob {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        // Indefinite lengths are never produced here; refusing them keeps encodings unique.
        match d.datatype()? {
            Type::Bytes => Ok(Self(d.bytes()?.into())),
            _ => Err(decode::Error::message("expected a definite byte string")),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Blob {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        struct Hex<'a>(&'a [u8]);
        impl core::fmt::Display for Hex<'_> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
        s.collect_str(&Hex(&self.0))
    }
}
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = alloc::string::String::deserialize(d)?;
        let bad = || D::Error::custom("expected pairs of hexadecimal digits");
        let digit = |c: u8| char::from(c).to_digit(16).ok_or_else(bad);
        text.as_bytes()
            .chunks(2)
            .map(|pair| match pair {
                [high, low] => Ok((digit(*high)? << 4 | digit(*low)?) as u8),
                _ => Err(bad()),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}
