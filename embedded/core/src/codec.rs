//! How do bytes prove who wrote them?
//!
//! Payloads are CBOR (RFC 8949) maps with numbered keys, wrapped in `COSE_Sign1`
//! (RFC 9052 section 4.2) with ES256 (RFC 9053 section 2.1):
//!
//! ```text
//! 18([ protected: bstr {1: -7}, {4: kid bstr}, payload: bstr, signature: bstr .size 64 ])
//! Sig_structure = [ "Signature1", protected, external_aad, payload ]
//! ```
//!
//! `external_aad` is the purpose of the signature, so that a control report can never pass
//! as a network token. The schema is published in `docs/faultline.cddl`.

use crate::id::ProbeId;
use alloc::vec::Vec;
use minicbor::{CborLen as _, Decode, Decoder, Encode, Encoder, data::Tag};
use p256::ecdsa::{
    Signature, SigningKey, VerifyingKey,
    signature::{Signer, Verifier},
};
use sha2::{Digest, Sha256};

/// What a signature is for; part of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A probe's [`Batch`](crate::measurement::Batch).
    Batch,
    /// A collector's [`NetworkEpoch`](crate::measurement::NetworkEpoch).
    NetworkEpoch,
    /// A collector's [`ControlReport`](crate::measurement::ControlReport).
    ControlReport,
    /// A probe's request to enrol or check in.
    Request,
    /// A probe's [`Beat`](crate::protocol::Beat).
    Beat,
    /// A collector's [`BeatAck`](crate::protocol::BeatAck).
    BeatAck,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Batch => b"faultline/batch/1",
            Self::NetworkEpoch => b"faultline/network-epoch/1",
            Self::ControlReport => b"faultline/control-report/1",
            Self::Request => b"faultline/request/1",
            Self::Beat => b"faultline/beat/1",
            Self::BeatAck => b"faultline/beat-ack/1",
        }
    }
}

/// Why an envelope was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Not a COSE_Sign1 array of the published shape.
    #[error("not a COSE_Sign1 envelope of the published shape")]
    Envelope,
    /// The protected header names another algorithm than ES256.
    #[error("the envelope's algorithm is not ES256")]
    Algorithm,
    /// Bytes follow the envelope or the payload.
    #[error("bytes follow the end")]
    Trailing,
    /// The signature is not by the key given, or not over these bytes.
    #[error("the signature does not match")]
    Signature,
    /// The payload does not decode.
    #[error("the payload does not decode")]
    Payload,
    /// Not a P-256 public key.
    #[error("not a P-256 public key in SEC1 form")]
    Key,
}

/// A private key with the identity that follows from it.
pub struct Identity {
    key: SigningKey,
}

