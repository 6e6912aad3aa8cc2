//! The simulator's only source of chance: SplitMix64, one stream for each purpose.

use crate::base::Duration;

/// A stream of pseudo-random numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream that `seed` and `purpose` name.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut random = Self(seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93));
        random.0 ^= random.draw();
        random
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        let count = u128::from(high - low) + 1;
        let offset = ((u128::from(self.draw()) * count) >> 64) as u64;
        low + offset
    }

    /// As [`Random::between`], for lengths.
    pub fn length(&mut self, low: usize, high: usize) -> usize {
        usize::try_from(self.between(low as u64, high as u64)).unwrap_or(high)
    }

    /// A 32-bit number.
    pub fn word(&mut self) -> u32 {
        (self.draw() >> 32).try_into().unwrap_or(0)
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// From 0 to below 1.
    pub fn fraction(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Small values as likely as large ones: from `low` to `high` on a logarithmic scale.
    pub fn spread(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.fraction())
    }

    /// From zero to `most`.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.between(0, u64::try_from(most.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.length(0, choices.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_differ_and_keep_their_bounds() {
        let draws = |seed, purpose| -> Vec<u64> {
            let mut random = Random::new(seed, purpose);
            (0..100).map(|_| random.between(3, 9)).collect()
        };
        assert_eq!(draws(1, 2), draws(1, 2));
        assert!(draws(1, 2) != draws(1, 3) && draws(1, 2) != draws(2, 2));
        assert!((3..=9).all(|value| draws(5, 5).contains(&value)));
        assert!(draws(5, 5).iter().all(|value| (3..=9).contains(value)));
    }

    #[test]
    fn chances_are_as_told() {
        let mut random = Random::new(7, 7);
        let hits = (0..100_000).filter(|_| random.chance(0.1)).count();
        assert!((9_500..10_500).contains(&hits), "{hits}");
        assert!(!random.chance(0.0) && random.chance(1.0));
        assert!((0..1_000).map(|_| random.spread(1.0, 100.0)).all(|value| (1.0..=100.0).contains(&value)));
    }
}
