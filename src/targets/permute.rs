//! A random order that visits everything once: a walk through the multiplicative group modulo a prime.
//!
//! For a space of `n` targets take the smallest prime `p > n` and a generator `g` of the group of order
//! `p - 1`. From a random element `a`, the walk `a, a·g, a·g², ...` visits each of `1..p` exactly once;
//! element `x` stands for target `x - 1`, and the few elements beyond `n` are skipped. Position `k` of the walk
//! is `a·g^k`, so a walk can start anywhere: shards are ranges of positions, and a cursor is a position.
//!
//! Products are of 128 bits (zmap's 64-bit step falls into short cycles above 2^40 targets). The step
//! multiplies by a constant, so the division is a multiplication by a precomputed reciprocal (Shoup).

use crate::base::keyed::Key;

/// Largest space: 2^48, all addresses x all ports.
pub const MAX_SIZE: u64 = 1 << 48;

/// Targets up to which [`Permutation::first`] is exact.
pub const COUNTED_MAX: u64 = 1 << 32;

/// A fixed random order of `0..size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permutation {
    size: u64,
    prime: u64,
    generator: u64,
    start: u64,
    step: Stride,
    /// Several steps at once.
    leap: Stride,
}

/// A multiplication by a constant, modulo a prime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stride {
    factor: u64,
    /// `factor · 2^64 / prime`, rounded down.
    reciprocal: u64,
}

/// Steps of a leap: so many elements are computed side by side, each of which would have to wait for the one before.
const LEAP: usize = 4;

impl Stride {
    fn new(factor: u64, prime: u64) -> Self {
        Self { factor, reciprocal: low_u64((u128::from(factor) << 64) / u128::from(prime)) }
    }

    #[inline]
    const fn from(self, element: u64, prime: u64) -> u64 {
        let quotient = low_u64((element as u128 * self.reciprocal as u128) >> 64);
        let product = element.wrapping_mul(self.factor).wrapping_sub(quotient.wrapping_mul(prime));
        if product >= prime { product - prime } else { product }
    }
}

impl Permutation {
    /// The order of `0..size` that `seed` selects. The same for the same arguments, on every machine.
    ///
    /// # Panics
    /// If `size` exceeds [`MAX_SIZE`].
    pub fn new(size: u64, seed: u64) -> Self {
        assert!(size <= MAX_SIZE, "a space of targets is at most 2^48");
        let prime = next_prime(size.max(2));
        let order_factors = prime_factors(prime - 1);
        let key = Key([seed, 0x7065_726d_7574_6531]);
        let mut draws = (0u32..).map(|count| 1 + key.hash12(prime, count) % (prime - 1));
        let start = draws.next().unwrap_or(1);
        let is_generator = |g: &u64| order_factors.iter().all(|q| pow_mod(*g, (prime - 1) / q, prime) != 1);
        let generator = draws.find(is_generator).expect("a prime has generators");
        let leap = Stride::new(pow_mod(generator, LEAP as u64, prime), prime);
        Self { size, prime, generator, start, step: Stride::new(generator, prime), leap }
    }

    /// How many positions the walk has, those that stand for no target included.
    pub const fn positions(&self) -> u64 {
        self.prime - 1
    }

    /// Positions of part `index` of `count` parts: disjoint, together all, sizes equal within one.
    ///
    /// # Panics
    /// If `index` is not below `count`.
    pub fn part(&self, index: u64, count: u64) -> std::ops::Range<u64> {
        assert!(index < count, "parts are numbered from 0");
        let edge = |i: u64| low_u64(u128::from(self.positions()) * u128::from(i) / u128::from(count));
        edge(index)..edge(index + 1)
    }

    /// The positions of the first `targets` targets of `positions`. They are walked to count them; beyond
    /// [`COUNTED_MAX`] that would take too long, and `targets` positions are taken, a few of which may be empty.
    pub fn first(&self, positions: std::ops::Range<u64>, targets: u64) -> std::ops::Range<u64> {
        let mut end = positions.start.saturating_add(targets);
        if end >= positions.end {
            return positions;
        }
        if targets <= COUNTED_MAX {
            let mut walk = self.walk(positions.clone());
            for _ in 0..targets {
                walk.next();
            }
            end = walk.position();
        }
        positions.start..end
    }

