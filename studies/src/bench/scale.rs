//! Growth of the cost of an iteration with n, m, k and the batch, compared with the theory.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bench::{Case, Effort, Measurement, time_iterations};
use lowrank::Backend;
use lowrank::Result;
use lowrank::engine::Precision;
use lowrank::internals::memory;
use lowrank::operators::Dense;
use lowrank::problem::Domain;

/// One size that varies while the others are constant.
#[derive(Clone, Copy, Debug)]
pub struct ScaleAxis {
    /// Name of the size: `n`, `measurements`, `search_rank` or `batch`.
    pub name: &'static str,
    /// Theoretical exponent of the operator's work, which dominates for many measurements: m·n(n+1)/2 numbers read,
    /// independent of k, and for a compute-bound batch that many products per trial.
    pub theory: f64,
    /// Sizes (n, m, k, batch) of each point.
    points: &'static [[usize; 4]],
}

/// Doubling steps around (n, m, k, batch) = (100, 3000, 20, 1), large enough that no cache holds the matrices.
pub const SCALE_AXES: &[ScaleAxis] = &[
    ScaleAxis { name: "n", theory: 2.0, points: &[[100, 3000, 20, 1], [140, 3000, 20, 1], [200, 3000, 20, 1]] },
    ScaleAxis {
        name: "measurements",
        theory: 1.0,
        points: &[[100, 3000, 20, 1], [100, 6000, 20, 1], [100, 12_000, 20, 1]],
    },
    ScaleAxis {
        name: "search_rank",
        theory: 0.0,
        points: &[[100, 3000, 5, 1], [100, 3000, 20, 1], [100, 3000, 100, 1]],
    },
    ScaleAxis { name: "batch", theory: 1.0, points: &[[100, 3000, 20, 8], [100, 3000, 20, 16], [100, 3000, 20, 32]] },
];

/// Fitted exponent of one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exponent {
    pub name: String,
    /// Measured slope of ln(time) against ln(size).
    pub measured: f64,
    pub theory: f64,
    pub points: Vec<Measurement>,
}

/// Times every point of an axis and fits the exponent.
///
/// # Errors
/// Those of [`time_iterations`].
pub fn scale(
    axis: &ScaleAxis,
    backend: &Backend,
    precision: Precision,
    effort: Effort,
    device_memory: Option<u64>,
) -> Result<Exponent> {
    let mut points = Vec::new();
    for &[n, m, search_rank, batch] in axis.points {
        // What was there before the operator is no part of the prediction.
        let before = memory::resident().filter(|_| memory::reset_peak());
        let case = Case {
            operator: Arc::new(Dense::noise(Domain::symmetric(n), m, 1)?),
            batch,
            search_rank,
            backend: backend.clone(),
            precision,
            variant: None,
            device_memory,
        };
        let mut point = time_iterations(&case, effort, None)?;
        point.peak_bytes = before.zip(memory::peak()).map(|(before, peak)| peak.saturating_sub(before));
        points.push(point);
    }
    let size = |p: &Measurement| match axis.name {
        "n" => p.n,
        "measurements" => p.measurements,
        "search_rank" => p.search_rank,
        _ => p.batch,
    };
    let coordinates: Vec<(f64, f64)> = points.iter().map(|p| ((size(p) as f64).ln(), p.milliseconds.ln())).collect();
    Ok(Exponent { name: axis.name.into(), measured: slope(&coordinates), theory: axis.theory, points })
}

/// Returns the slope of the least-squares line.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / count, points.iter().map(|p| p.1).sum::<f64>() / count);
    let (xy, xx) = points.iter().fold((0.0, 0.0), |(xy, xx), p| (xy + (p.0 - x) * (p.1 - y), xx + (p.0 - x).powi(2)));
    xy / xx
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn slopes_of_powers_are_their_exponents() {
        let points: Vec<(f64, f64)> = [1.0_f64, 2.0, 5.0].iter().map(|x| (x.ln(), (3.0 * x.powf(1.7)).ln())).collect();
        assert!((slope(&points) - 1.7).abs() < 1e-12);
    }
}
