//! A proxy for the phases where there is no truth, from the spectrum of U and the loss alone.
//!
//! Near its target a direction grows as σ ← σ·(1 + μ(λ − σ²)). Its growth per iteration over μσ² gives the distance
//! left, whatever the step size: ρ/(μσ²) = λ/σ² − 1.
//!
//! Agreement with the true times, on n = 40 and 60, κ(X) = 1 and 2, k = r*, 2r* and n, α = 1e-3 and 1e-6, and with
//! noise of 0.1 on y, observed at every iteration: the proxy gave a t_1 in 130 runs and none in 2 noisy ones. That t_1
//! was the true one or one iteration early. Recognising the phase takes 10 (κ = 1) to 40 (κ = 2) further iterations.
//! Its t_* was within 4 iterations where there was one, which is at κ = 1 and k > r* only. Once less than [`FELL`] of
//! the loss is left, it does not see directions that the run has not reached or has no columns for.

use serde::{Deserialize, Serialize};

use crate::diagnostics::phases::Phase;

/// Ratio σ_g/σ_{g+1} from which the first g directions count as a group.
pub const GAP: f64 = 5.0;
/// Least growth of a direction of the group since the start, as a factor: a large start shows no phases.
pub const GROWN: f64 = 10.0;
/// Share of the loss whose fall rules out alignment of a group that has not separated yet.
pub const SPENT: f64 = 0.05;
/// Share of the initial loss below which refinement can be local.
pub const FELL: f64 = 0.05;
/// Largest |ρ|/(μσ²) at which a direction of the group stands still: σ² is within a tenth of its target.
pub const STILL: f64 = 0.1;
/// Largest ρ/(μσ_g²) at which a direction outside the group stays outside.
pub const QUIET: f64 = 0.05;
/// Factor by which a maximum of a singular value must exceed the last recorded one.
const RECORDED: f64 = 1.01;
/// Smallest singular value that is followed, in units of the rounding of the largest.
const FOLLOWED: f64 = 10.0;

/// Proxy times in place of [`crate::diagnostics::Phases`]; null where the proxy has no answer, with the reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PhaseProxy {
    /// First observation with σ_g ≥ 5σ_{g+1} and σ_g ≥ 10 times its start, while the loss is still ≥ 0.95 f(0).
    pub t_star: Option<usize>,
    /// First observation with σ_g(U_t) ≥ σ_g(U_T)/√10, where T is the last observation.
    pub t_1: Option<usize>,
    /// Observation at which local refinement was recognised. From then on t_1 is known in hindsight.
    pub recognised_at: Option<usize>,
    /// Number g of directions in the leading group.
    pub group: Option<usize>,
    /// Reasons for the times that are null.
    pub reasons: Vec<String>,
}

impl PhaseProxy {
    /// Phase of an iteration where t_1 is known: III from t_1 on, I and II around t_* before it, nothing where t_* is
    /// null.
    pub fn phase(&self, iteration: usize) -> Option<Phase> {
        match (self.t_star, self.t_1?) {
            (_, one) if iteration >= one => Some(Phase::Refinement),
            (Some(star), _) if iteration >= star => Some(Phase::SaddleAvoidance),
            (Some(_), _) => Some(Phase::Alignment),
            (None, _) => None,
        }
    }
}

/// Clock of the phase proxy of one run. Observations come in order.
///
/// The leading group at an observation is the g with the largest σ_g/σ_{g+1} ≥ [`GAP`] among [`GROWN`] directions, or
/// all k where all of them have grown. Local refinement is recognised where the loss is below [`FELL`]·f(0), each
/// direction of the group is [`STILL`] and each other one is [`QUIET`]. It is forgotten when the group changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProxyClock {
    step_size: f64,
    /// Singular values below this share of the largest are rounding errors.
    resolution: f64,
    start: Option<Observation>,
    last: Option<Observation>,
    /// Maxima of each σ_i with their iterations.
    records: Vec<Vec<(usize, f64)>>,
    /// Time at which the first i + 1 directions became an aligned group.
    separated: Vec<Option<usize>>,
    /// Observation and size of the recognised group.
    recognised: Option<(usize, usize)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Observation {
    iteration: usize,
    loss: f64,
    sigma: Vec<f64>,
}

impl ProxyClock {
    /// A proxy clock for step size μ and singular values resolved to `resolution` of the largest.
    pub fn new(step_size: f64, resolution: f64) -> Self {
        Self {
            step_size,
            resolution,
            start: None,
            last: None,
            records: Vec::new(),
            separated: Vec::new(),
            recognised: None,
        }
    }

