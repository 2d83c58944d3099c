//! Endless random problems: laws, whole runs compared with the reference, and faults.
//!
//! Problem i of a seed is the same on every machine. Wrong answers are a broken law, a run that differs from the
//! reference by more than rounding explains, a run that does not repeat, a recovery that fails with plenty of
//! measurements, a panic, and accepted bad input.

mod draw;
mod faults;
mod runs;

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use lowrank::internals::laws::{ENGINE_LAWS, Held, OPERATOR_LAWS, Place};
use lowrank::internals::memory;
use lowrank::internals::{Purpose, stream};

/// Number of problems after which the memory of the program counts as its own size: caches, threads and drivers are
/// then set up.
const WARM: u64 = 64;

/// Outcome of a problem with a right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoakOutcome {
    /// A law held.
    Held,
    /// The run agreed with the reference.
    Agreed,
    /// The run depends too much on rounding for a comparison; it is finite and repeats.
    Incomparable,
    /// The run recovered the matrix.
    Recovered,
    /// A fault had the required answer.
    Answered,
    /// The place refused the problem.
    Refused,
}

/// One problem: a description of all random choices, and its outcome or the wrong answer.
#[derive(Clone, Debug)]
pub struct Tried {
    pub index: u64,
    pub what: String,
    pub outcome: Result<SoakOutcome, String>,
}

/// Counts of a soak.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub held: u64,
    pub agreed: u64,
    pub incomparable: u64,
    pub recovered: u64,
    pub answered: u64,
    pub refused: u64,
    pub wrong: u64,
    /// Bytes held after the first 64 problems and now, if the system reports them.
    pub resident: Option<(u64, u64)>,
}

impl Tally {
    pub fn problems(&self) -> u64 {
        self.held + self.agreed + self.incomparable + self.recovered + self.answered + self.refused + self.wrong
    }
}

/// An endless sequence of random problems at some places.
pub struct Soak {
    seed: u64,
    next: u64,
    places: Vec<Place>,
    tally: Tally,
    /// Relative error added to results before comparison, to show that the comparison detects errors.
    falsified: f64,
}

impl Soak {
    /// Creates a soak that begins with problem `first`.
    pub fn new(places: Vec<Place>, seed: u64, first: u64) -> Self {
        Self { seed, next: first, places, tally: Tally::default(), falsified: 0.0 }
    }

    #[doc(hidden)]
    pub fn falsify(&mut self, relative: f64) {
        self.falsified = relative;
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Tries the next problem. It catches a panic of the code under test, which is a wrong answer.
    pub fn step(&mut self) -> Tried {
        let index = self.next;
        self.next += 1;
        let mut rng = stream(self.seed, Purpose::Soak, index);
        let mut what = String::new();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.attempt(&mut rng, &mut what)));
        let outcome = outcome.unwrap_or_else(|panic| {
            let words = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(format!("panicked: {}", words.unwrap_or("without a remark")))
        });
        let tally = &mut self.tally;
        *match &outcome {
            Ok(SoakOutcome::Held) => &mut tally.held,
            Ok(SoakOutcome::Agreed) => &mut tally.agreed,
            Ok(SoakOutcome::Incomparable) => &mut tally.incomparable,
            Ok(SoakOutcome::Recovered) => &mut tally.recovered,
            Ok(SoakOutcome::Answered) => &mut tally.answered,
            Ok(SoakOutcome::Refused) => &mut tally.refused,
            Err(_) => &mut tally.wrong,
        } += 1;
        if tally.problems() >= WARM {
            let now = memory::resident();
            tally.resident = now.map(|now| (tally.resident.map_or(now, |(first, _)| first), now));
        }
        Tried { index, what, outcome }
    }

    fn attempt(&self, rng: &mut ChaCha8Rng, what: &mut String) -> Result<SoakOutcome, String> {
        let place = &self.places[rng.random_range(0..self.places.len())];
        match rng.random_range(0..10) {
            0..3 => law(rng, place, what),
            3..7 => runs::against_reference(rng, place, self.falsified, what),
            7 => runs::recovery(rng, place, what),
            _ => faults::injected(rng, place, what),
        }
    }
}

fn law(rng: &mut ChaCha8Rng, place: &Place, what: &mut String) -> Result<SoakOutcome, String> {
    let (operator, described) = draw::operator(rng)?;
    let held = if rng.random_bool(0.2) {
        let law = OPERATOR_LAWS[rng.random_range(0..OPERATOR_LAWS.len())];
        *what = format!("law '{}', {described}", law.name);
        law.check(&*operator)?
    } else {
        let laws: Vec<_> = ENGINE_LAWS.iter().filter(|law| law.concerns(operator.domain())).collect();
        let law = laws[rng.random_range(0..laws.len())];
        *what = format!("law '{}', {described}, {}", law.name, place.name);
        law.check(&*operator, place)?
    };
    Ok(if held == Held::Holds { SoakOutcome::Held } else { SoakOutcome::Refused })
}
