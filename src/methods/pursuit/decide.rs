//! Decision about the next iteration: eigenvalue search, new columns, a trial of more or fewer columns, or a step.

use std::ops::Range;

use faer::Mat;

use super::eigen::{Ritz, Space, Tangent, orthonormal, ritz, room_for_probes};
use super::ledger::{Ledger, WINDOW};
use super::noise::untied;
use crate::field::Field;
use crate::models::significance::{convincing_loss, is_testable};
use crate::tape::Held;

/// Gradient along the range of U, as a share of the largest eigenvalue, below which new columns are sought.
const NEARLY: f64 = 0.3;
/// The same share below which a point is stationary.
const STATIONARY: f64 = 0.02;
/// The same share below which a column without signal is tried.
const STILL: f64 = 0.003;
/// Fall of the energies, as a share of that by noise alone, below which they are flat.
const FLAT: f64 = 0.01;
/// Fall of the energies, as a share of that by noise alone, below which a run ends: badly conditioned problems converge
/// slowly.
const STANDS: f64 = 1e-3;
/// Factor above the edge of the noise from which a column needs no trial.
pub(super) const STRONG: f64 = 2.0;
/// Steps between two judgements.
const JUDGE: f64 = 3.0;
/// Most consecutive iterations that only search for eigenvalues.
const SEARCHES: f64 = 15.0;
/// Relative error below which the edge of the noise is known.
const EDGE_KNOWN: f64 = 0.1;
/// Most degrees of freedom of a rank, as a share of the measurements.
const DETERMINED: f64 = 0.9;
/// Most steps of a trial of one more column, and least steps of a trial of fewer columns.
const TRIAL: f64 = 60.0;
const SHORT_TRIAL: f64 = 40.0;
/// Ratio of consecutive singular values of M below which the rest is cut off on trial.
const GAP: f64 = 0.2;
/// Steps over which slow convergence is detected, and its rate.
const RATE_STEPS: f64 = 30.0;
const SLOW: f64 = 0.01;

/// Inputs of a decision: registers of one trial. Only the columns that a decision needs are read.
pub(super) struct Known<'a> {
    pub(super) u: Held<'a>,
    pub(super) applied: Held<'a>,
    pub(super) products: Held<'a>,
    pub(super) direction: Held<'a>,
    pub(super) scaled: Held<'a>,
    pub(super) saved: Held<'a>,
    /// Probes of the noise and G_ε applied to them.
    pub(super) noise: (Held<'a>, Held<'a>),
    /// Register positions of the columns of all but the noise and `saved`, columns in use first.
    pub(super) places: Vec<usize>,
    pub(super) energy: f64,
    /// Energy of the zero matrix.
    pub(super) zero_energy: f64,
    pub(super) measurements: f64,
    /// Search rank k, and the most columns of positive sign.
    pub(super) most: usize,
    pub(super) positive: usize,
    /// Normalisation s.
    pub(super) normalization: f64,
}

/// Outputs of a decision: the columns that are not zero; none where a register keeps its numbers.
pub(super) struct Next<E: Field> {
    pub(super) u: Option<Mat<E>>,
    /// U, and the probes that follow its columns.
    pub(super) probes: Option<(Mat<E>, Mat<E>)>,
    /// The direction, and its first column.
    pub(super) direction: (usize, Mat<E>),
    pub(super) scaled: Option<Mat<E>>,
    pub(super) saved: Option<Mat<E>>,
    pub(super) noise: Option<Mat<E>>,
}

/// Rules of the decision, the same for every trial.
pub(super) struct Rules {
    pub(super) space: Space,
    /// Degrees of freedom by rank.
    pub(super) freedom: Vec<usize>,
    /// Share of ‖y‖ below which a residual is zero.
    pub(super) zero: f64,
}

/// An iteration of one trial during the decision.
pub(super) struct Turn<'a, 'l, E: Field> {
    pub(super) rules: &'a Rules,
    pub(super) known: &'a Known<'a>,
    pub(super) ledger: &'l mut Ledger,
    pub(super) next: Next<E>,
    pub(super) u: Mat<E>,
    pub(super) gu: Mat<E>,
    pub(super) tangent: Tangent<E>,
    pub(super) ritz: Option<Ritz<E>>,
}

