//! `lowrank check`: the conformance laws on this machine's backends and drivers.

use std::io::Write;

use lowrank::Result;
use lowrank::laws::{ENGINE_LAWS, Held, OPERATOR_LAWS, Place};
use lowrank::operators::{CASES, Operator, REGISTRY, VARIANT_CASES};
use lowrank::problem::Shape;

use super::{Ending, remark, said};

#[derive(clap::Args)]
pub struct Args {
    /// Check only this operator; see `lowrank list operators` [default: all]
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    /// Check only backends whose name contains this: reference, cpu, gpu, an adapter's name [default: all]
    #[arg(long, value_name = "TEXT")]
    place: Option<String>,
}

/// Outcomes of one law at one place over all cases.
#[derive(Default)]
struct Tally {
    held: usize,
    violations: Vec<String>,
}

pub fn run(args: &Args) -> Result<Ending> {
    let known: Vec<&str> = REGISTRY.iter().map(|r| r.name).collect();
    if let Some(name) = args.operator.as_deref().filter(|name| !known.contains(name)) {
        return Err(lowrank::Error::Invalid {
            name: "operator".into(),
            found: format!("'{name}'"),
            allowed: known.join(", "),
            fix: "pick one of them, or leave it out for all".into(),
        });
    }
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
                fix: "give a part of one of these names".into(),
            });
        }
    }
    let mut out = std::io::stdout().lock();
    let (mut held, mut broken) = (0, 0);
    for registration in REGISTRY.iter().filter(|r| args.operator.as_ref().is_none_or(|name| name == r.name)) {
        // Random matrices for the bounds, integer ones for exactness.
        let mut cases: Vec<(String, Box<dyn Operator>)> = Vec::new();
        for &(n, m) in CASES {
            let shape = Shape::psd(n);
            cases.push((format!("n={n} m={m}"), (registration.random)(shape, m, 1)?));
            cases.push((format!("n={n} m={m}, integers"), (registration.integers)(shape, m, 1)?));
        }
        for variant in registration.variants {
            for &(n, m) in VARIANT_CASES {
                let (shape, name) = (Shape::psd(n), format!("{} n={n} m={m}", variant.name));
                cases.push((format!("{name}, integers"), (variant.integers)(shape, m, 1)?));
                cases.push((name, (variant.random)(shape, m, 1)?));
            }
        }
        said(writeln!(out, "{} ({} problems)", registration.name, cases.len()))?;
        for law in OPERATOR_LAWS {
            let tally = tally(&cases, |operator| law.check(operator));
            report(&mut out, law.name, "definition", &tally, &mut held, &mut broken)?;
        }
        for place in &places {
            for law in ENGINE_LAWS {
                let tally = tally(&cases, |operator| law.check(operator, place));
                report(&mut out, law.name, &place.name, &tally, &mut held, &mut broken)?;
            }
        }
    }
    said(writeln!(out, "{held} checks held, {broken} failed"))?;
    Ok(if broken == 0 { Ending::Done } else { Ending::Missed })
}

fn tally(cases: &[(String, Box<dyn Operator>)], law: impl Fn(&dyn Operator) -> lowrank::laws::Outcome) -> Tally {
    let mut tally = Tally::default();
    for (name, operator) in cases {
        match law(&**operator) {
            Ok(Held::Holds) => tally.held += 1,
            Ok(Held::NotApplicable) => {}
            Err(why) => tally.violations.push(format!("{name}: {why}")),
        }
    }
    tally
}

fn report(
    out: &mut impl Write,
    law: &str,
    place: &str,
    tally: &Tally,
    held: &mut usize,
    broken: &mut usize,
) -> Result<()> {
    *held += tally.held;
    *broken += tally.violations.len();
    let verdict = if tally.violations.is_empty() { "holds" } else { "FAILS" };
    said(writeln!(out, "  {verdict}  {law:<24} {place:<44} {:>3} cases", tally.held + tally.violations.len()))?;
    for violation in &tally.violations {
        said(writeln!(out, "         {violation}"))?;
    }
    said(out.flush())
}
