//! Sparse signals: gradient descent on w∘w − v∘v.

use rand_chacha::ChaCha8Rng;

use lowrank::internals::normal;

/// α of the start w₀ = v₀ = α·(1, …, 1).
const START: f64 = 1e-6;
/// Step η.
const STEP: f64 = 0.1;
/// Stop time over log(1/α)·√(m/log p)/(√2·η·sd(y)): the largest |Φ_j| outside the support is near sd(y)·√(2 log p/m),
/// and its coordinate has then grown from α² to α^{2 − 1.4}.
const SHARE: f64 = 0.7;
/// Most iterations of a run.
const LIMIT: usize = 8000;

/// Noise of the observations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Noise {
    Normal(f64),
    /// So many times Student's t with three degrees of freedom, whose variance is 3.
    Heavy(f64),
}

/// Sizes of one problem.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizes {
    /// Number of unknowns p.
    pub unknowns: usize,
    /// Number s of entries ±1/√s of the signal.
    pub support: usize,
    /// Number of measurements m.
    pub measurements: usize,
}

impl Sizes {
    /// Returns √(s log p/m).
    pub(super) fn rate(self) -> f64 {
        (self.support as f64 * (self.unknowns as f64).ln() / self.measurements as f64).sqrt()
    }
}

/// Link of the model y = f(⟨x, β*⟩) + ε: f(g) = g + sin g.
pub(super) fn link(g: f64) -> f64 {
    g + g.sin()
}

/// Signal with the means Φ = (1/m)·Σ y_i x_i of the observations, one for each preprocessing.
pub(super) struct Instance {
    signal: Vec<f64>,
    /// Φ and the root mean square of the observations that it is made of.
    means: Vec<(Vec<f64>, f64)>,
    sizes: Sizes,
}

impl Instance {
    /// Draws y_i = f(⟨x_i, β*⟩) + ε_i with x_i ~ N(0, I_p). There is one Φ from y, and one from y clipped to ±τ.
    pub(super) fn new(sizes: Sizes, noise: Noise, rng: &mut ChaCha8Rng) -> Self {
        let Sizes { unknowns, support, measurements } = sizes;
        let mut signal = vec![0.0; unknowns];
        for j in rand::seq::index::sample(rng, unknowns, support) {
            signal[j] = if normal(rng) > 0.0 { 1.0 } else { -1.0 } / (support as f64).sqrt();
        }
        let rows: Vec<f32> = (0..measurements * unknowns).map(|_| normal(rng) as f32).collect();
        let y: Vec<f64> = (rows.chunks(unknowns))
            .map(|x| link(x.iter().zip(&signal).map(|(x, b)| f64::from(*x) * b).sum()) + noise.draw(rng))
            .collect();
        let tau = threshold(&y, unknowns);
        let clipped: Vec<f64> = y.iter().map(|y| y.clamp(-tau, tau)).collect();
        let means = [y, clipped].map(|y| {
            let mut phi = vec![0.0; unknowns];
            for (x, y) in rows.chunks(unknowns).zip(&y) {
                phi.iter_mut().zip(x).for_each(|(phi, x)| *phi += y * f64::from(*x) / measurements as f64);
            }
            (phi, (y.iter().map(|y| y * y).sum::<f64>() / measurements as f64).sqrt())
        });
        Self { signal, means: means.into(), sizes }
    }

    /// Runs gradient descent from Φ of y, or of the clipped y, for `longer` times the stop time.
    pub(super) fn descend(&self, clipped: bool, longer: usize) -> Course {
        let (phi, deviation) = &self.means[usize::from(clipped)];
        let ratio = (self.sizes.measurements as f64 / (self.sizes.unknowns as f64).ln()).sqrt();
        let time = SHARE * (1.0 / START).ln() * ratio / (2f64.sqrt() * STEP * deviation);
        let stop = (time as usize).clamp(1, LIMIT);
        let mut state = (vec![START; phi.len()], vec![START; phi.len()]);
        let mut errors = Vec::with_capacity(longer * stop + 1);
        for _ in 0..=(longer * stop).min(LIMIT) {
            errors.push(distance(&difference(&state), &self.signal));
            advance(&mut state, phi);
        }
        Course { stop, errors }
    }
}

/// Errors of one run by iteration.
pub(super) struct Course {
    /// Stop time.
    pub stop: usize,
    /// ‖β_t/‖β_t‖ − β*‖, as the link changes the length.
    pub errors: Vec<f64>,
}

impl Course {
    pub(super) fn at_stop(&self) -> f64 {
        self.errors[self.stop.min(self.errors.len() - 1)]
    }

    pub(super) fn last(&self) -> f64 {
        self.errors[self.errors.len() - 1]
    }
}

impl Noise {
    fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        match self {
            Self::Normal(deviation) => deviation * normal(rng),
            Self::Heavy(scale) => scale * heavy(rng),
        }
    }
}

