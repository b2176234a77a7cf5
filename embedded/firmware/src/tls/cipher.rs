//! How are records sealed and keys derived? By `TLS_AES_128_GCM_SHA256` (RFC 8446 section
//! B.4), the one suite that every TLS 1.3 server has (section 9.1).

use aes_gcm::Aes128Gcm;
use aes_gcm::aead::{AeadInPlace as _, KeyInit as _};
use alloc::boxed::Box;
use hmac::Mac as _;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter,
    Nonce, OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm,
    UnsupportedOperationError, make_tls13_aad,
};
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{CipherSuiteCommon, hash, hmac as mac};
use rustls::{
    CipherSuite, ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion,
    Tls13CipherSuite,
};
use sha2::{Digest as _, Sha256};

/// The suite.
pub(super) static AES_128_GCM_SHA256: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::TLS13_AES_128_GCM_SHA256,
        hash_provider: &Sha,
        // RFC 8446 section 5.5: 2^24.5 full records.
        confidentiality_limit: 1 << 24,
    },
    hkdf_provider: &HkdfUsingHmac(&HmacSha),
    aead_alg: &Gcm,
    quic: None,
};

const TAG: usize = 16;

struct Gcm;

impl Tls13AeadAlgorithm for Gcm {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Keyed::new(&key, iv))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Keyed::new(&key, iv))
    }

    fn key_len(&self) -> usize {
        16
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Ok(ConnectionTrafficSecrets::Aes128Gcm { key, iv })
    }
}

/// The cipher of one direction.
struct Keyed {
    cipher: Aes128Gcm,
    iv: Iv,
}

impl Keyed {
    fn new(key: &AeadKey, iv: Iv) -> Self {
        let mut octets = [0; 16];
        // As long as `key_len` says, or the records could not be read at all.
        for (to, from) in octets.iter_mut().zip(key.as_ref()) {
            *to = *from;
        }
        let cipher = Aes128Gcm::new(&octets.into());
        Self { cipher, iv }
    }
}

impl MessageEncrypter for Keyed {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        sequence: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let length = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(length);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&message.typ.to_array());
        let nonce = Nonce::new(&self.iv, sequence).0;
        let tag = self
            .cipher
            .encrypt_in_place_detached(&nonce.into(), &make_tls13_aad(length), payload.as_mut())
            .map_err(|_| Error::EncryptError)?;
        payload.extend_from_slice(&tag);
        Ok(OutboundOpaqueMessage::new(
            ContentType::ApplicationData,
            // RFC 8446 section 5.1: as if it were 1.2.
            ProtocolVersion::TLSv1_2,
            payload,
        ))
    }

    fn encrypted_payload_len(&self, length: usize) -> usize {
        length + 1 + TAG
    }
}

impl MessageDecrypter for Keyed {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut message.payload;
        let (nonce, aad) = (
            Nonce::new(&self.iv, sequence).0,
            make_tls13_aad(payload.len()),
        );
        let length = payload.len().checked_sub(TAG).ok_or(Error::DecryptError)?;
        let (sealed, tag) = payload.split_at_mut(length);
        let tag: [u8; TAG] = (&*tag).try_into().map_err(|_| Error::DecryptError)?;
        self.cipher
            .decrypt_in_place_detached(&nonce.into(), &aad, sealed, &tag.into())
            .map_err(|_| Error::DecryptError)?;
        payload.truncate(length);
        message.into_tls13_unpadded_message()
    }
}

struct Sha;

impl hash::Hash for Sha {
    fn start(&self) -> Box<dyn hash::Context> {
        Box::new(Running(Sha256::new()))
    }

    fn hash(&self, data: &[u8]) -> hash::Output {
        hash::Output::new(&Sha256::digest(data))
    }

    fn output_len(&self) -> usize {
        32
    }

    fn algorithm(&self) -> hash::HashAlgorithm {
        hash::HashAlgorithm::SHA256
    }
}

struct Running(Sha256);

impl hash::Context for Running {
    fn fork_finish(&self) -> hash::Output {
        hash::Output::new(&self.0.clone().finalize())
    }

    fn fork(&self) -> Box<dyn hash::Context> {
        Box::new(Self(self.0.clone()))
    }

    fn finish(self: Box<Self>) -> hash::Output {
        hash::Output::new(&self.0.finalize())
    }

    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }
}

struct HmacSha;

impl mac::Hmac for HmacSha {
    fn with_key(&self, key: &[u8]) -> Box<dyn mac::Key> {
        let keyed = <hmac::Hmac<Sha256> as hmac::Mac>::new_from_slice(key);
        Box::new(MacKey(keyed.expect("HMAC takes keys of any length")))
    }

    fn hash_output_len(&self) -> usize {
        32
    }
}

struct MacKey(hmac::Hmac<Sha256>);

impl mac::Key for MacKey {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> mac::Tag {
        let mut running = self.0.clone();
        running.update(first);
        for part in middle {
            running.update(part);
        }
        running.update(last);
        mac::Tag::new(&running.finalize().into_bytes())
    }

    fn tag_len(&self) -> usize {
        32
    }
}
