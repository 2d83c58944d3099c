//! Whole runs: compared with the reference up to rounding, repeated, and compared with the truth.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::soak::{SoakOutcome, draw};
use lowrank::Backend;
use lowrank::Error;
use lowrank::engine::Precision;
use lowrank::internals::laws::Place;
use lowrank::internals::normal;
use lowrank::internals::operators::REGISTRY;
use lowrank::methods::{Method, StepSize};
use lowrank::models::Model;
use lowrank::operators::{Loss, Operator, Storage};
use lowrank::problem::{Domain, Factors};
use lowrank::solver::{Init, Problem, Settings, Solution, Solver, Status, Stop};

/// Returns whether an error is a refusal, which is a right answer.
fn refused(error: &Error) -> bool {
    matches!(error, Error::Unsupported { .. } | Error::Invalid { .. })
}

fn solve(problem: &Problem, settings: &Settings, place: &Place) -> lowrank::Result<Solution> {
    Solver::new(problem.clone(), settings.clone(), place.backend.clone())?.solve()
}

/// Returns the result of a run, bit for bit.
fn bits(solution: &Solution) -> Vec<u64> {
    solution.trials.iter().flat_map(|t| t.blocks().flat_map(|block| block.as_slice()).map(|v| v.to_bits())).collect()
}