/// Decides, and writes the outputs for the tape.
pub(super) fn decide<E: Field>(rules: &Rules, known: &Known<'_>, ledger: &mut Ledger) -> Next<E> {
    let space = &rules.space;
    if ledger.started == 0.0 {
        start(known, ledger);
    }
    let none = Mat::zeros(space.rows(), 0);
    // At rank 0 the start is only a set of directions: its part of A(U Uᵀ) is not wanted.
    let cleared = (ledger.rank == 0.0).then(|| none.clone());
    let next = Next { u: cleared, probes: None, direction: (0, none), scaled: None, saved: None, noise: None };
    if ledger.finished == 1.0 || !known.energy.is_finite() {
        return next;
    }
    let read =
        |held: Held<'_>, columns: Range<usize>| E::unstacked(held.columns(space.columns, &known.places[columns]));
    // G·V as the model multiplies by it: with the signs of the columns.
    let product = |columns: Range<usize>| {
        let mut products = read(known.products, columns.clone());
        space.sign(&mut products, &known.places[columns]);
        products
    };
    let mut u: Mat<E> = read(known.u, 0..ledger.rank());
    // A step of length 0 leaves empty columns, which do not count.
    let q = (0..u.ncols()).rev().find(|j| u.col(*j).iter().any(|v| v.square() != 0.0)).map_or(0, |j| j + 1);
    u.truncate(u.nrows(), q);
    if q != ledger.rank() {
        ledger.rank = q as f64;
        ledger.signs.truncate(q);
        ledger.forget();
    }
    let probes = ledger.first_probe as usize..(ledger.first_probe + ledger.probes) as usize;
    let (gu, pair) = (product(0..q), (read(known.applied, probes.clone()), product(probes)));
    if [&gu, &pair.1]
        .into_iter()
        .any(|products| products.col_iter().any(|column| column.iter().any(|v| !v.square().is_finite())))
    {
        return next;
    }
    let tangent = Tangent::new(space, &u, &gu);
    let free = space.columns - q;
    let used = |sign: f64| ledger.signs.iter().filter(|of| **of == sign).count();
    let room = (used(1.0) < known.positive, used(-1.0) < known.most - known.positive);
    // A column whose sign is used up is of no use.
    let strength = |theta: f64| match (space.is_signed(), theta > 0.0) {
        (false, _) => theta,
        (true, true) => {
            if room.0 {
                theta
            } else {
                -theta
            }
        }
        (true, false) => {
            if room.1 {
                -theta
            } else {
                theta
            }
        }
    };
    let ritz_now =
        if free > 0 { ritz(space, &tangent, pair, true, (free.min(room_for_probes(q)), strength)) } else { None };
    let mut turn = Turn { rules, known, ledger, next, u, gu, tangent, ritz: ritz_now };
    turn.follow_noise();
    turn.take();
    turn.write_probes();
    turn.next
}

/// Start of a run: from the start where it counts, otherwise from zero, with the start's directions as the first
/// probes.
fn start(known: &Known<'_>, ledger: &mut Ledger) {
    let counts = known.energy < 0.9 * known.zero_energy;
    *ledger = Ledger { started: 1.0, wait: 60.0, rate: known.energy, edge_error: 1.0, ..Ledger::default() };
    ledger.noise_probes = known.most as f64;
    if counts {
        ledger.rank = known.most as f64;
        ledger.signs = (0..known.most).map(|j| if j < known.positive { 1.0 } else { -1.0 }).collect();
        ledger.first_probe = known.most as f64;
    } else {
        ledger.probes = known.most as f64;
    }
}

impl<E: Field> Turn<'_, '_, E> {
    pub(super) fn rank(&self) -> usize {
        self.ledger.rank()
    }

    pub(super) fn residual_norm(&self) -> f64 {
        (2.0 * self.known.energy).max(0.0).sqrt()
    }

    fn top(&self) -> f64 {
        self.ritz.as_ref().and_then(|ritz| ritz.values.first()).map_or(0.0, |value| value.abs())
    }

    /// Number of columns that may still be added.
    fn room(&self) -> usize {
        let q = self.rank();
        let determined = |rank: usize| self.freedom(rank) <= DETERMINED * self.known.measurements;
        (q + 1..=self.known.most).take_while(|rank| *rank == 1 || determined(*rank)).count()
    }

    /// Degrees of freedom of `more` columns beyond those before a trial, and measurements beyond those of the latter.
    fn tried(&self, more: usize) -> (f64, f64) {
        let before = self.freedom(self.ledger.saved_rank as usize);
        (self.freedom(self.rank() + more) - before, (self.known.measurements - before).max(1.0))
    }

    /// Energy from which a trial has succeeded. Further columns join a trial of one more: all of them together have to explain more
    /// than noise.
    fn accepted(&self) -> f64 {
        let (more, left) = self.tried(0);
        match self.ledger.trial == 1.0 {
            true => convincing_loss(self.ledger.trial_energy, more, left),
            false => self.ledger.trial_energy,
        }
    }

