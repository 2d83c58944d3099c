//! Wirtinger flow, restated from arXiv 1407.1065, and the default method on the same intensities.
//!
//! ```text
//! Y = (1/m) Σ y_i a_i a_iᴴ            z₀: leading eigenvector of Y by power iterations,  ‖z₀‖² = n Σ y_i / Σ ‖a_i‖²
//! z_t = z_{t−1} − (μ_t/‖z₀‖²) (1/m) Σ (|a_iᴴ z_{t−1}|² − y_i) a_i a_iᴴ z_{t−1}
//! μ_t = min(1 − exp(−t/330), 0.2)
//! ```
//!
//! for vectors whose entries have the mean square 1; others are scaled to it. A power iteration and a step of the descent are one pass
//! forward and back over the measurements each.

use std::ops::ControlFlow;
use std::sync::Arc;

use faer::c64;

use super::recovery::{COMPARED_RATIO, Probes, backend_of, defaults};
use super::signal::{distance, inner, leading, of_truth, size, to_factor};
use crate::reproduce::relatives::tasks::Tick;
use crate::reproduce::relatives::{MeasuredCurve, Rerun};
use lowrank::operators::Operator;
use lowrank::problem::{Factors, MatrixView};
use lowrank::solver::Schedule;
use lowrank::{Backend, Problem, Result, Solver};

/// Power iterations of the start.
pub(super) const POWER_ITERATIONS: usize = 50;
/// Time constant τ₀ and limit of the steps.
const WARM_UP: f64 = 330.0;
const LONGEST_STEP: f64 = 0.2;
/// Error at which runs end.
const END: f64 = 1e-10;

/// Intensities of one signal, with the products that the flow takes.
struct Flow {
    operator: Arc<dyn Operator>,
    y: Vec<f64>,
    /// Mean square of the entries of the vectors.
    mean: f64,
}

impl Flow {
    fn new(problem: &Problem) -> Result<Self> {
        let operator = problem.operator().clone();
        let y = problem.observations(0).unwrap_or_default().to_vec();
        let mut flow = Self { operator, y, mean: 1.0 };
        // Σ ‖a‖² = tr Σ a aᴴ, column by column.
        let (n, ones) = (flow.size(), vec![1.0; flow.y.len()]);
        let mut trace = 0.0;
        for j in 0..n {
            let unit: Vec<c64> = (0..n).map(|i| c64::new(f64::from(u8::from(i == j)), 0.0)).collect();
            trace += flow.applied(&ones, &unit)?[j].re;
        }
        flow.mean = trace / (n * ones.len()) as f64;
        Ok(flow)
    }

    fn size(&self) -> usize {
        self.operator.domain().order()
    }

    fn point(&self, z: &[c64]) -> Result<Factors> {
        Factors::single(1, 2 * z.len(), 1, to_factor(z))
    }

    /// |a_iᴴ z|²
    fn intensities(&self, z: &[c64]) -> Result<Vec<f64>> {
        let (point, mut out) = (self.point(z)?, vec![0.0; self.y.len()]);
        for shard in 0..self.operator.shards() {
            self.operator.forward(shard, &point, &mut out[self.operator.shard_range(shard)]);
        }
        Ok(out)
    }

    /// Σ r_i a_i a_iᴴ z
    fn applied(&self, r: &[f64], z: &[c64]) -> Result<Vec<c64>> {
        let (point, mut out) = (self.point(z)?, vec![0.0; 2 * z.len()]);
        for shard in 0..self.operator.shards() {
            self.operator.adjoint_apply(shard, &r[self.operator.shard_range(shard)], &point, &mut out);
        }
        Ok(leading(MatrixView::new(2 * z.len(), 1, &out)?))
    }

    /// z₀
    fn start(&self) -> Result<Vec<c64>> {
        // Any vector that is orthogonal to the signal with probability zero.
        let mut z: Vec<c64> = (0..self.size()).map(|i| c64::from_polar(1.0, (i * i) as f64)).collect();
        let length = (self.y.iter().sum::<f64>() / (self.y.len() as f64 * self.mean)).sqrt();
        for _ in 0..POWER_ITERATIONS {
            z = self.applied(&self.y, &z)?;
            let norm = size(&z);
            z.iter_mut().for_each(|v| *v *= length / norm);
        }
        Ok(z)
    }

