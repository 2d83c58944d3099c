//! Pursuit: columns are added one after the other while they are more than noise.
//!
//! It begins at the zero matrix. Eigenvectors of −A*(w∘e) whose eigenvalues exceed those of noise (of either sign in
//! models with signed columns) become columns, with the length that lowers the loss most. Conjugate gradients with
//! exact steps, preconditioned by (VᵀV)⁻¹, converge at that rank; then eigenvectors are computed again. The edge of the
//! noise is measured as the largest eigenvalue of A*(w∘ε∘e) with random signs ε. A converged point gets one more column
//! on trial, which stays where the loss falls by more than three times the fall by noise alone. Where convergence is
//! slow and the singular values of the point have a gap, those behind it are removed on trial. There is no step size,
//! no scale of the start, and no surplus column.
//!
//! The rank grows as in Riemannian pursuit (Tan, Tsang, Wang, Vandereycken & Pan, ICML 2014) and in rank-adaptive
//! optimization (Gao & Absil 2022). Gradient descent from a small start also adds one direction after the other (Li,
//! Luo & Lyu, arXiv 2012.09839).

mod decide;
mod eigen;
mod ledger;
mod step;

use faer::{Mat, c64};

use crate::error::Result;
use crate::field::Field;
use crate::methods::card::{Context, MethodCard, StartKind, StepSize, TrialNumbers};
use crate::methods::growing;
use crate::methods::line::{self, StepRule};
use crate::methods::{Algorithm, Method};
use crate::models::Model;
use crate::named::Named;
use crate::operators::Loss;
use crate::tape::{BlockSize, Held, Initial, Left, Register, Tape, When};

use decide::{Known, Next, Rules, decide};
use eigen::Space;
use ledger::Ledger;

/// Least columns of the iterate, so that there is room for probes beside those in use.
const COLUMNS: usize = 16;

pub(super) const CARD: MethodCard = MethodCard {
    word: "pursuit",
    formula: "rank r: conjugate gradients with exact steps; r <- r + 1 along eigenvectors of -A*(e) that are more than noise",
    parameters: &[],
    step_size: "found",
    cost: "2 passes; some factors to the host and back",
    source: "Tan et al. 2014 (Riemannian pursuit); Gao & Absil 2022 (rank adaptation)",
    make: |_| Ok(Method::new(Pursuit)),
};

/// Greedy growth of the rank with preconditioned conjugate gradients, stopped at the noise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pursuit;

impl Algorithm for Pursuit {
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

    fn columns(&self, search_rank: usize) -> usize {
        search_rank.max(COLUMNS)
    }

    fn numbers(&self, trial: &TrialNumbers) -> Vec<(&'static str, f64)> {
        growing::numbers(trial)
    }

    fn record(&self, t: &mut Tape, context: &Context) -> Result<()> {
        let u = t.iterate();
        let sizes = t.sizes(u).to_vec();
        let (measurements, most) = (t.parameter("measurements"), t.parameter("most columns"));
        let normalization = t.parameter("normalization");
        let signs = t.given_measured("signs");
        let (applied, probes) = (t.keep("probes", Initial::Iterate), t.keep("probes of noise", Initial::Iterate));
        let (direction, scaled) =
            (t.keep("direction", Initial::Number(0.0)), t.keep("preconditioned gradient", Initial::Number(0.0)));
        let saved = t.keep("factors before a trial", Initial::Number(0.0));
        let ledger = t.keep_of("ledger", vec![BlockSize::new(1, Ledger::length(sizes[0].columns))]);
        let finished = t.keep_scalar("finished", Initial::Number(0.0));
        let zero_energy = t.keep_scalar("energy of zero", Initial::Number(0.0));

        // The edge of the noise belongs to the residual of the previous iteration, so that one pass serves both
        // adjoints.
        let noise = t.keep_measured("noise");
        let of_noise = t.adjoint_beside(noise, probes);
        let (e, g) = t.gradient_applied(u, applied, None);
        t.observe(e);
        let target = t.target();
        t.when(When::First, |t| {
            let energy = t.energy(target);
            t.set(zero_energy, energy);
        });
        let mut energy = t.energy(e);
        if let Some(ridge) = t.ridge() {
            // The ridge also applies to probes where columns have no signs: an eigenvalue has to exceed it.
            let decayed = if t.positive().is_some() { u } else { applied };
            t.combine_into(g, [(1.0.into(), g), (ridge.into(), decayed)]);
            let (size, share) = (t.dot(u, u), t.share());
            energy = t.formula(energy + ridge * size * (0.5 / share));
        }
        t.measured_product(noise, e, signs);
        let rules = Rules {
            space: space(&sizes, t.partners().unwrap_or_default(), t.positive(), t.domain().is_complex()),
            freedom: context.freedom.clone(),
            zero: growing::ZERO.max(0.25 * context.floor),
        };
        let read = [u, applied, g, direction, scaled, saved, ledger].map(Register::from);
        let numbers = [energy, zero_energy, measurements, most, normalization].map(Register::from);
        let inputs = read.into_iter().chain(numbers).chain([probes.into(), of_noise.into()]);
        let written = [u, applied, direction, scaled, saved, ledger, probes].map(Register::from);
        let outputs = written.into_iter().chain([finished.into()]);
        match t.domain().is_complex() {
            false => t.on_host("pursuit", inputs, outputs, move |of, left| carry_out::<f64>(&rules, of, left)),
            true => t.on_host("pursuit", inputs, outputs, move |of, left| carry_out::<c64>(&rules, of, left)),
        }
        // e may belong to U before ranks were reduced: the direction is then zero, and so is the step.
        let step = line::exact(t, u, e, direction)?;
        t.combine_into(u, [(1.0.into(), u), (step.into(), direction)]);
        t.combine_into(applied, [(1.0.into(), applied), (step.into(), direction)]);
        Ok(())
    }
}

