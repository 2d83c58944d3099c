//! M with its strict saddles: f = ¼‖X − M‖_F² over X = UUᵀ with r columns, or over the PSD matrices of rank r.

use faer::Mat;

use super::super::small::random_basis;
use lowrank::internals::{Purpose, stream};

/// M = Σ λ_i v_i v_iᵀ with r + 1 positive eigenvalues, so that X of rank r cannot be all of M.
pub(super) struct Landscape {
    pub n: usize,
    pub rank: usize,
    /// √λ_i, evenly spaced from 1 down to 1/√κ. M has their rounded squares, so that the gradient is exactly zero at a
    /// saddle if the eigenvectors are coordinate vectors.
    roots: Vec<f64>,
    /// Eigenvectors v_i, n×(r + 1).
    vectors: Mat<f64>,
    pub matrix: Mat<f64>,
}

impl Landscape {
    /// Creates M with coordinate vectors as eigenvectors and λ_1/λ_{r+1} = κ.
    pub(super) fn coordinates(n: usize, rank: usize, kappa: f64) -> Self {
        let spread = 1.0 - 1.0 / kappa.sqrt();
        let roots: Vec<f64> = (0..=rank).map(|i| 1.0 - spread * i as f64 / rank as f64).collect();
        let vectors = Mat::from_fn(n, rank + 1, |i, j| f64::from(u8::from(i == j)));
        Self { n, rank, matrix: scaled(&vectors, &roots), roots, vectors }
    }

    /// The same with random orthonormal eigenvectors.
    pub(super) fn rotated(n: usize, rank: usize, kappa: f64, seed: u64) -> Self {
        let Self { roots, .. } = Self::coordinates(n, rank, kappa);
        let vectors = random_basis(n, rank + 1, &mut stream(seed, Purpose::Truth, 0));
        Self { n, rank, matrix: scaled(&vectors, &roots), roots, vectors }
    }

    pub(super) fn eigenvalue(&self, i: usize) -> f64 {
        self.roots[i] * self.roots[i]
    }

    /// Returns the subsets S of at most r eigenvectors except the first r ones: X_S = Σ_{i∈S} λ_i v_i v_iᵀ is a strict
    /// saddle.
    pub(super) fn saddles(&self) -> Vec<Vec<usize>> {
        let all = (0..1usize << (self.rank + 1)).map(|bits| (0..=self.rank).filter(|i| bits >> i & 1 == 1).collect());
        let mut sets: Vec<Vec<usize>> = all.filter(|set: &Vec<usize>| set.len() <= self.rank).collect();
        sets.retain(|set| !(set.len() == self.rank && set[self.rank - 1] == self.rank - 1));
        sets.sort_by_key(Vec::len);
        sets
    }

    /// Returns whether U_S has no empty column.
    pub(super) fn is_full(&self, set: &[usize]) -> bool {
        set.len() == self.rank
    }

    /// Returns U_S = V_S Λ_S^½, padded with zero columns, n×r.
    pub(super) fn start(&self, set: &[usize]) -> Mat<f64> {
        Mat::from_fn(self.n, self.rank, |i, c| set.get(c).map_or(0.0, |&of| self.vectors[(i, of)] * self.roots[of]))
    }

    /// Returns V_S, n×r.
    pub(super) fn basis(&self, set: &[usize]) -> Mat<f64> {
        Mat::from_fn(self.n, self.rank, |i, c| set.get(c).map_or(0.0, |&of| self.vectors[(i, of)]))
    }

    /// Returns the least eigenvalue of the Hessian of f at U_S: −λ_j of the largest missing eigenvalue if U_S has an
    /// empty column (direction v_j e_lᵀ), else λ_i − λ_j with the least kept λ_i.
    pub(super) fn curvature(&self, set: &[usize]) -> f64 {
        let missing = (0..=self.rank).find(|i| !set.contains(i)).map_or(0.0, |i| self.eigenvalue(i));
        let kept = set.last().map_or(0.0, |&i| self.eigenvalue(i));
        if self.is_full(set) { kept - missing } else { -missing }
    }

    /// Returns the least decrease of f from X_S to a critical point that has one eigenvector more, or a larger one in
    /// place of another.
    pub(super) fn drop(&self, set: &[usize]) -> f64 {
        let missing = (0..=self.rank).filter(|i| !set.contains(i));
        let drops = missing.flat_map(|new| {
            let gain = self.eigenvalue(new).powi(2);
            let added = (!self.is_full(set)).then_some(gain);
            let swapped = set.iter().map(move |&old| gain - self.eigenvalue(old).powi(2));
            added.into_iter().chain(swapped).filter(|d| *d > 0.0).collect::<Vec<_>>()
        });
        0.25 * drops.fold(f64::INFINITY, f64::min)
    }

    /// Returns a short name of a subset, counted from 1, as in "13", or "none".
    pub(super) fn name(set: &[usize]) -> String {
        if set.is_empty() { "none".into() } else { set.iter().map(|i| (i + 1).to_string()).collect() }
    }
}

fn scaled(vectors: &Mat<f64>, roots: &[f64]) -> Mat<f64> {
    let half = Mat::from_fn(vectors.nrows(), roots.len(), |i, j| vectors[(i, j)] * roots[j]);
    &half * half.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saddles_have_no_gradient_and_the_best_approximation_is_none() {
        for land in [Landscape::coordinates(7, 3, 4.0), Landscape::rotated(7, 3, 4.0, 5)] {
            let sets = land.saddles();
            assert_eq!(sets.len(), 1 + 4 + 6 + 3);
            assert!(!sets.contains(&vec![0, 1, 2]));
            for set in &sets {
                let u = land.start(set);
                let gradient = (&u * u.transpose() - &land.matrix) * &u;
                assert!(gradient.norm_l2() < 1e-14, "{set:?}");
                assert!(land.curvature(set) < 0.0 && land.drop(set) > 0.0, "{set:?}");
            }
        }
        let land = Landscape::coordinates(7, 3, 4.0);
        for set in land.saddles() {
            let u = land.start(&set);
            assert_eq!(((&u * u.transpose() - &land.matrix) * &u).norm_l2(), 0.0, "exactly zero");
        }
        approx::assert_relative_eq!(land.eigenvalue(3), 0.25, epsilon = 1e-15);
        approx::assert_relative_eq!(land.drop(&[0, 1]), 0.25 * 0.0625, epsilon = 1e-15);
        approx::assert_relative_eq!(land.curvature(&[0, 1, 3]), 0.25 - 4.0 / 9.0, epsilon = 1e-14);
    }
}
