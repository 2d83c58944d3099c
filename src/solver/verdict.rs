//! The remainder of a run that has converged and still misses: noise, or an effect that another setting explains.

use crate::diagnostics::{Spectrum, Visibility, spectral_norm};
use crate::error::{Error, Result};
use crate::host;
use crate::models::significance::is_testable;
use crate::operators::Loss;
use crate::problem::random::{Purpose, normals};
use crate::solver::plan::Task;
use crate::solver::solution::{MISFIT, Status, TrialSolution};
use crate::solver::spectra::weighted;
use crate::text::{readable, readable_estimate};

/// Ratio to random signs from which directions of the residual are not noise.
const STANDS_OUT: f64 = 1.5;
/// Relative error of the matrix, by the noise, from which a result is doubtful.
const BURIED: f64 = 0.3;
/// Multiple of the median from which residuals are gross outliers.
const GROSS: f64 = 30.0;
/// Operations of a gradient beyond which the remainder is not examined: a few gradients are computed on the host.
const MOST_WORK: f64 = 2e10;

/// The largest eigenvalues of −A*(w∘e) and of A*(w∘e); for rectangular matrices the largest singular value, twice.
fn ends(task: Task<'_>, e: &[f64]) -> Result<(f64, f64)> {
    let operator = &**task.problem.operator();
    if !operator.domain().is_symmetric() {
        let norm = spectral_norm(operator, e, 1.0)?;
        return Ok((norm, norm));
    }
    let spectrum = Spectrum::new(operator, e, 1.0, 1)?;
    let values = spectrum.values();
    Ok((-values.last().copied().unwrap_or(0.0), values.first().copied().unwrap_or(0.0)))
}

impl Task<'_> {
    /// A sentence on the remainder of the measurements of a converged trial, and whether it makes the result doubtful.
    /// `count` is the number of trials examined. `None` where biases or a ridge were chosen, and
    /// for observations that are upper bounds, non-negative factors and a fixed trace, where the rest need not be orthogonal to them.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] where the factors are not finite.
    pub(super) fn what_is_left(
        self,
        trial: &TrialSolution,
        count: usize,
        seen: Option<Visibility>,
    ) -> Result<Option<(String, bool)>> {
        let Self { problem, settings, plan } = self;
        let operator = &**problem.operator();
        let p = &trial.parameters;
        let rests = matches!(trial.status, Status::Stalled | Status::Finished);
        let plain = settings.loss == Loss::Square
            && plan.ridge[p.trial] == 0.0
            && !settings.nonnegative
            && settings.kept_trace(&plan.method).is_none()
            && !settings.perturbs();
        let blind = !operator.has_adjoint();
        let own = blind || trial.tuned || trial.form.unobserved || trial.form.bounded || !(rests && plain);
        if own || trial.relative_residual <= MISFIT {
            return Ok(None);
        }
        let residual = format!("the fit ended at a relative residual of {}", readable(trial.relative_residual));
        if count as f64 * operator.cost(1, p.search_rank).flops > MOST_WORK {
            let why = "lowrank did not analyse the residual, which would take long on the host";
            return Ok(Some((format!("{residual}; {why}"), false)));
        }
        let m = operator.measurements();
        let weights = &plan.weights[p.trial * m..(p.trial + 1) * m];
        let mut e = host::measure(operator, &trial.product().as_factors()?);
        let target = &plan.target[p.trial * m..(p.trial + 1) * m];
        e.iter_mut().zip(target).for_each(|(e, y)| *e -= y);
        let e = weighted(operator, &e, weights);
        let signs = normals(p.seed.unwrap_or(0), Purpose::Signs, 1.0, m);
        let scrambled: Vec<f64> = e.iter().zip(&signs).map(|(e, sign)| e * sign.signum()).collect();
        let ((positive, negative), edge) = match ends(self, &e).and_then(|of| Ok((of, ends(self, &scrambled)?))) {
            Err(Error::Memory { needed, .. }) => {
                let why = format!("lowrank did not analyse the residual, for which it needs {needed} of free memory");
                return Ok(Some((format!("{residual}; {why}"), false)));
            }
            found => found?,
        };
        let mut sizes: Vec<f64> = e.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(e, _)| e.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        // A signature has columns of both signs.
        let one_sided =
            operator.domain().is_symmetric() && plan.model.factors() == 1 && plan.model.search_rank().is_none();
        let left = Left {
            residual,
            outlier: sizes[sizes.len() - 1] / sizes[sizes.len() / 2],
            stands_out: positive > STANDS_OUT * edge.0.max(edge.1),
            is_negative: one_sided && negative > positive && negative > STANDS_OUT * edge.0.max(edge.1),
            error: self.error_of_noise(trial, seen),
            untested: self.untested(trial).filter(|_| !settings.asks_for_rank()),
            crowded: self.crowded(trial),
            rank: trial.singular_values.iter().filter(|v| **v > 1e-6 * trial.singular_values[0]).count(),
            search_rank: p.search_rank,
            asked: settings.asks_for_rank(),
        };
        Ok(Some(left.said()))
    }
}