impl Identity {
    /// From a 32-byte scalar. Refused (`None`) with probability 2^-32 for random bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> Option<Self> {
        SigningKey::from_bytes(&(*secret).into())
            .ok()
            .map(|key| Self { key })
    }

    /// The public half, SEC1 compressed.
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.key.verifying_key())
    }

    /// Encodes `payload` and wraps it in a signed envelope. ES256 signatures are
    /// deterministic (RFC 6979): the same payload gives the same bytes.
    pub fn seal<T: Encode<()>>(&self, purpose: Purpose, payload: &T) -> Vec<u8> {
        self.seal_bytes(purpose, &to_cbor(payload))
    }

    fn seal_bytes(&self, purpose: Purpose, payload: &[u8]) -> Vec<u8> {
        let signed = sig_structure(purpose, payload);
        let signature: Signature = self.key.sign(&signed);
        let kid = self.public().probe_id();
        let mut out = Vec::with_capacity(payload.len() + 112);
        let mut e = Encoder::new(&mut out);
        let written: Result<(), minicbor::encode::Error<core::convert::Infallible>> = (|| {
            e.tag(Tag::new(COSE_SIGN1))?.array(4)?;
            e.bytes(PROTECTED)?.map(1)?.u8(HEADER_KID)?.bytes(&kid.0)?;
            e.bytes(payload)?.bytes(&signature.to_bytes())?;
            Ok(())
        })(
        );
        debug_assert!(written.is_ok(), "writing to a Vec cannot fail");
        out
    }
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// From SEC1 bytes, compressed (33 bytes) or not (65).
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, CodecError> {
        VerifyingKey::from_sec1_bytes(bytes)
            .map(Self)
            .map_err(|_| CodecError::Key)
    }

    /// SEC1 compressed form, 33 bytes.
    pub fn to_sec1(&self) -> Vec<u8> {
        self.0.to_encoded_point(true).as_bytes().into()
    }

    /// SEC1 uncompressed form, 65 bytes.
    pub fn to_sec1_uncompressed(&self) -> Vec<u8> {
        self.0.to_encoded_point(false).as_bytes().into()
    }

    /// Whether `signature` (`r || s`) is by this key over `signed`: ES256, RFC 9053.
    pub fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify(signed, &signature).is_ok())
    }

    /// The identity that goes with this key.
    pub fn probe_id(&self) -> ProbeId {
        let digest = Sha256::digest(self.to_sec1());
        let mut id = [0; 16];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        ProbeId(id)
    }
}

/// An envelope taken apart, not yet believed.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// Whose key the envelope claims.
    pub signer: ProbeId,
    payload: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Takes an envelope apart. Only the one encoding that [`Identity::seal`] writes is
    /// accepted: what is kept as evidence must have one form. The signature alone has two,
    /// `(r, s)` and `(r, n - s)`, of which secure elements write either.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let bad = |_| CodecError::Envelope;
        let mut d = Decoder::new(bytes);
        if d.tag().map_err(bad)?.as_u64() != COSE_SIGN1 || d.array().map_err(bad)? != Some(4) {
            return Err(CodecError::Envelope);
        }
        if d.bytes().map_err(bad)? != PROTECTED {
            return Err(CodecError::Algorithm);
        }
        if d.map().map_err(bad)? != Some(1) || d.u8().map_err(bad)? != HEADER_KID {
            return Err(CodecError::Envelope);
        }
        let kid = d.bytes().map_err(bad)?;
        let signer = ProbeId(kid.try_into().map_err(|_| CodecError::Envelope)?);
        let payload = d.bytes().map_err(bad)?;
        let signature = d.bytes().map_err(bad)?;
        if d.position() != bytes.len() {
            return Err(CodecError::Trailing);
        }
        Ok(Self {
            signer,
            payload,
            signature,
        })
    }

    /// Checks that the envelope claims this key and that the signature is by it, then decodes
    /// the payload. The claim is not signed, so only the key itself can prove it.
    pub fn open<T: Decode<'a, ()>>(
        &self,
        purpose: Purpose,
        key: &PublicKey,
    ) -> Result<T, CodecError> {
        self.open_with(purpose, key, PublicKey::verifies)
    }

    /// Likewise, with an ES256 verifier of the caller's: of the bytes that were signed, and
    /// of the signature (`r || s`, RFC 9053 section 2.1).
    pub fn open_with<T: Decode<'a, ()>>(
        &self,
        purpose: Purpose,
        key: &PublicKey,
        verifies: impl FnOnce(&PublicKey, &[u8], &[u8]) -> bool,
    ) -> Result<T, CodecError> {
        if key.probe_id() != self.signer {
            return Err(CodecError::Signature);
        }
        if !verifies(key, &sig_structure(purpose, self.payload), self.signature) {
            return Err(CodecError::Signature);
        }
        from_cbor(self.payload)
    }
}

/// Encodes a value as CBOR.
pub fn to_cbor<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let written = minicbor::encode(value, &mut out);
    debug_assert!(written.is_ok(), "writing to a Vec cannot fail");
    out
}

