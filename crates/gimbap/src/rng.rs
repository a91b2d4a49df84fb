//! Random draws: ChaCha8 streams keyed by (seed, epoch, step, layer).
//!
//! A key names its stream, so nothing about the generator is ever saved: a resumed run asks for the same
//! keys, and two layers never share draws however many each takes. ChaCha8 is Bernstein's stream cipher with
//! eight rounds, counter and nonce zero; every draw below is IEEE arithmetic without the system's `libm`, so
//! the streams are the same bits on every platform.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// The stream of one (seed, epoch, step, layer): the 32-byte key is the four words, little-endian, in that
/// order.
///
/// ```
/// let mut rng = gimbap::rng::keyed(7, 0, 0, 0);
/// assert_eq!(rng.unit(), gimbap::rng::keyed(7, 0, 0, 0).unit());
/// ```
pub fn keyed(seed: u64, epoch: u64, step: u64, layer: u64) -> Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, epoch, step, layer]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    Rng(ChaCha8Rng::from_seed(key))
}

/// A stream of draws, made by [`keyed`]. A clone repeats what the original draws next.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`: the upper 53 bits of a word over 2^53.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[low, high)`: `low + (high - low) * unit()`. (Rounding can give `high` itself.)
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Standard normal, by Marsaglia's polar method: of a point `(x, y)` uniform in the unit disc with
    /// `s = x² + y²`, `x sqrt(-2 ln s / s)`. The pair's other half is dropped, so that a draw depends on
    /// nothing but the position in the stream.
    pub fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (self.uniform(-1.0, 1.0), self.uniform(-1.0, 1.0));
            let s = x * x + y * y;
            if s > 0.0 && s < 1.0 {
                return x * (-2.0 * ln(s) / s).sqrt();
            }
        }
    }

    /// Uniform in `0..n`, without bias (Lemire, arXiv:1805.10941v4, with rejection).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "below(0) has no value to draw");
        let refused = n.wrapping_neg() % n; // 2^64 mod n: the low words that some values would get once more
        loop {
            let product = u128::from(self.bits()) * u128::from(n);
            if product as u64 >= refused {
                return (product >> 64) as u64;
            }
        }
    }

    /// True with probability `p`: `unit() < p`, so never for 0 and always for 1.
    pub fn bernoulli(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Puts `items` in a uniformly random order (Fisher and Yates, from the last place down).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// Natural logarithm of a positive normal number to about 2e-16 of the larger of 1 and the result, from sums, products and
/// quotients only: `x = m 2^k` with `m` in `[sqrt(1/2), sqrt(2))`, `ln m = 2 artanh((m - 1) / (m + 1))`.
fn ln(x: f64) -> f64 {
    let mut k = ((x.to_bits() >> 52) as i64 - 1023) as f64;
    let mut m = f64::from_bits(x.to_bits() & ((1 << 52) - 1) | 1023 << 52);
    if m >= std::f64::consts::SQRT_2 {
        m *= 0.5;
        k += 1.0;
    }
    let z = (m - 1.0) / (m + 1.0); // |z| < 0.1716, so the first term left out is below 1e-17
    let z2 = z * z;
    let series = (0..11).rev().fold(0.0, |sum, n| sum * z2 + 1.0 / f64::from(2 * n + 1));
    k * std::f64::consts::LN_2 + 2.0 * z * series
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [u64; 4] = [0x10fbf7e8ae2433fc, 0x5862c07fa87d368e, 0x4042b86ee70fe64d, 0x45c67e52fbc89fae];
    const NORMALS: [f64; 3] = [-0.9275235774675061, -0.11381776897809498, -0.07466362439642588];
    const BELOW: [u64; 8] = [2, 2, 4, 0, 0, 2, 2, 1];
    const ORDER: [u32; 10] = [8, 2, 7, 0, 4, 6, 9, 3, 1, 5];

    /// Key (1, 2, 3, 4); the words from `conformance/chacha8_stream.py`, an independent ChaCha8.
    #[test]
    fn the_stream_is_chacha8() {
        let mut rng = keyed(1, 2, 3, 4);
        assert_eq!([(); 4].map(|()| rng.bits()), WORDS);
        let mut rng = keyed(1, 2, 3, 4);
        assert_eq!([(); 4].map(|()| rng.unit()), WORDS.map(|w| (w >> 11) as f64 * 0.5f64.powi(53)));
    }

    /// From the same script: a change of any of them changes every user's runs.
    #[test]
    fn the_draws_never_change() {
        let mut rng = keyed(42, 0, 0, 0);
        assert_eq!([(); 3].map(|()| rng.normal().to_bits()), NORMALS.map(f64::to_bits));
        let mut rng = keyed(42, 0, 0, 1);
        assert_eq!([(); 8].map(|()| rng.below(10)), BELOW);
        let mut order: Vec<u32> = (0..10).collect();
        keyed(42, 1, 0, 0).shuffle(&mut order);
        assert_eq!(order, ORDER);
    }

    #[test]
    fn every_word_of_the_key_counts() {
        let first = |a, b, c, d| keyed(a, b, c, d).bits();
        let mut seen = vec![
            first(0, 0, 0, 0),
            first(1, 0, 0, 0),
            first(0, 1, 0, 0),
            first(0, 0, 1, 0),
            first(0, 0, 0, 1),
        ];
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 5);
    }

    #[test]
    fn normal_has_its_moments() {
        let mut rng = keyed(3, 0, 0, 0);
        let draws: Vec<f64> = (0..100_000).map(|_| rng.normal()).collect();
        let moment = |power| draws.iter().map(|x: &f64| x.powi(power)).sum::<f64>() / draws.len() as f64;
        // five standard errors of each: sqrt(1/n), sqrt(2/n), sqrt(15/n), sqrt(96/n)
        for (power, expected, error) in [(1, 0.0, 0.016), (2, 1.0, 0.023), (3, 0.0, 0.062), (4, 3.0, 0.155)] {
            assert!((moment(power) - expected).abs() < error, "moment {power}: {}", moment(power));
        }
    }

    #[test]
    fn ln_agrees_with_libm() {
        let mut rng = keyed(4, 0, 0, 0);
        for _ in 0..10_000 {
            let x = rng.unit().max(1e-300);
            assert!((ln(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0), "ln({x}) = {}", ln(x));
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn below_reaches_every_value_equally() {
        let mut rng = keyed(5, 0, 0, 0);
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[rng.below(6) as usize] += 1;
        }
        assert!(counts.iter().all(|&c| c.abs_diff(10_000) < 460), "{counts:?}"); // five standard deviations
        assert_eq!(rng.below(1), 0);
        assert!(rng.below(u64::MAX) < u64::MAX);
    }

    #[test]
    fn bernoulli_is_certain_at_its_ends() {
        let mut rng = keyed(6, 0, 0, 0);
        assert!((0..1000).all(|_| !rng.bernoulli(0.0) && rng.bernoulli(1.0)));
    }
}
