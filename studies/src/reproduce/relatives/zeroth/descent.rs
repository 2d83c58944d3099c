//! Algorithm 4 of arXiv 2406.19617 with its constants, and plain two-point descent.

use super::estimate::{Spectral, bootstrapping, gradient, hessian};
use super::objective::{Objective, Oracle, direction, length, moved};
use lowrank::Result;

/// Numbers of values and radii of one stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stage {
    /// n_m or n_g.
    pub gradients: usize,
    pub hessians: usize,
    /// r_m or r_g.
    pub gradient_radius: f64,
    pub hessian_radius: f64,
}

/// The two stages for a budget of T values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Budget {
    pub rounds: usize,
    pub first: Stage,
    pub last: Stage,
}

impl Budget {
    /// Returns the paper's numbers: ⌊T^0.1⌋ rounds with n_m = ⌊T^0.9/(10d)⌋, n_H = ⌊T^0.9/(10d²)⌋, r_m =
    /// (8/(n_mρ²))^{1/6}, r_H = (144/(n_Hρ²))^{1/6}; at the end n_g = ⌊T/10⌋, n_H = ⌊T/(10d²)⌋, r_g = (d³/(n_gρ²))^{1/6}.
    /// Where ρ = 0 no radius follows, and all are the radius of the ball.
    pub(super) fn new(t: f64, objective: &Objective) -> Self {
        let (d, rho) = (objective.dimension as f64, objective.rho);
        let radius = |number: f64, count: usize| match rho > 0.0 {
            true => (number / (count.max(1) as f64 * rho * rho)).powf(1.0 / 6.0),
            false => objective.radius,
        };
        let stage = |gradients: f64, hessians: f64, number: f64| {
            let (gradients, hessians) = (gradients.floor() as usize, hessians.floor() as usize);
            let (gradient_radius, hessian_radius) = (radius(number, gradients), radius(144.0, hessians));
            Stage { gradients, hessians, gradient_radius, hessian_radius }
        };
        let early = t.powf(0.9) / 10.0;
        Self {
            // The rounding of T^0.1 must not take a round from a power of 10^10.
            rounds: (t.powf(0.1) + 1e-9).floor() as usize,
            first: stage(early / d, early / (d * d), 8.0),
            last: stage(t / 10.0, t / (10.0 * d * d), d.powi(3)),
        }
    }

    /// Returns whether every estimate has at least one value.
    pub(super) fn possible(&self) -> bool {
        [self.first, self.last].iter().all(|stage| stage.gradients >= 1 && stage.hessians >= 1)
    }
}

/// Result of a run.
pub(super) struct Landing {
    /// f(x_B) − f* after the first stage.
    pub first: f64,
    /// f(x) − f* at the end.
    pub last: f64,
    pub evaluations: u64,
}

/// Runs Algorithm 4 with a budget of T values.
///
/// # Errors
/// [`lowrank::Error::Invalid`] where an estimated Hessian is not finite.
pub(super) fn two_stage(oracle: &mut Oracle, start: Vec<f64>, t: f64) -> Result<Landing> {
    let objective = oracle.objective;
    let (d, convexity, budget) = (objective.dimension, objective.convexity, Budget::new(t, &objective));
    // M/ρ, infinite for a quadratic.
    let trust = convexity / objective.rho;
    let mut x = start;
    for _ in 0..budget.rounds {
        let m = bootstrapping(oracle, &x, budget.first.gradient_radius, budget.first.gradients);
        let h = hessian(oracle, &x, budget.first.hessian_radius, budget.first.hessians);
        let step = trusted(&Spectral::new(d, &h)?, &m, convexity, trust);
        x = moved(&x, -1.0, &step);
    }
    let first = objective.shape.value(&x);
    let h = hessian(oracle, &x, budget.last.hessian_radius, budget.last.hessians);
    let h = Spectral::new(d, &h)?.raised(convexity);
    // Z = r_g·H^{−1/2}/λ_max(H^{−1/2}).
    let (least, r) = (h.least(), budget.last.gradient_radius);
    let z = h.matrix(|value| r * (least / value).sqrt());
    let g = gradient(oracle, &x, &z, budget.last.gradients);
    let p = h.apply(|value| -1.0 / (value * r * (least / value).sqrt()), &g);
    let share = (trust / length(&p)).min(1.0);
    let last = objective.shape.value(&moved(&x, share, &p));
    Ok(Landing { first, last, evaluations: oracle.evaluations })
}

