//! Laws of an operator's f64 functions, without any engine.

use crate::laws::expected::{Expected, Numbers, Probe, outside};
use crate::operators::{GradientOutput, GradientRequest, Loss, Operator};
use crate::problem::Factors;

use crate::laws::{Held, LawOutcome};

fn words(error: crate::Error) -> String {
    error.to_string()
}

/// Columns `range` of a (batch, m) array.
fn part(values: &[f64], m: usize, range: &std::ops::Range<usize>) -> Vec<f64> {
    values.chunks(m).flat_map(|row| &row[range.clone()]).copied().collect()
}

/// A gradient over all shards.
struct Gradient {
    residual: Vec<f64>,
    left: Vec<f64>,
    /// Empty for symmetric domains.
    right: Vec<f64>,
    loss: Vec<f64>,
}

fn gradient(operator: &dyn Operator, probe: &Probe, loss: Loss) -> Gradient {
    let (m, batch) = (operator.measurements(), probe.point.batch());
    let mut residual = vec![0.0; batch * m];
    let mut left = vec![0.0; batch * operator.domain().rows() * probe.point.search_rank()];
    let columns = if operator.domain().is_symmetric() { 0 } else { operator.domain().columns() };
    let mut right = vec![0.0; batch * columns * probe.point.search_rank()];
    let mut losses = vec![0.0; batch];
    for shard in 0..operator.shards() {
        let range = operator.shard_range(shard);
        let (target, weights) = (part(&probe.target, m, &range), part(&probe.weights, m, &range));
        let mut e = vec![0.0; target.len()];
        let request = GradientRequest {
            point: &probe.point,
            applied: &probe.applied,
            target: &target,
            weights: Some(&weights),
            loss,
        };
        let wanted = (!right.is_empty()).then_some(&mut right[..]);
        let mut output = GradientOutput { loss: &mut losses, left: &mut left, right: wanted, residual: Some(&mut e) };
        operator.gradient(shard, &request, &mut output);
        for (trial, e) in e.chunks(range.len().max(1)).enumerate() {
            residual[trial * m + range.start..trial * m + range.end].copy_from_slice(e);
        }
    }
    Gradient { residual, left, right, loss: losses }
}

fn forward(operator: &dyn Operator, point: &Factors) -> Vec<f64> {
    let m = operator.measurements();
    let mut all = vec![0.0; point.batch() * m];
    for shard in 0..operator.shards() {
        let range = operator.shard_range(shard);
        let mut out = vec![f64::NAN; point.batch() * range.len()];
        operator.forward(shard, point, &mut out);
        for (trial, out) in out.chunks(range.len().max(1)).enumerate() {
            all[trial * m + range.start..trial * m + range.end].copy_from_slice(out);
        }
    }
    all
}

fn adjoint_transposed(operator: &dyn Operator, residual: &[f64], applied: &Factors) -> Vec<f64> {
    let m = operator.measurements();
    let mut out = vec![0.0; applied.batch() * operator.domain().columns() * applied.search_rank()];
    for shard in 0..operator.shards() {
        let range = operator.shard_range(shard);
        operator.adjoint_apply_transposed(shard, &part(residual, m, &range), applied, &mut out);
    }
    out
}

fn adjoint(operator: &dyn Operator, residual: &[f64], applied: &Factors) -> Vec<f64> {
    let m = operator.measurements();
    let mut out = vec![0.0; applied.batch() * operator.domain().rows() * applied.search_rank()];
    for shard in 0..operator.shards() {
        let range = operator.shard_range(shard);
        operator.adjoint_apply(shard, &part(residual, m, &range), applied, &mut out);
    }
    out
}

/// The shards are disjoint, in order, and cover 0..m.
pub(crate) fn shards_partition(operator: &dyn Operator) -> LawOutcome {
    let mut next = 0;
    for shard in 0..operator.shards() {
        let range = operator.shard_range(shard);
        if range.start != next || range.end < range.start {
            return Err(format!("shard {shard} is {range:?} but the one before ends at {next}"));
        }
        next = range.end;
    }
    if next == operator.measurements() {
        Ok(Held::Holds)
    } else {
        Err(format!("the shards end at {next} of {} measurements", operator.measurements()))
    }
}

