//! The loss along a line, a polynomial of degree four, and its minimum.

/// The polynomial q₀ + q₁t + … + q₄t⁴.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Quartic(pub(crate) [f64; 5]);

impl Quartic {
    pub(crate) fn at(&self, t: f64) -> f64 {
        self.0.iter().rev().fold(0.0, |sum, q| sum * t + q)
    }

    /// Bound on the rounding error of the value at t.
    fn rounding(&self, t: f64) -> f64 {
        8.0 * f64::EPSILON * self.0.iter().rev().fold(0.0, |sum, q| sum * t + q.abs())
    }

    /// The minimiser t > 0, the first of those that rounding cannot distinguish; 0 where the polynomial never falls. (A
    /// single measurement is fitted at two points of most lines.)
    pub(crate) fn least(&self) -> f64 {
        let [_, a, b, c, d] = self.0;
        let stationary = positive_roots([a, 2.0 * b, 3.0 * c, 4.0 * d]);
        let least = stationary.iter().map(|t| self.at(*t) + self.rounding(*t)).fold(f64::INFINITY, f64::min);
        let best = stationary.into_iter().find(|t| self.at(*t) - self.rounding(*t) <= least);
        best.filter(|t| self.at(*t) <= self.0[0]).unwrap_or(0.0)
    }
}

/// Points t > 0 where the cubic c₀ + c₁t + c₂t² + c₃t³ changes its sign. It is monotonic between its stationary points,
/// so bisection finds every root.
fn positive_roots(c: [f64; 4]) -> Vec<f64> {
    let size = c.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    if !(size.is_finite() && size > 0.0) {
        return Vec::new();
    }
    let at = |t: f64| ((c[3] * t + c[2]) * t + c[1]) * t + c[0];
    // Scaled so that t is about 1: Fujiwara's bound on all roots, from the highest nonzero coefficient.
    let Some(degree) = (1..4).rev().find(|&j| c[j] != 0.0) else { return Vec::new() };
    let bound = (1..=degree).map(|i| (c[degree - i] / c[degree]).abs().powf(1.0 / i as f64)).fold(0.0, f64::max) * 2.0;
    if !(bound.is_finite() && bound > 0.0) {
        return Vec::new();
    }
    let (a, b, d) = (3.0 * c[3], 2.0 * c[2], c[1]);
    let mut ends = vec![0.0];
    if a != 0.0 {
        let discriminant = b * b - 4.0 * a * d;
        if discriminant > 0.0 {
            // The form without cancellation.
            let q = -0.5 * (b + b.signum() * discriminant.sqrt());
            ends.extend([q / a, if q == 0.0 { 0.0 } else { d / q }]);
        }
    } else if b != 0.0 {
        ends.push(-d / b);
    }
    ends.retain(|t| *t >= 0.0 && *t < bound);
    ends.push(bound);
    ends.sort_by(f64::total_cmp);
    let crossing = |low: f64, high: f64| {
        let (mut low, mut high) = (low, high);
        let falling = at(low) > at(high);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            if (at(middle) > 0.0) == falling { low = middle } else { high = middle }
        }
        0.5 * (low + high)
    };
    let changes = |pair: &&[f64]| (at(pair[0]) > 0.0) != (at(pair[1]) > 0.0);
    ends.windows(2).filter(changes).map(|pair| crossing(pair[0], pair[1])).filter(|t| *t > 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Quartic {
        /// c·Σ wᵢ(eᵢ + t·bᵢ + t²·aᵢ)²/2 from (wᵢ, eᵢ, bᵢ, aᵢ).
        fn of(share: f64, terms: impl Iterator<Item = (f64, f64, f64, f64)>) -> Self {
            let mut q = [0.0; 5];
            for (w, e, b, a) in terms {
                q[0] += w * e * e;
                q[1] += 2.0 * w * e * b;
                q[2] += w * (b * b + 2.0 * e * a);
                q[3] += 2.0 * w * a * b;
                q[4] += w * a * a;
            }
            Self(q.map(|v| 0.5 * share * v))
        }

        /// Adds c₀ + c₁t + c₂t².
        fn plus(mut self, c: [f64; 3]) -> Self {
            self.0.iter_mut().zip(c).for_each(|(q, c)| *q += c);
            self
        }
    }

    #[test]
    fn the_least_value_is_found_among_two_valleys() {
        // (t − 1)²(t − 4)² + slope: valleys near 1 and 4.
        for (slope, near) in [(0.5, 1.0), (-0.5, 4.0)] {
            let q = Quartic([16.0, -40.0 + slope, 33.0, -10.0, 1.0]);
            let t = q.least();
            assert!((t - near).abs() < 0.2, "{t}");
            for other in (0..500).map(|i| i as f64 * 0.01) {
                assert!(q.at(t) <= q.at(other) + 1e-12);
            }
        }
    }

    #[test]
    fn degenerate_lines_have_a_least_value_too() {
        assert_eq!(Quartic([1.0, 0.0, 0.0, 0.0, 0.0]).least(), 0.0);
        assert_eq!(Quartic([1.0, 2.0, 1.0, 0.0, 0.0]).least(), 0.0);
        assert!((Quartic([1.0, -2.0, 1.0, 0.0, 0.0]).least() - 1.0).abs() < 1e-12);
        assert!((Quartic([1e-30, -2e-20, 1e-10, 0.0, 0.0]).least() - 1e-10).abs() < 1e-22);
        assert_eq!(Quartic([f64::NAN; 5]).least(), 0.0);
    }

    #[test]
    fn coefficients_are_those_of_the_loss() {
        let terms = [(1.0, 0.5, -2.0, 3.0), (0.25, -1.0, 0.7, 0.1)];
        let q = Quartic::of(0.5, terms.into_iter()).plus([1.0, 2.0, 3.0]);
        for t in [0.0, 0.3, 2.0] {
            let direct: f64 = terms.iter().map(|(w, e, b, a)| 0.25 * w * (e + t * b + t * t * a).powi(2)).sum();
            assert!((q.at(t) - direct - 1.0 - 2.0 * t - 3.0 * t * t).abs() < 1e-12);
        }
    }

    #[test]
    fn of_two_points_as_low_the_nearer_one() {
        // (1 − 3t + t²)², zero at two points.
        for share in [1.0, 0.1, 1e-9, 7e5] {
            let quartic = Quartic::of(share, [(1.0, 1.0, -3.0, 1.0)].into_iter());
            assert!((quartic.least() - (3.0 - 5.0_f64.sqrt()) / 2.0).abs() < 1e-7, "{}", quartic.least());
        }
    }
}