    /// Walks `positions` of the order.
    pub fn walk(&self, positions: std::ops::Range<u64>) -> Walk {
        let element = mul_mod(self.start, pow_mod(self.generator, positions.start, self.prime), self.prime);
        Walk { permutation: *self, element, position: positions.start, end: positions.end.min(self.positions()) }
    }
}

/// A cursor over part of a [`Permutation`]: yields indices of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    permutation: Permutation,
    element: u64,
    position: u64,
    end: u64,
}

impl Walk {
    /// The position that comes next: what a resumed walk starts from.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Puts the next indices into place, as many as there is room for, and says how many there were.
    #[inline]
    pub fn fill(&mut self, indices: &mut [u64]) -> usize {
        let mut count = if indices.len() >= LEAP { self.leap(indices) } else { 0 };
        for (place, index) in indices[count..].iter_mut().zip(self) {
            *place = index;
            count += 1;
        }
        count
    }

    /// As [`Walk::fill`], but for the last few.
    #[inline]
    fn leap(&mut self, indices: &mut [u64]) -> usize {
        let Permutation { size, prime, step, leap, .. } = self.permutation;
        let mut abreast = [self.element; LEAP];
        for nth in 1..LEAP {
            abreast[nth] = step.from(abreast[nth - 1], prime);
        }
        let mut count = 0;
        while indices.len() - count >= LEAP && self.remaining() >= LEAP as u64 {
            for element in &mut abreast {
                indices[count] = *element - 1;
                count += usize::from(*element <= size);
                *element = leap.from(*element, prime);
            }
            self.position += LEAP as u64;
        }
        self.element = abreast[0];
        count
    }

    /// Positions still to come.
    pub const fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }
}

impl Iterator for Walk {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        while self.position < self.end {
            let index = self.element - 1;
            self.position += 1;
            self.element = self.permutation.step.from(self.element, self.permutation.prime);
            if index < self.permutation.size {
                return Some(index);
            }
        }
        None
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the callers' values fit, or the low half is meant")]
const fn low_u64(value: u128) -> u64 {
    value as u64
}

fn mul_mod(a: u64, b: u64, modulus: u64) -> u64 {
    low_u64(u128::from(a) * u128::from(b) % u128::from(modulus))
}

fn pow_mod(mut base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let mut result = 1 % modulus;
    base %= modulus;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = mul_mod(result, base, modulus);
        }
        base = mul_mod(base, base, modulus);
        exponent >>= 1;
    }
    result
}

/// Smallest prime above `n`.
fn next_prime(n: u64) -> u64 {
    (n + 1..).find(|candidate| is_prime(*candidate)).expect("there is a prime below twice any number")
}

/// Miller-Rabin with bases that decide every number below 3.3 · 10^24 (Sorenson and Webster, 2015).
fn is_prime(n: u64) -> bool {
    const BASES: [u64; 13] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41];
    if n < 2 {
        return false;
    }
    if let Some(divisor) = BASES.iter().find(|base| n.is_multiple_of(**base)) {
        return n == *divisor;
    }
    let shift = (n - 1).trailing_zeros();
    let odd = (n - 1) >> shift;
    BASES.iter().all(|base| {
        let mut x = pow_mod(*base, odd, n);
        if x == 1 || x == n - 1 {
            return true;
        }
        (1..shift).any(|_| {
            x = mul_mod(x, x, n);
            x == n - 1
        })
    })
}

