//! Where do the random numbers of TLS come from? From the board's seed, through SHA-256 with
//! fast key erasure: each draw also replaces the key, so a board that is taken and read tells
//! nothing about sessions of before.

use core::cell::Cell;
use core::fmt;
use critical_section::Mutex;
use rustls::crypto::{GetRandomFailed, SecureRandom};
use sha2::{Digest as _, Sha256};

pub(super) struct Random(Mutex<Cell<[u8; 32]>>);

impl Random {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self(Mutex::new(Cell::new(digest(b"seed", &[0; 32], &seed))))
    }

    pub(super) fn stir(&self, seed: [u8; 32]) {
        critical_section::with(|cs| {
            let key = self.0.borrow(cs);
            key.set(digest(b"stir", &key.get(), &seed));
        });
    }

    /// Fills with numbers that cannot be told from random ones without the key.
    pub(super) fn draw(&self, octets: &mut [u8]) {
        for block in octets.chunks_mut(32) {
            let drawn = critical_section::with(|cs| {
                let key = self.0.borrow(cs);
                let now = key.get();
                key.set(digest(b"next", &now, &[]));
                digest(b"draw", &now, &[])
            });
            block.copy_from_slice(&drawn[..block.len()]);
        }
    }
}

fn digest(purpose: &[u8], key: &[u8; 32], more: &[u8]) -> [u8; 32] {
    let hash = Sha256::new().chain_update(purpose).chain_update(key);
    hash.chain_update(more).finalize().into()
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

impl SecureRandom for Random {
    fn fill(&self, octets: &mut [u8]) -> Result<(), GetRandomFailed> {
        self.draw(octets);
        Ok(())
    }
}
