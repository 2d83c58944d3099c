//! Gauss–Newton steps on the tangent space of a growing rank, on a growing number of rows.
//!
//! At Z = Q D Qᵀ one pass over some of the rows gives G = A*(w∘e) and the thin rows Bᵢ = AᵢQ, where e = A(Z) − y. The step
//! Δ = QWᵀ + WQᵀ minimises Σ wᵢ(eᵢ + 2⟨Bᵢ, W⟩)², which needs the thin rows alone: they have 2q/n of the numbers of the Aᵢ.
//! Columns join Q where an eigenvalue of P⊥(Z − s·G)P⊥ exceeds the edge of the noise, √(2n/m′)·v for m′ rows whose
//! residuals have the root mean square v; they leave where an eigenvalue of Z + Δ falls below. Few rows suffice while the
//! rank is small, and all of them are read at the end.
//!
//! Gauss–Newton steps on manifolds of fixed rank: Vandereycken (SIAM J. Optim. 2013); the edge of the spectrum of a random
//! symmetric matrix: Wigner.

mod ledger;
mod space;
mod step;
mod turn;

use std::sync::Arc;

use faer::Mat;

use crate::error::{Error, Result};
use crate::methods::card::{Context, MethodCard, StartKind, StepSize, TrialNumbers};
use crate::methods::growing;
use crate::methods::line::{self, StepRule};
use crate::methods::{Algorithm, Method, PASSES};
use crate::models::Model;
use crate::named::Named;
use crate::operators::Loss;
use crate::tape::{BlockSize, Held, Initial, Left, Register, Rows, Tape};

use ledger::Ledger;
use space::{Bases, Space, Triplets, stacked};
use turn::{Rules, Turn};

pub(super) const CARD: MethodCard = MethodCard {
    word: "gauss-newton",
    formula: "Z + QW' + WQ' of least residual on some rows; Q <- eigenvectors of Z - s·A*(e) above the noise",
    parameters: &[],
    step_size: "found",
    cost: "at most 1 pass, and thin rows A_i·Q in memory",
    source: "Vandereycken 2013 (steps of fixed rank)",
    make: |_| Ok(Method::new(GaussNewton)),
};

/// Gauss–Newton steps on few rows with a growing rank: few passes over large matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GaussNewton;

impl Algorithm for GaussNewton {
    fn card(&self) -> &'static MethodCard {
        &CARD
    }

    fn set(&self) -> Named {
        Named::default()
    }

    fn check(&self, loss: Loss) -> Result<()> {
        line::require_square(Some(StepRule::Exact), loss)
    }

    fn check_model(&self, model: &Model) -> Result<()> {
        growing::check_model(CARD.word, model)
    }

    /// Its decompositions on the host are real.
    fn takes_complex(&self) -> bool {
        false
    }

    fn reads_rows(&self) -> bool {
        true
    }

    fn step_size(&self) -> StepSize {
        StepSize::Found
    }

    fn start(&self, _damping: Option<f64>) -> StartKind {
        StartKind::Directions
    }

    fn starts_alone(&self) -> bool {
        true
    }

    fn step_rule(&self) -> StepRule {
        StepRule::Exact
    }

    fn decides(&self) -> bool {
        true
    }

    fn second_opinion(&self) -> Option<Method> {
        Some(Method::pursuit().into())
    }

    fn numbers(&self, trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        growing::numbers(trial)
    }

    fn record(&self, t: &mut Tape, context: &Context) -> Result<()> {
        let u = t.iterate();
        let sizes = t.sizes(u).to_vec();
        if context.touches_few_lines {
            // Residuals of entries have a spectrum beyond the edge of white noise, and some entries say nothing of a line.
            return Err(Error::Unsupported {
                what: "the method gauss-newton for entries and sparse matrices".into(),
                fix: "use pursuit".into(),
            });
        }
        if t.ridge().is_some() {
            return Err(Error::Unsupported {
                what: "a ridge with the method gauss-newton".into(),
                fix: "use pursuit, or pass --ridge 0".into(),
            });
        }
        let numbers = ["measurements", "most columns", "normalization"].map(|name| t.parameter(name));
        let basis = t.keep("basis", Initial::Number(0.0));
        let ledger = t.keep_of("ledger", vec![BlockSize::new(1, Ledger::LENGTH)]);
        let finished = t.keep_scalar("finished", Initial::Number(0.0));
        let passes = t.keep_scalar(PASSES, Initial::Number(0.0));
        let (freedom, zero) = (context.freedom.clone(), growing::ZERO.max(0.25 * context.floor));
        let rules = Arc::new(Rules { space: space(&sizes, t.positive()), columns: sizes[0].columns, freedom, zero });
        let inputs = [u, basis, ledger].map(Register::from).into_iter().chain(numbers.map(Register::from));
        let outputs = [Register::from(u), basis.into(), ledger.into(), finished.into(), passes.into()];
        let carry_out =
            move |rows: &dyn Rows, given: &[Held<'_>], left: &mut [Left]| carry_out(&rules, rows, given, left);
        t.on_rows("gauss-newton", inputs, outputs, carry_out);
        Ok(())
    }
}