    /// Writes the probes beside the next U, and U itself.
    fn write_probes(&mut self) {
        let space = &self.rules.space;
        let q = self.rank();
        let columns = space.columns;
        let basis = match &self.ritz {
            Some(ritz) => ritz.basis.subcols(0, ritz.basis.ncols().min(columns - q)).to_owned(),
            // Without earlier probes, the part of G·U outside the range of U.
            None => {
                let mut beside = self.gu.clone();
                self.tangent.project(space, &mut beside);
                orthonormal(&beside, None, columns - q).0
            }
        };
        (self.ledger.first_probe, self.ledger.probes) = (q as f64, basis.ncols() as f64);
        self.next.probes = Some((self.next.u.as_ref().unwrap_or(&self.u).clone(), basis));
    }

    pub(super) fn freedom(&self, rank: usize) -> f64 {
        self.rules.freedom.get(rank).or(self.rules.freedom.last()).copied().unwrap_or(0) as f64
    }

    /// Degrees of freedom of one more column, and measurements beyond those of the columns in use.
    fn one_more(&self) -> (f64, f64) {
        let used = self.freedom(self.rank());
        (self.freedom(self.rank() + 1) - used, (self.known.measurements - used).max(1.0))
    }

    /// Whether the energy at this rank falls by no more than a share of the fall by noise alone, or of itself.
    fn is_flat(&self, share: f64) -> bool {
        let energies = &self.ledger.energies;
        if energies.len() <= WINDOW {
            return false;
        }
        let d = self.freedom(self.rank());
        let now = self.known.energy;
        energies[0] - now <= share * (d / (self.known.measurements - d).max(1.0)).min(1.0) * now
    }

    fn take(&mut self) {
        let energy = self.known.energy;
        if energy <= self.rules.zero.powi(2) * self.known.zero_energy {
            self.ledger.finished = 1.0;
            return;
        }
        if self.ledger.trial > 0.0 && energy <= self.accepted() {
            self.ledger.trial = 0.0;
            self.ledger.edge_error = 1.0;
            self.restart_rate();
        }
        let limit = if self.ledger.trial == 1.0 { TRIAL } else { SHORT_TRIAL.max(0.25 * self.ledger.trial_since) };
        if self.ledger.trial > 0.0 && self.ledger.steps - self.ledger.trial_since >= limit {
            self.end_trial();
            return;
        }
        if self.tries_fewer() {
            return;
        }
        let stuck = self.notes_step();
        if self.judges(stuck) {
            return;
        }
        self.step(stuck);
    }

    fn restart_rate(&mut self) {
        (self.ledger.cut_at, self.ledger.rate_at) = (self.ledger.steps, self.ledger.steps);
        self.ledger.rate = self.known.energy;
    }

    /// Records the energy after a step; returns whether steps along −z have stopped moving.
    fn notes_step(&mut self) -> bool {
        let stuck = self.ledger.moved == 1.0 && self.known.energy >= self.ledger.last_energy;
        if self.ledger.moved == 1.0 || self.ledger.energies.is_empty() {
            self.ledger.note(self.known.energy);
        }
        if stuck {
            self.ledger.slope = 0.0;
        }
        let hopeless = stuck && self.ledger.restarted == 1.0;
        self.ledger.last_energy = self.known.energy;
        self.ledger.moved = 0.0;
        hopeless
    }

    /// Reduces a rank that came from a local minimum, where convergence is slow and the singular values of M have a
    /// gap.
    fn tries_fewer(&mut self) -> bool {
        if self.ledger.steps - self.ledger.rate_at < RATE_STEPS {
            return false;
        }
        let energy = self.known.energy;
        let slow = energy > SLOW * self.ledger.rate;
        (self.ledger.rate_at, self.ledger.rate) = (self.ledger.steps, energy);
        let waited = self.ledger.steps - self.ledger.cut_at >= self.ledger.wait;
        if !(slow && waited && self.ledger.trial == 0.0 && self.rank() > 1) {
            return false;
        }
        let Some((values, balanced, signs)) = self.decomposed() else { return false };
        let gap =
            (1..values.len()).max_by(|&a, &b| (values[a - 1] / values[a]).total_cmp(&(values[b - 1] / values[b])));
        let Some(cut) = gap.filter(|&j| values[j] < GAP * values[j - 1]) else { return false };
        self.cut((&balanced, &signs), cut, energy);
        true
    }

    /// Keeps the first columns on trial, which succeeds at an energy.
    pub(super) fn cut(&mut self, (balanced, signs): (&Mat<E>, &[f64]), columns: usize, energy: f64) {
        self.begin_trial(2.0, energy);
        self.next.u = Some(balanced.subcols(0, columns).to_owned());
        self.ledger.rank = columns as f64;
        self.ledger.signs = signs[..columns].to_vec();
        self.ledger.forget();
        self.ledger.judged = self.ledger.steps;
    }

