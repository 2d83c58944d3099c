//! One iteration: a pass, a step, and the plan of the next iteration.

use faer::Mat;

use super::ledger::Ledger;
use super::space::{Bases, SIGNAL, Space, Triplets, joined};
use super::step::{Limits, Point, point, solve};
use crate::error::Result;
use crate::tape::{Rows, Seen, ThinRows};

/// Rows per column of the basis and row of the matrix, and rows per degree of freedom.
const ROWS_PER_COLUMN: f64 = 4.0;
const ROWS_PER_FREEDOM: f64 = 1.8;
/// Measurements per degree of freedom from which a rank is determined.
const DETERMINED: f64 = 1.1;
/// Factor on the edge of the noise from which the first eigenvalue is the start.
const START: f64 = 1.5;
/// Growth of the rows where nothing else is left to do.
const JUMP: f64 = 4.0;
/// Ratio of residuals above which a step made no progress.
const FLAT: f64 = 1.2;
/// Change of Z, as a share of its statistical error, below which it is settled; the second one where rows can be added.
const SETTLED: f64 = 0.1;
const SETTLED_FEW: f64 = 0.5;
/// Rows per column, and row of the matrix, from which no last probe is needed.
const PROBE: f64 = 3.0;
/// Factor on the least residual within which held-out rows confirm a point.
const CONFIRMED: f64 = 10.0;

/// Singular values that rounding makes, over the least residual.
const GRAIN: f64 = 10.0;

/// Rules of the iteration, the same for every trial.
pub(super) struct Rules {
    pub(super) space: Space,
    /// Columns of the registers.
    pub(super) columns: usize,
    /// Degrees of freedom by rank.
    pub(super) freedom: Vec<usize>,
    /// Share of ‖y‖ below which a residual is zero.
    pub(super) zero: f64,
}

/// An iteration of one trial.
pub(super) struct Turn<'a> {
    pub(super) rules: &'a Rules,
    pub(super) rows: &'a dyn Rows,
    pub(super) ledger: Ledger,
    /// Total weight of all rows.
    pub(super) measurements: f64,
    /// Most columns.
    pub(super) most: usize,
    /// √(s·m), which turns residuals into the units of Z.
    pub(super) unit: f64,
}

/// The state after an iteration.
pub(super) struct Next {
    pub(super) point: Triplets,
    pub(super) bases: Bases,
    pub(super) ledger: Ledger,
}

/// What the plan of the next iteration knows: T = Z − s·(m/m′)·G, the weight m′ of its rows, and their residual.
struct Estimate {
    t: Mat<f64>,
    weight: f64,
    residual: f64,
}

impl<'a> Turn<'a> {
    pub(super) fn run(mut self, at: Triplets, bases: Bases) -> Result<Next> {
        if !self.ledger.started {
            let estimate = self.start()?;
            let none = Triplets::none(self.rules.space);
            return self.plan(none, &estimate);
        }
        let Some((seen, thin)) = self.look(&at, &bases)? else {
            let size = self.grain();
            let large: Vec<usize> = (0..at.count()).filter(|j| at.values[*j].abs() > size).collect();
            let point = at.at(&large);
            self.ledger.finished = true;
            (self.ledger.rank, self.ledger.positive) = (point.count(), point.positive());
            return Ok(Next { point, bases, ledger: self.ledger });
        };
        let estimate = self.estimate(&at, &seen);
        let Point { found, completion, left, is_open } = self.step(&at, &bases, &seen, &*thin)?;
        let same = found.count() == at.count() && !is_open;
        self.ledger.change = if same { distance(&found, &at) } else { f64::INFINITY };
        self.ledger.completion = if same { completion } else { f64::INFINITY };
        self.ledger.left = left * self.unit;
        self.ledger.error = (self.freedom(found.count()) / seen.weight).sqrt() * self.ledger.left;
        self.plan(found, &estimate)
    }