    /// Whether one run can have led to this clock by `iteration`; clocks are also read from files.
    pub(crate) fn is_within(&self, iteration: usize) -> bool {
        let (Some(start), Some(last)) = (&self.start, &self.last) else {
            return self.start.is_none() && self.last.is_none() && self.recognised.is_none();
        };
        let width = start.sigma.len();
        let lengths = [last.sigma.len(), self.records.len(), self.separated.len()];
        let group = self.recognised.is_none_or(|(_, g)| (1..=width).contains(&g));
        lengths.iter().all(|length| *length == width) && group && start.iteration.max(last.iteration) <= iteration
    }

    /// Takes in the loss and the singular values of U (largest first) and returns the apparent phase, without
    /// hindsight.
    pub fn observe(&mut self, iteration: usize, loss: f64, singular_values: &[f64]) -> Option<Phase> {
        let now = Observation { iteration, loss, sigma: singular_values.to_vec() };
        let Some(start) = self.start.as_ref().filter(|start| start.sigma.len() == now.sigma.len()) else {
            self.records = now.sigma.iter().map(|&s| vec![(iteration, s)]).collect();
            self.separated = vec![None; now.sigma.len()];
            self.start = Some(now.clone());
            self.last = Some(now);
            return Some(Phase::Alignment);
        };
        for (record, &s) in self.records.iter_mut().zip(&now.sigma) {
            if record.last().is_none_or(|&(_, before)| s >= RECORDED * before) {
                record.push((iteration, s));
            }
        }
        let whole = loss >= (1.0 - SPENT) * start.loss;
        for g in 1..now.sigma.len() {
            if whole && self.separated[g - 1].is_none() && self.gap(start, &now, g).is_some() {
                self.separated[g - 1] = Some(iteration);
            }
        }
        let group = self.group(start, &now);
        let local = group.filter(|&g| loss <= FELL * start.loss && self.settled(&now, g));
        match (local, self.recognised, group) {
            (Some(g), None, _) => self.recognised = Some((iteration, g)),
            (Some(g), Some((_, before)), _) if g != before => self.recognised = Some((iteration, g)),
            (None, Some((_, before)), g) if g != Some(before) => self.recognised = None,
            _ => {}
        }
        self.last = Some(now);
        if self.recognised.is_some() {
            return Some(Phase::Refinement);
        }
        let aligned = group.is_some_and(|g| self.separated[g - 1].is_some());
        match (aligned, whole) {
            (true, _) => Some(Phase::SaddleAvoidance),
            (false, true) => Some(Phase::Alignment),
            (false, false) => None,
        }
    }

    /// Ratio σ_g/σ_{g+1} where it is a gap below grown directions.
    fn gap(&self, start: &Observation, now: &Observation, g: usize) -> Option<f64> {
        let (inside, outside) = (now.sigma[g - 1], now.sigma[g].max(self.resolution * now.sigma[0]));
        let ratio = inside / outside;
        (inside > 0.0 && inside >= GROWN * start.sigma[g - 1] && ratio >= GAP).then_some(ratio)
    }

