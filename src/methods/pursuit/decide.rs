//! What an iteration does next: look for eigenvalues, take up columns, try one more or fewer, or step.

use faer::Mat;

use super::eigen::{Ritz, Space, Tangent, orthonormal, ritz};
use super::ledger::{Ledger, WINDOW};
use crate::models::{SIGNIFICANT, significant_loss};

/// Eigenvalues of −G above so many times the edge of the noise are signal.
const SIGNAL: f64 = 1.15;
/// New columns are looked for where the gradient along the range of U is below this share of the largest eigenvalue,
const NEARLY: f64 = 0.3;
/// and a point is stationary where it is below this one,
const STATIONARY: f64 = 0.02;
/// or this one, before a column is tried that is no signal.
const STILL: f64 = 0.003;
/// Energies are flat where they fell by less than this share of what noise alone would give.
const FLAT: f64 = 0.01;
/// A run ends where they fell by less than this share of that: convergence is slow where the problem is badly conditioned.
const STANDS: f64 = 1e-3;
/// Steps between two judgements.
const JUDGE: f64 = 3.0;
/// Iterations in a row that only look for eigenvalues, at most.
const LOOKS: f64 = 15.0;
/// An eigenvalue is known where the norm of its error is below this share of it; at the start this one, because what is wrong with
/// the first columns is a surplus that goes away slowly.
const KNOWN: f64 = 0.03;
const KNOWN_FIRST: f64 = 3e-3;
/// Eigenvalues that differ by less than this share are equal.
const TIED: f64 = 5e-3;
/// The edge of the noise is known to this share of it.
const EDGE_KNOWN: f64 = 0.1;
/// No rank is taken up whose degrees of freedom are more than this share of the measurements.
const DETERMINED: f64 = 0.9;
/// Steps of a trial of one more column, at most; of fewer columns, at least.
const TRIAL: f64 = 60.0;
const SHORT_TRIAL: f64 = 40.0;
/// Singular values of M that are this share of the one before are cut off on trial.
const GAP: f64 = 0.2;
/// Steps over which slow convergence is told, and how slow.
const RATE_STEPS: f64 = 30.0;
const SLOW: f64 = 0.01;

/// What an iteration knows: registers of one trial, columns of them not yet taken.
pub(super) struct Known<'a> {
    pub(super) u: &'a [f64],
    pub(super) applied: &'a [f64],
    pub(super) products: &'a [f64],
    pub(super) direction: &'a [f64],
    pub(super) scaled: &'a [f64],
    pub(super) saved: &'a [f64],
    /// Probes of the noise and G_ε of them.
    pub(super) noise: (&'a [f64], &'a [f64]),
    pub(super) energy: f64,
    /// Of the zero matrix.
    pub(super) zero_energy: f64,
    pub(super) measurements: f64,
    /// k, and how many of them may count positive.
    pub(super) most: usize,
    pub(super) positive: usize,
    /// s.
    pub(super) normalization: f64,
}

/// What it leaves.
pub(super) struct Next {
    pub(super) u: Vec<f64>,
    pub(super) applied: Vec<f64>,
    pub(super) direction: Vec<f64>,
    pub(super) scaled: Vec<f64>,
    pub(super) saved: Vec<f64>,
    pub(super) noise: Vec<f64>,
}

/// The rules, beside what a trial knows.
pub(super) struct Rules {
    pub(super) space: Space,
    /// Degrees of freedom by rank.
    pub(super) freedom: Vec<usize>,
    /// A residual below this share of ‖y‖ is zero.
    pub(super) zero: f64,
}

/// An iteration of one trial while it is decided.
pub(super) struct Turn<'a> {
    pub(super) rules: &'a Rules,
    pub(super) known: &'a Known<'a>,
    pub(super) ledger: &'a mut Ledger,
    pub(super) next: Next,
    pub(super) u: Mat<f64>,
    pub(super) gu: Mat<f64>,
    pub(super) tangent: Tangent,
    pub(super) ritz: Option<Ritz>,
}

