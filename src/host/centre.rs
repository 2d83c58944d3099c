//! Increments around a centre, and signed columns: the pair at which they are evaluated.

use crate::real::{Real, convert};

/// A centre U₀, and what the gradient needs at U = U₀ + V.
pub(crate) struct Centre<T> {
    centre: Vec<T>,
    left: Vec<T>,
    applied: Vec<T>,
    search_rank: usize,
    /// Columns from here on count negative.
    positive: usize,
}

impl<T: Real> Centre<T> {
    pub(crate) fn new(centre: &[f64], search_rank: usize, signature: Option<(usize, usize)>) -> Self {
        let (left, applied) = (vec![T::ZERO; centre.len()], vec![T::ZERO; centre.len()]);
        let positive = signature.map_or(search_rank, |(positive, _)| positive);
        Self { centre: convert(centre), left, applied, search_rank, positive }
    }

    /// (2U₀ + V)S, whose product with V is the part of U S Uᵀ that V makes, and (U₀ + V)S, which the adjoint is applied to.
    pub(crate) fn around(&mut self, increment: &[T]) -> (&[T], &[T]) {
        let out = self.left.iter_mut().zip(&mut self.applied);
        for (at, ((left, applied), (&u, &v))) in out.zip(self.centre.iter().zip(increment)).enumerate() {
            // The doubling is exact.
            (*left, *applied) = (u + u + v, u + v);
            if at % self.search_rank >= self.positive {
                (*left, *applied) = (-*left, -*applied);
            }
        }
        (&self.left, &self.applied)
    }

    /// U₀ + V.
    pub(crate) fn whole(&self, increment: &[T]) -> Vec<T> {
        self.centre.iter().zip(increment).map(|(&u, &v)| u + v).collect()
    }
}

/// Signed columns are a centre of zeros with a signature: U S and U S again.
pub(crate) fn signed<T: Real>(signature: Option<(usize, usize)>, rows: usize, search_rank: usize) -> Option<Centre<T>> {
    signature.map(|_| Centre::new(&vec![0.0; rows * search_rank], search_rank, signature))
}
