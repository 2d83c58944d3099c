//! Standard errors of the entries of a recovered matrix, by the delta method.
//!
//! Near a solution M̂ of rank r the matrices of rank r are a manifold, and its tangent space is the image of the changes
//! of the factors. With J the derivative of the measurements along these changes, least squares has the covariance
//! σ²(JᵀJ)⁺, and an entry whose derivative is j has
//!
//! ```text
//! standard error(a, b) = σ √(jᵀ (JᵀJ)⁺ j),   σ² = Σ eᵢ²/(m − d)
//! ```
//!
//! over the m training measurements, or (JᵀWJ)⁺ and Σ wᵢeᵢ² where they have weights wᵢ, which stand for variances σ²/wᵢ
//! with a mean weight of 1. Here d is the dimension of the tangent space: r(n1 + n2 − r) for L Rᵀ, and
//! n·r − r(r − 1)/2 for U Uᵀ and U S Uᵀ. The factors are balanced first. Changes that leave the product as it is (U Ω
//! with ΩS + SΩᵀ = 0; L Ω with −R Ωᵀ) have their own block in JᵀJ, so that a Cholesky decomposition gives the
//! pseudo-inverse. Chen, Fan, Ma & Yan (*Inference and uncertainty quantification for noisy matrix completion*, PNAS
//! 2019) prove the formula for sampled entries.
//!
//! An interval M̂_ab ± z·standard error is one for the entry of M, not for a new noisy observation of it, whose variance
//! has σ² in addition. It is too short, or in the wrong place,
//!
//! - where the fit is biased: by a ridge, by too few columns, or because the matrix is not of low rank;
//! - where a column of the factors is near the noise, so that the manifold curves within the uncertainty;
//! - where noise is not independent with one variance: σ is an average, and heavy tails spoil it;
//! - where the search rank was chosen from the same data, as far as the choice was in doubt.
//!
//! Entries that the measurements do not determine, such as those of rows without a sampled entry, have an infinite
//! standard error. Standard errors of entries that they determine barely are large and themselves uncertain.
//!
//! The work is of order d³ and the memory of order d², apart from J, which has m·d numbers unless measurements are
//! sampled entries.

use crate::diagnostics::{Tangent, information, jacobian_bytes};
use crate::error::{Error, Result};
use crate::linalg;
use crate::memory::{Location, Memory, Part, product};
use crate::operators::Loss;
use crate::solver::{Solver, TrialSolution};

/// Share of the mean eigenvalue of JᵀJ below which a direction is not determined.
const UNDETERMINED: f64 = 1e-10;

/// Standard errors of the entries of a recovered matrix.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StandardErrors {
    /// Estimated standard deviation σ of the noise on y, for a weight of 1.
    pub noise_std: f64,
    /// Number of training measurements of positive weight.
    pub measurements: usize,
    /// Dimension of the tangent space.
    pub degrees_of_freedom: usize,
    /// Rank of the matrix.
    pub rank: usize,
    /// Number of entries that the measurements do not determine.
    pub undetermined: usize,
    /// Standard errors, row-major n1×n2; infinite for entries that the measurements do not determine.
    pub values: Vec<f64>,
    /// What the standard errors do not contain, as sentences.
    pub notices: Vec<String>,
}

impl StandardErrors {
    /// Standard errors of the matrix of a trial of the last run of a solver.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for another loss than square, for complex matrices and for biases that the run has chosen;
    /// [`Error::Invalid`] for the zero matrix, and for no more measurements than degrees of freedom; [`Error::Memory`]
    /// where this machine has not the memory.
    pub fn of(solver: &Solver, trial: &TrialSolution) -> Result<Self> {
        check(trial)?;
        let tangent = Tangent::at(&trial.product())?;
        let operator = &**solver.problem().operator();
        let weights = solver.training_weights(trial);
        let measurements = weights.iter().filter(|weight| **weight > 0.0).count();
        let free = tangent.degrees_of_freedom() + usize::from(operator.is_centred());
        if measurements <= free {
            let found = format!(
                "{measurements} training measurements and a fit of rank {} with {free} degrees of freedom",
                tangent.rank()
            );
            let fix = "no measurement is left to estimate the noise from: add measurements, or lower the search rank";
            return Err(Error::invalid("confidence", found, "more measurements than degrees of freedom", fix));
        }
        let bytes = |count: usize| product(&[count, tangent.parameters(), tangent.parameters(), 8]);
        let mut memory = Memory::default();
        memory.parts.push(Part::new("the information matrix and its inverse", Location::Host, bytes(5)));
        memory.parts.push(Part::new("the Jacobian", Location::Host, jacobian_bytes(operator, &tangent)));
        let entries = product(&[tangent.rows(), tangent.columns(), 8]);
        memory.parts.push(Part::new("the standard errors", Location::Host, entries));
        let fix = format!(
            "The tangent space of rank {} at a {} matrix has {} parameters: lower the search rank, or leave it out",
            tangent.rank(),
            operator.domain(),
            tangent.parameters()
        );
        memory.require("confidence", fix)?;
        let information = information(operator, &tangent, weights)?;
        let noise_std = trial.train_rmse() * (weights.iter().sum::<f64>() / (measurements - free) as f64).sqrt();
        let values = deviations(&tangent, information)?.into_iter().map(|v| noise_std * v).collect::<Vec<_>>();
        let undetermined = values.iter().filter(|v| v.is_infinite()).count();
        Ok(Self {
            noise_std,
            measurements,
            degrees_of_freedom: tangent.degrees_of_freedom(),
            rank: tangent.rank(),
            undetermined,
            notices: notices(solver.has_ridge(trial), (undetermined, values.len())),
            values,
        })
    }

