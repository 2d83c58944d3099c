//! Portable random streams: the same seed gives the same numbers on every machine and for every thread count.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// What a seed is used for; each purpose reads its own streams, so equal seeds do not give equal numbers.
#[derive(Clone, Copy)]
// Some are those of the studies.
#[cfg_attr(not(feature = "internals"), allow(dead_code))]
pub enum Purpose {
    Truth = 1,
    Operator = 2,
    Noise = 3,
    Init = 4,
    Holdout = 5,
    Laws = 6,
    Shards = 7,
    Minibatch = 8,
    Outliers = 9,
    Soak = 10,
    Signs = 11,
}

/// The generator of stream `index` (a measurement's row, say) under `seed`.
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // 2⁵⁶ streams a purpose: far more than there are measurements.
    rng.set_stream(((purpose as u64) << 56) | index);
    rng
}

/// `count` independent N(0, std²) numbers of stream 0.
pub fn normals(seed: u64, purpose: Purpose, std: f64, count: usize) -> Vec<f64> {
    let mut rng = stream(seed, purpose, 0);
    (0..count).map(|_| std * normal(&mut rng)).collect()
}

pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}