    fn freedom(&self, rank: usize) -> f64 {
        let freedom = &self.rules.freedom;
        freedom.get(rank).or(freedom.last()).map_or(1.0, |count| *count as f64)
    }

    /// Size of singular values that rounding makes.
    fn grain(&self) -> f64 {
        GRAIN * self.rules.zero * self.ledger.size
    }

    /// The least number of shards with that many rows.
    fn shards_of(&self, rows: f64) -> usize {
        let mut sum = 0.0;
        let enough = |weight: &f64| {
            sum += weight;
            sum >= rows
        };
        let weights = self.rows.weights();
        weights.iter().position(enough).map_or(weights.len(), |last| last + 1)
    }

    fn estimate(&self, at: &Triplets, seen: &Seen) -> Estimate {
        let scale = self.unit * self.unit / seen.weight;
        let residual = (seen.energy / seen.weight).sqrt() * self.unit;
        let (left, right) = at.ends();
        let t = left * right.transpose() - &seen.gradient * scale;
        let t = if self.rules.space.is_symmetric() { (&t + t.transpose()) * 0.5 } else { t };
        Estimate { t, weight: seen.weight, residual }
    }

    /// The spectrum of A*(y) on few rows, and on more of them until its first value leaves the noise.
    fn start(&mut self) -> Result<Estimate> {
        let (space, all) = (self.rules.space, self.rows.weights().len());
        let (none, (n1, n2)) = (Triplets::none(space), space.shape());
        let mut sum = Seen::new(Mat::zeros(n1, n2), 0.0, 0.0);
        let (mut from, mut to) = (0, self.shards_of(2.0 * space.size()));
        loop {
            let seen = self.rows.pass(from..to, none.left.as_ref(), none.right.as_ref())?;
            self.ledger.read += seen.weight;
            sum = Seen::new(sum.gradient + seen.gradient, sum.energy + seen.energy, sum.weight + seen.weight);
            let estimate = self.estimate(&none, &sum);
            let first = space.first(&estimate.t)?;
            if first >= START * space.edge(0, estimate.weight, estimate.residual) || to == all {
                self.ledger.started = true;
                self.ledger.size = estimate.residual;
                (self.ledger.change, self.ledger.completion) = (f64::INFINITY, f64::INFINITY);
                // Nothing to recover where all observations are zero.
                self.ledger.finished = estimate.residual == 0.0;
                return Ok(estimate);
            }
            (from, to) = (to, self.shards_of(2.0 * sum.weight).max(to + 1).min(all));
        }
    }

    /// The pass at Z over the rows in use, with their thin rows; `None` where the residual is zero on all rows.
    fn look(&mut self, at: &Triplets, bases: &Bases) -> Result<Option<(Seen, Box<dyn ThinRows + 'a>)>> {
        let all = self.rows.weights().len();
        let (left, right) = at.ends();
        let (ends, bases) = ((left.as_ref(), right.as_ref()), (bases.left.as_ref(), bases.right.as_ref()));
        let zero = self.rules.zero * self.ledger.size;
        let residual = |seen: &Seen, unit: f64| (seen.energy / seen.weight.max(1.0)).sqrt() * unit;
        // Where the last step left nothing, no thin rows are expected to be needed. No step precedes the first pass.
        let mut confirms = self.ledger.rank > 0 && self.ledger.left <= zero;
        loop {
            let shards = 0..self.ledger.shards;
            let (seen, thin) = match confirms {
                true => (self.rows.pass(shards, ends.0, ends.1)?, None),
                false => self.rows.pass_and_thin(shards, ends, bases).map(|(seen, thin)| (seen, Some(thin)))?,
            };
            self.ledger.read += seen.weight;
            if residual(&seen, self.unit) > zero {
                match thin {
                    Some(thin) => return Ok(Some((seen, thin))),
                    None => confirms = false,
                }
                continue;
            }
            if self.ledger.shards == all {
                return Ok(None);
            }
            let others = self.rows.pass(self.ledger.shards..all, ends.0, ends.1)?;
            self.ledger.read += others.weight;
            if residual(&others, self.unit) <= CONFIRMED * zero {
                return Ok(None);
            }
            (self.ledger.shards, confirms) = (all, false);
        }
    }

