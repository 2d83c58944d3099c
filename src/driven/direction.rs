//! Where to go from a gradient: down it, scaled, conjugate to where it was before, or quasi-Newton.

use std::collections::VecDeque;

use crate::driven::point::Point;
use crate::driven::scale::scaled_gradient;
use crate::driven::{Host, Trial};
use crate::engine::State;
use crate::error::{Error, Result};
use crate::methods::Rule;

/// What a trial remembers from one iteration to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    /// Conjugate gradients: the direction, ⟨g, z⟩ and z, the preconditioned gradient.
    conjugate: Option<(Point, f64, Point)>,
    /// Quasi-Newton: the point and the gradient there,
    last: Option<(Point, Point)>,
    /// and pairs of differences (of points, of gradients), the oldest first.
    pairs: VecDeque<(Point, Point)>,
}

impl Memory {
    pub(super) fn save(&self, state: &mut State) {
        let mut put = |name: &str, point: &Point| {
            state.put(&format!("{name}.left"), point.left.clone());
            state.put(&format!("{name}.right"), point.right.clone());
        };
        if let Some((direction, _, z)) = &self.conjugate {
            put("direction", direction);
            put("preconditioned", z);
        }
        if let Some((point, gradient)) = &self.last {
            put("last_point", point);
            put("last_gradient", gradient);
        }
        for (index, (s, y)) in self.pairs.iter().enumerate() {
            put(&format!("pair{index}.points"), s);
            put(&format!("pair{index}.gradients"), y);
        }
        state.put_counts("pairs", [self.pairs.len()]);
        state.put("slope", self.conjugate.iter().map(|(_, slope, _)| *slope).collect());
    }

    /// `sizes` are those of a point.
    pub(super) fn restored(state: &State, sizes: [usize; 2]) -> Result<Self> {
        let get = |name: &str| -> Result<Point> {
            Ok(Point {
                left: state.get(&format!("{name}.left"), sizes[0])?.to_vec(),
                right: state.get(&format!("{name}.right"), sizes[1])?.to_vec(),
            })
        };
        let slope = state.find("slope").and_then(|slope| slope.first().copied());
        let conjugate = slope.map(|slope| Ok::<_, Error>((get("direction")?, slope, get("preconditioned")?)));
        let last = state.find("last_point.left").map(|_| Ok::<_, Error>((get("last_point")?, get("last_gradient")?)));
        let pairs = (0..state.count("pairs")?)
            .map(|index| Ok((get(&format!("pair{index}.points"))?, get(&format!("pair{index}.gradients"))?)));
        Ok(Self { conjugate: conjugate.transpose()?, last: last.transpose()?, pairs: pairs.collect::<Result<_>>()? })
    }
}

impl Host<'_> {
    /// A direction of descent for each active trial that has a finite gradient other than zero.
    pub(super) fn directions(&mut self) -> Result<Vec<Option<Point>>> {
        let (rule, k, floor) = (self.method.rule, self.search_rank, self.floor());
        self.trials
            .iter_mut()
            .map(|trial| {
                let Some(fresh) = trial.fresh.as_ref().filter(|_| trial.active) else { return Ok(None) };
                if !(trial.at.is_finite() && fresh.gradient.is_finite()) || fresh.gradient.dot(&fresh.gradient) == 0.0 {
                    return Ok(None);
                }
                let down = |g: &Point| g.scaled(-1.0);
                Ok(Some(match rule {
                    Rule::QuasiNewton { memory } => quasi_newton(trial, memory),
                    Rule::Conjugate => {
                        let (z, raised) = preconditioned(trial, k, floor)?;
                        trial.raised += usize::from(raised > 0);
                        conjugate(trial, z)
                    }
                    Rule::Gradient { precondition: true } => {
                        let (z, raised) = preconditioned(trial, k, floor)?;
                        trial.raised += usize::from(raised > 0);
                        down(&z)
                    }
                    _ => down(&fresh.gradient),
                }))
            })
            .collect()
    }
}

/// g (VᵀV + λI)⁺ with the λ of the trial.
fn preconditioned(trial: &Trial, k: usize, floor: f64) -> Result<(Point, usize)> {
    let Some(fresh) = &trial.fresh else { return Ok((Point::default(), 0)) };
    let damping = trial.tuning.damping + trial.tuning.damping_factor * (2.0 * fresh.energy).sqrt();
    scaled_gradient(&fresh.gradient, &trial.at, k, damping, floor)
}

/// −z + βd with Polak and Ribière's β = ⟨g, z − z′⟩/⟨g′, z′⟩, at least 0; −z where that goes uphill.
fn conjugate(trial: &mut Trial, z: Point) -> Point {
    let Some(fresh) = &trial.fresh else { return z.scaled(-1.0) };
    let g = &fresh.gradient;
    let mut direction = z.scaled(-1.0);
    if let Some((last, before, old)) = trial.memory.conjugate.take() {
        let beta = g.dot(&z.minus(&old)) / before;
        if beta > 0.0 && beta.is_finite() {
            direction.add(beta, &last);
        }
        if g.dot(&direction) >= 0.0 {
            direction = z.scaled(-1.0);
        }
    }
    trial.memory.conjugate = Some((direction.clone(), g.dot(&z), z));
    direction
}

/// The two-loop recursion, from γI with γ = ⟨s, y⟩/⟨y, y⟩ of the last pair; pairs without positive curvature are left out.
fn quasi_newton(trial: &mut Trial, memory: usize) -> Point {
    let Some(fresh) = &trial.fresh else { return Point::default() };
    let g = &fresh.gradient;
    if let Some((point, gradient)) = trial.memory.last.take() {
        let (s, y) = (trial.at.minus(&point), g.minus(&gradient));
        if s.dot(&y) > 1e-12 * (s.dot(&s) * y.dot(&y)).sqrt() {
            trial.memory.pairs.push_back((s, y));
            if trial.memory.pairs.len() > memory {
                trial.memory.pairs.pop_front();
            }
        }
    }
    trial.memory.last = Some((trial.at.clone(), g.clone()));
    let mut q = g.clone();
    let mut alphas = Vec::new();
    for (s, y) in trial.memory.pairs.iter().rev() {
        let alpha = s.dot(&q) / s.dot(y);
        q.add(-alpha, y);
        alphas.push(alpha);
    }
    if let Some((s, y)) = trial.memory.pairs.back() {
        q = q.scaled(s.dot(y) / y.dot(y));
    }
    for ((s, y), alpha) in trial.memory.pairs.iter().zip(alphas.into_iter().rev()) {
        q.add(alpha - y.dot(&q) / s.dot(y), s);
    }
    let direction = q.scaled(-1.0);
    if direction.dot(g) < 0.0 {
        return direction;
    }
    trial.memory.pairs.clear();
    g.scaled(-1.0)
}
