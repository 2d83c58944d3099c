//! Descent on the manifold of matrices of rank k: the gradient is projected onto the tangent space, and the point after the step
//! brought back to rank k by a decomposition of 2k×2k (Vandereycken 2013; Wei, Cai, Chan & Leung 2016).
//!
//! With Z = A Σ Bᵀ (A = B = Q where Z is symmetric) and G = A*(w∘e), what is needed of G is H = G B and K = Gᵀ A:
//!
//! ```text
//! P_T(G) = H⊥Bᵀ + A Kᵀ,  H⊥ = H − A AᵀH
//! Z − t·P_T(G) = [A H⊥] [[Σ, −tI], [−tI, 0]] [B K]ᵀ
//! ```
//!
//! and for symmetric Z = QΛQᵀ, with W = H − ½Q QᵀH, P_T(G) = W Qᵀ + Q Wᵀ and both brackets [Q W].

use crate::driven::Host;
use crate::driven::point::Point;
use crate::driven::scale::{times, transposed_times};
use crate::error::Result;
use crate::linalg::{symmetric_eigen, thin_qr, thin_svd};
use crate::methods::{Minibatches, StepRule};

/// A, Σ, B of a trial's factors.
struct Decomposed {
    a: Vec<f64>,
    values: Vec<f64>,
    b: Vec<f64>,
}

/// U = Q√Λ: Q and Λ. L Rᵀ = A Σ Bᵀ by way of the triangular factors.
fn decomposed(at: &Point, k: usize) -> Result<Decomposed> {
    if at.right.is_empty() {
        let (q, values, _) = thin_svd(at.left.len() / k, k, &at.left)?;
        return Ok(Decomposed { a: q, values: values.iter().map(|v| v * v).collect(), b: Vec::new() });
    }
    let (n1, n2) = (at.left.len() / k, at.right.len() / k);
    let ((ql, rl), (qr, rr)) = (thin_qr(n1, k, &at.left), thin_qr(n2, k, &at.right));
    // R_L R_Rᵀ, c1×c2.
    let (c1, c2) = (n1.min(k), n2.min(k));
    let rr_t: Vec<f64> = (0..k * c2).map(|i| rr[i % c2 * k + i / c2]).collect();
    let (u, values, v) = thin_svd(c1, c2, &times(&rl, k, &rr_t, c2))?;
    let count = c1.min(c2);
    Ok(Decomposed { a: times(&ql, c1, &u, count), values, b: times(&qr, c2, &v, count) })
}

/// [A H], row by row.
fn beside(a: &[f64], h: &[f64], count: usize) -> Vec<f64> {
    a.chunks(count).zip(h.chunks(count)).flat_map(|(a, h)| a.iter().chain(h)).copied().collect()
}

/// [[Σ, −tI], [−tI, 0]].
fn middle(values: &[f64], t: f64) -> Vec<f64> {
    let c = values.len();
    (0..4 * c * c)
        .map(|at| {
            let (i, j) = (at / (2 * c), at % (2 * c));
            match (i < c, j < c) {
                (true, true) if i == j => values[i],
                (true, false) if j == i + c => -t,
                (false, true) if i == j + c => -t,
                _ => 0.0,
            }
        })
        .collect()
}

/// A√Σ with k columns, those that there are no values for being zero.
fn with_roots(vectors: &[f64], columns: usize, picks: &[(usize, f64)], k: usize) -> Vec<f64> {
    let row = |row: &[f64]| {
        let mut out = vec![0.0; k];
        picks.iter().zip(&mut out).for_each(|((j, value), out)| *out = row[*j] * value.max(0.0).sqrt());
        out
    };
    vectors.chunks(columns).flat_map(row).collect()
}