/// Decodes one CBOR value that fills `bytes`.
pub fn from_cbor<'a, T: Decode<'a, ()>>(bytes: &'a [u8]) -> Result<T, CodecError> {
    let mut d = Decoder::new(bytes);
    let value = d.decode().map_err(|_| CodecError::Payload)?;
    if d.position() != bytes.len() {
        return Err(CodecError::Trailing);
    }
    Ok(value)
}

fn sig_structure(purpose: Purpose, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + payload.len().cbor_len(&mut ()) + 64);
    let mut e = Encoder::new(&mut out);
    let written: Result<(), minicbor::encode::Error<core::convert::Infallible>> = (|| {
        e.array(4)?.str("Signature1")?.bytes(PROTECTED)?;
        e.bytes(purpose.label())?.bytes(payload)?;
        Ok(())
    })();
    debug_assert!(written.is_ok(), "writing to a Vec cannot fail");
    out
}

/// `{1: -7}`: alg ES256.
const PROTECTED: &[u8] = &[0xa1, 0x01, 0x26];
const COSE_SIGN1: u64 = 18;
const HEADER_KID: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{BatchId, MeasurementId},
        measurement::{Batch, Driver, Experiment, Measurement, SCHEMA_VERSION},
        time::{ClockQuality, UnixTime},
    };
    use alloc::{string::ToString, vec};

    fn identity(byte: u8) -> Identity {
        Identity::from_bytes(&[byte; 32]).unwrap()
    }

    fn batch(probe: ProbeId) -> Batch {
        Batch {
            schema: SCHEMA_VERSION,
            probe,
            id: BatchId([7; 16]),
            sequence: 3,
            created: UnixTime(1),
            measurements: vec![Measurement {
                id: MeasurementId([9; 16]),
                experiment: Experiment::Web,
                target: "https://news.example/".to_string(),
                started: UnixTime(0),
                clock: ClockQuality::Ntp,
                runtime: 5,
                software: "test".to_string(),
                driver: Driver::Simulated,
                limits: vec![],
                bytes_sent: 1,
                bytes_received: 2,
                network: None,
                control: None,
                settings: vec![],
                consent: 1,
                observations: vec![],
                imported: None,
            }],
            ledger: None,
        }
    }

    #[test]
    fn sealed_batches_open_with_the_right_key_and_purpose_only() {
        let probe = identity(1);
        let sent = batch(probe.public().probe_id());
        let bytes = probe.seal(Purpose::Batch, &sent);
        assert_eq!(bytes, probe.seal(Purpose::Batch, &sent), "deterministic");
        let envelope = Envelope::parse(&bytes).unwrap();
        assert_eq!(envelope.signer, sent.probe);
        let open = |purpose, key: &Identity| envelope.open::<Batch>(purpose, &key.public());
        assert_eq!(open(Purpose::Batch, &probe), Ok(sent));
        assert_eq!(open(Purpose::Request, &probe), Err(CodecError::Signature));
        assert_eq!(
            open(Purpose::Batch, &identity(2)),
            Err(CodecError::Signature)
        );
    }

    #[test]
    fn no_byte_can_change_and_none_be_cut_or_added() {
        let probe = identity(1);
        let bytes = probe.seal(Purpose::Batch, &batch(probe.public().probe_id()));
        let opens = |bytes: &[u8]| {
            Envelope::parse(bytes)
                .ok()
                .and_then(|e| e.open::<Batch>(Purpose::Batch, &probe.public()).ok())
                .is_some()
        };
        assert!(opens(&bytes));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!opens(&changed), "byte {at}");
            assert!(!opens(&bytes[..at]), "cut at {at}");
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(!opens(&longer));
    }

    #[test]
    fn unknown_fields_of_newer_writers_are_skipped() {
        let epoch = [0xa2, 0x00, 0xf6, 0x18, 0x63, 0x01]; // {0: null, 99: 1}
        let validity: crate::observation::Validity = from_cbor(&epoch).unwrap();
        assert_eq!(validity.failure, None);
    }
}