/// The space of matrices whose factors have these blocks.
fn space(sizes: &[BlockSize], positive: Option<usize>) -> Space {
    let columns = sizes[0].columns;
    match sizes {
        [left, right, ..] => Space::Rectangular { n1: left.rows, n2: right.rows },
        _ => {
            let positive = positive.unwrap_or(columns).min(columns);
            Space::Symmetric { n: sizes[0].rows, positive, negative: columns - positive }
        }
    }
}

/// Columns of the factors in which triplets are kept: positive ones first.
fn places(space: Space, values: impl Iterator<Item = bool>) -> Vec<usize> {
    let mut next = match space {
        Space::Symmetric { positive, .. } => [0, positive],
        Space::Rectangular { .. } => [0, 0],
    };
    let place = |is_negative: bool| {
        let next = &mut next[usize::from(is_negative)];
        *next += 1;
        *next - 1
    };
    values.map(place).collect()
}

/// The parts of stacked columns.
fn split(space: Space, columns: Mat<f64>) -> (Mat<f64>, Mat<f64>) {
    match space {
        Space::Symmetric { .. } => (columns.clone(), columns),
        Space::Rectangular { n1, n2 } => (columns.subrows(0, n1).to_owned(), columns.subrows(n1, n2).to_owned()),
    }
}

/// The factors of a matrix in the columns of a register, stacked: singular vectors times the roots of their values.
fn factors(space: Space, point: &Triplets) -> Mat<f64> {
    let of = |vectors: &Mat<f64>| {
        Mat::from_fn(vectors.nrows(), point.count(), |i, j| vectors[(i, j)] * point.values[j].abs().sqrt())
    };
    let left = of(&point.left);
    if space.is_symmetric() { left } else { stacked(left.as_ref(), of(&point.right).as_ref()) }
}

/// The matrix of factors with orthogonal columns, stacked.
fn triplets(space: Space, columns: Mat<f64>, positive: usize) -> Triplets {
    let (left, right) = split(space, columns);
    let norm = |matrix: &Mat<f64>, j: usize| matrix.col(j).norm_l2().max(f64::MIN_POSITIVE);
    let of = |matrix: &Mat<f64>| Mat::from_fn(matrix.nrows(), matrix.ncols(), |i, j| matrix[(i, j)] / norm(matrix, j));
    let sign = |j: usize| if j < positive { 1.0 } else { -1.0 };
    let values = (0..left.ncols()).map(|j| sign(j) * norm(&left, j) * norm(&right, j)).collect();
    Triplets { values, left: of(&left), right: of(&right) }
}

/// Runs the iteration on the host, from its inputs to its outputs, in the order of `record`.
///
/// # Errors
/// [`Error::Invalid`] for a ledger that no iteration writes; those of the rows.
fn carry_out(rules: &Rules, rows: &dyn Rows, given: &[Held<'_>], left: &mut [Left]) -> Result<()> {
    let (width, space) = (rules.columns, rules.space);
    let fits = |ledger: &Ledger| ledger.columns <= width && ledger.shards <= rows.weights().len();
    let ledger = Ledger::read(&given[2].numbers()).filter(fits).ok_or_else(growing::damaged)?;
    if ledger.finished {
        return Ok(());
    }
    let first: Vec<usize> = (0..width).collect();
    let used = places(space, (0..ledger.rank).map(|j| j >= ledger.positive));
    let point = triplets(space, given[0].columns(width, &used), ledger.positive);
    let (of_left, of_right) = split(space, given[1].columns(width, &first[..ledger.columns]));
    let [measurements, most, normalization] = [3, 4, 5].map(|at| given[at].number(0));
    let most = (most as usize).min(width);
    let unit = (normalization * measurements).sqrt();
    let turn = Turn { rules, rows, ledger, measurements, most, unit };
    let next = turn.run(point, Bases { left: of_left, right: of_right })?;
    // Positive columns are read back before negative ones.
    let mut order: Vec<usize> = (0..next.point.count()).collect();
    order.sort_by_key(|j| next.point.values[*j] < 0.0);
    let point = next.point.at(&order);
    let used = places(space, point.values.iter().map(|value| *value < 0.0));
    left[0] = Left::columns(width, vec![(0, factors(space, &point))], &used);
    let bases = match space {
        Space::Symmetric { .. } => next.bases.left,
        Space::Rectangular { .. } => stacked(next.bases.left.as_ref(), next.bases.right.as_ref()),
    };
    left[1] = Left::columns(width, vec![(0, bases)], &first);
    left[2] = next.ledger.write().into();
    left[3] = vec![f64::from(u8::from(next.ledger.finished))].into();
    left[4] = vec![next.ledger.read / measurements].into();
    Ok(())
}