/// Returns a number of Student's t with three degrees of freedom, z₀·√3/√(z₁² + z₂² + z₃²).
pub(super) fn heavy(rng: &mut ChaCha8Rng) -> f64 {
    let square: f64 = (0..3).map(|_| normal(rng).powi(2)).sum();
    normal(rng) * (3.0 / square).sqrt()
}

/// Returns τ = σ̂·(m/log p)^{1/4} with σ̂ = median|y|/0.6745, the deviation of a normal with that median. The power is the
/// paper's; its factor is a moment bound, for which σ̂ stands.
pub(super) fn threshold(y: &[f64], unknowns: usize) -> f64 {
    let mut sizes: Vec<f64> = y.iter().map(|y| y.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let median = sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
    median / 0.6745 * (y.len() as f64 / (unknowns.max(2) as f64).ln()).powf(0.25)
}

/// Returns β = w∘w − v∘v.
fn difference((w, v): &(Vec<f64>, Vec<f64>)) -> Vec<f64> {
    w.iter().zip(v).map(|(w, v)| w * w - v * v).collect()
}

/// One step on ½‖β‖² − ⟨β, Φ⟩: with r = β − Φ, w ← w − η·r∘w and v ← v + η·r∘v.
fn advance((w, v): &mut (Vec<f64>, Vec<f64>), phi: &[f64]) {
    for ((w, v), phi) in w.iter_mut().zip(v.iter_mut()).zip(phi) {
        let r = *w * *w - *v * *v - phi;
        *w -= STEP * r * *w;
        *v += STEP * r * *v;
    }
}

/// Returns ‖β/‖β‖ − β*‖, √2 at β = 0.
fn distance(beta: &[f64], signal: &[f64]) -> f64 {
    let size = beta.iter().map(|b| b * b).sum::<f64>().sqrt();
    if size == 0.0 {
        return 2f64.sqrt();
    }
    beta.iter().zip(signal).map(|(b, s)| (b / size - s).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::internals::{Purpose, stream};

    #[test]
    fn a_step_is_a_gradient_step() {
        let phi = [0.3, -0.2, 0.05];
        let loss = |w: &[f64], v: &[f64]| {
            let beta = difference(&(w.to_vec(), v.to_vec()));
            beta.iter().zip(&phi).map(|(b, phi)| 0.5 * b * b - b * phi).sum::<f64>()
        };
        let (w, v) = (vec![0.5, 0.1, 0.2], vec![0.2, 0.4, 0.1]);
        let mut state = (w.clone(), v.clone());
        advance(&mut state, &phi);
        for j in 0..3 {
            let moved =
                |of: &[f64], h: f64| of.iter().enumerate().map(|(i, x)| if i == j { x + h } else { *x }).collect();
            let slope = |f: &dyn Fn(f64) -> f64| (f(1e-5) - f(-1e-5)) / 2e-5;
            let of_w = slope(&|h| loss(&Vec::<f64>::from_iter::<Vec<f64>>(moved(&w, h)), &v));
            let of_v = slope(&|h| loss(&w, &Vec::<f64>::from_iter::<Vec<f64>>(moved(&v, h))));
            // Half the gradient: the factor 2 of the square is part of the step.
            approx::assert_relative_eq!(state.0[j] - w[j], -0.5 * STEP * of_w, max_relative = 1e-6);
            approx::assert_relative_eq!(state.1[j] - v[j], -0.5 * STEP * of_v, max_relative = 1e-6);
        }
    }

    #[test]
    fn a_signal_is_found_early_and_lost_late() {
        let sizes = Sizes { unknowns: 300, support: 3, measurements: 800 };
        let instance = Instance::new(sizes, Noise::Normal(0.5), &mut stream(1, Purpose::Laws, 0));
        let course = instance.descend(false, 10);
        assert!(course.at_stop() < 0.2 && course.last() > 2.0 * course.at_stop(), "{}", course.at_stop());
        approx::assert_relative_eq!(sizes.rate(), (3.0 * 300f64.ln() / 800.0).sqrt());
    }

    #[test]
    fn clipping_cuts_heavy_tails_and_little_else() {
        let mut rng = stream(1, Purpose::Laws, 1);
        let y: Vec<f64> = (0..40_000).map(|_| heavy(&mut rng)).collect();
        let tau = threshold(&y, 1000);
        assert!(tau > 5.0 && tau < 20.0, "{tau}");
        let share = y.iter().filter(|y| y.abs() > tau).count() as f64 / 40_000.0;
        assert!(share > 1e-4 && share < 0.02, "{share}");
        // P(|t₃| > 3.182) = 0.05.
        let tail = y.iter().filter(|y| y.abs() > 3.182).count() as f64 / 40_000.0;
        assert!((tail - 0.05).abs() < 0.005, "{tail}");
        approx::assert_relative_eq!(threshold(&[-2.0, 1.0, 0.5], 3), 1.0 / 0.6745 * (3.0 / 3f64.ln()).powf(0.25));
    }
}
