//! How far to go along directions: a constant, Armijo's rule, or to the least of the quartic.

use crate::driven::point::Point;
use crate::driven::quartic::Quartic;
use crate::driven::{Fresh, Host};
use crate::error::Result;
use crate::methods::StepRule;

/// Armijo: the share of the decrease that the slope promises which has to come.
const SUFFICIENT: f64 = 1e-4;
/// Halvings at most.
const HALVINGS: usize = 60;

/// bᵢ and aᵢ of a trial.
type Line = (Vec<f64>, Vec<f64>);

impl Host<'_> {
    /// For each trial with a direction: bᵢ and aᵢ of A(…) = … + t·b + t²·a along it.
    fn along(&mut self, directions: &[Option<Point>]) -> Result<Vec<Option<Line>>> {
        let (lanes, m) = (self.lanes, self.operator.measurements());
        let symmetric = self.shape().is_symmetric();
        let mut points: Vec<Option<Point>> = vec![None; directions.len() * lanes];
        for (trial, direction) in directions.iter().enumerate() {
            let (Some(d), at) = (direction, &self.trials[trial].at) else { continue };
            let slot = trial * lanes;
            let pair = |left: Vec<f64>, right: Vec<f64>| Some(Point { left, right });
            if symmetric {
                let ds = self.signed(&d.left);
                points[slot + 1] = pair(ds.iter().map(|v| 2.0 * v).collect(), at.left.clone());
                points[slot + 2] = pair(ds, d.left.clone());
            } else {
                points[slot + 1] = pair(at.left.clone(), d.right.clone());
                points[slot + 2] = pair(d.left.clone(), at.right.clone());
                points[slot + 3] = pair(d.left.clone(), d.right.clone());
            }
        }
        let nothing = vec![None; points.len()];
        let found = self.evaluate_pairs(&points, &nothing, false)?.residual;
        let lane =
            |trial: usize, lane: usize| found[(trial * lanes + lane) * m..(trial * lanes + lane + 1) * m].to_vec();
        let lines = (0..directions.len()).map(|trial| {
            directions[trial].as_ref()?;
            if symmetric {
                return Some((lane(trial, 1), lane(trial, 2)));
            }
            let mut b = lane(trial, 1);
            b.iter_mut().zip(lane(trial, 2)).for_each(|(b, other)| *b += other);
            Some((b, lane(trial, 3)))
        });
        Ok(lines.collect())
    }

    /// The exact step of each trial along its direction.
    fn exact(&mut self, directions: &[Option<Point>]) -> Result<Vec<f64>> {
        let lines = self.along(directions)?;
        let mut steps = vec![0.0; directions.len()];
        for (trial, (line, d)) in lines.iter().zip(directions).enumerate() {
            let (Some((b, a)), Some(d), Some(fresh)) = (line, d, &self.trials[trial].fresh) else { continue };
            let e = &fresh.residual;
            let (me, mb, ma) = (self.mean(trial, e), self.mean(trial, b), self.mean(trial, a));
            let weights = &self.trials[trial].weights;
            let used = (0..e.len()).filter(|&i| weights[i] != 0.0);
            let quartic = Quartic::of(self.share(), used.map(|i| (weights[i], e[i] - me, b[i] - mb, a[i] - ma)));
            let (ridge, at) = (self.ridge(trial), &self.trials[trial].at);
            let shrinking = [0.5 * at.dot(at), at.dot(d), 0.5 * d.dot(d)].map(|v| ridge * v);
            steps[trial] = quartic.plus(shrinking).least();
        }
        Ok(steps)
    }

    /// Moves by Armijo's rule; trials that nothing is found for stay.
    fn armijo(&mut self, directions: &[Option<Point>]) -> Result<()> {
        let mut waiting: Vec<Option<f64>> = (directions.iter().zip(&self.trials))
            .map(|(d, trial)| d.as_ref().map(|_| trial.accepted.map_or(trial.step, |t| 2.0 * t)))
            .collect();
        for _ in 0..HALVINGS {
            if waiting.iter().all(Option::is_none) {
                break;
            }
            let points: Vec<Option<Point>> = (waiting.iter().zip(directions))
                .zip(&self.trials)
                .map(|((t, d), trial)| {
                    let mut point = trial.at.clone();
                    point.add((*t)?, d.as_ref()?);
                    Some(point)
                })
                .collect();
            let found = self.fresh_at(&points)?;
            for (trial, (fresh, point)) in found.into_iter().zip(points).enumerate() {
                let (Some(fresh), Some(point), Some(t), Some(d)) = (fresh, point, waiting[trial], &directions[trial])
                else {
                    continue;
                };
                let Some(old) = &self.trials[trial].fresh else { continue };
                let value =
                    |fresh: &Fresh, at: &Point| self.share() * fresh.energy + 0.5 * self.ridge(trial) * at.dot(at);
                let (before, after) = (value(old, &self.trials[trial].at), value(&fresh, &point));
                if after <= before + SUFFICIENT * t * old.gradient.dot(d) {
                    let state = &mut self.trials[trial];
                    (state.at, state.fresh, state.accepted) = (point, Some(fresh), Some(t));
                    waiting[trial] = None;
                } else {
                    waiting[trial] = Some(0.5 * t);
                }
            }
        }
        Ok(())
    }

    /// Moves the trials along their directions by the rule for steps.
    pub(super) fn move_along(&mut self, directions: &[Option<Point>]) -> Result<()> {
        let steps = match self.method.step {
            StepRule::Armijo => return self.armijo(directions),
            StepRule::Exact => self.exact(directions)?,
            StepRule::Constant => {
                self.trials.iter().map(|t| t.step * t.tuning.decay.powi(self.iteration as i32)).collect()
            }
        };
        for ((trial, direction), step) in self.trials.iter_mut().zip(directions).zip(steps) {
            if let Some(direction) = direction {
                trial.at.add(step, direction);
                trial.fresh = None;
            }
        }
        Ok(())
    }
}
