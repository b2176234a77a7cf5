//! How are keys agreed upon and signatures checked? On P-256 (SEC 2; FIPS 186-5; RFC 8446
//! sections 4.2.8.2 and 4.2.3), by the crate `p256`.

use super::random::Random;
use alloc::boxed::Box;
use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use p256::{EncodedPoint, PublicKey, SecretKey};
use rustls::crypto::{
    ActiveKeyExchange, SharedSecret, SupportedKxGroup, WebPkiSupportedAlgorithms,
};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use rustls::{Error, NamedGroup, PeerMisbehaved, SignatureScheme};

/// The group, with where its secrets come from.
#[derive(Debug)]
pub(super) struct P256 {
    pub(super) random: &'static Random,
}

impl SupportedKxGroup for P256 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut octets = [0; 32];
        // One in 2^32 is no scalar of the group.
        let secret = loop {
            self.random.draw(&mut octets);
            if let Ok(secret) = SecretKey::from_slice(&octets) {
                break secret;
            }
        };
        let public = secret.public_key().to_encoded_point(false);
        Ok(Box::new(Exchange { secret, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

struct Exchange {
    secret: SecretKey,
    public: EncodedPoint,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, theirs: &[u8]) -> Result<SharedSecret, Error> {
        // Checks that it is a point of the curve (RFC 8446 section 4.2.8.2).
        let theirs = PublicKey::from_sec1_bytes(theirs)
            .map_err(|_| Error::from(PeerMisbehaved::InvalidKeyShare))?;
        let shared =
            p256::ecdh::diffie_hellman(self.secret.to_nonzero_scalar(), theirs.as_affine());
        Ok(SharedSecret::from(&shared.raw_secret_bytes()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

/// What signatures can be checked: of certificates and of handshakes.
pub(super) const SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[&EcdsaSha256],
    mapping: &[(SignatureScheme::ECDSA_NISTP256_SHA256, &[&EcdsaSha256])],
};

#[derive(Debug)]
struct EcdsaSha256;

impl SignatureVerificationAlgorithm for EcdsaSha256 {
    fn verify_signature(
        &self,
        key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P256
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_SHA256
    }
}
