//! Increments around a centre: the pair at which they are evaluated.

use crate::real::{Real, convert};

/// A centre U₀, and what the gradient needs at U = U₀ + V.
pub(super) struct Centre<T> {
    centre: Vec<T>,
    left: Vec<T>,
    applied: Vec<T>,
}

impl<T: Real> Centre<T> {
    pub(super) fn new(centre: &[f64]) -> Self {
        let (left, applied) = (vec![T::ZERO; centre.len()], vec![T::ZERO; centre.len()]);
        Self { centre: convert(centre), left, applied }
    }

    /// 2U₀ + V, whose product with V is the part of UUᵀ that V makes, and U₀ + V, which the adjoint is applied to.
    pub(super) fn around(&mut self, increment: &[T]) -> (&[T], &[T]) {
        let out = self.left.iter_mut().zip(&mut self.applied);
        for ((left, applied), (&u, &v)) in out.zip(self.centre.iter().zip(increment)) {
            // The doubling is exact.
            (*left, *applied) = (u + u + v, u + v);
        }
        (&self.left, &self.applied)
    }
}