    /// The median of all standard errors.
    pub fn median(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Refuses fits for which the formula does not hold.
fn check(trial: &TrialSolution) -> Result<()> {
    let refused =
        |what: &str, fix: &str| Err(Error::Unsupported { what: format!("confidence {what}"), fix: fix.into() });
    if trial.form.loss != Loss::Square {
        return refused("with a robust loss", "the delta method here is that of least squares: use the loss square");
    }
    if trial.product().is_complex() {
        // The changes of the factors that keep the product are unitary ones there.
        return refused("for complex matrices", "leave it out: the tangent space here is that of real matrices");
    }
    if trial.form.unobserved {
        return refused(
            "with a weight of unobserved entries",
            "leave it out: implicit feedback is no noisy measurement",
        );
    }
    if trial.form.bounded {
        return refused(
            "with observations that are upper bounds",
            "leave it out: an upper bound is no noisy measurement",
        );
    }
    if trial.biases().is_some() {
        return refused(
            "for a fit with biases that the run has chosen",
            "disable the choice: Settings::without_tuning",
        );
    }
    Ok(())
}

fn notices(has_ridge: bool, (undetermined, all): (usize, usize)) -> Vec<String> {
    let ridge = "the standard errors do not contain the bias of the ridge: intervals cover less than they promise";
    let ridge = has_ridge.then(|| ridge.to_owned());
    let beyond = (undetermined > 0).then(|| {
        format!("the measurements do not determine {undetermined} of {all} entries: their standard errors are infinite")
    });
    ridge.into_iter().chain(beyond).collect()
}

/// √(jᵀ (JᵀJ)⁺ j) of every entry of the matrix.
fn deviations(tangent: &Tangent, mut information: Vec<f64>) -> Result<Vec<f64>> {
    let d = tangent.parameters();
    let mean = (0..d).map(|at| information[at * (d + 1)]).sum::<f64>() / tangent.degrees_of_freedom() as f64;
    let gauge = tangent.gauge();
    let count = gauge.len() / d;
    for (row, own) in information.chunks_mut(d).zip(gauge.chunks(count.max(1))) {
        for (at, value) in row.iter_mut().enumerate() {
            *value += mean * own.iter().zip(&gauge[at * count..]).map(|(a, b)| a * b).sum::<f64>();
        }
    }
    // A direction of eigenvalue 0 has the variance 1/ε; x = (JᵀJ + ε)⁻¹j has jᵀx = xᵀJᵀJx + ε‖x‖², and the second term
    // dominates where j has a part along such directions.
    let epsilon = UNDETERMINED * mean;
    (0..d).for_each(|at| information[at * (d + 1)] += epsilon);
    let inverse = linalg::inverse_positive(d, &information)?;
    drop(information);
    let squared = linalg::times(&inverse, d, &inverse, d);
    let of = |at: usize| {
        let derivative = tangent.entry(at / tangent.columns(), at % tangent.columns());
        let form = |matrix: &[f64]| -> f64 {
            let row = |(i, v): &(usize, f64)| v * derivative.iter().map(|(j, w)| w * matrix[i * d + j]).sum::<f64>();
            derivative.iter().map(row).sum()
        };
        let variance = form(&inverse);
        if epsilon * form(&squared) > 0.5 * variance { f64::INFINITY } else { variance.max(0.0).sqrt() }
    };
    Ok((0..tangent.rows() * tangent.columns()).map(of).collect())
}
