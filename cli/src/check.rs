//! Command `lowrank check`: the conformance laws on this machine's backends and drivers.

use std::io::Write;
use std::time::Instant;

use lowrank::Result;
use lowrank::internals::laws::{ENGINE_LAWS, Held, OPERATOR_LAWS, Place};
use lowrank::internals::memory::readable_bytes;
use lowrank::internals::operators::{CASES, REGISTRY, Registration, VARIANT_CASES};
use lowrank::operators::Operator;
use lowrank::problem::Domain;
use lowrank_studies::soak::Soak;
use serde::Serialize;

use super::options::{JSON, Json};
use super::{Ending, remark, said};

mod compiled;

#[derive(clap::Args)]
pub struct Args {
    /// Check only this operator; see `lowrank list operators` [default: all]
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    /// Check only backends whose name contains this: reference, cpu, gpu, an adapter's name [default: all]
    #[arg(long, value_name = "TEXT")]
    place: Option<String>,
    /// Instead of the laws on fixed problems: random problems (operators, models, methods, sizes, faults) for so many minutes
    #[arg(long, value_name = "NUMBER", conflicts_with = "operator")]
    minutes: Option<f64>,
    /// Seed of the random problems [default: 0]
    #[arg(long, value_name = "SEED", requires = "minutes")]
    seed: Option<u64>,
    /// Begin with this one of the random problems: with --minutes 0, try it alone [default: 0]
    #[arg(long, value_name = "INDEX", requires = "minutes")]
    problem: Option<u64>,
    #[arg(long, help = JSON, conflicts_with = "minutes")]
    json: bool,
}

/// Outcomes of one law for one operator at one place over all cases.
#[derive(Debug, Serialize)]
struct Tally {
    operator: &'static str,
    law: &'static str,
    place: String,
    held: usize,
    violations: Vec<String>,
}

/// The document of `--json`.
#[derive(Debug, Default, Serialize)]
struct Found {
    held: usize,
    failed: usize,
    laws: Vec<Tally>,
    notices: Vec<String>,
}

pub fn run(args: &Args) -> Result<Ending> {
    args.operator.as_deref().map(Registration::find).transpose()?;
    let (mut places, notices) = Place::everywhere();
    notices.iter().for_each(|notice| remark(notice));
    let all: Vec<String> = places.iter().map(|p| p.name.clone()).collect();
    if let Some(text) = &args.place {
        places.retain(|p| p.name.to_lowercase().contains(&text.to_lowercase()));
        if places.is_empty() {
            return Err(lowrank::Error::Invalid {
                name: "place".into(),
                found: format!("'{text}'"),
                allowed: all.join("; "),
                fix: "pass a part of one of these names".into(),
            });
        }
    }
    if let Some(minutes) = args.minutes {
        return soak(args, minutes, places);
    }
    let json = Json { json: args.json };
    let mut out = json.text(false);
    let mut found = Found { notices, ..Found::default() };
    let mut failures = vec![0; places.len()];
    for registration in REGISTRY.iter().filter(|r| args.operator.as_ref().is_none_or(|name| name == r.name)) {
        // Random matrices for the bounds, integer ones for exactness.
        let mut cases: Vec<(String, Box<dyn Operator>)> = Vec::new();
        for &(n, m) in CASES {
            let Some(domain) = (registration.domain)(Domain::symmetric(n)) else { continue };
            cases.push((format!("n={n} m={m}"), (registration.random)(domain, m, 1)?));
            cases.push((format!("n={n} m={m}, integers"), (registration.integers)(domain, m, 1)?));
        }
        for variant in registration.variants {
            for &(n, m) in VARIANT_CASES {
                let (domain, name) = (Domain::symmetric(n), format!("{} n={n} m={m}", variant.name));
                cases.push((format!("{name}, integers"), (variant.integers)(domain, m, 1)?));
                cases.push((name, (variant.random)(domain, m, 1)?));
            }
        }
        said(writeln!(out, "{} ({} problems)", registration.name, cases.len()))?;
        let name = registration.name;
        for law in OPERATOR_LAWS {
            let tally = tally(&cases, (name, law.name, "definition"), |operator| law.check(operator));
            found.add(&mut out, tally)?;
        }
        for (place, failures) in places.iter().zip(&mut failures) {
            for law in ENGINE_LAWS {
                let tally = tally(&cases, (name, law.name, &place.name), |operator| law.check(operator, place));
                *failures += tally.violations.len();
                found.add(&mut out, tally)?;
            }
        }
    }
    said(writeln!(out, "{} checks held, {} failed", found.held, found.failed))?;
    compiled::report(&mut out, &places, &failures)?;
    json.print(&found)?;
    Ok(if found.failed == 0 { Ending::Done } else { Ending::Missed })
}

