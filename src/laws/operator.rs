//! Laws of an operator's f64 functions, without any engine.

use crate::laws::expected::{Expected, Numbers, Probe, outside};
use crate::operators::{Loss, Operator};
use crate::problem::Factors;

use crate::laws::{Held, LawOutcome};

fn words(error: crate::Error) -> String {
    error.to_string()
}

/// Columns `range` of a (batch, m) array.
fn part(values: &[f64], m: usize, range: &std::ops::Range<usize>) -> Vec<f64> {
    values.chunks(m).flat_map(|row| &row[range.clone()]).copied().collect()
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

/// forward and adjoint_apply agree with sensing_matrix, for pairs and for single factors.
pub(crate) fn definition_is_reference(operator: &dyn Operator) -> LawOutcome {
    for (seed, single) in [(1, true), (2, false)] {
        let probe = Probe::new(operator, 2, 3, single, Numbers::Real, seed).map_err(words)?;
        // Engines centre the residuals; the reference implementation does not.
        let expected = Expected::new(operator, &probe, f64::EPSILON, false);
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

/// A at a pair, with running error bounds: the number of operations times the magnitudes added.
struct Measured {
    values: Vec<f64>,
    bounds: Vec<f64>,
}

impl Measured {
    fn at(operator: &dyn Operator, point: &Factors) -> Self {
        let (m, batch) = (operator.measurements(), point.batch());
        let (target, weights) = (vec![0.0; batch * m], vec![1.0; batch * m]);
        let probe = Probe { point: point.clone(), applied: point.clone(), target, weights };
        let bounds = Expected::new(operator, &probe, f64::EPSILON, false).residual_bound;
        Self { values: forward(operator, point), bounds }
    }

    /// Rounding bound of ⟨D, Σ rᵢAᵢV⟩ against Σ rᵢ⟨Aᵢ, D Vᵀ⟩ for A at (D, V): each bound plus that of a sum over
    /// measurements.
    fn of_adjoint(&self, r: &[f64]) -> f64 {
        let operations = 1.0 + r.len() as f64;
        operations * r.iter().zip(&self.bounds).map(|(r, bound)| r.abs() * bound).sum::<f64>()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Rounding bound of a sum of products.
fn of_dot(a: &[f64], b: &[f64]) -> f64 {
    a.len() as f64 * f64::EPSILON * a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum::<f64>()
}

/// ⟨A(LRᵀ), r⟩ = ⟨L, A*(r)R⟩.
pub(crate) fn adjoint_identity(operator: &dyn Operator) -> LawOutcome {
    let probe = Probe::new(operator, 1, 2, false, Numbers::Real, 3).map_err(words)?;
    let (e, r) = (Measured::at(operator, &probe.point), &probe.target);
    let applied = adjoint(operator, r, &probe.point);
    let l = probe.point.left_data();
    let forward = r.iter().zip(&e.bounds).map(|(r, bound)| r.abs() * bound).sum::<f64>();
    let bound = forward + e.of_adjoint(r) + of_dot(&e.values, r) + of_dot(l, &applied);
    outside("⟨A(LRᵀ), r⟩", &[dot(&e.values, r)], &[dot(l, &applied)], &[bound])?;
    Ok(Held::Holds)
}

/// A((L₁ + 2L₂)Rᵀ) = A(L₁Rᵀ) + 2·A(L₂Rᵀ).
pub(crate) fn bilinearity(operator: &dyn Operator) -> LawOutcome {
    let a = Probe::new(operator, 1, 2, false, Numbers::Real, 4).map_err(words)?;
    let b = Probe::new(operator, 1, 2, false, Numbers::Real, 5).map_err(words)?;
    let of = |l: Vec<f64>| {
        let pair = Factors::pair(1, operator.domain(), 2, l, a.point.right_data().to_vec()).map_err(words)?;
        Ok::<_, String>(Measured::at(operator, &pair))
    };
    let sum = (a.point.left_data().iter().zip(b.point.left_data())).map(|(x, y)| x + 2.0 * y).collect();
    let (whole, first, second) = (of(sum)?, of(a.point.left_data().to_vec())?, of(b.point.left_data().to_vec())?);
    let parts: Vec<f64> = first.values.iter().zip(&second.values).map(|(x, y)| x + 2.0 * y).collect();
    // The factor is itself a rounded sum, and so are the parts.
    let bound = |i: usize| {
        let parts = first.values[i].abs() + 2.0 * second.values[i].abs();
        2.0 * whole.bounds[i] + first.bounds[i] + 2.0 * second.bounds[i] + 2.0 * f64::EPSILON * parts
    };
    let bounds: Vec<f64> = (0..parts.len()).map(bound).collect();
    outside("A((L₁+2L₂)Rᵀ)", &whole.values, &parts, &bounds)?;
    Ok(Held::Holds)
}

/// Central differences of the loss along a direction equal ⟨gradient, direction⟩, for each ρ.
///
/// With e(h) = e + h·b + h²·a, the difference of ρ over 2h is b times ρ′ at a point within h|b| + h²|a| of e.
pub(crate) fn gradient_is_derivative(operator: &dyn Operator) -> LawOutcome {
    let (domain, k) = (operator.domain(), 2);
    let probe = Probe::new(operator, 1, k, true, Numbers::Real, 6).map_err(words)?;
    let direction = Probe::new(operator, 1, k, true, Numbers::Real, 7).map_err(words)?;
    let (u, d) = (&probe.point, &direction.point);
    let at = |h: f64| -> std::result::Result<Measured, String> {
        let moved = |a: &[f64], d: &[f64]| a.iter().zip(d).map(|(a, d)| a + h * d).collect::<Vec<f64>>();
        let l = moved(u.left_data(), d.left_data());
        let point = match u.is_single() {
            true => Factors::single(1, domain.rows(), k, l),
            false => Factors::pair(1, domain, k, l, moved(u.right_data(), d.right_data())),
        };
        let mut e = Measured::at(operator, &point.map_err(words)?);
        for ((e, bound), t) in e.values.iter_mut().zip(&mut e.bounds).zip(&probe.target) {
            // The factors are sums, which are rounded too.
            *bound = 2.0 * *bound + f64::EPSILON * (e.abs() + t.abs());
            *e -= t;
        }
        Ok(e)
    };
    let mixed = |l: &Factors, r: &Factors| -> std::result::Result<Measured, String> {
        let pair = Factors::pair(1, domain, k, l.left_data().to_vec(), r.right_data().to_vec()).map_err(words)?;
        Ok(Measured::at(operator, &pair))
    };
    let (first, second, quadratic) = (mixed(d, u)?, mixed(u, d)?, mixed(d, d)?);
    let b: Vec<f64> = first.values.iter().zip(&second.values).map(|(x, y)| x + y).collect();
    let h = 2f64.powi(-17);
    let (here, after, before) = (at(0.0)?, at(h)?, at(-h)?);
    let w = &probe.weights;
    for loss in [Loss::Square, Loss::L1, Loss::Huber { delta: 0.7 }] {
        let values = |e: &Measured| -> f64 { w.iter().zip(&e.values).map(|(w, e)| w * loss.value(*e)).sum() };
        let slope = (values(&after) - values(&before)) / (2.0 * h);
        let r: Vec<f64> = w.iter().zip(&here.values).map(|(w, e)| w * loss.derivative(*e)).collect();
        // f(U) has U on both sides of a symmetric Aᵢ: its derivative is twice Σ wρ′(e)AᵢU.
        let left = dot(&adjoint(operator, &r, u), d.left_data());
        let found = match u.is_single() {
            true => 2.0 * left,
            false => left + dot(&adjoint_transposed(operator, &r, u), d.right_data()),
        };
        // Bound on the change of ρ′ from its value at e, with the rounding of e itself.
        let change = |i: usize| {
            let reach = h * b[i].abs() + h * h * quadratic.values[i].abs();
            match loss {
                Loss::Square => h * h * (quadratic.values[i] * b[i]).abs() + here.bounds[i] * b[i].abs(),
                Loss::L1 if here.values[i].abs() > reach + here.bounds[i] => 0.0,
                Loss::L1 => 2.0 * b[i].abs(),
                _ => (reach + here.bounds[i]) * b[i].abs(),
            }
        };
        let truncation: f64 = (0..b.len()).map(|i| w[i] * change(i)).sum();
        let steepest = |e: f64| if loss == Loss::L1 { 1.0 } else { e.abs() };
        let rounding = |e: &Measured| {
            let own: f64 = (0..b.len()).map(|i| w[i] * (steepest(e.values[i]) + e.bounds[i]) * e.bounds[i]).sum();
            own + b.len() as f64 * f64::EPSILON * values(e)
        };
        let bound = truncation
            + (rounding(&after) + rounding(&before)) / (2.0 * h)
            + first.of_adjoint(&r)
            + second.of_adjoint(&r);
        outside(&format!("slope of {loss:?}"), &[slope], &[found], &[bound])?;
    }
    Ok(Held::Holds)
}

/// E‖A(Z)‖²·s = ‖Z‖² where the operator claims it: the mean of ⟨Aᵢ, Z⟩²·s·m/‖Z‖² over i is 1 within five standard
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
    // Equal samples differ from 1 by their rounding only.
    let bound = 5.0 * (variance / m as f64).sqrt() + 8.0 * f64::EPSILON * (m as f64).sqrt();
    outside("mean of s·m·⟨Aᵢ,Z⟩²/‖Z‖²", &[mean], &[1.0], &[bound])?;
    Ok(Held::Holds)
}