    /// z_t
    fn step(&self, z: &[c64], start: f64, t: usize) -> Result<Vec<c64>> {
        let seen = self.intensities(z)?;
        let residual: Vec<f64> = seen.iter().zip(&self.y).map(|(a, b)| a - b).collect();
        let gradient = self.applied(&residual, z)?;
        let mu = (1.0 - (-(t as f64) / WARM_UP).exp()).min(LONGEST_STEP);
        let scale = mu / (start * self.y.len() as f64 * self.mean * self.mean);
        Ok(z.iter().zip(gradient).map(|(z, g)| *z - g * scale).collect())
    }
}

/// Runs Wirtinger flow and returns (passes, error) from the start on.
fn flow(problem: &Problem, iterations: usize) -> Result<Vec<(f64, f64)>> {
    let (flow, x) = (Flow::new(problem)?, problem.truth(0).map(of_truth).unwrap_or_default());
    let mut z = flow.start()?;
    let start = inner(&z, &z).re;
    let mut course = vec![(POWER_ITERATIONS as f64, distance(&z, &x))];
    for t in 1..=iterations {
        z = flow.step(&z, start, t)?;
        let error = distance(&z, &x);
        course.push(((POWER_ITERATIONS + t) as f64, error));
        if error <= END || !error.is_finite() {
            break;
        }
    }
    Ok(course)
}

/// Runs the default and returns (passes, error), with the number of columns that a pass takes.
fn default(s: &Rerun, problem: Problem, backend: Backend) -> Result<(Vec<(f64, f64)>, usize)> {
    let x = problem.truth(0).map(of_truth).unwrap_or_default();
    let mut solver = Solver::new(problem, defaults(s).observe(Schedule::Every(1)), backend)?;
    let (passes, mut course, mut columns) = (solver.passes(), Vec::new(), 1);
    solver.solve_with(|progress| {
        if !progress.is_choice {
            columns = progress.factors.search_rank();
            let error = distance(&leading(progress.factors.left(0)), &x);
            course.push((passes * progress.iteration as f64, error.max(f64::EPSILON)));
        }
        ControlFlow::Continue(())
    })?;
    Ok((course, columns))
}

/// Measures the errors of Wirtinger flow and of the default against passes over the measurements, on one signal for each kind of
/// measurement.
pub(super) fn courses(s: &Rerun, backend: &Backend, tick: &mut Tick<'_>) -> Result<Vec<MeasuredCurve>> {
    let mut curves = Vec::new();
    for (at, probes) in Probes::ALL.into_iter().enumerate() {
        let problem = probes.problem(s.n, COMPARED_RATIO, s.seed)?;
        let plain = flow(&problem, s.iterations)?;
        let (own, columns) = default(s, problem, backend_of(probes, backend))?;
        let wide = own.iter().map(|(passes, error)| (passes * columns as f64, *error)).collect();
        let group = format!("course-{}", probes.name());
        curves.push(MeasuredCurve::new(&group, "default", "the default", own));
        curves.push(MeasuredCurve::new(&group, "flow", "Wirtinger flow", plain));
        curves.push(MeasuredCurve::new(&format!("wide-{}", probes.name()), "default", "the default", wide));
        if tick((at + 1) as f64 / Probes::ALL.len() as f64).is_break() {
            return Ok(Vec::new());
        }
    }
    Ok(curves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flow_finds_a_signal_from_both_kinds_of_intensities() {
        for probes in Probes::ALL {
            let course = flow(&probes.problem(8, 12, 3).unwrap(), 1500).unwrap();
            let (first, last) = (course[0].1, course.last().unwrap().1);
            assert!(first > 1e-3 && first < 1.0 && last <= END, "{probes:?}: {first}, {last}");
        }
    }

    /// The mean square of entries of vectors, and the start's length, which is that of the signal up to chance.
    #[test]
    fn vectors_are_scaled_to_one() {
        for (probes, mean) in [(Probes::Gaussian, 2.0), (Probes::Coded, 1.0)] {
            let flow = Flow::new(&probes.problem(16, 40, 1).unwrap()).unwrap();
            assert!((flow.mean / mean - 1.0).abs() < 0.1, "{probes:?}: {}", flow.mean);
            let x = probes.problem(16, 40, 1).unwrap().truth(0).map(of_truth).unwrap();
            assert!((size(&flow.start().unwrap()) / size(&x) - 1.0).abs() < 0.1);
        }
    }
}
