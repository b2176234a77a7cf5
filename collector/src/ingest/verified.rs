//! Was this very token verified before? A batch repeats the network-epoch token of its
//! probe in every measurement, and a control report serves many probes; a signature over
//! the same bytes by the same key need not be checked twice.

use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Tokens in one generation.
const GENERATION: usize = 16_384;

/// What verified tokens say, by the SHA-256 of all their bytes. What did not verify is not
/// kept: only the collector itself can make entries.
pub(super) struct Verified<T>(Mutex<Generations<T>>);

struct Generations<T> {
    young: HashMap<[u8; 32], T>,
    old: HashMap<[u8; 32], T>,
}

impl<T: Clone> Verified<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Generations {
            young: HashMap::new(),
            old: HashMap::new(),
        }))
    }

    /// What the token says; `verify` is asked where it is new.
    pub(super) fn open(
        &self,
        token: &[u8],
        verify: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        // A panic elsewhere leaves whole entries.
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .find(&digest);
        if known.is_some() {
            return known;
        }
        let said = verify(token)?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.put(digest, said.clone());
        Some(said)
    }
}

impl<T: Clone> Generations<T> {
    fn find(&mut self, digest: &[u8; 32]) -> Option<T> {
        if let Some(said) = self.young.get(digest) {
            return Some(said.clone());
        }
        let said = self.old.remove(digest)?;
        self.put(*digest, said.clone());
        Some(said)
    }

    fn put(&mut self, digest: [u8; 32], said: T) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn the_same_bytes_are_verified_once_and_failures_each_time() {
        let verified = Verified::new();
        let asked = Cell::new(0);
        let open = |token: &[u8]| {
            verified.open(token, |bytes| {
                asked.set(asked.get() + 1);
                (bytes != b"forged").then_some(bytes.len())
            })
        };
        assert_eq!(
            (open(b"token"), open(b"token"), asked.get()),
            (Some(5), Some(5), 1)
        );
        assert_eq!(
            (open(b"forged"), open(b"forged"), asked.get()),
            (None, None, 3)
        );
        for n in 0..3 * GENERATION as u32 {
            open(&n.to_be_bytes());
            open(b"token");
        }
        assert_eq!(asked.get(), 3 + 3 * GENERATION, "what is used stays");
        assert_eq!(open(&0u32.to_be_bytes()), Some(4));
        assert_eq!(asked.get(), 4 + 3 * GENERATION, "what is not goes");
    }
}
