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
mod spectrum;
mod step;
mod turn;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::methods::card::{Context, MethodCard, StartKind, StepSize, TrialNumbers};
use crate::methods::line::{self, StepRule};
use crate::methods::{Algorithm, Method};
use crate::models::Model;
use crate::named::Named;
use crate::operators::Loss;
use crate::tape::{BlockSize, Held, Initial, Left, Register, Rows, Tape};

use ledger::Ledger;
use turn::{Rules, Turn};

/// Share of ‖y‖ below which a residual is zero, in f64.
const ZERO: f64 = 1e-13;

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
        if model.takes_roots() && model.factors() == 1 && model.recorded().positive().is_none() {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!("the method gauss-newton for the model {}", model.word()),
            fix: "use pursuit, lbfgs or cg".into(),
        })
    }

    fn step_size(&self) -> StepSize {
        StepSize::Found
    }

    fn start(&self, _damping: Option<f64>) -> StartKind {
        StartKind::Directions
    }

    fn step_rule(&self) -> StepRule {
        StepRule::Exact
    }

    fn decides(&self) -> bool {
        true
    }

    fn numbers(&self, trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        vec![
            ("measurements", trial.measurements as f64),
            ("most columns", trial.search_rank as f64),
            ("normalization", trial.normalization),
        ]
    }

    fn record(&self, t: &mut Tape, context: &Context) -> Result<()> {
        let u = t.iterate();
        let sizes = t.sizes(u).to_vec();
        let BlockSize { rows: n, columns, .. } = sizes[0];
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
        let (e, _) = t.gradient(u);
        t.observe(e);
        let rules = Arc::new(Rules { n, columns, freedom: context.freedom.clone(), zero: ZERO.max(0.25 * context.floor) });
        let inputs = [u, basis, ledger].map(Register::from).into_iter().chain(numbers.map(Register::from));
        let outputs = [Register::from(u), basis.into(), ledger.into(), finished.into()];
        let carry_out = move |rows: &dyn Rows, given: &[Held<'_>], left: &mut [Left]| carry_out(&rules, rows, given, left);
        t.on_rows("gauss-newton", inputs, outputs, carry_out);
        Ok(())
    }
}

/// Runs the iteration on the host, from its inputs to its outputs, in the order of `record`.
///
/// # Errors
/// [`Error::Invalid`] for a ledger that no iteration writes; those of the rows.
fn carry_out(rules: &Rules, rows: &dyn Rows, given: &[Held<'_>], left: &mut [Left]) -> Result<()> {
    let width = rules.columns;
    let fits = |ledger: &Ledger| ledger.columns <= width && ledger.shards <= rows.weights().len();
    let ledger = Ledger::read(&given[2].numbers()).filter(fits).ok_or_else(|| {
        let fix = "the checkpoint is damaged, or another program wrote it: start a new run";
        Error::invalid("state 'ledger'", "numbers that no run produces", "numbers saved by a run", fix)
    })?;
    if ledger.finished {
        return Ok(());
    }
    let places: Vec<usize> = (0..width).collect();
    let (u, basis) = (given[0].columns(width, &places[..ledger.rank]), given[1].columns(width, &places[..ledger.columns]));
    let [measurements, most, normalization] = [3, 4, 5].map(|at| given[at].number(0));
    let most = (most as usize).min(width);
    let unit = (normalization * measurements).sqrt();
    let turn = Turn { rules, rows, ledger, measurements, most, unit };
    let next = turn.run(u, basis)?;
    left[0] = Left::columns(width, vec![(0, next.u)], &places);
    left[1] = Left::columns(width, vec![(0, next.basis)], &places);
    left[3] = vec![f64::from(u8::from(next.ledger.finished))].into();
    left[2] = next.ledger.write().into();
    Ok(())
}
