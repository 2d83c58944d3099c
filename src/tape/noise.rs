//! Label noise: nearly normal numbers that an integer hash makes for each trial, iteration and measurement, the same on
//! every engine.
//!
//! ```text
//! key(stream, turn) = row_key(turn) xor row_key(stream + 2³¹)      see `operators::seeded::hash`
//! ξᵢ = (b₀ + … + b₇ − 1020)/√43690,   b the bytes of word(key, i) and word(key, i + 2³¹)
//! ```
//!
//! A sum of eight uniform bytes has the variance 8·(2¹⁶ − 1)/12 = 43690 and the kurtosis 3 − 1.2/8 = 2.85; a normal
//! number has 3.

use crate::operators::hash;
use crate::tape::registers::{Measured, Scalar};

/// One over the standard deviation √43690 of the sum of eight bytes.
pub(crate) const NORMAL: f64 = 0.004_784_196_154_532_612;
/// Number of streams and of turns, so that f32 holds them exactly.
pub(crate) const MOST: u64 = 1 << 24;

/// Noisy labels out ← base + σ·ξ with fresh ξ in every turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelNoise {
    /// Output.
    pub out: Measured,
    /// Labels without noise.
    pub base: Measured,
    /// Standard deviation σ.
    pub deviation: Scalar,
    /// Number of the trial's stream, below 2²⁴.
    pub stream: Scalar,
    /// Number of the turn, below 2²⁴.
    pub turn: Scalar,
}

/// Fixed words (s₀, s₁) of the hash.
pub(crate) fn seed_words() -> [u32; 2] {
    hash::seed_words(0)
}

/// The stream of a seed. Seeds below 2²⁴ have different ones.
pub(crate) fn stream(seed: u64) -> f64 {
    ((seed ^ (seed >> 24) ^ (seed >> 48)) % MOST) as f64
}

/// The bytes behind ξᵢ: their sum less its mean, −1020 … 1020, for the measurements from `first` on.
pub(crate) fn sums(stream: f64, turn: f64, first: usize) -> impl Iterator<Item = i32> {
    let words = seed_words();
    let [turn, stream] = [turn as u64, stream as u64 | 1 << 31].map(|number| hash::row_key(words, number));
    let key = [turn[0] ^ stream[0], turn[1] ^ stream[1]];
    let bytes = move |q: u32| hash::word(key, q).to_le_bytes().into_iter().map(i32::from).sum::<i32>();
    (first..).map(move |i| bytes(i as u32) + bytes(i as u32 ^ 1 << 31) - 1020)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(stream: f64, turn: f64, count: usize) -> Vec<f64> {
        sums(stream, turn, 0).take(count).map(|sum| f64::from(sum) * NORMAL).collect()
    }

    fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
        let count = values.len() as f64;
        values.sum::<f64>() / count
    }

    #[test]
    fn moments_are_those_of_nearly_normal_numbers() {
        approx::assert_relative_eq!(NORMAL, 1.0 / 43690_f64.sqrt(), epsilon = 1e-15);
        let all = noise(3.0, 17.0, 400_000);
        // Four standard errors.
        assert!(mean(all.iter().copied()).abs() < 4.0 / 400_000_f64.sqrt());
        assert!((mean(all.iter().map(|v| v * v)) - 1.0).abs() < 4.0 * (1.85_f64 / 400_000.0).sqrt());
        assert!((mean(all.iter().map(|v| v.powi(4))) - 2.85).abs() < 0.06);
    }

    #[test]
    fn streams_turns_and_measurements_are_not_correlated() {
        let count = 100_000;
        let base = noise(0.0, 0.0, count + 1);
        for other in [noise(1.0, 0.0, count), noise(0.0, 1.0, count), noise(1.0, 1.0, count), base[1..].to_vec()] {
            let correlation = mean(base.iter().zip(&other).map(|(a, b)| a * b).collect::<Vec<_>>().into_iter());
            assert!(correlation.abs() < 4.0 / (count as f64).sqrt(), "{correlation}");
        }
        // A later part is the same stream.
        assert_eq!(sums(2.0, 5.0, 1000).next(), sums(2.0, 5.0, 0).nth(1000));
        assert_eq!([stream(5), stream((1 << 24) + 5)], [5.0, 4.0]);
    }
}
