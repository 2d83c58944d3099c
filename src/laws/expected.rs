//! Values of a gradient by definition, with bounds on the rounding of an implementation.

use rand::RngExt;

use crate::error::Result as Fallible;
use crate::operators::Operator;
use crate::problem::random::{Purpose, normal, stream};
use crate::problem::{Factors, MatrixView};

/// Inputs for evaluating an operator.
pub(crate) struct Probe {
    pub point: Factors,
    pub applied: Factors,
    /// (batch, m)
    pub target: Vec<f64>,
    /// (batch, m)
    pub weights: Vec<f64>,
}

/// Kind of numbers of a probe.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Numbers {
    /// Normal numbers, rounded to f32 so that every engine starts from the same ones; a tenth of the weights are 0.
    Real,
    /// Factors in {−1, 0, 1}, targets in −3…3, weights 0 or 1.
    Integer,
}

impl Probe {
    /// A probe; the point is a true pair (L ≠ R) unless `single`.
    pub(crate) fn new(
        operator: &dyn Operator,
        batch: usize,
        search_rank: usize,
        single: bool,
        numbers: Numbers,
        seed: u64,
    ) -> Fallible<Self> {
        let (domain, m) = (operator.domain(), operator.measurements());
        let mut rng = stream(seed, Purpose::Laws, 0);
        let mut draw = |count: usize, width: i8| -> Vec<f64> {
            (0..count)
                .map(|_| match numbers {
                    Numbers::Real => f64::from(normal(&mut rng) as f32),
                    Numbers::Integer => f64::from(rng.random_range(-width..=width)),
                })
                .collect()
        };
        let (left, right) = (batch * domain.rows() * search_rank, batch * domain.columns() * search_rank);
        let factors = |l: Vec<f64>, r: Option<Vec<f64>>| match r {
            None => Factors::single(batch, domain.rows(), search_rank, l),
            Some(r) => Factors::pair(batch, domain, search_rank, l, r),
        };
        let single = single && domain.is_symmetric();
        let l = draw(left, 1);
        let r = (!single).then(|| draw(right, 1));
        let point = factors(l, r)?;
        let applied = if single {
            point.clone()
        } else {
            let l = draw(left, 1);
            factors(l, Some(draw(right, 1)))?
        };
        let target = draw(batch * m, 3);
        let weights = (0..batch * m).map(|i| if i % 10 == 7 { 0.0 } else { 1.0 }).collect();
        Ok(Self { point, applied, target, weights })
    }

    /// One trial of a batch.
    pub(crate) fn trial(&self, trial: usize, m: usize) -> Fallible<Self> {
        let rows = trial * m..(trial + 1) * m;
        Ok(Self {
            point: one(&self.point, trial)?,
            applied: one(&self.applied, trial)?,
            target: self.target[rows.clone()].to_vec(),
            weights: self.weights[rows].to_vec(),
        })
    }
}

fn one(factors: &Factors, trial: usize) -> Fallible<Factors> {
    let (l, r) = (factors.left(trial), factors.right(trial));
    if factors.is_single() {
        Factors::single(1, l.rows(), l.columns(), l.as_slice().to_vec())
    } else {
        let domain = crate::problem::Domain::rectangular(l.rows(), r.rows());
        Factors::pair(1, domain, l.columns(), l.as_slice().to_vec(), r.as_slice().to_vec())
    }
}

/// Values by the definition, in f64, each with the sum of magnitudes that bounds its rounding error.
pub(crate) struct Expected {
    pub residual: Vec<f64>,
    pub left: Vec<f64>,
    /// Second gradient; empty for one factor.
    pub right: Vec<f64>,
    /// Running error bound of the residuals for unit roundoff `u`.
    pub residual_bound: Vec<f64>,
    pub left_bound: Vec<f64>,
    pub right_bound: Vec<f64>,
    /// Largest sum of magnitudes. Below 2²⁴, integers stay exact in f32.
    pub largest_sum: f64,
}

