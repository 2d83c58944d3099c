//! The overlap for m, n → ∞ at m/n = δ, from one-dimensional integrals.
//!
//! For a ~ N(0, I) and z = T(ŷ) of bounded support with supremum τ, Lu & Li (arXiv 1702.06435) have, as far as we
//! remember, for λ > τ
//!
//! ```text
//! φ(λ) = λ E[z s²/(λ − z)],   ψ(λ) = λ (1/δ + E[z/(λ − z)]),   ζ(λ) = ψ(max(λ, λ̄)),   λ̄ = argmin ψ,
//! ```
//!
//! and with λ* the solution of φ = ζ the overlap is 0 where ψ′(λ*) ≤ 0, else ψ′(λ*)/(ψ′(λ*) − φ′(λ*)). The formula is
//! from memory; the study compares it with simulation. Here y is a sum of ν squares: ŷ ~ χ²_ν/ν, where ν is the rank of
//! real data and twice that of complex data. By symmetry E[s²|ŷ] = ŷ for each of the directions, so that one curve
//! serves a complex rank and a real rank twice as large (our own derivation beyond rank one). For T = 1 − 1/ŷ the
//! condition φ(τ) > ψ(τ) reads E(ŷ − 1)² = 2/ν > 1/δ: the transition is at δ = ν/2.

use super::preprocess::Transform;

/// Number of nodes of the midpoint rule.
const NODES: usize = 8000;
/// Largest √(νŷ) of the rule; beyond lies a share below 1e-20 for ν ≤ 4.
const LARGEST: f64 = 10.5;

/// Law of (z, s²) as weighted points.
pub(super) struct Law {
    /// Weight, z, and E[s²|z] = ŷ.
    points: Vec<(f64, f64, f64)>,
    supremum: f64,
}

impl Law {
    /// Returns the law for a bounded T and ν squares; `None` without a bound.
    pub(super) fn new(transform: Transform, squares: usize) -> Option<Self> {
        let (supremum, nu) = (transform.supremum()?, squares as f64);
        let width = LARGEST / NODES as f64;
        let mut points: Vec<(f64, f64, f64)> = (0..NODES)
            .map(|at| {
                let radius = (at as f64 + 0.5) * width;
                let relative = radius * radius / nu;
                (radius.powf(nu - 1.0) * (-0.5 * radius * radius).exp(), transform.of(relative), relative)
            })
            .collect();
        let total: f64 = points.iter().map(|p| p.0).sum();
        points.iter_mut().for_each(|p| p.0 /= total);
        Some(Self { points, supremum })
    }

    fn mean(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        self.points.iter().map(|(weight, z, square)| weight * of(*z, *square)).sum()
    }

    fn phi(&self, at: f64) -> f64 {
        at * self.mean(|z, square| z * square / (at - z))
    }

    fn phi_slope(&self, at: f64) -> f64 {
        -self.mean(|z, square| square * (z / (at - z)).powi(2))
    }

    fn psi(&self, at: f64, delta: f64) -> f64 {
        at * (1.0 / delta + self.mean(|z, _| z / (at - z)))
    }

    fn psi_slope(&self, at: f64, delta: f64) -> f64 {
        1.0 / delta - self.mean(|z, _| (z / (at - z)).powi(2))
    }

    /// Returns the asymptotic overlap |⟨û, u*⟩|².
    pub(super) fn overlap(&self, delta: f64) -> f64 {
        let least = self.supremum * (1.0 + 1e-9);
        // ψ is convex with slope 1/δ at infinity.
        let mut far = 2.0 * self.supremum;
        while self.psi_slope(far, delta) < 0.0 || self.phi(far) > self.psi(far, delta) {
            far *= 2.0;
        }
        let bottom = match self.psi_slope(least, delta) >= 0.0 {
            true => least,
            false => bisect(least, far, |at| self.psi_slope(at, delta) < 0.0),
        };
        if self.phi(bottom) <= self.psi(bottom, delta) {
            return 0.0;
        }
        let star = bisect(bottom, far, |at| self.phi(at) > self.psi(at, delta));
        let slope = self.psi_slope(star, delta);
        (slope / (slope - self.phi_slope(star))).max(0.0)
    }

    /// Returns the δ with a given overlap between 0 and 1.
    pub(super) fn ratio_for(&self, overlap: f64) -> f64 {
        let mut most = 1.0;
        while self.overlap(most) < overlap && most < 1e6 {
            most *= 2.0;
        }
        bisect(0.0, most, |delta| self.overlap(delta) < overlap)
    }

    /// Returns the δ at which the overlap leaves 0, up to `most`.
    pub(super) fn transition(&self, most: f64) -> Option<f64> {
        (self.overlap(most) > 0.0).then(|| bisect(1e-2, most, |delta| self.overlap(delta) == 0.0))
    }
}

/// Returns the point between `low` and `high` where `before` turns false.
fn bisect(mut low: f64, mut high: f64, before: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if before(middle) { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_optimal_transform_has_its_transition_at_half_the_squares() {
        for squares in [1, 2, 4] {
            let law = Law::new(Transform::Optimal, squares).unwrap();
            let found = law.transition(4.0).unwrap();
            // The bound from below costs a little.
            let expected = 0.5 * squares as f64;
            assert!(found >= expected - 1e-3 && found < 1.02 * expected, "{squares}: {found}");
        }
        assert!(Law::new(Transform::None, 1).is_none());
    }

    #[test]
    fn overlaps_grow_with_the_measurements_and_follow_the_weights() {
        for transform in [Transform::Optimal, Transform::Truncated(9.0), Transform::Truncated(3.0)] {
            let law = Law::new(transform, 1).unwrap();
            approx::assert_relative_eq!(law.mean(|_, square| square), 1.0, max_relative = 1e-6);
            approx::assert_relative_eq!(law.mean(|_, square| square * square), 3.0, max_relative = 1e-5);
            let overlaps: Vec<f64> = [0.4, 1.0, 2.0, 4.0, 8.0, 40.0].map(|delta| law.overlap(delta)).to_vec();
            assert!(overlaps[0] == 0.0 && overlaps[5] < 1.0, "{overlaps:?}");
            assert!(overlaps.windows(2).all(|w| w[0] <= w[1]), "{overlaps:?}");
            approx::assert_relative_eq!(law.overlap(law.ratio_for(0.3)), 0.3, max_relative = 1e-6);
        }
        let best = Law::new(Transform::Optimal, 1).unwrap().transition(16.0).unwrap();
        let truncated = Law::new(Transform::Truncated(9.0), 1).unwrap().transition(16.0).unwrap();
        assert!(truncated > 2.0 * best && truncated < 2.5, "{best}, {truncated}");
    }
}