    fn group(&self, start: &Observation, now: &Observation) -> Option<usize> {
        let gaps = (1..now.sigma.len()).filter_map(|g| Some((g, self.gap(start, now, g)?)));
        let widest = gaps.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(g, _)| g);
        let all = || now.sigma.iter().zip(&start.sigma).all(|(s, before)| *s > 0.0 && *s >= GROWN * before);
        widest.or_else(|| all().then_some(now.sigma.len()).filter(|k| *k > 0))
    }

    /// Whether the group stands still and nothing grows into it.
    fn settled(&self, now: &Observation, g: usize) -> bool {
        let Some(last) = &self.last else { return false };
        let steps = (now.iteration - last.iteration).max(1) as f64;
        let scaled = |i: usize, size: f64| {
            let (s, before) = (now.sigma[i], last.sigma[i]);
            if s > 0.0 && before > 0.0 { (s / before).ln() / steps / (self.step_size * size * size) } else { 0.0 }
        };
        let floor = FOLLOWED * self.resolution * now.sigma[0];
        (0..g).all(|i| scaled(i, now.sigma[i]).abs() <= STILL)
            && (g..now.sigma.len()).all(|i| now.sigma[i] <= floor || scaled(i, now.sigma[g - 1]) <= QUIET)
    }

    /// The proxy times so far, with reasons for those that are null.
    pub fn finish(&self) -> PhaseProxy {
        let mut proxy = PhaseProxy::default();
        let (Some((at, g)), Some(last)) = (self.recognised, &self.last) else {
            let why = "no leading group of singular values grew, then stayed constant with a small loss";
            proxy.reasons.push(format!("t_1 (proxy): local refinement was not recognised in this run: {why}"));
            proxy.reasons.push("t_star (proxy): it needs t_1".into());
            return proxy;
        };
        let level = last.sigma[g - 1] / 10f64.sqrt();
        proxy.t_1 = self.records[g - 1].iter().find(|(_, s)| *s >= level).map(|(t, _)| *t);
        proxy.t_star = self.separated[g - 1].filter(|star| proxy.t_1.is_none_or(|one| *star <= one));
        (proxy.recognised_at, proxy.group) = (Some(at), Some(g));
        if proxy.t_star.is_none() {
            proxy.reasons.push(if g == last.sigma.len() {
                format!("t_star (proxy): all {g} columns grew, so there is no surplus column to separate from")
            } else {
                format!("t_star (proxy): the loss began to fall before the {g} directions separated as a group")
            });
        }
        proxy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directions that follow σ ← σ(1 + μ(λ − σ²)) from 1e-4, and a surplus that grows more slowly and then stops.
    fn run(targets: &[f64], iterations: usize) -> (Vec<Option<Phase>>, PhaseProxy, usize) {
        let mu = 0.25;
        let mut sigma = vec![1e-4; targets.len()];
        let mut clock = ProxyClock::new(mu, 1e-15);
        let (mut seen, mut grown) = (Vec::new(), usize::MAX);
        for t in 0..=iterations {
            let left: f64 = targets.iter().zip(&sigma).map(|(l, s)| (l - s * s).powi(2)).sum();
            let surplus = 1e-4 * 1.05_f64.powi(t.min(60) as i32);
            let mut all: Vec<f64> = sigma.iter().copied().chain([surplus, 0.9 * surplus]).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            seen.push(clock.observe(t, left, &all));
            let weakest = targets.len() - 1;
            if sigma[weakest].powi(2) >= targets[weakest] / 10.0 {
                grown = grown.min(t);
            }
            sigma.iter_mut().zip(targets).for_each(|(s, l)| *s *= 1.0 + mu * (l - *s * *s));
        }
        (seen, clock.finish(), grown)
    }

    #[test]
    fn a_group_that_grows_together_passes_through_the_three_phases() {
        let (seen, proxy, grown) = run(&[1.0, 1.0], 120);
        assert_eq!((proxy.group, proxy.t_1), (Some(2), Some(grown)), "{proxy:?}");
        let (star, at) = (proxy.t_star.unwrap(), proxy.recognised_at.unwrap());
        assert!(star > 5 && star < grown && at > grown && at < grown + 30, "{proxy:?}");
        assert_eq!((seen[0], seen[grown], seen[at]), {
            (Some(Phase::Alignment), Some(Phase::SaddleAvoidance), Some(Phase::Refinement))
        });
        assert_eq!([star - 1, star, grown].map(|t| proxy.phase(t).unwrap().numeral()), ["I", "II", "III"]);
    }

    #[test]
    fn a_plateau_is_not_the_end_and_an_unfinished_run_says_so() {
        // The second direction takes ten times as long, and its share of the loss is below `FELL`.
        let (seen, proxy, grown) = run(&[1.0, 0.1], 600);
        assert_eq!((proxy.group, proxy.t_1), (Some(2), Some(grown)), "{proxy:?}");
        assert!(proxy.recognised_at.unwrap() > grown && seen[..grown].iter().all(|p| *p != Some(Phase::Refinement)));
        assert!(proxy.t_star.is_none() && proxy.reasons[0].starts_with("t_star"), "{proxy:?}");
        assert_eq!((proxy.phase(grown - 1), proxy.phase(grown)), (None, Some(Phase::Refinement)));
        let (_, short, _) = run(&[1.0, 0.1], 100);
        assert_eq!((short.t_1, short.t_star, short.reasons.len()), (None, None, 2));
    }

    #[test]
    fn a_large_start_is_met_with_silence() {
        let mut clock = ProxyClock::new(0.25, 1e-15);
        for t in 0..50 {
            let s = 1.0 - 0.5 * 0.8_f64.powi(t);
            clock.observe(t as usize, (1.0 - s * s).powi(2), &[s, 0.01]);
        }
        assert_eq!(clock.finish().t_1, None);
    }
}