impl Expected {
    /// Computes eᵢ = ⟨Aᵢ, LRᵀ⟩ − tᵢ, Σ wᵢeᵢAᵢV and, for rectangular domains, Σ wᵢeᵢAᵢᵀW from
    /// [`Operator::sensing_matrix`] alone. With `centred` the sums are over eᵢ − ē, ē = Σwe/Σw; the residuals remain
    /// eᵢ.
    ///
    /// Bounds: with γ = c·u, where c is the number of operations behind a number, |δeᵢ| ≤ γ·(⟨|Aᵢ|, |L
    ///
    /// R|ᵀ⟩ + |tᵢ|) and |δD| ≤ Σᵢ wᵢ|Aᵢ|(|δrᵢ| + γ|rᵢ|)·|V|. Here rᵢ = eᵢ or eᵢ − ē, and an implementation may sum eᵢ
    /// and ē separately. Sums below the smallest normal number may be flushed to zero.
    pub(crate) fn new(operator: &dyn Operator, probe: &Probe, unit_roundoff: f64, centred: bool) -> Self {
        Self::of(operator, probe, unit_roundoff, centred, !operator.domain().is_symmetric())
    }

    /// The same with Σ wᵢeᵢAᵢᵀW for every domain.
    pub(crate) fn of_pairs(operator: &dyn Operator, probe: &Probe, unit_roundoff: f64, centred: bool) -> Self {
        Self::of(operator, probe, unit_roundoff, centred, true)
    }

    fn of(operator: &dyn Operator, probe: &Probe, unit_roundoff: f64, centred: bool, both: bool) -> Self {
        let (domain, m) = (operator.domain(), operator.measurements());
        let (n1, n2) = (domain.rows(), domain.columns());
        let (batch, k) = (probe.point.batch(), probe.point.search_rank());
        let forward_operations = (n1 * n2 + k + 8) as f64;
        let adjoint_operations = (m + n1.max(n2) + 8) as f64;
        let tiny = f64::from(f32::MIN_POSITIVE) * (n1 * n2 + m) as f64;
        let mut out = Self {
            residual: vec![0.0; batch * m],
            left: Vec::new(),
            right: Vec::new(),
            residual_bound: vec![0.0; batch * m],
            left_bound: Vec::new(),
            right_bound: Vec::new(),
            largest_sum: 0.0,
        };
        for trial in 0..batch {
            let (l, r) = (probe.point.left(trial), probe.point.right(trial));
            let product = |of: fn(f64) -> f64| -> Vec<f64> {
                (0..n1 * n2)
                    .map(|at| l.row(at / n2).iter().zip(r.row(at % n2)).map(|(a, b)| of(*a) * of(*b)).sum())
                    .collect()
            };
            let (z, z_abs) = (product(|x| x), product(f64::abs));
            let all = trial * m..(trial + 1) * m;
            let matrices: Vec<Vec<f64>> = (0..m).map(|i| operator.sensing_matrix(i)).collect();
            for (i, a) in matrices.iter().enumerate() {
                let (at, t) = (trial * m + i, probe.target[trial * m + i]);
                let magnitude = a.iter().zip(&z_abs).map(|(a, z)| a.abs() * z).sum::<f64>() + t.abs();
                out.residual[at] = a.iter().zip(&z).map(|(a, z)| a * z).sum::<f64>() - t;
                out.residual_bound[at] = forward_operations * unit_roundoff * magnitude + tiny;
                out.largest_sum = out.largest_sum.max(magnitude);
            }
            let (e, w) = (&out.residual[all.clone()], &probe.weights[all.clone()]);
            let total: f64 = w.iter().sum();
            let mean = |of: &dyn Fn(usize) -> f64| (0..m).map(|i| w[i] * of(i)).sum::<f64>() / total.max(1e-300);
            let (centre, about) = if centred { (mean(&|i| e[i]), mean(&|i| e[i].abs())) } else { (0.0, 0.0) };
            let centre_bound = if centred { mean(&|i| out.residual_bound[trial * m + i]) } else { 0.0 };
            let mut g = Accumulated::new(n1, n2);
            for (i, a) in matrices.iter().enumerate() {
                let (w, e, bound) = (w[i], e[i], out.residual_bound[trial * m + i]);
                let rounding = adjoint_operations * unit_roundoff * (e.abs() + about);
                g.add(a, w * (e - centre), w * (e.abs() + about), w * (bound + centre_bound + rounding));
            }
            let gamma = adjoint_operations * unit_roundoff;
            let largest = g.times(probe.applied.right(trial), gamma, tiny, &mut out.left, &mut out.left_bound);
            out.largest_sum = out.largest_sum.max(largest);
            if both {
                let g = g.transposed();
                let largest = g.times(probe.applied.left(trial), gamma, tiny, &mut out.right, &mut out.right_bound);
                out.largest_sum = out.largest_sum.max(largest);
            }
        }
        out
    }
}