/// Distinct prime factors, by trial division: at most 2^24 steps for the largest space, once at start.
fn prime_factors(mut n: u64) -> Vec<u64> {
    let mut factors = Vec::new();
    let mut divisor = 2;
    while divisor * divisor <= n {
        if n.is_multiple_of(divisor) {
            factors.push(divisor);
            while n.is_multiple_of(divisor) {
                n /= divisor;
            }
        }
        divisor += if divisor == 2 { 1 } else { 2 };
    }
    if n > 1 {
        factors.push(n);
    }
    factors
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn visited(permutation: &Permutation, parts: u64) -> Vec<u64> {
        (0..parts).flat_map(|i| permutation.walk(permutation.part(i, parts))).collect()
    }

    fn assert_bijection(size: u64, seed: u64, parts: u64) {
        let mut all = visited(&Permutation::new(size, seed), parts);
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..size), "size {size} seed {seed} parts {parts}");
    }

    #[test]
    fn every_small_size_is_visited_exactly_once() {
        for size in 0..600 {
            assert_bijection(size, size * 7 + 1, 1 + size % 9);
        }
    }

    #[test]
    fn many_at_a_time_are_those_one_by_one() {
        for (size, seed) in (1..200).flat_map(|size| [(size, 1), (size, 9)]).chain([(MAX_SIZE, 3), (1 << 40, 4)]) {
            let permutation = Permutation::new(size, seed);
            let end = permutation.positions().min(1_000);
            let (mut alone, mut together) = (permutation.walk(0..end), permutation.walk(0..end));
            for room in (1..=70).cycle() {
                let mut indices = vec![0; room];
                let count = together.fill(&mut indices);
                assert_eq!(indices[..count], alone.by_ref().take(room).collect::<Vec<_>>(), "size {size}");
                assert!(count == room || (together.position(), together.remaining()) == (end, 0));
                if count < room {
                    break;
                }
                assert_eq!(together, alone, "size {size}");
            }
        }
    }

    #[test]
    fn the_demo_sized_space_is_visited_exactly_once() {
        assert_bijection(4_096 * 4, 42, 3);
    }

    #[test]
    fn a_seed_is_an_order_and_another_seed_is_another() {
        let order = |seed| visited(&Permutation::new(1_000, seed), 1);
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert_ne!(order(1), (0..1_000).collect::<Vec<_>>());
    }

    #[test]
    fn the_reciprocal_step_equals_the_division_in_the_largest_space() {
        for seed in 0..20 {
            let permutation = Permutation::new(MAX_SIZE, seed);
            let mut walk = permutation.walk(0..2_000);
            while walk.next().is_some() {
                let jumped = permutation.walk(walk.position()..2_000);
                assert_eq!(walk.element, jumped.element, "seed {seed} position {}", walk.position());
            }
        }
    }

    #[test]
    fn generators_have_full_order() {
        for size in [10, 1 << 20, (1 << 32) * 14, MAX_SIZE - 1, MAX_SIZE] {
            let p = Permutation::new(size, 9);
            assert!(p.prime > size && is_prime(p.prime));
            assert_eq!(pow_mod(p.generator, p.prime - 1, p.prime), 1);
            for q in prime_factors(p.prime - 1) {
                assert_ne!(pow_mod(p.generator, (p.prime - 1) / q, p.prime), 1, "size {size} factor {q}");
            }
        }
    }

    #[test]
    fn sizes_around_primes_and_powers_of_two_are_visited_exactly_once() {
        let primes = (0u64..20_000).filter(|n| is_prime(*n)).step_by(97);
        let sizes = primes.chain((1..17).map(|bit| 1 << bit));
        for size in sizes.flat_map(|near| [near.saturating_sub(2), near - 1, near, near + 1]) {
            assert_bijection(size, size ^ 0x5eed, 1 + size % 5);
        }
    }

    #[test]
    fn the_step_is_exact_for_the_worst_generators_and_elements() {
        for size in [1, 2, 3, 255, 256, 257, 1 << 32, 1 << 40, (1 << 40) + 1, 14 << 32, MAX_SIZE - 1, MAX_SIZE] {
            let fair = Permutation::new(size, 1);
            let prime = fair.prime;
            for generator in
                [1, 2, prime / 2, prime / 2 + 1, prime - 2, prime - 1].into_iter().filter(|g| (1..prime).contains(g))
            {
                let stride = Stride::new(generator, prime);
                for element in [1, 2, prime / 2, prime / 2 + 1, prime - 2, prime - 1]
                    .into_iter()
                    .filter(|e| (1..prime).contains(e))
                {
                    let product = mul_mod(element, generator, prime);
                    assert_eq!(stride.from(element, prime), product, "{generator} x {element} mod {prime}");
                }
            }
        }
    }

    /// zmap's step falls into a cycle of a few elements in spaces beyond 2^40. Here a return before the end would be
    /// an element of smaller order, of which a generator has none; that it is one, [`generators_have_full_order`]
    /// shows. Two walks from far places that met would show the same.
    #[test]
    fn the_largest_spaces_have_no_short_cycles() {
        for (size, seed) in
            [((1 << 40) + 1, 3), (3_702_258_432 * 14, 4), ((1 << 47) + 5, 5), (MAX_SIZE - 1, 6), (MAX_SIZE, 7)]
        {
            let permutation = Permutation::new(size, seed);
            let mut seen = std::collections::HashSet::new();
            for shard in 0..64 {
                let part = permutation.part(shard, 64);
                for index in permutation.walk(part.start..part.start + 2_000) {
                    assert!(index < size && seen.insert(index), "size {size}: {index} comes twice");
                }
            }
            let last = permutation.positions() - 1;
            let closing = permutation.walk(last..last + 1);
            assert_eq!(mul_mod(closing.element, permutation.generator, permutation.prime), permutation.start);
            assert_eq!(permutation.part(63, 64).end, permutation.positions());
        }
    }

    proptest! {
        #[test]
        fn every_size_has_a_prime_and_a_generator(size in 0..=MAX_SIZE, seed: u64, at: u64, step in 0u64..1_000) {
            let permutation = Permutation::new(size, seed);
            prop_assert!(permutation.prime > size && is_prime(permutation.prime));
            for q in prime_factors(permutation.prime - 1) {
                prop_assert_ne!(pow_mod(permutation.generator, (permutation.prime - 1) / q, permutation.prime), 1);
            }
            // A cursor saved anywhere continues the same walk.
            let from = at % permutation.positions();
            let until = (from + step).min(permutation.positions());
            let whole: Vec<u64> = permutation.walk(from..until).collect();
            let mut walk = permutation.walk(from..until);
            let head: Vec<u64> = walk.by_ref().take(whole.len() / 2).collect();
            let tail: Vec<u64> = permutation.walk(walk.position()..until).collect();
            prop_assert_eq!([head, tail].concat(), whole);
        }

        #[test]
        fn a_walk_resumes_at_its_position(size in 1u64..5_000, seed: u64, taken in 0usize..5_000) {
            let permutation = Permutation::new(size, seed);
            let whole: Vec<u64> = permutation.walk(0..permutation.positions()).collect();
            let mut walk = permutation.walk(0..permutation.positions());
            let head: Vec<u64> = walk.by_ref().take(taken).collect();
            let tail: Vec<u64> = permutation.walk(walk.position()..permutation.positions()).collect();
            prop_assert_eq!([head, tail].concat(), whole);
        }

        #[test]
        fn parts_are_disjoint_and_complete(size in 1u64..3_000, seed: u64, parts in 1u64..50) {
            assert_bijection(size, seed, parts);
        }
    }

    #[test]
    fn the_first_targets_are_as_many_as_asked_for() {
        for size in [1, 2, 5, 24, 100, 1_000] {
            let order = Permutation::new(size, 9);
            for count in 0..=size + 3 {
                for shard in [0..order.positions(), order.part(1, 3)] {
                    let first = order.first(shard.clone(), count);
                    let all: Vec<u64> = order.walk(shard.clone()).collect();
                    let expected = &all[..all.len().min(usize::try_from(count).expect("small"))];
                    assert_eq!(order.walk(first.clone()).collect::<Vec<_>>(), expected);
                    assert!(first.start == shard.start && first.end <= shard.end);
                }
            }
        }
        let huge = Permutation::new(MAX_SIZE, 9);
        assert_eq!(huge.first(7..1 << 47, COUNTED_MAX + 1), 7..COUNTED_MAX + 8);
    }
}