    fn begin_trial(&mut self, kind: f64, energy: f64) {
        self.ledger.trial = kind;
        (self.ledger.trial_since, self.ledger.trial_energy) = (self.ledger.steps, energy);
        self.ledger.saved_rank = self.ledger.rank;
        self.ledger.saved_signs = self.ledger.signs.clone();
        self.next.saved = Some(self.next.u.as_ref().unwrap_or(&self.u).clone());
    }

    /// Returns to the start of a trial. A further column that explains no more than noise ends the run.
    fn end_trial(&mut self) {
        let space = &self.rules.space;
        let places = space.places(&self.ledger.saved_signs);
        let rank = self.ledger.saved_rank as usize;
        self.next.u = Some(E::unstacked(self.known.saved.columns(space.columns, &places[..rank])));
        self.ledger.rank = self.ledger.saved_rank;
        self.ledger.signs = self.ledger.saved_signs.clone();
        self.ledger.forget();
        self.restart_rate();
        if self.ledger.trial == 1.0 {
            self.ledger.finished = 1.0;
        } else {
            self.ledger.wait *= 2.0;
        }
        self.ledger.trial = 0.0;
    }

    /// Adds columns, or ends, where the gradient along the range of U is small.
    fn judges(&mut self, stuck: bool) -> bool {
        let (q, top) = (self.rank(), self.top());
        if q > 0 && self.ledger.steps - self.ledger.judged < JUDGE && !stuck {
            return false;
        }
        let tangent = self.tangent.norm();
        let flat = stuck || self.is_flat(FLAT);
        let room = match self.ledger.trial == 1.0 {
            true => (1..=self.room()).take_while(|more| is_testable(self.tried(*more).0, self.tried(0).1)).count(),
            false => self.room(),
        };
        // An unfinished fit leaves directions in the residual that look like signal. The loss shows later that such a column is
        // noise, but only where enough measurements are left.
        let (more, left) = self.one_more();
        let nearly = if is_testable(more, left) { NEARLY } else { STATIONARY };
        if !(flat || q == 0 || tangent <= nearly * top) {
            return false;
        }
        let unknown = room > 0 && (!self.is_known() || self.ledger.edge_error > EDGE_KNOWN);
        if unknown && self.ledger.searches < SEARCHES {
            self.ledger.searches += 1.0;
            return true;
        }
        self.ledger.searches = 0.0;
        self.ledger.judged = self.ledger.steps;
        let edge = self.ledger.edge * self.residual_norm();
        let scale = if edge > 0.0 { edge } else { top };
        let settled = flat || tangent <= STATIONARY * scale;
        if room > 0 && self.ledger.trial != 2.0 {
            let values = self.ritz.as_ref().map_or(&[][..], |ritz| &ritz.values);
            let above = |factor: f64| values.iter().take_while(|value| **value > factor * edge).count();
            let (strong, signal) = (above(STRONG), above(self.signal()));
            // Noise whose spread differs between measurements reaches beyond its edge: the loss judges a weak column, of a settled fit.
            let doubtful = q > 0 && self.ledger.trial == 0.0 && strong == 0 && is_testable(more, left);
            let signal = match doubtful {
                true => usize::from(settled && signal > 0),
                false => untied(&values[..if strong > 0 { strong } else { signal }], q == 0).min(room),
            };
            let wanted = if q == 0 { signal.max(1) } else { signal };
            if q == 0 && values.first().is_none_or(|value| *value <= 0.0) {
                // No matrix of the model fits better than zero.
                self.ledger.finished = 1.0;
                return true;
            }
            if doubtful && wanted > 0 {
                self.begin_trial(1.0, self.known.energy);
            }
            if wanted > 0 && self.take_up(wanted, 0.0) {
                return true;
            }
        }
        if settled {
            return self.stationary((flat, stuck), (tangent, top, edge), room);
        }
        false
    }

    /// At a stationary point without signal: tries one more column, or ends.
    fn stationary(&mut self, (flat, stuck): (bool, bool), (tangent, top, edge): (f64, f64, f64), room: usize) -> bool {
        if self.ledger.trial > 0.0 {
            if flat || tangent <= STATIONARY * top {
                self.end_trial();
                return true;
            }
            return false;
        }
        if !(flat || tangent <= STILL * edge.max(top)) {
            return false;
        }
        if self.tries_without_weak(edge) {
            return true;
        }
        let (more, left) = self.one_more();
        if room == 0 || more >= left {
            if !(stuck || tangent <= STILL * edge.max(top) || self.is_flat(STANDS)) {
                return false;
            }
            self.ledger.finished = 1.0;
            return true;
        }
        self.begin_trial(1.0, self.known.energy);
        if !self.take_up(1, 1e-3 * tangent) {
            self.ledger.finished = 1.0;
        }
        true
    }
}
