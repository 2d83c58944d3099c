//! Updates of the factors: new columns, a step of conjugate gradients, and balanced factors with a column per singular
//! value.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use super::decide::Turn;
use crate::field::Field;
use crate::linalg::svd_of_product;
use crate::tall;
use crate::tape::Held;

impl<E: Field> Turn<'_, '_, E> {
    /// Singular values of M, balanced factors with a column for each, and the signs of the columns.
    pub(super) fn decomposed(&self) -> Option<(Vec<f64>, Mat<E>, Vec<f64>)> {
        let space = &self.rules.space;
        if space.is_signed() {
            return self.eigenpairs();
        }
        let block = |at: usize| self.u.as_ref().subrows(space.blocks[at].start, space.blocks[at].len());
        let q = self.rank();
        if space.blocks.len() == 1 {
            let svd = block(0).thin_svd().ok()?;
            let values: Vec<f64> = (0..q.min(block(0).nrows())).map(|j| svd.S()[j].square()).collect();
            let factor = Mat::from_fn(space.rows(), values.len(), |i, j| svd.U()[(i, j)] * svd.S()[j]);
            let signs = vec![1.0; values.len()];
            return Some((values, factor, signs));
        }
        let ([l, r], values) = svd_of_product(&block(0).to_owned(), &block(1).to_owned()).ok()?;
        let count = q.min(values.len());
        let n1 = space.blocks[0].len();
        let factor = Mat::from_fn(space.rows(), count, |i, j| {
            let vector = if i < n1 { l[(i, j)] } else { r[(i - n1, j)] };
            vector * values[j].sqrt()
        });
        let signs = vec![1.0; count];
        Some((values[..count].to_vec(), factor, signs))
    }

    /// The same for U S Uᴴ: with U = Q R its eigenvalues are those of R S Rᴴ.
    fn eigenpairs(&self) -> Option<(Vec<f64>, Mat<E>, Vec<f64>)> {
        let qr = self.u.qr();
        let (q, r) = (qr.compute_thin_Q(), qr.thin_R());
        let signed = Mat::from_fn(r.nrows(), r.ncols(), |i, j| r[(i, j)] * self.ledger.signs[j]);
        let eigen = (signed * r.adjoint()).self_adjoint_eigen(Side::Lower).ok()?;
        let all: Vec<f64> = (0..r.nrows()).map(|j| eigen.S()[j].real()).collect();
        let mut order: Vec<usize> = (0..r.nrows()).collect();
        order.sort_by(|&i, &j| all[j].abs().total_cmp(&all[i].abs()));
        let values: Vec<f64> = order.iter().map(|&j| all[j].abs()).collect();
        let vectors = &q * eigen.U();
        let factor = Mat::from_fn(q.nrows(), order.len(), |i, j| vectors[(i, order[j])] * values[j].sqrt());
        Some((values, factor, order.iter().map(|&j| all[j].signum()).collect()))
    }

    /// Makes new columns √(sθ)·x the direction of this iteration. U is zero there, so the loss along it is a quadratic
    /// in t².
    pub(super) fn take_up(&mut self, count: usize, least: f64) -> bool {
        let (q, space) = (self.rank(), &self.rules.space);
        let Some(ritz) = &self.ritz else { return false };
        let count = count.min(ritz.values.len());
        // A pair's vectors are (u; v)/√2.
        let scale = (space.blocks.len() as f64).sqrt();
        let columns = tall::from_fn(space.rows(), count, |i, j| {
            ritz.vectors[(i, j)] * (scale * (self.known.normalization * ritz.values[j].abs().max(least)).sqrt())
        });
        if count == 0 || columns.norm_max() == 0.0 {
            return false;
        }
        let new = if space.is_signed() { ritz.signs[..count].to_vec() } else { vec![1.0; count] };
        self.next.direction = (q, columns);
        self.ledger.signs.extend(new);
        self.ledger.rank += count as f64;
        self.ledger.edge_error = 1.0;
        self.ledger.forget();
        true
    }

    /// A step of preconditioned conjugate gradients.
    pub(super) fn step(&mut self, stuck: bool) {
        let (q, space) = (self.rank(), &self.rules.space);
        if q == 0 {
            return;
        }
        // s·A*A is close to the identity: s gives directions the size of factors, in any units.
        let gradient = self.gradient();
        let z = self.preconditioned(&gradient);
        let inner = |a: &Mat<E>, b: &Mat<E>| tall::inner(a.as_ref(), b.as_ref());
        let slope = inner(&gradient, &z);
        let mut direction = tall::from_fn(z.nrows(), q, |i, j| -z[(i, j)]);
        self.ledger.restarted = 1.0;
        if self.ledger.slope > 0.0 && !stuck {
            let read = |held: Held<'_>| E::unstacked(held.columns(space.columns, &self.known.places[..q]));
            let (before, old) = (read(self.known.scaled), read(self.known.direction));
            let beta = ((slope - inner(&gradient, &before)) / self.ledger.slope).max(0.0);
            let turned = tall::from_fn(z.nrows(), q, |i, j| direction[(i, j)] + old[(i, j)] * beta);
            if beta > 0.0 && inner(&gradient, &turned) < 0.0 {
                direction = turned;
                self.ledger.restarted = 0.0;
            }
        }
        self.next.direction = (0, direction);
        self.next.scaled = Some(z);
        self.ledger.slope = slope;
        self.ledger.moved = 1.0;
        self.ledger.steps += 1.0;
    }

    /// G U S.
    fn gradient(&self) -> Mat<E> {
        let sign = |j: usize| if self.rules.space.is_signed() { self.ledger.signs[j] } else { 1.0 };
        tall::from_fn(self.gu.nrows(), self.gu.ncols(), |i, j| self.gu[(i, j)] * sign(j))
    }

    /// s G U S (VᴴV + 1e-10·tr(VᴴV)/q·I)⁻¹ block by block.
    fn preconditioned(&self, gradient: &Mat<E>) -> Mat<E> {
        let (q, space, scale) = (self.rank(), &self.rules.space, self.known.normalization);
        let mut out = Mat::zeros(space.rows(), q);
        for (block, rows) in space.blocks.iter().enumerate() {
            let of = &space.blocks[space.partners[block]];
            let v = self.u.as_ref().subrows(of.start, of.len());
            let mut gram = tall::adjoint_times(v, v);
            let trace: f64 = (0..q).map(|j| gram[(j, j)].real()).sum();
            let more = E::of(1e-10 * trace / q as f64, 0.0);
            (0..q).for_each(|j| gram[(j, j)] += more);
            let factor = gram.llt(Side::Lower).ok();
            tall::by_rows(out.as_mut().subrows_mut(rows.start, rows.len()), &|from, mut part| {
                let g = gradient.as_ref().subrows(rows.start + from, part.nrows());
                let across = g.adjoint().to_owned();
                let solved = match &factor {
                    Some(factor) => factor.solve(&across),
                    None => across,
                };
                for i in 0..part.nrows() {
                    for j in 0..q {
                        part[(i, j)] = solved[(j, i)].conjugate() * scale;
                    }
                }
            });
        }
        out
    }
}
