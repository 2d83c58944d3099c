//! The numbers of the ensembles, by definition: integer steps that every device has, so all devices see the same bits.
//!
//! ```text
//! mix(x)        x ^= x >> 16;  x *= A;               x ^= x >> 15;  x *= B;  x ^= x >> 15
//! key(i)        (a, b) = the halves of i;  b ^= mix(a + s₀);  a ^= mix(b + s₁);  b ^= mix(a + s₀ + C);  a ^= mix(b + s₁ + C)
//! word(i, q)    x = q·C + a;  x ^= x >> 15;  x *= A;  x ^= b;  x ^= x >> 13;  x *= B;  x ^= x >> 16
//! ```
//!
//! All steps are modulo 2³². A row has 64 bits, and `key` is a permutation of them for each seed (four Feistel rounds),
//! so no two rows share a key. A word depends on the pair (i, q); m·p may exceed 2³² without a collision. (s₀, s₁) is
//! the key of the seed under fixed words. A and B are odd numbers with good avalanche in this form (found by the
//! program hash-prospector); the tests here measure it. Without the first multiplication, which spreads neighbouring q
//! over all 32 bits, squares of numbers 512 or 8192 columns apart correlate by 0.004, as 2·10⁸ numbers show.

/// Multipliers A and B.
pub(super) const MULTIPLIERS: [u32; 2] = [0x21f0_aaad, 0x735a_2d97];
/// Constant C: 2³²/golden ratio.
pub(super) const SPREAD: u32 = 0x9e37_79b9;
/// The first digits of π, as fixed words.
const SEEDS: [u32; 2] = [0x243f_6a88, 0x85a3_08d3];

/// Key (a, b) of a row, or (s₀, s₁) of a seed.
pub(crate) type Key = [u32; 2];

fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(MULTIPLIERS[0]);
    x ^= x >> 15;
    x = x.wrapping_mul(MULTIPLIERS[1]);
    x ^ (x >> 15)
}

fn permute(number: u64, [first, second]: Key) -> Key {
    let (mut a, mut b) = (number as u32, (number >> 32) as u32);
    b ^= mix(a.wrapping_add(first));
    a ^= mix(b.wrapping_add(second));
    b ^= mix(a.wrapping_add(first).wrapping_add(SPREAD));
    a ^= mix(b.wrapping_add(second).wrapping_add(SPREAD));
    [a, b]
}

/// Key (s₀, s₁) of a seed.
pub(crate) fn seed_words(seed: u64) -> Key {
    permute(seed, SEEDS)
}

/// The key of row i.
pub(crate) fn row_key(seed: Key, i: u64) -> Key {
    permute(i, seed)
}

/// Word q of a row.
pub(crate) fn word([a, b]: Key, q: u32) -> u32 {
    let mut x = q.wrapping_mul(SPREAD).wrapping_add(a);
    x ^= x >> 15;
    x = x.wrapping_mul(MULTIPLIERS[0]);
    x ^= b;
    x ^= x >> 13;
    x = x.wrapping_mul(MULTIPLIERS[1]);
    x ^ (x >> 16)
}

/// b₀ + b₁ + b₂ + b₃ − 510 of the bytes of word q: −510 … 510.
pub(super) fn byte_sum(key: Key, q: u32) -> i32 {
    word(key, q).to_le_bytes().into_iter().map(i32::from).sum::<i32>() - 510
}

