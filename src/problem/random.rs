//! Portable random streams: the same seed gives the same numbers on every machine and for every thread count.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Purpose of a seed. Each purpose has its own streams, so equal seeds give different numbers.
#[derive(Clone, Copy)]
// Some purposes belong to the studies.
#[cfg_attr(not(feature = "internals"), allow(dead_code))]
pub enum Purpose {
    /// Factors of a synthetic truth.
    Truth = 1,
    /// Measurement matrices.
    Operator = 2,
    /// Noise of the observations.
    Noise = 3,
    /// Random start.
    Init = 4,
    /// Draw of held-out measurements.
    Holdout = 5,
    /// Probes of the laws.
    Laws = 6,
    /// Random order of entries across shards.
    Shards = 7,
    /// Order of minibatches.
    Minibatch = 8,
    /// Outliers of the observations.
    Outliers = 9,
    /// Random checks of the studies.
    Soak = 10,
    /// Random signs of the residual.
    Signs = 11,
}

/// Generator of stream `index` (such as the row of a measurement) under `seed`.
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // 2⁵⁶ streams per purpose: far more than measurements.
    rng.set_stream(((purpose as u64) << 56) | index);
    rng
}

/// Vector of `count` independent N(0, std²) numbers of stream 0.
pub fn normals(seed: u64, purpose: Purpose, std: f64, count: usize) -> Vec<f64> {
    let mut rng = stream(seed, purpose, 0);
    (0..count).map(|_| std * normal(&mut rng)).collect()
}

/// One N(0, 1) number.
pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}
