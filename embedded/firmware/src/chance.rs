//! Where does chance come from in the middle of a measurement?
//!
//! From a seed that the board draws before it begins, stretched by SHA-256 in counter mode:
//! a source that fails is met before a query is sent, never between two.

use crate::{Board, NoEntropy};
use sha2::{Digest as _, Sha256};

/// A stream of octets that nobody can guess who does not know the seed.
#[derive(Clone)]
pub struct Chance {
    seed: [u8; 32],
    block: u64,
}

impl Chance {
    /// From a board's entropy.
    pub fn draw(board: &mut impl Board) -> Result<Self, NoEntropy> {
        let mut seed = [0; 32];
        board.entropy(&mut seed)?;
        Ok(Self::of(seed))
    }

    /// From a seed.
    pub const fn of(seed: [u8; 32]) -> Self {
        Self { seed, block: 0 }
    }

    /// The next octets.
    pub fn octets<const LEN: usize>(&mut self) -> [u8; LEN] {
        let mut octets = [0; LEN];
        for chunk in octets.chunks_mut(32) {
            let block = Sha256::new()
                .chain_update(self.seed)
                .chain_update(self.block.to_be_bytes())
                .finalize();
            self.block += 1;
            chunk
                .iter_mut()
                .zip(block)
                .for_each(|(to, from)| *to = from);
        }
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_stream_and_no_block_twice() {
        let (mut one, mut same) = (Chance::of([1; 32]), Chance::of([1; 32]));
        let first: [u8; 96] = one.octets();
        assert_eq!(first, same.octets::<96>());
        assert_ne!(first[..32], first[32..64]);
        assert_ne!(first, one.octets::<96>());
        assert_ne!(first, Chance::of([2; 32]).octets::<96>());
    }
}
