//! Which methods are compared, and with which parameters: `gd,scaled-gd:damping=1e-2:step_size=0.3`.

use std::fmt::Display;
use std::str::FromStr;

use lowrank::compare::{Contender, usual_schedule};
use lowrank::methods::{METHODS, MethodCard, Parameters, StepRule};
use lowrank::operators::Loss;
use lowrank::problem::Shape;
use lowrank::{Backend, Error, Result, Schedule, Settings};

use super::Args;
use crate::cli::grid;

/// One method as it was asked for.
struct One {
    label: String,
    card: &'static MethodCard,
    parameters: Parameters,
    step_size: Option<f64>,
}

/// What the flags say of methods, checked as far as that goes without the problem.
pub struct Asked {
    all: Vec<One>,
    /// Whether methods that are not for the model are left out without a word.
    chosen: bool,
}

fn refused(name: &str, found: impl Into<String>, allowed: impl Into<String>, fix: impl Into<String>) -> Error {
    Error::Invalid { name: name.into(), found: found.into(), allowed: allowed.into(), fix: fix.into() }
}

impl Asked {
    pub fn new(args: &Args) -> Result<Self> {
        let given = parameters_of_flags(args)?;
        let step_size = one_number("step_size", args.common.step_size.as_deref())?;
        let texts: Vec<String> = match &args.methods {
            Some(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
            None => METHODS.iter().map(|card| card.word.to_owned()).collect(),
        };
        let all = texts.iter().map(|text| one(text, &given, step_size)).collect::<Result<Vec<_>>>()?;
        if let Some(twice) = (1..all.len()).find(|&i| all[..i].iter().any(|other| other.label == all[i].label)) {
            let found = format!("'{}' twice", all[twice].label);
            return Err(refused("methods", found, "each once", "leave one out, or give it other parameters"));
        }
        used_by_some(&given, &all)?;
        for one in &all {
            // Losses that a method does not have are said of it in the table.
            let plain = Parameters { loss: Loss::Square, ..one.parameters };
            let settings = Settings::new(one.card.method).parameters(plain);
            let settings = one.step_size.map_or(settings.clone(), |step| settings.step_size(step));
            settings.check().map_err(|error| said_of(error, &one.label))?;
        }
        Ok(Self { all, chosen: args.methods.is_some() })
    }

    /// On settings that all share; `observe` is the schedule that was asked for.
    pub fn contenders(
        self,
        settings: &Settings,
        shape: Shape,
        observe: Option<Schedule>,
        backend: &Backend,
    ) -> Vec<Contender> {
        let fits = |one: &One| self.chosen || one.card.method.algorithm(&one.parameters, shape, false).is_ok();
        let contender = |one: &One| {
            let mut settings = settings.clone().method(one.card.method).parameters(one.parameters);
            if let Some(step) = one.step_size {
                settings = settings.step_size(step);
            }
            let usual = || usual_schedule(one.card.method, &one.parameters, backend);
            Contender::new(one.label.clone(), settings.observe(observe.unwrap_or_else(usual)))
        };
        self.all.iter().filter(|one| fits(one)).map(contender).collect()
    }
}

/// A flag that all methods share takes one value here.
fn one_number(name: &str, text: Option<&str>) -> Result<Option<f64>> {
    let Some(text) = text else { return Ok(None) };
    match grid::parse::<f64>(name, text)?.as_slice() {
        [value] => Ok(Some(*value)),
        several => Err(refused(
            name,
            format!("{} values", several.len()),
            "one value, which the methods share",
            format!("name a method several times: --methods scaled-gd:{name}=0.1,scaled-gd:{name}=0.2"),
        )),
    }
}

fn parameters_of_flags(args: &Args) -> Result<Parameters> {
    let flags = &args.common.method;
    Ok(Parameters { damping: one_number("damping", flags.damping.as_deref())?, ..flags.parameters()? })
}

/// Those of the flags that a method has.
fn of_method(given: &Parameters, card: &MethodCard) -> Parameters {
    fn if_has<T>(card: &MethodCard, name: &str, value: Option<T>) -> Option<T> {
        value.filter(|_| card.has(name))
    }
    Parameters {
        damping: if_has(card, "damping", given.damping),
        damping_factor: if_has(card, "damping_factor", given.damping_factor),
        step_rule: if_has(card, "step_rule", given.step_rule),
        step_decay: if_has(card, "step_decay", given.step_decay),
        polyak_every: if_has(card, "polyak_every", given.polyak_every),
        optimal_loss: if_has(card, "optimal_loss", given.optimal_loss),
        polyak_scale: if_has(card, "polyak_scale", given.polyak_scale),
        // Without them riemannian is another method.
        minibatches: if_has(card, "minibatches", given.minibatches),
        method_seed: if_has(card, "method_seed", given.method_seed),
        memory: if_has(card, "memory", given.memory),
        loss: given.loss,
    }
}

/// Refuses a flag that none of the methods has.
fn used_by_some(given: &Parameters, all: &[One]) -> Result<()> {
    let flags = [
        ("damping", given.damping.is_some()),
        ("damping_factor", given.damping_factor.is_some()),
        ("step_rule", given.step_rule.is_some()),
        ("step_decay", given.step_decay.is_some()),
        ("polyak_every", given.polyak_every.is_some()),
        ("optimal_loss", given.optimal_loss.is_some()),
        ("polyak_scale", given.polyak_scale.is_some()),
        ("minibatches", given.minibatches.is_some()),
        ("method_seed", given.method_seed.is_some()),
        ("memory", given.memory.is_some()),
    ];
    let unused = flags.iter().find(|(name, given)| *given && !all.iter().any(|one| one.card.has(name)));
    match unused {
        None => Ok(()),
        Some((name, _)) => {
            let has: Vec<&str> = METHODS.iter().filter(|card| card.has(name)).map(|card| card.word).collect();
            let allowed = format!("nothing for the methods compared; {} for it", has.join(", "));
            Err(refused(name, "a value", allowed, "leave it out, or compare one of these"))
        }
    }
}

/// A refusal of a value that stands behind a method and not in a flag of its own.
fn said_of(error: Error, label: &str) -> Error {
    match error {
        Error::Invalid { name, found, allowed, fix } if label.contains(&format!("{name}=")) => {
            refused("methods", format!("{name} {found} in '{label}'"), allowed, fix)
        }
        other => other,
    }
}

/// `word`, or `word:name=value:name=value`.
fn one(text: &str, given: &Parameters, step_size: Option<f64>) -> Result<One> {
    let mut pieces = text.split([':', ';']).map(str::trim);
    let word = pieces.next().unwrap_or_default();
    let Some(card) = METHODS.iter().find(|card| card.word == word) else {
        let allowed = METHODS.iter().map(|m| m.word).collect::<Vec<_>>().join(", ");
        let fix = "`lowrank list methods` describes them";
        return Err(refused("methods", format!("'{word}'"), allowed, fix));
    };
    let mut one = One { label: text.to_owned(), card, parameters: of_method(given, card), step_size };
    let mut seen: Vec<&str> = Vec::new();
    for piece in pieces {
        let names: Vec<&str> = card.parameters.iter().map(|(name, _)| *name).chain(["step_size"]).collect();
        let unknown = |found: String| {
            let allowed = format!("name=value with a name of {word}: {}", names.join(", "));
            refused("methods", found, allowed, format!("for example {word}:step_size=0.5"))
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
        seen.push(name);
        set(&mut one, name, value, text)?;
    }
    Ok(one)
}

fn set(one: &mut One, name: &str, value: &str, text: &str) -> Result<()> {
    fn number<T: FromStr<Err: Display>>(name: &str, value: &str, text: &str, kind: &str) -> Result<Option<T>> {
        let found = format!("'{name}={value}' in '{text}'");
        value
            .parse()
            .map(Some)
            .map_err(|_| refused("methods", found, format!("{kind} for {name}"), "write it as one value"))
    }
    let real = || number::<f64>(name, value, text, "a number");
    let whole = || number::<usize>(name, value, text, "a whole number");
    let p = &mut one.parameters;
    match name {
        "step_size" => one.step_size = real()?,
        "damping" => p.damping = real()?,
        "damping_factor" => p.damping_factor = real()?,
        "step_decay" => p.step_decay = real()?,
        "optimal_loss" => p.optimal_loss = real()?,
        "polyak_scale" => p.polyak_scale = real()?,
        "polyak_every" => p.polyak_every = whole()?,
        "minibatches" => p.minibatches = whole()?,
        "memory" => p.memory = whole()?,
        "method_seed" => p.method_seed = number::<u64>(name, value, text, "a whole number")?,
        "step_rule" => {
            p.step_rule = Some(StepRule::from_word(value).ok_or_else(|| {
                let found = format!("'{name}={value}' in '{text}'");
                refused("methods", found, "constant, armijo or exact for step_rule", "pick one of them")
            })?);
        }
        // A parameter that cards name and this does not know.
        other => {
            let found = format!("'{other}' in '{text}'");
            return Err(refused("methods", found, "a parameter that a contender can have", "give it as a flag"));
        }
    }
    Ok(())
}
