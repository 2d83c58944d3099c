//! One iteration: a pass, a step, and the plan of the next iteration.

use faer::{Mat, MatRef};

use super::ledger::Ledger;
use super::spectrum::{SIGNAL, beyond, edge, eigen, joined};
use super::step::{Limits, Point, point, solve};
use crate::error::Result;
use crate::tape::{Rows, Seen};

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

/// Rules of the iteration, the same for every trial.
pub(super) struct Rules {
    pub(super) n: usize,
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
    pub(super) u: Mat<f64>,
    pub(super) basis: Mat<f64>,
    pub(super) ledger: Ledger,
}

/// What the plan of the next iteration knows: T = Z − s·(m/m′)·G, the weight m′ of its rows, and their residual.
struct Estimate {
    t: Mat<f64>,
    weight: f64,
    residual: f64,
}

impl Turn<'_> {
    pub(super) fn run(mut self, u: Mat<f64>, basis: Mat<f64>) -> Result<Next> {
        if !self.ledger.started {
            let estimate = self.start()?;
            let none = Mat::zeros(self.rules.n, 0);
            return self.plan(none, &estimate);
        }
        let Some(seen) = self.look(u.as_ref())? else {
            self.ledger.finished = true;
            return Ok(Next { u, basis, ledger: self.ledger });
        };
        let estimate = self.estimate(u.as_ref(), &seen);
        let found = self.step(u.as_ref(), basis.as_ref(), &seen)?;
        let before = self.ledger.rank;
        self.ledger.change = distance(found.u.as_ref(), u.as_ref());
        self.ledger.completion = found.completion;
        self.ledger.left = found.left * self.unit;
        self.ledger.rank = found.kept;
        self.ledger.error = (self.freedom(found.kept) / seen.weight).sqrt() * self.ledger.left;
        if found.kept != before {
            (self.ledger.change, self.ledger.completion) = (f64::INFINITY, f64::INFINITY);
        }
        self.plan(found.u, &estimate)
    }

    fn freedom(&self, rank: usize) -> f64 {
        let freedom = &self.rules.freedom;
        freedom.get(rank).or(freedom.last()).map_or(1.0, |count| *count as f64)
    }

    fn weight(&self, shards: usize) -> f64 {
        self.rows.weights()[..shards].iter().sum()
    }

    /// The least number of shards with that many rows.
    fn shards_of(&self, rows: f64) -> usize {
        let all = self.rows.weights().len();
        (1..=all).find(|shards| self.weight(*shards) >= rows).unwrap_or(all)
    }

    fn estimate(&self, u: MatRef<'_, f64>, seen: &Seen) -> Estimate {
        let scale = self.unit * self.unit / seen.weight;
        let residual = (seen.energy / seen.weight).sqrt() * self.unit;
        let t = u * u.transpose() - &seen.gradient * scale;
        Estimate { t: (&t + t.transpose()) * 0.5, weight: seen.weight, residual }
    }

    /// The spectrum of A*(y) on few rows, and on more of them until its first eigenvalue leaves the noise.
    fn start(&mut self) -> Result<Estimate> {
        let (n, all) = (self.rules.n, self.rows.weights().len());
        let none = Mat::zeros(n, 0);
        let mut sum = Seen::new(Mat::zeros(n, n), 0.0, 0.0);
        let (mut from, mut to) = (0, self.shards_of(2.0 * n as f64));
        loop {
            let seen = self.rows.pass(from..to, none.as_ref(), none.as_ref())?;
            self.ledger.read += seen.weight;
            sum = Seen::new(sum.gradient + seen.gradient, sum.energy + seen.energy, sum.weight + seen.weight);
            let estimate = self.estimate(none.as_ref(), &sum);
            let first = eigen(estimate.t.as_ref())?.0[0];
            if first >= START * edge(n, estimate.weight, estimate.residual) || to == all {
                self.ledger.started = true;
                self.ledger.size = estimate.residual;
                (self.ledger.change, self.ledger.completion) = (f64::INFINITY, f64::INFINITY);
                // Nothing to recover where all observations are zero.
                self.ledger.finished = estimate.residual == 0.0;
                return Ok(estimate);
            }
            (from, to) = (to, self.shards_of(2.0 * self.weight(to)).max(to + 1).min(all));
        }
    }

    /// The pass at Z over the rows in use; `None` where the residual is zero on all rows.
    fn look(&mut self, u: MatRef<'_, f64>) -> Result<Option<Seen>> {
        let all = self.rows.weights().len();
        loop {
            let shards = self.ledger.shards;
            let seen = self.rows.pass(0..shards, u, u)?;
            self.ledger.read += seen.weight;
            let zero = self.rules.zero * self.ledger.size;
            let residual = |seen: &Seen| (seen.energy / seen.weight.max(1.0)).sqrt() * self.unit;
            if residual(&seen) > zero {
                return Ok(Some(seen));
            }
            if shards == all {
                return Ok(None);
            }
            let others = self.rows.pass(shards..all, u, u)?;
            self.ledger.read += others.weight;
            if residual(&others) <= CONFIRMED * zero {
                return Ok(None);
            }
            self.ledger.shards = all;
        }
    }

    /// The step, without the probe columns where they are not kept.
    fn step(&self, u: MatRef<'_, f64>, basis: MatRef<'_, f64>, seen: &Seen) -> Result<Point> {
        let sure = self.ledger.sure;
        let thin = self.rows.thin(0..self.ledger.shards, basis)?;
        let with = |columns: usize| {
            let basis = basis.subcols(0, columns);
            let solved = solve(&*thin, basis, seen)?;
            let (weight, freedom, unit) = (seen.weight, self.freedom(columns), self.unit);
            point(u, basis, &solved, &Limits { sure, weight, freedom, unit })
        };
        let found = with(basis.ncols())?;
        if found.kept > sure || sure == basis.ncols() || sure == 0 { Ok(found) } else { with(sure) }
    }

    /// Decides about the columns and the rows of the next iteration, or ends.
    fn plan(mut self, u: Mat<f64>, estimate: &Estimate) -> Result<Next> {
        let (n, rank) = (self.rules.n, u.ncols());
        let all = self.rows.weights().len();
        let orthonormal = joined(u.as_ref(), Mat::zeros(n, 0).as_ref());
        let (values, vectors) = eigen(beyond(&estimate.t, &orthonormal).as_ref())?;
        let room = |rank: usize| rank < self.most && self.freedom(rank + 1) * DETERMINED <= self.measurements;
        let cap = (rank..self.most).take_while(|rank| room(*rank)).count() + rank;
        let threshold = SIGNAL * edge((n - rank).max(1), estimate.weight, estimate.residual);
        let mut new = values.iter().take_while(|value| **value > threshold).count();
        if rank == 0 {
            new = new.max(1);
        }
        new = new.min(cap - rank);
        let ledger = &mut self.ledger;
        let mut probes = 1;
        if new == 0 && estimate.residual <= FLAT * ledger.left {
            let settled = ledger.completion <= SETTLED * ledger.error || ledger.change <= SETTLED * ledger.error;
            let whole = ledger.shards == all;
            if whole && settled {
                let determined = self.measurements >= PROBE * (n * (rank + 1)) as f64;
                if determined || ledger.probed == rank + 1 || cap == rank {
                    ledger.finished = true;
                }
                ledger.probed = rank + 1;
            } else if whole {
                probes = 0;
            } else if settled || ledger.change <= SETTLED_FEW * ledger.error {
                let rows = JUMP * self.rows.weights()[..ledger.shards].iter().sum::<f64>();
                ledger.shards = (1..=all)
                    .find(|shards| self.rows.weights()[..*shards].iter().sum::<f64>() >= rows)
                    .unwrap_or(all);
                probes = 0;
            }
        }
        let sure = rank + new;
        let columns = sure + probes.min(cap - sure);
        let basis = joined(orthonormal.as_ref(), vectors.subcols(0, columns - rank));
        let wanted = (ROWS_PER_COLUMN * (n * sure) as f64).max(ROWS_PER_FREEDOM * self.freedom(columns));
        self.ledger.shards = self.ledger.shards.max(self.shards_of(wanted.min(self.measurements)));
        (self.ledger.sure, self.ledger.columns) = (sure, columns);
        Ok(Next { u, basis, ledger: self.ledger })
    }
}

/// ‖UUᵀ − VVᵀ‖_F.
fn distance(u: MatRef<'_, f64>, v: MatRef<'_, f64>) -> f64 {
    let basis = joined(u, v);
    let (a, b) = (basis.transpose() * u, basis.transpose() * v);
    (&a * a.transpose() - &b * b.transpose()).norm_l2()
}