/// The factors of the best approximation of rank k to the point after a step t.
fn retracted(z: &Decomposed, tangent: &Point, t: f64, k: usize) -> Result<Point> {
    let c = z.values.len();
    let m = middle(&z.values, t);
    let left = beside(&z.a, &tangent.left, c);
    let (q, r) = thin_qr(left.len() / (2 * c), 2 * c, &left);
    let size = r.len() / (2 * c);
    if z.b.is_empty() {
        // R M Rᵀ.
        let rm = times(&r, 2 * c, &m, 2 * c);
        let r_t: Vec<f64> = (0..r.len()).map(|i| r[i % size * 2 * c + i / size]).collect();
        let (values, vectors) = symmetric_eigen(size, &times(&rm, 2 * c, &r_t, size))?;
        let picks: Vec<(usize, f64)> = (0..k.min(size)).map(|j| (size - 1 - j, values[size - 1 - j])).collect();
        let left = with_roots(&times(&q, size, &vectors, size), size, &picks, k);
        return Ok(Point { left, right: Vec::new() });
    }
    let right = beside(&z.b, &tangent.right, c);
    let (p, s) = thin_qr(right.len() / (2 * c), 2 * c, &right);
    let wide = s.len() / (2 * c);
    let s_t: Vec<f64> = (0..s.len()).map(|i| s[i % wide * 2 * c + i / wide]).collect();
    let (u, values, v) = thin_svd(size, wide, &times(&times(&r, 2 * c, &m, 2 * c), 2 * c, &s_t, wide))?;
    let count = size.min(wide);
    let picks: Vec<(usize, f64)> = (0..k.min(count)).map(|j| (j, values[j])).collect();
    Ok(Point {
        left: with_roots(&times(&q, size, &u, count), count, &picks, k),
        right: with_roots(&times(&p, wide, &v, count), count, &picks, k),
    })
}

/// Fewer columns than k become k, for the engine; and back.
fn widened(v: &[f64], count: usize, k: usize) -> Vec<f64> {
    v.chunks(count).flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, k - count))).collect()
}

fn narrowed(v: &[f64], count: usize, k: usize) -> Vec<f64> {
    v.chunks(k).flat_map(|row| &row[..count]).copied().collect()
}

