//! Bias and covariance of the gradient estimate beside the two bounds of Theorem 4.1.

use super::estimate::times;
use super::objective::{Objective, Oracle, direction};
use lowrank::internals::{Purpose, stream};

/// One estimate with n = 1 at a point, with Z = λ_Z·diag(1, …, ½).
pub(super) struct Setting {
    pub objective: Objective,
    /// λ_Z over the radius R.
    pub share: f64,
    /// Whether x lies at half the radius and Z is not a multiple of I; at the minimiser Z = λ_Z·I.
    pub aside: bool,
}

/// Measured values over their bounds, with one standard error each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratios {
    pub bias: f64,
    pub bias_error: f64,
    pub covariance: f64,
    pub covariance_error: f64,
}

impl Setting {
    /// Measures from `count` estimates. The bias is the mean of (d/2)(f(x + Zu) − f(x − Zu))u − d⟨Z∇f(x), u⟩u: the part
    /// taken away has the mean Z∇f(x), and noise has the mean 0. The noise of a value has the variance 1.
    pub(super) fn measure(&self, count: usize, seed: u64, index: u64) -> Ratios {
        let Objective { shape, dimension, rho, radius, .. } = self.objective;
        let mut oracle = Oracle::new(self.objective, stream(seed, Purpose::Noise, index));
        oracle.deviation = 1.0;
        let (d, largest) = (dimension as f64, self.share * radius);
        let x = if self.aside { oracle.objective.start(&mut oracle.rng) } else { vec![0.0; dimension] };
        let z = self.shape_of(largest);
        let pull = times(&z, &shape.gradient(&x));
        let mut bias = Moments::new(dimension);
        let mut noisy = Moments::new(dimension);
        for _ in 0..count {
            let u = direction(dimension, &mut oracle.rng);
            let v = times(&z, &u);
            let exact = shape.change(&x, &v);
            let linear: f64 = pull.iter().zip(&u).map(|(g, u)| g * u).sum();
            bias.add(u.iter().map(|u| (0.5 * d * exact - d * linear) * u));
            let y = oracle.difference(&x, &v);
            noisy.add(u.iter().map(|u| 0.5 * d * y * u));
        }
        let pull: f64 = pull.iter().map(|g| g * g).sum();
        let third = rho * largest.powi(3);
        let bias_bound = third * d.sqrt() / (2.0 * (d + 2.0));
        let covariance_bound = 2.0 * d * pull + d * d / 18.0 * third * third + 0.5 * d * d;
        Ratios {
            bias: bias.mean_length() / bias_bound,
            bias_error: (bias.trace() / count as f64).sqrt() / bias_bound,
            covariance: noisy.trace() / covariance_bound,
            covariance_error: noisy.square_error() / covariance_bound,
        }
    }

    /// Returns Z, d×d row-major, of largest singular value λ_Z.
    fn shape_of(&self, largest: f64) -> Vec<f64> {
        let d = self.objective.dimension;
        let entry = |k: usize| match self.aside {
            true => largest * (1.0 - 0.5 * k as f64 / (d.max(2) - 1) as f64),
            false => largest,
        };
        (0..d * d).map(|at| if at / d == at % d { entry(at / d) } else { 0.0 }).collect()
    }
}

/// Sums of vectors and of their squared lengths.
struct Moments {
    count: f64,
    sum: Vec<f64>,
    squares: f64,
    fourths: f64,
}

impl Moments {
    fn new(d: usize) -> Self {
        Self { count: 0.0, sum: vec![0.0; d], squares: 0.0, fourths: 0.0 }
    }

    fn add(&mut self, v: impl Iterator<Item = f64>) {
        let mut square = 0.0;
        for (sum, v) in self.sum.iter_mut().zip(v) {
            *sum += v;
            square += v * v;
        }
        self.count += 1.0;
        self.squares += square;
        self.fourths += square * square;
    }

    fn mean_length(&self) -> f64 {
        self.sum.iter().map(|v| (v / self.count).powi(2)).sum::<f64>().sqrt()
    }

    /// Returns the trace of the covariance of one vector.
    fn trace(&self) -> f64 {
        self.squares / self.count - self.mean_length().powi(2)
    }

    /// Returns the standard error of the mean squared length.
    fn square_error(&self) -> f64 {
        let mean = self.squares / self.count;
        ((self.fourths / self.count - mean * mean).max(0.0) / self.count).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_known_vectors() {
        let mut moments = Moments::new(2);
        for v in [[1.0, 0.0], [-1.0, 0.0], [1.0, 2.0], [-1.0, 2.0]] {
            moments.add(v.into_iter());
        }
        assert_eq!((moments.mean_length(), moments.trace()), (1.0, 2.0));
        approx::assert_relative_eq!(moments.square_error(), 1.0);
    }

    #[test]
    fn the_cubic_attains_the_bias_and_a_quadratic_has_none() {
        let at = |objective, share| Setting { objective, share, aside: false }.measure(20_000, 1, 0);
        let cubic = at(Objective::cubic(3, 100.0), 0.5);
        assert!((cubic.bias - 1.0).abs() < 4.0 * cubic.bias_error && cubic.bias_error < 0.05, "{cubic:?}");
        // Without the third derivative the covariance at the minimiser is that of the noise, its bound d²/2.
        let mut flat = Objective::quadratic(3, 100.0);
        flat.rho = 1e-3;
        let flat = at(flat, 0.5);
        assert!((flat.covariance - 1.0).abs() < 0.05, "{flat:?}");
    }
}