/// forward, adjoint_apply and gradient are what sensing_matrix says, for pairs and for single factors.
pub(crate) fn definition_is_twin(operator: &dyn Operator) -> LawOutcome {
    for (seed, single) in [(1, true), (2, false)] {
        let probe = Probe::new(operator, 2, 3, single, Numbers::Real, seed).map_err(words)?;
        // What engines of centred operators make of the residuals is not the twin's business.
        let expected = Expected::new(operator, &probe, f64::EPSILON, false);
        let found = gradient(operator, &probe, Loss::Square);
        outside("gradient's residual", &found.residual, &expected.residual, &expected.residual_bound)?;
        outside("gradient", &found.left, &expected.left, &expected.left_bound)?;
        outside("right gradient", &found.right, &expected.right, &expected.right_bound)?;
        let mut e = forward(operator, &probe.point);
        e.iter_mut().zip(&probe.target).for_each(|(e, t)| *e -= t);
        outside("forward − target", &e, &expected.residual, &expected.residual_bound)?;
        let r: Vec<f64> = e.iter().zip(&probe.weights).map(|(e, w)| e * w).collect();
        let applied = adjoint(operator, &r, &probe.applied);
        outside("adjoint_apply", &applied, &expected.left, &expected.left_bound)?;
        if !operator.domain().is_symmetric() {
            let applied = adjoint_transposed(operator, &r, &probe.applied);
            outside("adjoint_apply_transposed", &applied, &expected.right, &expected.right_bound)?;
        }
    }
    Ok(Held::Holds)
}

/// ⟨A(LRᵀ), r⟩ = ⟨L, A*(r)R⟩.
pub(crate) fn adjoint_identity(operator: &dyn Operator) -> LawOutcome {
    let probe = Probe::new(operator, 1, 2, false, Numbers::Real, 3).map_err(words)?;
    let (e, r) = (forward(operator, &probe.point), &probe.target);
    let applied = adjoint(operator, r, &probe.point);
    let l = probe.point.left_data();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let size = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum::<f64>();
    let operations = (operator.domain().rows() * operator.domain().columns() + operator.measurements()) as f64;
    // Magnitudes of the inner sums are not seen here; √ of the operations stands for their growth.
    let bound = 8.0 * operations * f64::EPSILON * operations.sqrt() * (size(&e, r) + size(l, &applied));
    outside("⟨A(LRᵀ), r⟩", &[dot(&e, r)], &[dot(l, &applied)], &[bound])?;
    Ok(Held::Holds)
}

/// A((L₁ + 2L₂)Rᵀ) = A(L₁Rᵀ) + 2·A(L₂Rᵀ).
pub(crate) fn bilinearity(operator: &dyn Operator) -> LawOutcome {
    let a = Probe::new(operator, 1, 2, false, Numbers::Real, 4).map_err(words)?;
    let b = Probe::new(operator, 1, 2, false, Numbers::Real, 5).map_err(words)?;
    let pair = |l: Vec<f64>| Factors::pair(1, operator.domain(), 2, l, a.point.right_data().to_vec());
    let sum = (a.point.left_data().iter().zip(b.point.left_data())).map(|(x, y)| x + 2.0 * y).collect();
    let whole = forward(operator, &pair(sum).map_err(words)?);
    let parts: Vec<f64> = (forward(operator, &a.point).iter())
        .zip(forward(operator, &pair(b.point.left_data().to_vec()).map_err(words)?))
        .map(|(x, y)| x + 2.0 * y)
        .collect();
    let operations = (operator.domain().rows() * operator.domain().columns() + 8) as f64;
    let scale = whole.iter().fold(1.0_f64, |a, v| a.max(v.abs()));
    outside("A((L₁+2L₂)Rᵀ)", &whole, &parts, &vec![16.0 * operations * f64::EPSILON * scale; parts.len()])?;
    Ok(Held::Holds)
}

