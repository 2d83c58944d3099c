//! Flatness of a product W_L ⋯ W_1: the trace of the Hessian, and the least one for the same matrix.

use faer::{Mat, MatRef};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::diagnostics::estimated_rank;
use crate::linalg::{self, view};
use crate::operators::Operator;
use crate::problem::MatrixView;

/// Most multiplications for the trace over all sensing matrices: every observation takes it.
const MOST_WORK: f64 = 1e7;

/// Flatness of the factors of M = W_L ⋯ W_1 (two factors: W_2 = L, W_1 = Rᵀ). The Hessian is that of f = (s/2)·Σ e², where
/// e = 0; s normalises the measurements, so that s·Σ⟨Aᵢ, Z⟩² is about ‖Z‖_F².
///
/// With Pⱼ = W_L ⋯ W_{j+1} and Qⱼ = W_{j−1} ⋯ W_1, empty products being the identity, the trace is
///
/// ```text
/// T = s·Σᵢ Σⱼ ‖Pⱼᵀ Aᵢ Qⱼᵀ‖_F²,   isotropic: Σⱼ ‖Pⱼ‖_F²·‖Qⱼ‖_F²
/// ```
///
/// and its least isotropic value over all factorisations of M is T* = L·(n1·n2)^{1/L}·‖M‖_*^{2(L−1)/L}. It is reached where
/// the middle factors are multiples of partial isometries. (Gatmiry et al. 2023, arXiv 2306.13239; the formulas are derived
/// by the inequality of the means and ‖B‖_F·‖C‖_F ≥ ‖BC‖_*.)
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Flatness {
    /// Trace of the Hessian over the sensing matrices; absent where it takes more than 10⁷ multiplications.
    pub trace: Option<f64>,
    /// Trace of the Hessian for isotropic measurements.
    pub isotropic: f64,
    /// Least isotropic trace T* of any factors of the same M.
    pub least: f64,
    /// Nuclear norm ‖M‖_*.
    pub nuclear_norm: f64,
    /// Spread of the middle factors: the largest σ₁/σᵣ of one, with the rank r that the spectrum of M suggests; 1 where they are
    /// flat. Absent for two factors.
    pub spread: Option<f64>,
    /// Imbalance: the largest ‖W_{j+1}ᵀW_{j+1} − W_jW_jᵀ‖_F of neighbouring factors.
    pub imbalance: f64,
}

/// A product of factors, `None` for the identity.
type Side = Option<Mat<f64>>;

/// Pⱼ and Qⱼ of every factor.
struct Around {
    sides: Vec<(Side, Side)>,
    n: (usize, usize),
}

