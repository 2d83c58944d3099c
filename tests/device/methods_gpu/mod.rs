//! Every method on graphics adapters: what the engines of the host make of it, all that iterations hand on; the engines' own laws
//! (batches, panels, repetition, freezing) where a method remembers something; and how many dispatches an iteration takes.

mod case;
mod dispatches;
mod each;
mod everything;
mod laws;
mod mutations;

use crate::running::Running;
use case::{Case, MODELS, Model, Outcome, all_near, near, recipe, recipes};
use libtest_mimic::Trial;
use lowrank::Precision;
use lowrank::gpu::Device;
use lowrank::internals::gpu::Options;

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

/// Methods that meet every operator: their passes differ. Each of the others meets a third of them, another third than its neighbours.
const EVERYWHERE: &[&str] = &["gd", "sgd", "sgd-10", "cg", "gd-exact", "l1-geometric", "everything"];

/// Whether the method at a place of the list meets the operator at a place of its own.
fn meets((at, method): (usize, &str), place: usize) -> bool {
    EVERYWHERE.contains(&method) || (at + place).is_multiple_of(3)
}

fn tolerance(precision: Precision) -> f64 {
    if precision == Precision::F64 { 1e-10 } else { 1e-4 }
}

/// One iteration and four more; fewer where steps are found, as each rounds the next one's polynomial.
pub fn agrees(case: &Case, device: &Device, options: &Options) -> Outcome {
    agrees_after(case, device, options, if case.recipe.is_exact() { [1, 2] } else { [1, 4] })
}

pub fn agrees_after(case: &Case, device: &Device, options: &Options, course: [usize; 2]) -> Outcome {
    agrees_with(case, case.reference()?, case.gpu(device, options.clone())?, course, tolerance(options.precision))
}

fn agrees_with(
    case: &Case,
    mut expected: Running<'_>,
    mut found: Running<'_>,
    course: [usize; 2],
    tolerance: f64,
) -> Outcome {
    let label = format!("{} on {}", case.recipe.name, case.label());
    for iterations in course {
        expected.run(iterations)?;
        found.run(iterations)?;
        all_near(case, &format!("{label}, after {iterations} more"), &mut found, &mut expected, tolerance)?;
    }
    // Of what the residuals are differences of.
    let whole = |running: &mut Running<'_>| -> Result<Vec<f64>, lowrank::Error> {
        Ok(running.residual()?.iter().zip(&case.target).map(|(e, target)| e + target).collect())
    };
    near(&format!("{label}, residuals"), &whole(&mut found)?, &whole(&mut expected)?, tolerance)
}

/// Square losses only where residuals are centred.
fn allowed(operator: &str, named: &str) -> bool {
    operator != "vectors-centred" || recipe(named).loss == lowrank::operators::Loss::Square
}

/// All models with one method and operator, or every other one where the method meets every operator; f64 where the adapter has
/// it, which is compared with the Cpu engine, with every other of these models, and with the other ones on the next operators: one
/// source serves both precisions.
fn recipe_on(device: &Device, (place, operator): (usize, &str), named: &str) -> Outcome {
    let every = if EVERYWHERE.contains(&named) { 2 } else { 1 };
    for (at, model) in MODELS.into_iter().enumerate().filter(|(at, _)| (place + at).is_multiple_of(every)) {
        let double = (place + at).is_multiple_of(2 * every) && device.require(Precision::F64).is_ok();
        let precisions = [Some(Precision::F32), double.then_some(Precision::F64)].into_iter().flatten();
        for precision in precisions {
            let case = Case::new(operator, model, [11, 60, 3, 3], named);
            let options = Options { precision, ..Options::default() };
            let host = if precision == Precision::F64 { case.cpu(Precision::F64)? } else { case.reference()? };
            let course = if case.recipe.is_exact() { [1, 2] } else { [1, 4] };
            agrees_with(&case, host, case.gpu(device, options)?, course, tolerance(precision))
                .map_err(|e| format!("{precision:?}: {}", e.message().unwrap_or("?")))?;
        }
    }
    Ok(())
}

pub fn trials() -> Vec<libtest_mimic::Trial> {
    let mut trials = Vec::new();
    trials.extend(dispatches::trials());
    for device in crate::common::devices() {
        for (at, named) in recipes().into_iter().map(|recipe| recipe.name).enumerate() {
            let met = OPERATORS.iter().enumerate().filter(|(place, _)| meets((at, named), *place));
            for (place, operator) in met.filter(|(_, operator)| allowed(operator, named)) {
                let device = device.clone();
                let name = format!("{named} on {operator} [{}]", device.name());
                trials
                    .push(Trial::test(name, move || recipe_on(&crate::common::own(&device), (place, operator), named)));
            }
        }
        trials.extend(laws::trials(&device));
        trials.extend(each::trials(&device));
        trials.extend(mutations::trials(&device));
    }
    trials.extend(crate::common::missing_adapter("methods_gpu"));
    trials
}

/// k > n, one column, several blocks of columns, one row.
pub fn sizes(device: &Device) -> Outcome {
    let methods = ["momentum", "scaled-gd", "prec-gd", "scaled-gd-polyak", "everything", "cg", "lbfgs"];
    let sizes = [(1, 3, 1, 1), (1, 5, 4, 2), (5, 40, 9, 2), (11, 40, 1, 3), (45, 90, 37, 1), (19, 60, 16, 2)];
    for (at, named) in methods.into_iter().enumerate() {
        for (place, (n, m, k, batch)) in sizes.into_iter().enumerate() {
            // The first step ends at the least there is, and what follows is noise.
            if n == 1 && recipe(named).is_exact() {
                continue;
            }
            // Every pair of a method, a size and a model, not every triple.
            let model = [Model::Psd, Model::Asymmetric][(at + place) % 2];
            agrees(&Case::new("dense", model, [n, m, k, batch], named), device, &Options::default())?;
        }
    }
    Ok(())
}