/// Decides, and writes down what the tape carries out.
pub(super) fn decide(rules: &Rules, known: &Known<'_>, ledger: &mut Ledger) -> Next {
    let space = &rules.space;
    if ledger.started == 0.0 {
        start(known, ledger);
    }
    let mut next = Next {
        u: known.u.to_vec(),
        applied: known.applied.to_vec(),
        direction: vec![0.0; known.u.len()],
        scaled: known.scaled.to_vec(),
        saved: known.saved.to_vec(),
        noise: known.noise.0.to_vec(),
    };
    if ledger.rank == 0.0 {
        // The start is a set of directions: what it adds to A(U Uᵀ) is not meant.
        next.u.fill(0.0);
    }
    if ledger.finished == 1.0 || !known.energy.is_finite() || known.products.iter().any(|v| !v.is_finite()) {
        return next;
    }
    // Columns that a step of length 0 left empty are none.
    let mut q = ledger.rank();
    while q > 0 && (0..space.rows()).all(|row| next.u[row * space.columns + q - 1] == 0.0) {
        q -= 1;
    }
    if q != ledger.rank() {
        ledger.rank = q as f64;
        ledger.signs.truncate(q);
        ledger.forget();
    }
    let (u, gu) = (space.take(&next.u, 0..q), space.take(known.products, 0..q));
    let tangent = Tangent::new(space, &u, &gu);
    let free = space.columns - q;
    let probes = ledger.first_probe as usize..(ledger.first_probe + ledger.probes) as usize;
    let pair = (space.take(known.applied, probes.clone()), space.take(known.products, probes));
    let used = |sign: f64| ledger.signs.iter().filter(|of| **of == sign).count();
    let room = (used(1.0) < known.positive, used(-1.0) < known.most - known.positive);
    // A column of a sign of which there are no more is of no use.
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
    let ritz_now = if free > 0 { ritz(space, &tangent, pair, true, (free, strength)) } else { None };
    let mut turn = Turn { rules, known, ledger, next, u, gu, tangent, ritz: ritz_now };
    turn.follow_noise();
    turn.take();
    turn.write_probes();
    turn.next
}

/// How many of the leading eigenvalues are taken up together: at the start those before the first two that are equal. Measurements
/// that are blind to some rotation show a direction twice, and one of both columns then is a surplus that goes away slowly.
fn untied(values: &[f64], first: bool) -> usize {
    let tie = values.windows(2).position(|pair| pair[0] - pair[1] <= TIED * pair[0]);
    tie.filter(|_| first).map_or(values.len(), |at| at + 1)
}

/// Where a run begins: from the start where it counts, otherwise from nothing, with the start's directions as the first probes.
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