/// Returns the product of the factors, which unlike the factors does not depend on a rotation chosen by rounding.
fn numbers(solution: &Solution) -> Vec<f64> {
    solution.trials.iter().flat_map(|t| t.to_dense()).collect()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// Returns the product of a run; refuses non-finite numbers, and repeated runs with other bits.
fn finite_and_repeated(
    found: &Solution,
    again: impl FnOnce() -> lowrank::Result<Solution>,
) -> Result<Vec<f64>, String> {
    let own = numbers(found);
    if let Some(bad) = own.iter().find(|v| !v.is_finite()) {
        return Err(format!("the product holds {bad}"));
    }
    match bits(found) == bits(&again().map_err(|e| e.to_string())?) {
        true => Ok(own),
        false => Err("a repeated run gave other bits".into()),
    }
}

/// Returns the unit roundoff of the iterations of a place.
fn unit_of(place: &Place, precision: Precision) -> f64 {
    match precision == Precision::F64 || matches!(place.backend, Backend::Reference) {
        true => Precision::F64.unit_roundoff(),
        false => Precision::F32.unit_roundoff(),
    }
}

/// A few iterations of a method on a problem, from a start of moderate size.
struct Case {
    operator: Arc<dyn Operator>,
    described: String,
    method: Method,
    loss: Loss,
    k: usize,
    signed: bool,
    iterations: usize,
    /// Size of the entries of the start.
    size: f64,
    start: Factors,
    precision: Precision,
}

impl Case {
    fn draw(rng: &mut ChaCha8Rng, place: &Place) -> Result<Self, String> {
        let (operator, described) = draw::operator(rng)?;
        let domain = operator.domain();
        let k = rng.random_range(1..domain.order() + 3);
        let (method, loss) = draw::method(rng)?;
        let (size, iterations) = ([0.05, 0.3, 1.0][rng.random_range(0..3)] / (k as f64).sqrt(), rng.random_range(1..6));
        let start = draw::factors(rng, domain, k, size)?;
        let signed = domain.is_symmetric() && k > 1 && rng.random_bool(0.2);
        let precision = match place.precision {
            Precision::F32 if rng.random_bool(0.15) => Precision::Mixed,
            other => other,
        };
        Ok(Self { operator, described, method, loss, k, signed, iterations, size, start, precision })
    }

    fn text(&self, place: &Place) -> String {
        let Self { method, described, k, iterations, size, .. } = self;
        let (loss, signed) = (self.loss.word(), if self.signed { ", signed" } else { "" });
        let at = format!("{} {}", place.name, self.precision.word());
        format!("{iterations} iterations of {method:?}, loss {loss}, {described}, k={k}, start {size:.2}{signed}, {at}")
    }

    fn problem(&self, y: Vec<f64>) -> Result<Problem, String> {
        Problem::new(self.operator.clone(), y).map_err(|e| e.to_string())
    }

    fn settings(&self, start: &Factors) -> Settings {
        // Steps of preconditioned methods have no unit.
        let preconditioned = matches!(self.method.step_size(), StepSize::Number(_));
        let settings = Settings::new(self.method.clone())
            .loss(self.loss)
            .search_rank(self.k)
            .step_size(if preconditioned { 0.3 } else { 0.02 })
            .precision(self.precision)
            .diagnose(false)
            .stop(Stop::default().max_iterations(self.iterations).stall_window(None))
            .init(Init::Given(start.clone()));
        if self.signed { settings.model(Model::signed(self.k - 1, 1)) } else { settings }
    }

    fn by_reference(&self, y: Vec<f64>, start: &Factors) -> Result<Solution, String> {
        let reference = Place::new("reference", Backend::Reference, Precision::F64);
        solve(&self.problem(y)?, &self.settings(start), &reference).map_err(|e| format!("Reference: {e}"))
    }

    /// Distance of the reference's result from `expected`, where start and observations change by the share `change`.
    fn carried(&self, rng: &mut ChaCha8Rng, y: &[f64], expected: &[f64], change: f64) -> Result<f64, String> {
        let mut stir =
            |values: &[f64]| -> Vec<f64> { values.iter().map(|v| v * (1.0 + change * normal(rng))).collect() };
        let blocks = self.start.blocks().iter().map(|block| stir(block.data())).collect();
        let moved = Factors::of_sizes(1, &self.start.sizes(), blocks).map_err(|e| e.to_string())?;
        let other = self.by_reference(stir(y), &moved)?;
        Ok(norm(numbers(&other).iter().zip(expected).map(|(a, b)| a - b)))
    }

    /// Whether roundings of the size `rounding` decide about the result of the run.
    fn is_decided_by(&self, rounding: f64, unit: f64, found: &Solution) -> bool {
        // At the solution directions are those of the roundings, and so are signs of residuals near zero.
        let arrived = found.trials[0].relative_residual < 1e3 * rounding;
        let single = unit > 1e-10;
        arrived || self.loss != Loss::Square || roundings_decide(&self.method, &self.operator.domain(), self.k, single)
    }
}

/// Runs a few iterations of any method on any problem from a start of moderate size. The effect of rounding is
/// measured: the reference runs again from slightly changed starts and observations.
pub(super) fn against_reference(
    rng: &mut ChaCha8Rng,
    place: &Place,
    falsified: f64,
    what: &mut String,
) -> Result<SoakOutcome, String> {
    let case = Case::draw(rng, place)?;
    *what = case.text(place);
    if !place.applies_to(&*case.operator) {
        return Ok(SoakOutcome::Refused);
    }
    let (domain, m) = (case.operator.domain(), case.operator.measurements());
    let y: Vec<f64> = (0..m).map(|_| normal(rng)).collect();
    let (given, mut there) = (case.problem(y.clone())?, case.settings(&case.start));
    if let Some(variant) = &place.variant {
        there = there.variant(variant.clone());
    }
    let found = match solve(&given, &there, place) {
        Ok(solution) => solution,
        Err(error) if refused(&error) => return Ok(SoakOutcome::Refused),
        Err(error) => return Err(error.to_string()),
    };
    let own = finite_and_repeated(&found, || solve(&given, &there, place))?;
    let expected = case.by_reference(y.clone(), &case.start)?;
    if expected.trials[0].status == Status::Diverged || found.trials[0].status == Status::Diverged {
        return Ok(SoakOutcome::Incomparable);
    }
    let expected = numbers(&expected);
    // Roundings of one iteration, relative to what is summed: a unit roundoff for each number of the longest sum.
    let unit = unit_of(place, case.precision);
    let rounding = unit * (domain.dimension() + m + case.k) as f64;
    let change = 1e-7_f64.max(rounding);
    let mut carried = 0.0_f64;
    for _ in 0..3 {
        carried = carried.max(case.carried(rng, &y, &expected, change)?);
    }
    let length = norm(expected.iter().copied()).max(case.size * case.size * (domain.rows() * case.k) as f64);
    // Differences of gradients lose digits.
    let factor = if case.method.word() == "lbfgs" { 1000.0 } else { 100.0 };
    let allowed = factor * case.iterations as f64 * (carried * rounding / change + rounding * length);
    if case.is_decided_by(rounding, unit, &found) || allowed > 0.1 * length {
        return Ok(SoakOutcome::Incomparable);
    }
    let distance = norm(own.iter().zip(&expected).map(|(a, b)| a * (1.0 + falsified) - b));
    if distance <= allowed {
        Ok(SoakOutcome::Agreed)
    } else {
        Err(format!("{distance:.2e} from the reference, of {length:.2e}; rounding explains {allowed:.2e}"))
    }
}

/// Returns whether rounding can change decisions of the method: ranks, and the damping floor of singular Gram
/// matrices, which applies earlier in single precision.
fn roundings_decide(method: &Method, domain: &Domain, k: usize, single: bool) -> bool {
    let preconditioned = matches!(method.step_size(), StepSize::Number(_));
    let inverts = preconditioned || matches!(method.word(), "cg" | "riemannian");
    let singular = k >= domain.order();
    // A point of lower rank than k has directions beside the rank that roundings choose.
    let clipped = method.word() == "riemannian" && domain.is_symmetric();
    method.decides() || clipped || (inverts && (single || singular))
}

/// Relative error at which a matrix is recovered.
const RECOVERED: f64 = 1e-4;

/// A rank 1 or 2 by the defaults, from three times as many measurements as the matrix has dimensions, or all that the
/// ensemble has.
pub(super) fn recovery(rng: &mut ChaCha8Rng, place: &Place, what: &mut String) -> Result<SoakOutcome, String> {
    let (n, rank, seed) = (rng.random_range(4..20), rng.random_range(1..3), rng.random::<u64>() >> 12);
    let ensemble = &REGISTRY[rng.random_range(0..REGISTRY.len())];
    let domain = (ensemble.domain)(Domain::symmetric(n)).unwrap_or_else(|| Domain::symmetric(n));
    let plenty = 3 * domain.dimension();
    let m = (ensemble.limit)(domain).map_or(plenty, |limit| limit.min(plenty));
    let operator = (ensemble.generate)(domain, m, seed, Storage::F32).map_err(|e| e.to_string())?;
    let name = ensemble.name;
    *what = format!("recovery by the defaults, {name} n={n} m={m} seed={seed}, rank {rank}, {}", place.name);
    if !place.applies_to(&*operator) {
        return Ok(SoakOutcome::Refused);
    }
    let truth = Model::natural(&domain).truth(&domain, Some(rank)).and_then(|truth| truth.seed(seed + 1).build());
    let truth = truth.map_err(|e| e.to_string())?;
    let problem = Problem::measure(operator, truth).map_err(|e| e.to_string())?;
    let mut settings = Settings::default()
        .search_rank(rank + rng.random_range(0..3))
        .precision(place.precision)
        .stop(Stop::default().relative_error(RECOVERED).max_iterations(3000));
    if let Some(variant) = &place.variant {
        settings = settings.variant(variant.clone());
    }
    let best = solve(&problem, &settings, place).map_err(|e| e.to_string())?;
    // A method that ends by itself may be there before anyone looks.
    match best.best() {
        trial if trial.relative_error.is_some_and(|error| error <= RECOVERED) => Ok(SoakOutcome::Recovered),
        trial => Err(format!("{} with a relative error of {:?}", trial.status, trial.relative_error)),
    }
}
