//! Where does a simulation's chance come from? From its seed alone (SplitMix64).

use faultline_probe::random::Entropy;

/// A seeded sequence.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// A sequence of its own for each seed and purpose.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut first = Self(seed ^ purpose.rotate_left(32));
        first.draw();
        first
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.draw() % 100 < u64::from(percent)
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let octets = self.draw().to_le_bytes();
            chunk.copy_from_slice(&octets[..chunk.len()]);
        }
    }
}