/// Central differences of the loss along a direction equal ⟨gradient, direction⟩, for each ρ.
pub(crate) fn gradient_is_derivative(operator: &dyn Operator) -> LawOutcome {
    let (domain, k) = (operator.domain(), 2);
    let mut probe = Probe::new(operator, 1, k, true, Numbers::Real, 6).map_err(words)?;
    probe.applied = probe.point.clone();
    let direction = Probe::new(operator, 1, k, true, Numbers::Real, 7).map_err(words)?;
    for loss in [Loss::Square, Loss::L1, Loss::Huber { delta: 0.7 }] {
        let at = |h: f64| -> std::result::Result<f64, String> {
            let moved = |a: &[f64], d: &[f64]| a.iter().zip(d).map(|(a, d)| a + h * d).collect::<Vec<f64>>();
            let l = moved(probe.point.left_data(), direction.point.left_data());
            let point = if probe.point.is_single() {
                Factors::single(1, domain.rows(), k, l)
            } else {
                let r = moved(probe.point.right_data(), direction.point.right_data());
                Factors::pair(1, domain, k, l, r)
            };
            let point = point.map_err(words)?;
            let moved = Probe {
                point: point.clone(),
                applied: point,
                target: probe.target.clone(),
                weights: probe.weights.clone(),
            };
            Ok(gradient(operator, &moved, loss).loss[0])
        };
        let h = 1e-6;
        let slope = (at(h)? - at(-h)?) / (2.0 * h);
        let found = gradient(operator, &probe, loss);
        // f(U) has U on both sides of a symmetric Aᵢ: its derivative is twice Σ wρ′(e)AᵢU.
        let factor = if probe.point.is_single() { 2.0 } else { 1.0 };
        let along = |of: &[f64], direction: &[f64]| of.iter().zip(direction).map(|(g, d)| g * d).sum::<f64>();
        let mut slope_expected = factor * along(&found.left, direction.point.left_data());
        if !probe.point.is_single() {
            slope_expected += along(&found.right, direction.point.right_data());
        }
        // Rounding of the difference over h, and h² (or a kink crossed by a few residuals).
        let bound = 1e-4 * slope_expected.abs() + 1e-5 * found.loss[0].abs() + 1e-7;
        outside(&format!("slope of {loss:?}"), &[slope], &[slope_expected], &[bound])?;
    }
    Ok(Held::Holds)
}

/// E‖A(Z)‖²·s = ‖Z‖² where the operator says so: the mean of ⟨Aᵢ, Z⟩²·s·m/‖Z‖² over i is 1 within five standard
/// errors; for centred operators of (⟨Aᵢ, Z⟩ − mean)².
pub(crate) fn isometry(operator: &dyn Operator) -> LawOutcome {
    let m = operator.measurements();
    if !operator.is_isotropic() || m < 100 {
        return Ok(Held::NotApplicable);
    }
    let probe = Probe::new(operator, 1, 2, true, Numbers::Real, 8).map_err(words)?;
    let (l, r) = (probe.point.left(0), probe.point.right(0));
    let norm: f64 = (0..l.rows())
        .flat_map(|i| (0..r.rows()).map(move |j| (i, j)))
        .map(|(i, j)| l.row(i).iter().zip(r.row(j)).map(|(a, b)| a * b).sum::<f64>().powi(2))
        .sum();
    let e = forward(operator, &probe.point);
    let centre = if operator.is_centred() { e.iter().sum::<f64>() / m as f64 } else { 0.0 };
    let samples: Vec<f64> =
        e.iter().map(|e| (e - centre).powi(2) * operator.normalization() * m as f64 / norm).collect();
    let mean = samples.iter().sum::<f64>() / m as f64;
    let variance = samples.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (m - 1) as f64;
    // Samples that are all alike differ from 1 by their rounding.
    let bound = 5.0 * (variance / m as f64).sqrt() + 8.0 * f64::EPSILON * (m as f64).sqrt();
    outside("mean of s·m·⟨Aᵢ,Z⟩²/‖Z‖²", &[mean], &[1.0], &[bound])?;
    Ok(Held::Holds)
}
