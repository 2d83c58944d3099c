//! How many kernels an iteration is: no more than those of its gradient and a few of its own.

use libtest_mimic::Trial;
use lowrank::Precision;
use lowrank::internals::gpu::{Options, tape_dispatches, tape_kernels};
use lowrank::internals::tape::Program;
use lowrank::operators::Loss;
use lowrank::tape::Tape;

use crate::methods_gpu::case::{Model, Outcome, Recipe, operator, recipe, recorded};

/// What an iteration has beside its gradient.
const OWN: &[(&str, usize)] = &[
    ("gd", 1),
    ("gd-decay", 2),
    ("gd-optimal", 4),
    ("prec-gd", 5),
    ("scaled-gd", 4),
    ("gd-polyak-1", 4),
    ("momentum", 3),
    ("heavy-ball", 3),
    ("sgd-10", 1),
];

/// The residual and the gradient, and nothing that is made of them.
fn gradient(model: Model, domain: lowrank::problem::Domain, k: usize) -> Program {
    let recorded = if model == Model::Asymmetric { lowrank::Model::asymmetric() } else { lowrank::Model::psd() };
    let mut t = Tape::new(recorded.recorded(), domain, k, Loss::Square, false, false);
    let u = t.iterate();
    let (e, _) = t.gradient(u);
    t.observe(e);
    t.finish()
}

fn few() -> Outcome {
    for word in ["dense", "seeded", "vectors", "nonzeros", "entries"] {
        for model in [Model::Psd, Model::Asymmetric] {
            let (operator, _) = operator(word, model, 11, 60);
            let (domain, k, batch) = (operator.domain(), 3, 3);
            let of = |program: &Program, t: usize| tape_dispatches(operator.as_ref(), program, batch, t);
            let base = of(&gradient(model, domain, k), 0)?;
            // Outer product, forward, adjoint, reduce, product.
            if ["dense", "seeded"].contains(&word) && base != 5 {
                return Err(format!("{base} dispatches of a gradient on {word}").into());
            }
            let check = |recipe: &Recipe, t: usize, own: usize| -> Outcome {
                let found = of(&recorded(recipe, model, domain, k, false)?, t)?;
                if found <= base + own {
                    return Ok(());
                }
                let name = recipe.name;
                Err(format!(
                    "{name} on {word} {model:?}, iteration {t}: {found} dispatches, of them {base} its gradient's"
                )
                .into())
            };
            for &(named, own) in OWN {
                for t in [0, 1, 7] {
                    check(&recipe(named), t, own)?;
                }
            }
            for (t, own) in [(0, 1), (1, 1), (2, 4), (3, 1), (5, 4)] {
                check(&recipe("gd-polyak-3"), t, own)?;
            }
        }
    }
    Ok(())
}

/// What a tape does not have is not compiled either.
fn lean() -> Outcome {
    let (operator, _) = operator("dense", Model::Psd, 11, 60);
    let names = |named: &str| -> Result<Vec<&'static str>, lowrank::Error> {
        let program = recorded(&recipe(named), Model::Psd, operator.domain(), 3, false)?;
        let options = Options { precision: Precision::F32, ..Options::default() };
        Ok(tape_kernels(operator.as_ref(), &program, 3, &options)?
            .into_iter()
            .map(|kernel| kernel.module.name)
            .collect())
    };
    let (gd, scaled) = (names("gd")?, names("scaled-gd")?);
    let stages = ["gram", "cholesky", "precondition"];
    if gd.iter().any(|name| stages.contains(name)) || !stages.iter().all(|stage| scaled.contains(stage)) {
        return Err(format!("gd has {gd:?}, scaled-gd {scaled:?}").into());
    }
    Ok(())
}

pub fn trials() -> Vec<Trial> {
    vec![Trial::test("dispatches of an iteration are few", few), Trial::test("modules are those of the method", lean)]
}