/// Runs the iteration on the host, from its inputs to its outputs, in the order of `record`.
///
/// # Errors
/// [`Error::Invalid`] for a ledger that no iteration writes.
fn carry_out<E: Field>(rules: &Rules, given: &[Held<'_>], left: &mut [Left]) -> Result<()> {
    let space = &rules.space;
    let fits = |ledger: &Ledger| space.has_room(&ledger.signs) && space.has_room(&ledger.saved_signs);
    let mut ledger = Ledger::read(&given[6].numbers(), space.columns).filter(fits).ok_or_else(growing::damaged)?;
    let most = given[10].number(0) as usize;
    let known = Known {
        u: given[0],
        applied: given[1],
        products: given[2],
        direction: given[3],
        scaled: given[4],
        saved: given[5],
        energy: given[7].number(0),
        zero_energy: given[8].number(0),
        measurements: given[9].number(0),
        most,
        positive: space.positive.min(most),
        normalization: given[11].number(0),
        noise: (given[12], given[13]),
        places: space.places(&ledger.signs),
    };
    let Next { u, probes, direction, scaled, saved, noise } = decide::<E>(rules, &known, &mut ledger);
    let (places, width) = (space.places(&ledger.signs), space.columns);
    if let Some((u, probes)) = probes {
        left[1] = Left::columns(width, vec![(0, E::stacked(u)), (ledger.rank(), E::stacked(probes))], &places);
    }
    left[2] = Left::columns(width, vec![(direction.0, E::stacked(direction.1))], &places);
    let whole = |matrix: Mat<E>, places: &[usize]| Left::columns(width, vec![(0, E::stacked(matrix))], places);
    let kept = [(0, u, &places), (3, scaled, &places), (4, saved, &space.places(&ledger.saved_signs))];
    for (at, matrix, places) in kept {
        left[at] = matrix.map_or_else(Left::default, |matrix| whole(matrix, places));
    }
    left[5] = ledger.write(width).into();
    left[6] = noise.map_or_else(Left::default, |noise| whole(noise, &space.all()));
    left[7] = vec![ledger.finished].into();
    Ok(())
}

/// Blocks as rows of one matrix. A complex block has half as many rows as its register.
fn space(sizes: &[BlockSize], partners: Vec<usize>, positive: Option<usize>, complex: bool) -> Space {
    let mut end = 0;
    let mut rows = |size: &BlockSize| {
        let rows = size.rows / if complex { 2 } else { 1 };
        end += rows;
        end - rows..end
    };
    let columns = sizes.first().map_or(0, |size| size.columns);
    let positive = positive.map_or(columns, |positive| positive.min(columns));
    Space { blocks: sizes.iter().map(&mut rows).collect(), partners, columns, positive }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the iteration says of a ledger with these signs, for 4×3 factors of a model without signs, or with two
    /// columns of positive sign.
    fn said(positive: Option<usize>, signs: Vec<f64>) -> Result<()> {
        let rules = Rules {
            space: space(&[BlockSize::new(4, 3)], vec![0], positive, false),
            freedom: vec![0, 4],
            zero: growing::ZERO,
        };
        let ledger = Ledger { started: 1.0, finished: 1.0, rank: signs.len() as f64, signs, ..Ledger::default() };
        let (zeros, ledger) = ([0.0; 12], ledger.write(3));
        let given = |at: usize| Held::F64(if at == 6 { &ledger } else { &zeros });
        let given: Vec<Held<'_>> = (0..14).map(given).collect();
        carry_out::<f64>(&rules, &given, &mut vec![Left::default(); 8])
    }

    #[test]
    fn ledgers_with_signs_that_the_model_has_no_columns_for_are_refused() {
        assert!(said(None, vec![1.0; 3]).is_ok());
        assert!(said(Some(2), vec![-1.0, 1.0, 1.0]).is_ok());
        for (positive, signs) in [(None, vec![-1.0]), (Some(2), vec![1.0; 3]), (Some(2), vec![-1.0, -1.0])] {
            let error = said(positive, signs).expect_err("signs without columns").to_string();
            assert!(error.contains("ledger"), "{error}");
        }
    }
}
