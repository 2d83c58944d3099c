//! Compared methods and their parameters: `gd,scaled-gd:damping=1e-2:step_size=0.3`.

use lowrank::internals::options::Request;
use lowrank::methods::{METHODS, Method, MethodCard, Named};
use lowrank::models::Model;
use lowrank::operators::Loss;
use lowrank::options::Parameter;
use lowrank::{Backend, Error, Result, Schedule, Settings};
use lowrank_studies::compare::{Contender, usual_schedule};

use super::Args;
use crate::grid;

/// One requested method.
struct One {
    label: String,
    method: Method,
    step_size: Option<f64>,
}

/// Methods of the flags, checked as far as possible without the problem.
pub struct Asked {
    all: Vec<One>,
    loss: Loss,
    /// Whether methods that do not suit the model are left out silently.
    chosen: bool,
}

fn refused(name: &str, found: impl Into<String>, allowed: impl Into<String>, fix: impl Into<String>) -> Error {
    Error::Invalid { name: name.into(), found: found.into(), allowed: allowed.into(), fix: fix.into() }
}

impl Asked {
    pub fn new(args: &Args) -> Result<Self> {
        let request = &args.options.request;
        let (given, loss) = (parameters_of_flags(request)?, request.word("loss")?.unwrap_or_default());
        let step_size = one_number("step_size", request.text("step_size"))?;
        let texts: Vec<String> = match &args.methods {
            Some(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
            None => METHODS.iter().map(|card| card.word.to_owned()).collect(),
        };
        let all = texts.iter().map(|text| one(text, &given, step_size)).collect::<Result<Vec<_>>>()?;
        if let Some(twice) = (1..all.len()).find(|&i| all[..i].iter().any(|other| other.label == all[i].label)) {
            let found = format!("'{}' twice", all[twice].label);
            return Err(refused("methods", found, "each method once", "leave one out, or change its parameters"));
        }
        used_by_some(&given, &all)?;
        for one in &all {
            let settings = Settings::new(one.method.clone());
            let settings = one.step_size.map_or(settings.clone(), |step| settings.step_size(step));
            match settings.check() {
                // Losses that a method does not have are said of it in the table.
                Ok(()) | Err(Error::Unsupported { .. }) => {}
                Err(error) => return Err(said_of(error, &one.label)),
            }
        }
        Ok(Self { all, loss, chosen: args.methods.is_some() })
    }

    /// Builds contenders on shared settings; `observe` is the requested schedule.
    pub fn contenders(
        self,
        settings: &Settings,
        model: &Model,
        observe: Option<Schedule>,
        backend: &Backend,
    ) -> Vec<Contender> {
        let fitting = Method::fitting(self.loss, model);
        let fits = |one: &One| self.chosen || fitting.iter().any(|method| method.word() == one.method.word());
        let contender = |one: &One| {
            let mut settings = settings.clone().method(one.method.clone()).loss(self.loss);
            if let Some(step) = one.step_size {
                settings = settings.step_size(step);
            }
            let usual = || usual_schedule(&one.method, backend);
            Contender::new(one.label.clone(), settings.observe(observe.unwrap_or_else(usual)))
        };
        self.all.iter().filter(|one| fits(one)).map(contender).collect()
    }
}

/// Parses the single value of a flag that all methods share.
fn one_number(name: &str, text: Option<&str>) -> Result<Option<f64>> {
    let Some(text) = text else { return Ok(None) };
    match grid::parse::<f64>(name, text)?.as_slice() {
        [value] => Ok(Some(*value)),
        several => Err(refused(
            name,
            format!("{} values", several.len()),
            "one value, shared by the methods",
            format!("name a method several times: --methods scaled-gd:{name}=0.1,scaled-gd:{name}=0.2"),
        )),
    }
}

fn parameters_of_flags(request: &Request) -> Result<Named> {
    Ok(request.parameters().with("damping", one_number("damping", request.text("damping"))?))
}

/// Refuses a flag that no method has.
fn used_by_some(given: &Named, all: &[One]) -> Result<()> {
    let unused = given.pairs().find(|(name, _)| !all.iter().any(|one| one.method.card().has(name)));
    match unused {
        None => Ok(()),
        Some((name, _)) => {
            let has: Vec<&str> = METHODS.iter().filter(|card| card.has(name)).map(|card| card.word).collect();
            let allowed = format!("no value with these methods; a value with {}", has.join(", "));
            Err(refused(name, "a value", allowed, "leave it out, or compare one of these"))
        }
    }
}

/// Returns the error for a value after a method, which has no flag of its own.
fn said_of(error: Error, label: &str) -> Error {
    match error {
        Error::Invalid { name, found, allowed, fix } if label.contains(&format!("{name}=")) => {
            refused("methods", format!("{name} {found} in '{label}'"), allowed, fix)
        }
        other => other,
    }
}

/// Parses `word`, or `word:name=value:name=value`.
fn one(text: &str, given: &Named, mut step_size: Option<f64>) -> Result<One> {
    let mut pieces = text.split([':', ';']).map(str::trim);
    let card = Method::find(pieces.next().unwrap_or_default()).map_err(|error| match error {
        Error::Invalid { found, allowed, fix, .. } => refused("methods", found, allowed, fix),
        other => other,
    })?;
    let mut parameters = card.fitting(given);
    let mut seen: Vec<&str> = Vec::new();
    for piece in pieces {
        let (name, value) = named(piece, card, &seen, text)?;
        seen.push(name);
        match name {
            "step_size" => step_size = Some(number(name, value, text)?),
            _ => parameters = parameters.with(name, Some(value)),
        }
    }
    let method = Method::named(card.word, &parameters).map_err(|error| said_of(error, text))?;
    Ok(One { label: text.to_owned(), method, step_size })
}

/// Returns the name and the value of a parameter after a method; refuses a repeated name.
fn named<'a>(piece: &'a str, card: &MethodCard, seen: &[&str], text: &str) -> Result<(&'a str, &'a str)> {
    let names: Vec<&str> = card.parameters.iter().map(Parameter::name).chain(["step_size"]).collect();
    let unknown = |found: String| {
        let allowed = format!("name=value with a name of {}: {}", card.word, names.join(", "));
        refused("methods", found, allowed, format!("for example {}:step_size=0.5", card.word))
    };
    let Some((name, value)) = piece.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
        return Err(unknown(format!("'{piece}' in '{text}'")));
    };
    if !names.contains(&name) {
        return Err(unknown(format!("'{name}' in '{text}'")));
    }
    if seen.contains(&name) {
        return Err(unknown(format!("'{name}' twice in '{text}'")));
    }
    Ok((name, value))
}

fn number(name: &str, value: &str, text: &str) -> Result<f64> {
    let refusal = |_| {
        let found = format!("'{name}={value}' in '{text}'");
        refused("methods", found, format!("a number for {name}"), "write it as one value")
    };
    value.parse().map_err(refusal)
}