/// G = Σ rᵢAᵢ with its sum of magnitudes and its error bound, n1×n2 each.
struct Accumulated {
    rows: usize,
    columns: usize,
    value: Vec<f64>,
    magnitude: Vec<f64>,
    error: Vec<f64>,
}

impl Accumulated {
    fn new(rows: usize, columns: usize) -> Self {
        let zeros = vec![0.0; rows * columns];
        Self { rows, columns, value: zeros.clone(), magnitude: zeros.clone(), error: zeros }
    }

    fn add(&mut self, a: &[f64], r: f64, magnitude: f64, error: f64) {
        for (q, a) in a.iter().enumerate() {
            self.value[q] += r * a;
            self.magnitude[q] += magnitude * a.abs();
            self.error[q] += error * a.abs();
        }
    }

    fn transposed(&self) -> Self {
        let turn = |of: &[f64]| {
            (0..self.columns).flat_map(|j| (0..self.rows).map(move |i| of[i * self.columns + j])).collect()
        };
        Self {
            rows: self.columns,
            columns: self.rows,
            value: turn(&self.value),
            magnitude: turn(&self.magnitude),
            error: turn(&self.error),
        }
    }

    /// Appends G V and its bound; returns the largest sum of magnitudes.
    fn times(&self, v: MatrixView<'_>, gamma: f64, tiny: f64, out: &mut Vec<f64>, bound: &mut Vec<f64>) -> f64 {
        let mut largest = 0.0_f64;
        for i in 0..self.rows {
            for c in 0..v.columns() {
                let (mut sum, mut error, mut magnitude) = (0.0, 0.0, 0.0);
                for j in 0..self.columns {
                    let (at, x) = (i * self.columns + j, v.row(j)[c]);
                    sum += self.value[at] * x;
                    error += self.error[at] * x.abs();
                    magnitude += self.magnitude[at] * x.abs();
                }
                out.push(sum);
                bound.push(error + gamma * magnitude + tiny);
                largest = largest.max(magnitude);
            }
        }
        largest
    }
}

/// The first value outside its bound (or not finite), as text.
pub(crate) fn outside(what: &str, found: &[f64], expected: &[f64], bound: &[f64]) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{what}: {} numbers instead of {}", found.len(), expected.len()));
    }
    for (at, ((f, e), b)) in found.iter().zip(expected).zip(bound).enumerate() {
        if (f - e).is_nan() || (f - e).abs() > *b {
            return Err(format!("{what}[{at}] = {f:e}, expected {e:e} within {b:e}"));
        }
    }
    Ok(())
}

/// The first difference in bits, as text.
pub(crate) fn different(what: &str, found: &[f64], expected: &[f64]) -> Result<(), String> {
    match found.iter().zip(expected).position(|(f, e)| f.to_bits() != e.to_bits() && !(*f == 0.0 && *e == 0.0)) {
        None if found.len() == expected.len() => Ok(()),
        None => Err(format!("{what}: {} numbers instead of {}", found.len(), expected.len())),
        Some(at) => Err(format!("{what}[{at}] = {:e}, expected exactly {:e}", found[at], expected[at])),
    }
}