/// Returns H_c⁻¹m for the least c ≥ M with ‖H_c⁻¹m‖ ≤ `trust`, H_c = H with eigenvalues max(λ, c).
fn trusted(h: &Spectral, m: &[f64], convexity: f64, trust: f64) -> Vec<f64> {
    let step = |c: f64| h.apply(|value| 1.0 / value.max(c), m);
    if length(&step(convexity)) <= trust {
        return step(convexity);
    }
    // At c = ‖m‖/trust every eigenvalue of H_c is at least c, so the step is short enough.
    let (mut low, mut high) = (convexity, (length(m) / trust).max(convexity));
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if length(&step(middle)) <= trust { high = middle } else { low = middle }
    }
    step(high)
}

/// Runs plain two-point descent, x ← x − η_t·(d/(2r_t))(y₊ − y₋)u, on as many values as Algorithm 4 uses at most. The
/// radius is r_t = (d³/(tρ²))^{1/6}, and η_t = 2/(M(t + t₀)) with t₀ = 4dL/M so that the first steps are stable, L
/// being the largest curvature at the minimiser.
pub(super) fn two_point(oracle: &mut Oracle, start: Vec<f64>, t: f64, largest: f64) -> Landing {
    let objective = oracle.objective;
    let (d, convexity) = (objective.dimension as f64, objective.convexity);
    let first = objective.shape.value(&start);
    let (mut x, delay) = (start, 4.0 * d * largest / convexity);
    for at in 1..=(0.4 * t) as usize {
        let at = at as f64;
        let r = (d.powi(3) / (at * objective.rho.powi(2))).powf(1.0 / 6.0).min(objective.radius);
        let u = direction(objective.dimension, &mut oracle.rng);
        let scaled: Vec<f64> = u.iter().map(|u| r * u).collect();
        let slope = d / (2.0 * r) * oracle.difference(&x, &scaled);
        x = moved(&x, -2.0 * slope / (convexity * (at + delay)), &u);
    }
    Landing { first, last: objective.shape.value(&x), evaluations: oracle.evaluations }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::internals::{Purpose, stream};

    #[test]
    fn the_budget_has_the_constants_of_the_paper() {
        let budget = Budget::new(1e6, &Objective::cubic(4, 10.0));
        assert_eq!((budget.rounds, budget.last.gradients, budget.last.hessians), (3, 100_000, 6250));
        // 10^5.4 = 251188.6.
        assert_eq!((budget.first.gradients, budget.first.hessians), (6279, 1569));
        approx::assert_relative_eq!(budget.last.gradient_radius.powi(6), 64.0 / 1e7, max_relative = 1e-12);
        approx::assert_relative_eq!(budget.first.gradient_radius.powi(6), 8.0 / 627_900.0, max_relative = 1e-12);
        approx::assert_relative_eq!(budget.last.hessian_radius.powi(6), 144.0 / 625_000.0, max_relative = 1e-12);
        assert_eq!(Budget::new(1e10, &Objective::cubic(4, 10.0)).rounds, 10);
        assert!(budget.possible() && !Budget::new(100.0, &Objective::cubic(8, 10.0)).possible());
    }

    #[test]
    fn a_run_uses_no_more_values_than_the_paper_counts() {
        for d in [2, 5] {
            let objective = Objective::cubic(d, 100.0);
            let mut oracle = Oracle::new(objective, stream(1, Purpose::Laws, 0));
            let start = objective.start(&mut oracle.rng);
            let before = objective.shape.value(&start);
            let landing = two_stage(&mut oracle, start, 1e5).unwrap();
            let most = 1e5 * (0.8 + 0.2 / (d * d) as f64);
            assert!((landing.evaluations as f64) <= most, "{} of {most}", landing.evaluations);
            assert!(landing.last < 1e-2 * before && landing.first < 0.1 * before);
            let landing = two_point(&mut oracle, objective.start(&mut stream(2, Purpose::Laws, 0)), 1e5, 200.0);
            assert!(landing.last < 1e-2 * before);
        }
    }

    #[test]
    fn a_step_is_cut_to_the_trusted_length_and_no_shorter() {
        let h = Spectral::new(2, &[2.0, 0.0, 0.0, 8.0]).unwrap();
        let m = [4.0, 4.0];
        let free = trusted(&h, &m, 1.0, 10.0);
        assert!(length(&moved(&free, -1.0, &[2.0, 0.5])) < 1e-12);
        approx::assert_relative_eq!(length(&trusted(&h, &m, 1.0, 1.0)), 1.0, max_relative = 1e-9);
        approx::assert_relative_eq!(length(&trusted(&h, &m, 1.0, 1e-3)), 1e-3, max_relative = 1e-9);
    }
}