    /// The step, without the probe columns where they are not kept.
    fn step(&self, at: &Triplets, bases: &Bases, seen: &Seen, thin: &dyn ThinRows) -> Result<Point> {
        let (space, sure) = (self.rules.space, self.ledger.sure);
        let error = (seen.energy / seen.weight).sqrt() * self.unit / self.ledger.size;
        let with = |bases: &Bases| {
            let solved = solve(space, thin, bases, seen, error)?;
            let (weight, freedom, unit) = (seen.weight, self.freedom(bases.columns()), self.unit);
            point(space, at, bases, &solved, &Limits { sure, weight, freedom, unit })
        };
        let found = with(bases)?;
        let probed = sure > 0 && sure < bases.columns();
        if probed && found.found.count() <= sure { with(&bases.first(sure)) } else { Ok(found) }
    }

    /// Decides about the columns and the rows of the next iteration, or ends.
    fn plan(mut self, point: Triplets, estimate: &Estimate) -> Result<Next> {
        let (space, rank) = (self.rules.space, point.count());
        let all = self.rows.weights().len();
        let none = Triplets::none(space);
        let candidates = space.leading(&Bases::of(space, &point, &none).beyond(&estimate.t))?;
        let room = |rank: usize| rank < self.most && self.freedom(rank + 1) * DETERMINED <= self.measurements;
        let cap = (rank..self.most).take_while(|rank| room(*rank)).count();
        let threshold = (SIGNAL * space.edge(rank, estimate.weight, estimate.residual)).max(self.grain());
        let signs = [point.positive(), rank - point.positive()];
        let order = space.chosen(&candidates.values, signs, |count, _| count < cap);
        let signal = |at: &&usize| space.signal(candidates.values[**at]) > threshold;
        let new = order.iter().take_while(signal).count().max(usize::from(rank == 0)).min(order.len());
        let mut probes = 1;
        if new == 0 && estimate.residual <= FLAT * self.ledger.left {
            let ledger = &self.ledger;
            let settled = ledger.completion <= SETTLED * ledger.error || ledger.change <= SETTLED * ledger.error;
            let whole = ledger.shards == all;
            if whole && settled {
                let determined = self.measurements >= PROBE * space.size() * (rank + 1) as f64;
                self.ledger.finished = determined || ledger.probed == rank + 1 || order.is_empty();
                self.ledger.probed = rank + 1;
            } else if whole {
                probes = 0;
            } else if settled || ledger.change <= SETTLED_FEW * ledger.error {
                self.ledger.shards = self.shards_of(JUMP * estimate.weight);
                probes = 0;
            }
        }
        let sure = rank + new;
        let columns = sure + probes.min(order.len() - new);
        let bases = Bases::of(space, &point, &candidates.at(&order[..columns - rank]));
        let wanted = (ROWS_PER_COLUMN * space.size() * sure as f64).max(ROWS_PER_FREEDOM * self.freedom(columns));
        self.ledger.shards = self.ledger.shards.max(self.shards_of(wanted.min(self.measurements)));
        (self.ledger.sure, self.ledger.columns) = (sure, columns);
        (self.ledger.rank, self.ledger.positive) = (rank, point.positive());
        Ok(Next { point, bases, ledger: self.ledger })
    }
}

/// ‖Z − Z′‖_F.
fn distance(a: &Triplets, b: &Triplets) -> f64 {
    let (left, right) = (joined(a.left.as_ref(), b.left.as_ref()), joined(a.right.as_ref(), b.right.as_ref()));
    let of = |triplets: &Triplets| {
        let (scaled, unit) = triplets.ends();
        (left.transpose() * scaled) * (right.transpose() * unit).transpose()
    };
    (of(a) - of(b)).norm_l2()
}
