//! Random bytes from a seed, so that a handshake is a function of its arguments.

use sha2::{Digest, Sha256};

/// A stream of bytes that nobody without the seed can tell from random: SHA-256 of the seed and a counter.
#[derive(Debug)]
pub(super) struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    pub(super) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    pub(super) fn fill(&mut self, out: &mut [u8]) {
        for part in out.chunks_mut(32) {
            let block = Sha256::new().chain_update(self.seed).chain_update(self.counter.to_be_bytes()).finalize();
            self.counter += 1;
            part.copy_from_slice(&block[..part.len()]);
        }
    }
}
