//! Bad input and device faults, each with its required answer.

use std::ops::ControlFlow;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::soak::{SoakOutcome, draw};
use lowrank::internals::laws::Place;
use lowrank::internals::normal;
use lowrank::solver::{Init, Problem, Settings, Solver, Status, Stop, Trial};

const HOSTILE: [f64; 9] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, -0.0, 1e-320, 1e300, f64::MAX];

fn wrong(answer: impl std::fmt::Display) -> Result<SoakOutcome, String> {
    Err(format!("the answer was {answer}"))
}

/// Settings with one number that no run can use.
fn hostile(rng: &mut ChaCha8Rng, settings: Settings, what: &mut String) -> Settings {
    let v = HOSTILE[rng.random_range(0..HOSTILE.len())];
    let which = rng.random_range(0..8);
    *what = format!("{what}, number {which} is {v}");
    match which {
        0 => settings.step_size(v),
        1 => settings.init(Init::SmallRandom { scale: v, seed: 1 }),
        2 => settings.ridge(v),
        3 => settings.holdout(v, 1),
        4 => settings.stop(Stop::default().residual(v).max_iterations(30)),
        5 => settings.search_rank(if v > 0.0 { usize::MAX / 2 } else { 0 }),
        6 => settings.trials([Trial::default().step_size(v), Trial::default().init_scale(v)]),
        _ => settings.stop(Stop::default().time(v).max_iterations(30)),
    }
}

pub(super) fn injected(rng: &mut ChaCha8Rng, place: &Place, what: &mut String) -> Result<SoakOutcome, String> {
    let (operator, described) = draw::operator(rng)?;
    let (domain, m) = (operator.domain(), operator.measurements());
    let (method, loss) = draw::method(rng)?;
    let mut y: Vec<f64> = (0..m).map(|_| normal(rng)).collect();
    let mut settings = Settings::new(method.clone())
        .loss(loss)
        .precision(place.precision)
        .search_rank(rng.random_range(1..5))
        .stop(Stop::default().max_iterations(30));
    let kind = rng.random_range(0..7);
    let names = ["non-finite observations", "observations of another length", "a hostile setting"];
    let names =
        [names.as_slice(), &["a step far too long", "zero observations", "an interruption", "a zero start"]].concat();
    *what = format!("{}, {method:?}, loss {}, {described}, {}", names[kind], loss.word(), place.name);
    if place.variant.is_some() && !place.applies_to(&*operator) {
        return Ok(SoakOutcome::Refused);
    }
    let mut break_at = usize::MAX;
    match kind {
        0 => {
            y[rng.random_range(0..m)] = HOSTILE[rng.random_range(0..3)];
            return match Problem::new(operator, y) {
                Err(_) => Ok(SoakOutcome::Answered),
                Ok(_) => wrong("acceptance"),
            };
        }
        1 => {
            y.truncate(rng.random_range(0..m));
            return match Problem::new(operator, y) {
                Err(_) => Ok(SoakOutcome::Answered),
                Ok(_) => wrong("acceptance"),
            };
        }
        2 => settings = hostile(rng, settings, what),
        3 => settings = settings.step_size(1e12).init(Init::SmallRandom { scale: 1.0, seed: 3 }),
        4 => y.fill(0.0),
        5 => break_at = rng.random_range(0..20),
        _ => {
            let zero = draw::factors(rng, domain, 2, 0.0)?;
            settings = settings.search_rank(2).init(Init::Given(zero));
        }
    }
    let problem = Problem::new(operator, y).map_err(|e| e.to_string())?;
    let mut solver = match Solver::new(problem, settings, place.backend.clone()) {
        Ok(solver) => solver,
        // The words of a refusal are there for people: it must have some.
        Err(error) if kind == 5 => {
            return if error.to_string().is_empty() { wrong("empty") } else { Ok(SoakOutcome::Refused) };
        }
        Err(_) => return Ok(SoakOutcome::Answered),
    };
    let solution = solver
        .solve_with(|progress| match progress.iteration >= break_at {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
        .map_err(|e| e.to_string())?;
    for trial in &solution.trials {
        if let Some(v) = trial.blocks().flat_map(|block| block.as_slice()).find(|v| !v.is_finite()) {
            return wrong(format!("{} with {v} in the factors", trial.status));
        }
        if kind == 5 && trial.status == Status::IterationLimit && trial.iterations > break_at + 10 {
            return wrong(format!("{} iterations after a stop at {break_at}", trial.iterations));
        }
    }
    Ok(SoakOutcome::Answered)
}
