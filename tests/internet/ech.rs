//! By which key is a name in a ClientHello hidden? (RFC 9849 section 4, RFC 9460)
//!
//! Every world has the same key: its secret is known to whoever reads this.

use crate::scenario::Ech;
use hpke::{Kem as _, Serializable as _, kem::X25519HkdfSha256 as Kem};

/// `ech` among the parameters of an HTTPS record.
const ECH: u16 = 5;

/// The data of the HTTPS record: own addresses, and the key.
pub fn record(ech: &Ech) -> Option<Vec<u8>> {
    let list = list(&ech.public_name)?;
    let mut data = vec![0, 1, 0];
    data.extend(ECH.to_be_bytes());
    data.extend(u16::try_from(list.len()).ok()?.to_be_bytes());
    data.extend(list);
    Some(data)
}

/// An ECHConfigList of one ECHConfig: X25519, HKDF-SHA256, AES-128-GCM.
fn list(public_name: &str) -> Option<Vec<u8>> {
    let (_, public) = Kem::derive_keypair(b"the key of every world");
    let mut contents = vec![7];
    contents.extend([0, 0x20, 0, 32]);
    contents.extend(public.to_bytes());
    contents.extend([0, 4, 0, 1, 0, 1]);
    contents.extend([64, u8::try_from(public_name.len()).ok()?]);
    contents.extend(public_name.bytes());
    contents.extend([0, 0]);
    let length = u16::try_from(contents.len()).ok()?;
    let mut list = (length + 4).to_be_bytes().to_vec();
    list.extend([0xfe, 0x0d]);
    list.extend(length.to_be_bytes());
    list.extend(contents);
    Some(list)
}