impl Turn<'_> {
    pub(super) fn rank(&self) -> usize {
        self.ledger.rank()
    }

    fn residual_norm(&self) -> f64 {
        (2.0 * self.known.energy).max(0.0).sqrt()
    }

    fn top(&self) -> f64 {
        self.ritz.as_ref().and_then(|ritz| ritz.values.first()).map_or(0.0, |value| value.abs())
    }

    /// Columns that may still be taken up.
    fn room(&self) -> usize {
        let q = self.rank();
        let determined = |rank: usize| self.freedom(rank) <= DETERMINED * self.known.measurements;
        (q + 1..=self.known.most).take_while(|rank| *rank == 1 || determined(*rank)).count()
    }

    fn is_known(&self) -> bool {
        let Some(ritz) = &self.ritz else { return true };
        let largest = ritz.values[0].abs();
        if self.rank() > 0 {
            return ritz.errors[0] <= KNOWN * largest;
        }
        // At the start all that may be taken up, so that equal ones are seen to be equal.
        let edge = SIGNAL * self.ledger.edge * self.residual_norm();
        let mut signals = ritz.values.iter().zip(&ritz.errors).take_while(|(value, error)| *value + *error > edge);
        ritz.errors[0] <= KNOWN_FIRST * largest && signals.all(|(_, error)| *error <= KNOWN * largest)
    }

    /// Refines the edge of the noise: the largest eigenvalue where the signs of the residual are random.
    fn follow_noise(&mut self) {
        let (basis, products) = self.known.noise;
        let space = &self.rules.space;
        let columns = 0..self.ledger.noise_probes as usize;
        let pair = (space.take(basis, columns.clone()), space.take(products, columns));
        let mut out = vec![0.0; basis.len()];
        let strength = |theta: f64| if space.is_signed() { theta.abs() } else { theta };
        if let Some(found) = ritz(space, &self.tangent, pair, false, (space.columns, strength)) {
            let norm = self.ledger.noise_norm;
            if norm > 0.0 && found.values[0] > 0.0 {
                self.ledger.edge = found.values[0] / norm;
                self.ledger.edge_error = found.errors[0] / found.values[0];
            }
            space.put(&mut out, 0..space.columns, found.basis.as_ref());
            self.ledger.noise_probes = found.basis.ncols() as f64;
        }
        self.next.noise = out;
        self.ledger.noise_norm = self.residual_norm();
    }

    /// The probes beside what U will be, and U itself.
    fn write_probes(&mut self) {
        let space = &self.rules.space;
        let q = self.rank();
        let columns = space.columns;
        let mut applied = self.next.u.clone();
        let basis = match &self.ritz {
            Some(ritz) => ritz.basis.subcols(0, ritz.basis.ncols().min(columns - q)).to_owned(),
            // Where there are none yet: what of G·U lies beside the range of U.
            None => {
                let mut beside = self.gu.clone();
                self.tangent.project(space, &mut beside);
                orthonormal(&beside, None, columns - q).0
            }
        };
        space.put(&mut applied, q..columns, basis.as_ref());
        (self.ledger.first_probe, self.ledger.probes) = (q as f64, basis.ncols() as f64);
        self.next.applied = applied;
    }

    fn freedom(&self, rank: usize) -> f64 {
        self.rules.freedom.get(rank).or(self.rules.freedom.last()).copied().unwrap_or(0) as f64
    }

    /// Whether the energy no longer falls at this rank by more than a share of what noise alone would let it, or of itself.
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
        if self.ledger.trial > 0.0 && energy <= self.ledger.trial_accept {
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

    /// Notes the energy after a step; whether steps along −z no longer move.
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

    /// A rank that came from a local minimum is taken back where convergence is slow and the singular values of M have a gap.
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
        self.begin_trial(2.0, energy);
        let space = &self.rules.space;
        space.put(&mut self.next.u, 0..space.columns, balanced.subcols(0, cut));
        self.ledger.rank = cut as f64;
        self.ledger.signs = signs[..cut].to_vec();
        self.ledger.forget();
        self.ledger.judged = self.ledger.steps;
        true
    }

    fn begin_trial(&mut self, kind: f64, accept: f64) {
        self.ledger.trial = kind;
        (self.ledger.trial_since, self.ledger.trial_accept) = (self.ledger.steps, accept);
        self.ledger.saved_rank = self.ledger.rank;
        self.ledger.saved_signs = self.ledger.signs.clone();
        self.next.saved = self.next.u.clone();
    }

    /// Goes back to where a trial began. One more column that explains no more than noise would is the end.
    fn end_trial(&mut self) {
        self.next.u = self.next.saved.clone();
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

    /// Takes up columns, or ends, where the gradient along the range of U has become small.
    fn judges(&mut self, stuck: bool) -> bool {
        let (q, top) = (self.rank(), self.top());
        if q > 0 && self.ledger.steps - self.ledger.judged < JUDGE && !stuck {
            return false;
        }
        let tangent = self.tangent.norm();
        let flat = stuck || self.is_flat(FLAT);
        let room = self.room();
        if !(flat || q == 0 || tangent <= NEARLY * top) {
            return false;
        }
        let unknown = room > 0 && (!self.is_known() || self.ledger.edge_error > EDGE_KNOWN);
        if unknown && self.ledger.looks < LOOKS {
            self.ledger.looks += 1.0;
            return true;
        }
        self.ledger.looks = 0.0;
        self.ledger.judged = self.ledger.steps;
        let edge = self.ledger.edge * self.residual_norm();
        if room > 0 && self.ledger.trial != 2.0 {
            let values = self.ritz.as_ref().map_or(&[][..], |ritz| &ritz.values);
            let signal = values.iter().take_while(|value| **value > SIGNAL * edge).count();
            let signal = untied(&values[..signal], q == 0).min(room);
            let wanted = if q == 0 { signal.max(1) } else { signal };
            if q == 0 && values.first().is_none_or(|value| *value <= 0.0) {
                // No matrix of the model fits better than zero.
                self.ledger.finished = 1.0;
                return true;
            }
            if wanted > 0 && self.take_up(wanted, 0.0) {
                return true;
            }
        }
        let scale = if edge > 0.0 { edge } else { top };
        if flat || tangent <= STATIONARY * scale {
            return self.stationary((flat, stuck), (tangent, top, edge), room);
        }
        false
    }

    /// At a stationary point without signal: one more column on trial, or the end.
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
        let q = self.rank();
        let left = (self.known.measurements - self.freedom(q)).max(1.0);
        let more = self.freedom(q + 1) - self.freedom(q);
        // Where fewer are left than the test needs, noise alone could pass it.
        if room == 0 || SIGNIFICANT * more >= left {
            if !(stuck || tangent <= STILL * edge.max(top) || self.is_flat(STANDS)) {
                return false;
            }
            self.ledger.finished = 1.0;
            return true;
        }
        self.begin_trial(1.0, significant_loss(self.known.energy, more, left));
        if !self.take_up(1, 1e-3 * tangent) {
            self.ledger.finished = 1.0;
        }
        true
    }
}
