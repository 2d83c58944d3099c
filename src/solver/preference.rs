//! Fits with a weight of unobserved entries, judged over the whole matrix.

use serde::{Deserialize, Serialize};

use crate::diagnostics::Ranking;
use crate::diagnostics::ranking::Rows;
use crate::linalg::view;
use crate::operators::{Entries, Operator};
use crate::problem::{MatrixView, Product};
use crate::solver::plan::Task;
use crate::solver::trial::TrialParameters;
use crate::text::readable;

/// A fit of sampled entries with a weight of the unobserved ones, over the whole matrix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PreferenceFit {
    /// Loss ½Σ c(Z − p)² over all entries, without the ridge: c = w + ω and p = wy/c at training entries, c = ω and p = 0
    /// elsewhere. Held-out entries count as unobserved.
    pub loss: f64,
    /// Ranking of the held-out entries by Z, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Ranking>,
    /// Their ranking by the number of training entries in their column, which any fit should surpass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub popularity: Option<Ranking>,
}

impl PreferenceFit {
    /// The sentence that popularity alone ranks better, if it does.
    pub(super) fn doubt(&self) -> Option<String> {
        let (found, plain) = (self.ranking?.auc, self.popularity?.auc);
        (found < plain).then(|| {
            let better = "the popularity of columns alone ranks the held-out entries better";
            format!("{better}: AUC {} against {}", readable(plain), readable(found))
        })
    }
}

/// ‖L Rᵀ‖_F² = ⟨LᵀL, RᵀR⟩.
fn square_norm(product: &Product<'_>) -> f64 {
    let gram = |m: MatrixView<'_>| {
        let m = view(m.rows(), m.columns(), m.as_slice());
        m.transpose() * m
    };
    let (left, right) = (gram(product.left()), gram(product.right()));
    (0..left.ncols()).flat_map(|j| (0..left.nrows()).map(move |i| (i, j))).map(|at| left[at] * right[at]).sum()
}

impl Task<'_> {
    /// The fit of a trial over the whole matrix; `None` without a weight of unobserved entries, and for operators other than
    /// entries of a matrix without symmetry, and for factors that are not finite.
    pub(super) fn preference(self, p: &TrialParameters, product: &Product<'_>) -> Option<PreferenceFit> {
        let (weight, m) = (self.settings.unobserved_weight, self.problem.operator().measurements());
        let entries = self.problem.operator().entries().filter(|of| !of.domain().is_symmetric());
        let (Some(entries), true) = (entries, weight > 0.0) else { return None };
        if !product.is_finite() {
            return None;
        }
        let y = self.problem.observations(p.instance).unwrap_or_default();
        let weights = &self.plan.weights[p.trial * m..(p.trial + 1) * m];
        let training = || (0..m).filter(|i| weights[*i] > 0.0);
        // Σ w(Z − y)² + ω‖Z‖² less its value at Z = p, entry by entry: w(Z − y)² + ωZ² = c(Z − p)² + wωy²/c.
        let square = |i: usize| {
            let ((row, column), w) = (entries.position(i), self.problem.weight(i));
            w * (product.entry(row, column) - y[i]).powi(2) - w * weight / (w + weight) * y[i].powi(2)
        };
        let loss = 0.5 * (training().map(square).sum::<f64>() + weight * square_norm(product));
        let is_positive = |i: &usize| y[*i] > 0.0 && self.problem.weight(*i) > 0.0;
        let held_out = self.plan.held_out[p.trial].iter().copied().filter(is_positive);
        let (ranking, popularity) = rankings(entries, product, training().collect(), held_out);
        Some(PreferenceFit { loss, ranking, popularity })
    }
}

/// Rankings of held-out entries by the product, and by the number of training entries in each column.
fn rankings(
    entries: &Entries,
    product: &Product<'_>,
    training: Vec<usize>,
    held_out: impl Iterator<Item = usize>,
) -> (Option<Ranking>, Option<Ranking>) {
    let at = |i: usize| entries.position(i);
    let mut counts = vec![0.0; product.columns()];
    training.iter().for_each(|i| counts[at(*i).1] += 1.0);
    let rows = Rows::new(product.columns(), training.into_iter().map(at), held_out.map(at));
    let by_product = |row: usize, scores: &mut [f64]| {
        scores.iter_mut().enumerate().for_each(|(column, score)| *score = product.entry(row, column));
    };
    (rows.ranking(by_product), rows.ranking(|_, scores| scores.copy_from_slice(&counts)))
}