impl Host<'_> {
    pub(super) fn on_manifold(&mut self, minibatches: Option<Minibatches>) -> Result<()> {
        let (k, m) = (self.search_rank, self.operator.measurements());
        let group = minibatches.map(|groups| {
            let group = self.turns.group(groups, self.iteration);
            groups.range(group, m)
        });
        let all: Vec<Vec<f64>> = self.trials.iter().map(|trial| trial.weights.clone()).collect();
        if let Some(group) = &group {
            for trial in &mut self.trials {
                let outside = |(i, w): (usize, &mut f64)| {
                    if !group.contains(&i) {
                        *w = 0.0
                    }
                };
                trial.weights.iter_mut().enumerate().for_each(outside);
            }
            self.set_lanes()?;
        }
        let moved = self.move_on_manifold(k, minibatches.map_or(1.0, |groups| groups.count as f64));
        if group.is_some() {
            self.trials.iter_mut().zip(all).for_each(|(trial, weights)| trial.weights = weights);
            self.set_lanes()?;
        }
        moved
    }

    fn move_on_manifold(&mut self, k: usize, scale: f64) -> Result<()> {
        let batch = self.trials.len();
        let mut bases: Vec<Option<Decomposed>> = Vec::with_capacity(batch);
        for trial in &self.trials {
            let moves = trial.active && trial.at.is_finite();
            // What overflows on the way has no base; its loss is then no number either, and the run has diverged.
            bases.push(if moves { decomposed(&trial.at, k).ok() } else { None });
        }
        let points: Vec<Option<Point>> =
            self.trials.iter().zip(&bases).map(|(t, z)| z.as_ref().map(|_| t.at.clone())).collect();
        let applied: Vec<Option<Point>> = (bases.iter())
            .map(|z| {
                let z = z.as_ref()?;
                let right = if z.b.is_empty() { Vec::new() } else { widened(&z.b, z.values.len(), k) };
                Some(Point { left: widened(&z.a, z.values.len(), k), right })
            })
            .collect();
        let found = self.gradients_at(&points, &applied)?;
        // Tangents: (W, ·) of symmetric unknowns, (H⊥, K) of others; and the pairs whose measurements they are.
        let mut tangents: Vec<Option<(Vec<f64>, Point)>> = Vec::with_capacity(batch);
        for (z, found) in bases.iter().zip(found) {
            let (Some(z), Some((e, g))) = (z, found) else {
                tangents.push(None);
                continue;
            };
            let c = z.values.len();
            let h = narrowed(&g.left, c, k);
            let inner = times(&z.a, c, &transposed_times(&z.a, c, &h, c), c);
            let part = if z.b.is_empty() { 0.5 } else { 1.0 };
            let left = h.iter().zip(&inner).map(|(h, i)| h - part * i).collect();
            let right = if z.b.is_empty() { Vec::new() } else { narrowed(&g.right, c, k) };
            tangents.push(Some((e, Point { left, right })));
        }
        let steps = match self.method.step {
            StepRule::Exact => self.manifold_steps(&bases, &tangents, k)?,
            _ => self.trials.iter().map(|t| t.step * scale * t.tuning.decay.powi(self.iteration as i32)).collect(),
        };
        for (((trial, z), tangent), t) in self.trials.iter_mut().zip(bases).zip(tangents).zip(steps) {
            if let (Some(z), Some((_, tangent))) = (z, tangent)
                && tangent.is_finite()
            {
                let nowhere = |v: &[f64]| vec![f64::NAN; v.len()];
                trial.at = retracted(&z, &tangent, t, k)
                    .unwrap_or_else(|_| Point { left: nowhere(&trial.at.left), right: nowhere(&trial.at.right) });
                trial.fresh = None;
            }
        }
        Ok(())
    }

    /// t = ⟨e, a⟩/⟨a, a⟩ with a = A(P_T(G)), the least of the loss along the tangent.
    fn manifold_steps(
        &mut self,
        bases: &[Option<Decomposed>],
        tangents: &[Option<(Vec<f64>, Point)>],
        k: usize,
    ) -> Result<Vec<f64>> {
        let (lanes, m) = (self.lanes, self.operator.measurements());
        let mut points: Vec<Option<Point>> = vec![None; bases.len() * lanes];
        for (trial, (z, tangent)) in bases.iter().zip(tangents).enumerate() {
            let (Some(z), Some((_, d))) = (z, tangent) else { continue };
            let c = z.values.len();
            let wide = |v: &[f64]| widened(v, c, k);
            if z.b.is_empty() {
                let twice = wide(&d.left).iter().map(|v| 2.0 * v).collect();
                points[trial * lanes + 1] = Some(Point { left: twice, right: wide(&z.a) });
            } else {
                points[trial * lanes + 1] = Some(Point { left: wide(&d.left), right: wide(&z.b) });
                points[trial * lanes + 2] = Some(Point { left: wide(&z.a), right: wide(&d.right) });
            }
        }
        let nothing = vec![None; points.len()];
        let found = self.evaluate_pairs(&points, &nothing, false)?.residual;
        let mut steps = vec![0.0; bases.len()];
        for (trial, tangent) in tangents.iter().enumerate() {
            let Some((e, d)) = tangent else { continue };
            let lane = |lane: usize| &found[(trial * lanes + lane) * m..(trial * lanes + lane + 1) * m];
            let mut a = lane(1).to_vec();
            if !d.right.is_empty() {
                a.iter_mut().zip(lane(2)).for_each(|(a, other)| *a += other);
            }
            let (me, ma) = (self.mean(trial, e), self.mean(trial, &a));
            let (mut above, mut below) = (0.0, 0.0);
            for ((e, a), w) in e.iter().zip(&a).zip(&self.trials[trial].weights).filter(|(_, w)| **w != 0.0) {
                above += w * (e - me) * (a - ma);
                below += w * (a - ma) * (a - ma);
            }
            steps[trial] = if below > 0.0 { above / below } else { 0.0 };
        }
        Ok(steps)
    }
}
