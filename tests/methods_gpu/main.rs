//! Every recipe on graphics adapters: stage by stage what the Reference engine makes of it, and the engines' own laws
//! (batches, panels, repetition, freezing) where a method remembers something.

mod case;
#[path = "../common/mod.rs"]
mod common;
mod laws;
mod mutations;

use case::{Case, MODELS, Model, Outcome, near, numbers, recipes};
use libtest_mimic::{Arguments, Trial};
use lowrank::Precision;
use lowrank::engine::Engine;
use lowrank::gpu::{Device, Options};

/// Rows: each strategy, made rows; thin: vectors with and without centred residuals, nonzeros.
const OPERATORS: &[&str] = &[
    "dense:two-kernel",
    "dense:one-pass",
    "dense:row-resident",
    "dense:tiled",
    "seeded:one-pass",
    "vectors",
    "vectors-centred",
    "nonzeros",
    "entries",
];

fn tolerance(precision: Precision) -> f64 {
    if precision == Precision::F64 { 1e-10 } else { 1e-4 }
}

/// One iteration and four more.
pub fn agrees(case: &Case, device: &Device, options: &Options) -> Outcome {
    agrees_after(case, device, options, [1, 4])
}

pub fn agrees_after(case: &Case, device: &Device, options: &Options, course: [usize; 2]) -> Outcome {
    let (mut expected, mut found) = (case.reference()?, case.gpu(device, options.clone())?);
    let label = case.label();
    for iterations in course {
        expected.advance(iterations)?;
        found.advance(iterations)?;
        let (expected, found) = (numbers(expected.as_mut())?, numbers(found.as_mut())?);
        near(&format!("{label}, after {iterations} more"), &found, &expected, tolerance(options.precision))?;
    }
    // Of what the residuals are differences of.
    let whole = |engine: &mut dyn Engine| -> Result<Vec<f64>, lowrank::Error> {
        Ok(engine.residuals()?.iter().zip(&case.target).map(|(e, target)| e + target).collect())
    };
    near("residuals", &whole(found.as_mut())?, &whole(expected.as_mut())?, tolerance(options.precision))?;
    let (found, expected) = (found.damping_raised()?, expected.damping_raised()?);
    if found == expected { Ok(()) } else { Err(format!("λ was raised {found:?}, not {expected:?} times").into()) }
}

/// Square losses only where residuals are centred.
fn allowed(operator: &str, named: &str) -> bool {
    operator != "vectors-centred" || !["l1-geometric", "huber-geometric", "everything"].contains(&named)
}

/// All models with one recipe and operator; f64 where the adapter has it.
fn recipe_on(device: &Device, operator: &str, named: &str) -> Outcome {
    for model in MODELS {
        let precisions = [Precision::F32, Precision::F64].into_iter().filter(|p| device.require(*p).is_ok());
        for precision in precisions {
            // Without 64-bit shader numbers there is nothing that reads made rows or halves in f64.
            let case = Case::new(operator, model, [11, 60, 3, 3], named);
            let options = Options { precision, ..Options::default() };
            agrees(&case, device, &options).map_err(|e| format!("{precision:?}: {}", e.message().unwrap_or("?")))?;
        }
    }
    Ok(())
}

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for device in common::devices() {
        for (named, ..) in recipes() {
            for operator in OPERATORS.iter().filter(|operator| allowed(operator, named)) {
                let device = device.clone();
                let name = format!("{named} on {operator} [{}]", device.name());
                trials.push(Trial::test(name, move || recipe_on(&device, operator, named)));
            }
        }
        trials.extend(laws::trials(&device));
        trials.extend(mutations::trials(&device));
    }
    trials.extend(common::missing_adapter("methods_gpu"));
    libtest_mimic::run(&arguments, trials).exit();
}

/// k > n, one column, several blocks of columns, one row.
pub fn sizes(device: &Device) -> Outcome {
    for named in ["momentum", "scaled-gd", "prec-gd", "scaled-gd-polyak", "everything"] {
        for (n, m, k, batch) in
            [(1, 3, 1, 1), (1, 5, 4, 2), (5, 40, 9, 2), (11, 40, 1, 3), (45, 90, 37, 1), (19, 60, 16, 2)]
        {
            for model in [Model::Psd, Model::Asymmetric] {
                agrees(&Case::new("dense", model, [n, m, k, batch], named), device, &Options::default())?;
            }
        }
    }
    Ok(())
}
