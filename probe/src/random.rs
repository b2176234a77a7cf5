//! Where does chance come from?
//!
//! Transaction identifiers, letter case and random labels must not be guessed by a box on
//! the path (RFC 5452 section 4), so a probe draws them from the kernel; a simulation draws
//! them from its seed, so that a run can be repeated.

/// A source of random octets.
pub trait Entropy {
    /// Fills the buffer.
    fn fill(&mut self, buffer: &mut [u8]);
}

/// The kernel's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    /// # Panics
    /// Where the kernel has no entropy to give: measuring with guessable identifiers would
    /// be worse than not measuring.
    fn fill(&mut self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the kernel gives random octets");
    }
}