impl Task<'_> {
    /// Degrees of freedom of the result, and measurements, where too few are left for the loss to tell its last column from noise.
    fn untested(self, trial: &TrialSolution) -> Option<(usize, usize)> {
        let (freedom, rank) = (self.freedom(), trial.estimated_rank);
        let m = trial.parameters.rows - trial.parameters.holdout_rows;
        let (used, fewer) = (freedom(rank), freedom(rank.saturating_sub(1)));
        (rank > 1 && used > 0 && !is_testable((used - fewer) as f64, m.saturating_sub(fewer) as f64))
            .then_some((used, m))
    }

    /// Relative error that noise makes, where all of the residual is noise: with `seen`, the one of least squares in the tangent space.
    /// Else the one of isotropic measurements: of m of them the fit takes d degrees of freedom, so that a share ρ² of ‖y‖² is left of noise
    /// of the share v² = ρ²/(1 − d/m), and v²d/(m − d) is in the matrix, beside 1 − v² of the signal. A fit that chooses its columns among
    /// noise errs more.
    fn error_of_noise(self, trial: &TrialSolution, seen: Option<Visibility>) -> f64 {
        let m = (trial.parameters.rows - trial.parameters.holdout_rows) as f64;
        let share = self.freedom()(trial.estimated_rank) as f64 / m;
        let left = (1.0 - share).max(f64::MIN_POSITIVE);
        let known = seen.filter(|seen| seen.amplification.is_finite());
        let (noise, matrix) = match known {
            Some(seen) => {
                let all = trial.singular_values.iter().map(|v| v.powi(4)).sum::<f64>();
                let noise = (seen.amplification * trial.train_rmse()).powi(2) / left;
                (noise, all - noise)
            }
            None => {
                let noise = trial.relative_residual.powi(2) / left;
                (noise * share / left, 1.0 - noise)
            }
        };
        (noise / matrix.max(f64::MIN_POSITIVE)).sqrt()
    }
}

/// Findings about the residual.
struct Left {
    residual: String,
    /// Largest residual over the median.
    outlier: f64,
    /// Whether a direction that the model can explain is not noise, and whether the largest one needs a negative
    /// eigenvalue.
    stands_out: bool,
    is_negative: bool,
    /// Relative error of the matrix that noise of the residual's size makes.
    error: f64,
    /// Degrees of freedom and measurements, where noise could be the last column.
    untested: Option<(usize, usize)>,
    /// Degrees of freedom and measurements, where these would not show a column that the fit lacks.
    crowded: Option<(usize, usize)>,
    rank: usize,
    search_rank: usize,
    /// Whether the search rank was requested.
    asked: bool,
}

impl Left {
    /// The sentence, and whether it makes the result doubtful.
    fn said(&self) -> (String, bool) {
        let (residual, rank) = (&self.residual, self.rank);
        if self.outlier > GROSS {
            let times = readable(self.outlier);
            let far = format!(
                "{residual}; the largest residual is {times} times the median, so a few measurements \
                               are outliers"
            );
            return (format!("{far}. --loss l1 tolerates gross outliers"), true);
        }
        if self.is_negative {
            let seen = "and a direction of the residual needs a negative eigenvalue";
            let so = "the matrix does not look positive semidefinite. Use --model asymmetric or signed";
            return (format!("{residual}, {seen}: {so}"), true);
        }
        let lacks = self.rank < self.search_rank || !self.asked;
        if let (false, Some((used, m)), true) = (self.stands_out, self.crowded, lacks) {
            let so = format!(
                "and no direction stands out of the residual, but {m} measurements for {used} degrees of freedom need not \
                 show one: the residual may be noise, or columns that the fit lacks. More measurements are needed"
            );
            return (format!("{residual}, {so}"), true);
        }
        if !self.stands_out && self.error > BURIED {
            let share = readable_estimate(100.0 * self.error.min(1.0));
            let so = format!(
                "and no direction stands out of the residual: noise of this size, spread over so many degrees of \
                 freedom, makes an error of {share} % of the matrix or more. More measurements are needed"
            );
            return (format!("{residual}, {so}"), true);
        }
        if let (false, Some((used, m))) = (self.stands_out, self.untested) {
            let so = format!(
                "and the {rank} columns have {used} degrees of freedom for {m} measurements: so few are left that the \
                 last columns may be noise. Try --search-rank auto, which compares ranks by held-out measurements, or a \
                 --search-rank that you know"
            );
            return (format!("{residual}, {so}"), true);
        }
        if !self.stands_out {
            let share = readable_estimate(100.0 * self.error);
            let so = format!(
                "and no direction stands out of the residual, which looks like noise. Noise of this size makes an error of \
                 {share} % of the matrix or more; --holdout detects overfitting"
            );
            return (format!("{residual}, {so}"), false);
        }
        if rank < self.search_rank {
            let so = "and a direction stands out of the residual, but further descent did not reduce it: the fit \
                      is at a local minimum, or the model does not fit";
            return (format!("{residual}, {so}"), true);
        }
        let more = format!("more than {rank} columns are needed. Raise --search-rank");
        // A requested number of columns asks for the best matrix of that rank.
        (format!("{residual}, and a direction stands out of the residual: {more}"), !self.asked)
    }
}