/// W_1, …, W_L from blocks W_L, …, W_2, W_1ᵀ.
fn layers(blocks: &[MatrixView<'_>]) -> Vec<Mat<f64>> {
    let of = |block: &MatrixView<'_>| view(block.rows(), block.columns(), block.as_slice()).to_owned();
    let mut all: Vec<Mat<f64>> = blocks.iter().rev().map(of).collect();
    if let Some(first) = all.first_mut() {
        *first = first.transpose().to_owned();
    }
    all
}

impl Around {
    fn new(layers: &[Mat<f64>]) -> Self {
        let mut before = vec![None];
        for layer in &layers[..layers.len() - 1] {
            let last: &Side = &before[before.len() - 1];
            let next = last.as_ref().map_or_else(|| layer.clone(), |product| layer * product);
            before.push(Some(next));
        }
        let mut after = vec![None];
        for layer in layers[1..].iter().rev() {
            let last: &Side = &after[after.len() - 1];
            let next = last.as_ref().map_or_else(|| layer.clone(), |product| product * layer);
            after.push(Some(next));
        }
        after.reverse();
        let n = (layers[layers.len() - 1].nrows(), layers[0].ncols());
        Self { sides: after.into_iter().zip(before).collect(), n }
    }

    fn isotropic(&self) -> f64 {
        let square = |side: &Side, n: usize| side.as_ref().map_or(n as f64, |m| m.squared_norm_l2());
        self.sides.iter().map(|(p, q)| square(p, self.n.0) * square(q, self.n.1)).sum()
    }

    /// Σⱼ ‖Pⱼᵀ A Qⱼᵀ‖_F².
    fn of(&self, a: MatRef<'_, f64>) -> f64 {
        let square = |(p, q): &(Side, Side)| {
            let left = p.as_ref().map_or_else(|| a.to_owned(), |p| p.transpose() * a);
            q.as_ref().map_or_else(|| left.squared_norm_l2(), |q| (&left * q.transpose()).squared_norm_l2())
        };
        self.sides.iter().map(square).sum()
    }
}

/// σ₁/σᵣ.
fn spread(layer: &Mat<f64>, rank: usize) -> Option<f64> {
    let (rows, columns) = (layer.nrows(), layer.ncols());
    let numbers: Vec<f64> = (0..rows * columns).map(|at| layer[(at / columns, at % columns)]).collect();
    let values = linalg::singular_values(rows, columns, &numbers).ok()?;
    values.get(rank - 1).map(|last| values[0] / last)
}

impl Flatness {
    /// The flatness of the factors W_L, …, W_2, W_1ᵀ of a trial, whose product has these singular values. `None` for fewer than
    /// two factors.
    pub(crate) fn new(
        blocks: &[MatrixView<'_>],
        singular_values: &[f64],
        operator: &dyn Operator,
        normalization: f64,
    ) -> Option<Self> {
        if blocks.len() < 2 {
            return None;
        }
        let layers = layers(blocks);
        let around = Around::new(&layers);
        let (n1, n2, depth) = (around.n.0 as f64, around.n.1 as f64, layers.len() as f64);
        let nuclear_norm: f64 = singular_values.iter().sum();
        let least = depth * (n1 * n2).powf(1.0 / depth) * nuclear_norm.powf(2.0 * (depth - 1.0) / depth);
        let k = layers[0].nrows() as f64;
        let m = operator.measurements();
        let affordable = m as f64 * n1 * n2 * k * depth <= MOST_WORK;
        let of = |i: usize| {
            let a = operator.sensing_matrix(i);
            around.of(view(around.n.0, around.n.1, &a))
        };
        let trace =
            affordable.then(|| normalization * (0..m).into_par_iter().map(of).collect::<Vec<_>>().iter().sum::<f64>());
        let rank = estimated_rank(singular_values).max(1);
        let spread = layers[1..layers.len() - 1].iter().filter_map(|layer| spread(layer, rank)).reduce(f64::max);
        let unequal = |pair: &[Mat<f64>]| (pair[1].transpose() * &pair[1] - &pair[0] * pair[0].transpose()).norm_l2();
        let imbalance = layers.windows(2).map(unequal).fold(0.0, f64::max);
        Some(Self { trace, isotropic: around.isotropic(), least, nuclear_norm, spread, imbalance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Dense;
    use crate::problem::random::{Purpose, normals};
    use crate::problem::{Block, Domain};

    fn blocks(sizes: &[(usize, usize)]) -> Vec<Block> {
        let of = |(at, (rows, columns)): (usize, &(usize, usize))| {
            Block::new(*rows, *columns, normals(at as u64, Purpose::Init, 0.7, rows * columns))
        };
        sizes.iter().enumerate().map(of).collect()
    }

    fn flatness(blocks: &[Block], singular_values: &[f64], operator: &Dense) -> Flatness {
        let views: Vec<_> = blocks.iter().map(|block| block.of(0)).collect();
        Flatness::new(&views, singular_values, operator, 1.0 / operator.measurements() as f64).unwrap()
    }

    /// f(W) = (1/2m)·Σ⟨Aᵢ, W₃W₂W₁ − M⟩² at its zero: the second difference along every number, summed.
    #[test]
    fn the_trace_is_that_of_second_differences() {
        let operator = Dense::gaussian(Domain::rectangular(4, 5), 9, 3).unwrap();
        let blocks = blocks(&[(4, 3), (3, 3), (5, 3)]);
        let measure = |blocks: &[Block]| -> Vec<f64> {
            let views: Vec<_> = blocks.iter().map(|block| block.of(0)).collect();
            let w = layers(&views);
            let z = &w[2] * &w[1] * &w[0];
            let of = |i| {
                let a = operator.sensing_matrix(i);
                (0..20).map(|at| a[at] * z[(at / 5, at % 5)]).sum()
            };
            (0..9).map(of).collect()
        };
        let y = measure(&blocks);
        let loss = |blocks: &[Block]| -> f64 {
            measure(blocks).iter().zip(&y).map(|(v, y)| (v - y).powi(2)).sum::<f64>() / 18.0
        };
        let step = 1e-3;
        let mut trace = 0.0;
        for at in 0..3 {
            for entry in 0..blocks[at].data().len() {
                let moved = |by: f64| {
                    let mut all = blocks.clone();
                    let mut numbers = all[at].data().to_vec();
                    numbers[entry] += by;
                    all[at] = Block::new(all[at].rows(), all[at].columns(), numbers);
                    loss(&all)
                };
                trace += (moved(step) + moved(-step)) / (step * step);
            }
        }
        let found = flatness(&blocks, &[1.0], &operator);
        approx::assert_relative_eq!(found.trace.unwrap(), trace, max_relative = 1e-4);
    }

    /// Factors UΣ^½, a flat middle and Σ^½Vᵀ, in the right proportions, reach T*; balanced ones exceed it.
    #[test]
    fn the_least_trace_is_reached_and_never_undercut() {
        let operator = Dense::gaussian(Domain::rectangular(6, 6), 4, 3).unwrap();
        let diagonal = |rows: usize, values: [f64; 2]| {
            let of = |at: usize| if at / 2 == at % 2 { values[at % 2] } else { 0.0 };
            Block::new(rows, 2, (0..rows * 2).map(of).collect())
        };
        let sigma: [f64; 2] = [3.0, 0.5];
        let nuclear: f64 = sigma.iter().sum();
        // a·b·c = 1 with ‖P‖²‖Q‖² of the three factors equal: n·(a²Σσ)(b²·2) for the ends against (a²Σσ)(c²Σσ).
        let middle = (nuclear / (6.0 * 2.0)).powf(1.0 / 3.0);
        let best = (1..400)
            .map(|i| {
                let b = middle * f64::from(i) / 100.0;
                let end = (1.0 / b).sqrt();
                let ends = sigma.map(|s| end * s.sqrt());
                flatness(&[diagonal(6, ends), diagonal(2, [b, b]), diagonal(6, ends)], &sigma, &operator)
            })
            .map(|found| found.isotropic / found.least)
            .fold(f64::INFINITY, f64::min);
        approx::assert_relative_eq!(best, 1.0, max_relative = 1e-3);
        let third = sigma.map(f64::cbrt);
        let balanced = flatness(&[diagonal(6, third), diagonal(2, third), diagonal(6, third)], &sigma, &operator);
        assert!(balanced.isotropic > 1.05 * balanced.least && balanced.imbalance < 1e-12, "{balanced:?}");
    }
}