/// Runs random problems until the time is over, at least one.
fn soak(args: &Args, minutes: f64, places: Vec<Place>) -> Result<Ending> {
    if !(minutes.is_finite() && minutes >= 0.0) {
        return Err(lowrank::Error::Invalid {
            name: "minutes".into(),
            found: minutes.to_string(),
            allowed: "a finite number of at least 0".into(),
            fix: "for example 10".into(),
        });
    }
    let seed = args.seed.unwrap_or(0);
    let mut out = std::io::stdout().lock();
    said(writeln!(out, "seed {seed}, {} places", places.len()))?;
    let mut soak = Soak::new(places, seed, args.problem.unwrap_or(0));
    let started = Instant::now();
    let mut said_at = started;
    loop {
        let tried = soak.step();
        if let Err(why) = &tried.outcome {
            said(writeln!(out, "  WRONG  problem {}: {}: {why}", tried.index, tried.what))?;
            let again = format!("lowrank check --minutes 0 --seed {seed} --problem {}", tried.index);
            said(writeln!(out, "         to repeat it, with the same --place: {again}"))?;
        } else if args.minutes == Some(0.0) {
            said(writeln!(out, "  {:?}  problem {}: {}", tried.outcome, tried.index, tried.what))?;
        }
        let over = started.elapsed().as_secs_f64() >= 60.0 * minutes;
        if over || said_at.elapsed().as_secs() >= 60 {
            said_at = Instant::now();
            let t = soak.tally();
            let memory = t.resident.map_or(String::new(), |(first, now)| {
                format!("; {} held, {} after the first problems", readable_bytes(now), readable_bytes(first))
            });
            let seconds = started.elapsed().as_secs();
            said(writeln!(
                out,
                "{seconds} s, {} problems: {} laws held, {} runs agreed with the reference, {} not comparable, {} \
                 recovered, {} faults handled, {} refused, {} wrong{memory}",
                t.problems(),
                t.held,
                t.agreed,
                t.incomparable,
                t.recovered,
                t.answered,
                t.refused,
                t.wrong
            ))?;
            said(out.flush())?;
        }
        if over {
            return Ok(if soak.tally().wrong == 0 { Ending::Done } else { Ending::Missed });
        }
    }
}

fn tally(
    cases: &[(String, Box<dyn Operator>)],
    (operator, name, place): (&'static str, &'static str, &str),
    law: impl Fn(&dyn Operator) -> lowrank::internals::laws::LawOutcome,
) -> Tally {
    let mut tally = Tally { operator, law: name, place: place.to_owned(), held: 0, violations: Vec::new() };
    for (name, operator) in cases {
        match law(&**operator) {
            Ok(Held::Holds) => tally.held += 1,
            Ok(Held::NotApplicable) => {}
            Err(why) => tally.violations.push(format!("{name}: {why}")),
        }
    }
    tally
}

impl Found {
    /// Counts and prints the outcomes of a law.
    fn add(&mut self, out: &mut impl Write, tally: Tally) -> Result<()> {
        self.held += tally.held;
        self.failed += tally.violations.len();
        let verdict = if tally.violations.is_empty() { "holds" } else { "FAILS" };
        let cases = tally.held + tally.violations.len();
        said(writeln!(out, "  {verdict}  {:<24} {:<44} {cases:>3} cases", tally.law, tally.place))?;
        for violation in &tally.violations {
            said(writeln!(out, "         {violation}"))?;
        }
        self.laws.push(tally);
        said(out.flush())
    }
}