/// ±1: bit q mod 32 of word ⌊q/32⌋, a set bit for −1.
pub(super) fn sign(key: Key, q: u32) -> i32 {
    1 - 2 * ((word(key, q / 32) >> (q % 32)) & 1) as i32
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The distribution of a byte sum by counting: Σ over all sums of (count)·value^k, over 2³².
    #[test]
    fn moments_are_those_that_are_documented() {
        let mut ways = vec![1_u64];
        for _ in 0..4 {
            let mut next = vec![0; ways.len() + 255];
            ways.iter().enumerate().for_each(|(at, w)| next[at..at + 256].iter_mut().for_each(|n| *n += w));
            ways = next;
        }
        let moment = |k: i32| -> f64 {
            ways.iter().enumerate().map(|(sum, &w)| w as f64 * (sum as f64 - 510.0).powi(k)).sum::<f64>()
                / 2f64.powi(32)
        };
        assert_eq!((ways.len(), moment(0), moment(1), moment(2), moment(3)), (1021, 1.0, 0.0, 21845.0, 0.0));
        assert!((moment(4) / moment(2).powi(2) - 2.699_99).abs() < 1e-6, "{}", moment(4) / moment(2).powi(2));
    }

    /// Numbers that tests/golden/seeded/make.py computed from the definition in Python integers.
    #[test]
    fn numbers_are_those_of_another_program() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/seeded/entries.json");
        let golden: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let numbers = golden["numbers"].as_array().unwrap();
        assert_eq!(numbers.len(), 2 * 4 * 7 * 7);
        for number in numbers {
            let key = row_key(seed_words(number[1].as_u64().unwrap()), number[2].as_u64().unwrap());
            let q = u32::try_from(number[3].as_u64().unwrap()).unwrap();
            let found = if number[0] == "seeded" { byte_sum(key, q) } else { sign(key, q) };
            assert_eq!(i64::from(found), number[4].as_i64().unwrap(), "{number}");
        }
    }

    #[test]
    fn no_two_rows_share_a_key_and_seeds_differ() {
        // Neighbours, and numbers that differ only above 32 bits.
        let rows = || (0..50_000_u64).chain((1..50_000).map(|i| i << 32)).chain((0..50_000).map(|i| u64::MAX - i));
        for seed in [0, 1, u64::MAX] {
            let keys: HashSet<Key> = rows().map(|i| row_key(seed_words(seed), i)).collect();
            assert_eq!(keys.len(), rows().count());
        }
        let seeds: HashSet<Key> = rows().map(seed_words).collect();
        assert_eq!(seeds.len(), rows().count());
    }

    /// The permutation run backwards, which a lost or repeated round would break.
    #[test]
    fn keys_are_a_permutation() {
        let [first, second] = seed_words(3);
        for i in (0..64).map(|shift| 0x9e37_79b9_7f4a_7c15_u64 >> shift) {
            let [mut a, mut b] = row_key([first, second], i);
            a ^= mix(b.wrapping_add(second).wrapping_add(SPREAD));
            b ^= mix(a.wrapping_add(first).wrapping_add(SPREAD));
            a ^= mix(b.wrapping_add(second));
            b ^= mix(a.wrapping_add(first));
            assert_eq!(u64::from(b) << 32 | u64::from(a), i);
        }
    }

    /// Σ of a·b over `pairs` pairs has standard deviation √pairs where the factors are independent and of variance 1.
    struct Score {
        name: String,
        sum: f64,
        pairs: f64,
    }

    impl Score {
        fn add<'a>(scores: &mut Vec<Self>, name: String, a: impl Iterator<Item = &'a f32>, b: &[f32]) {
            let sum = a.zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            match scores.iter_mut().find(|score| score.name == name) {
                Some(score) => (score.sum, score.pairs) = (score.sum + sum, score.pairs + b.len() as f64),
                None => scores.push(Self { name, sum, pairs: b.len() as f64 }),
            }
        }
    }

    /// Four million numbers: correlations above 0.0025 show.
    #[test]
    fn neighbours_do_not_correlate() {
        let variance = 21845_f32;
        // Standard deviation of (x² − variance)/variance, from the kurtosis 2.69999.
        let spread = 1.699_99_f32.sqrt();
        let of_bytes = |key, q| byte_sum(key, q) as f32 / variance.sqrt();
        let of_squares = |key, q| (byte_sum(key, q).pow(2) as f32 / variance - 1.0) / spread;
        let of_signs = |key, q| sign(key, q) as f32;
        type Number<'a> = (&'a str, &'a dyn Fn(Key, u32) -> f32);
        let numbers: [Number<'_>; 3] = [("bytes", &of_bytes), ("squares", &of_squares), ("signs", &of_signs)];
        for (what, number) in numbers {
            let columns = 16_384_u32;
            let row = |seed: u64, i: u64| -> Vec<f32> {
                let key = row_key(seed_words(seed), i);
                (0..columns).map(|q| number(key, q)).collect()
            };
            let mut scores = Vec::new();
            let ones = vec![1.0; columns as usize];
            for i in 0..256 {
                let here = row(5, i);
                Score::add(&mut scores, "mean".into(), ones.iter(), &here);
                for lag in (0..14).map(|power| 1 << power).chain([3, 5, 31, 33]) {
                    Score::add(&mut scores, format!("{lag} columns on"), here.iter(), &here[lag..]);
                }
                let others = [(5, i + 1), (5, i + 256), (5, i + (1 << 32)), (6, i), (6, i + 1), (4, i + 1)];
                for (seed, other) in others {
                    let name = format!("seed {seed}, {} rows on", other - i);
                    Score::add(&mut scores, name, here.iter(), &row(seed, other));
                }
            }
            assert_eq!(scores.len(), 1 + 18 + 6);
            for Score { name, sum, pairs } in scores {
                let z = sum / pairs.sqrt();
                assert!(z.abs() < 4.5, "{what}, {name}: z = {z}");
            }
        }
    }

    /// A flipped bit of q, of i or of the seed flips every bit of a word about half the time.
    #[test]
    fn single_bits_avalanche() {
        let samples = 4096_u32;
        type Flip = (&'static str, u32, fn(u32, u32) -> u32);
        let flips: [Flip; 3] = [
            ("q", 20, |t, bit| {
                let key = row_key(seed_words(1), u64::from(t % 64));
                word(key, t) ^ word(key, t ^ 1 << bit)
            }),
            ("i", 32, |t, bit| {
                let at = |i: u64| word(row_key(seed_words(1), i), t % 64);
                at(u64::from(t)) ^ at(u64::from(t) ^ 1 << bit)
            }),
            ("seed", 64, |t, bit| {
                let at = |seed: u64| word(row_key(seed_words(seed), u64::from(t % 8)), t % 64);
                at(u64::from(t)) ^ at(u64::from(t) ^ 1 << bit)
            }),
        ];
        for (what, bits, flip) in flips {
            for bit in 0..bits {
                for out in 0..32 {
                    let flipped = (0..samples).filter(|&t| flip(t, bit) >> out & 1 == 1).count() as f64;
                    let share = flipped / f64::from(samples);
                    assert!((share - 0.5).abs() < 0.06, "{what}: bit {bit} flips bit {out} in {share} of the cases");
                }
            }
        }
    }
}
