//! Random operators, starts and methods.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use lowrank::internals::normal;
use lowrank::internals::operators::REGISTRY;
use lowrank::methods::{METHODS, Method, Named, StepRule};
use lowrank::models::Model;
use lowrank::operators::{Loss, Operator};
use lowrank::problem::{Domain, Factors};

/// Draws a side length, with a preference for small ones and for those near multiples of a workgroup.
fn side(rng: &mut ChaCha8Rng) -> usize {
    match rng.random_range(0..4) {
        0 => rng.random_range(1..4),
        1 => [8, 15, 16, 17, 31, 32, 33][rng.random_range(0..7)],
        _ => rng.random_range(1..28),
    }
}

pub(super) fn domain(rng: &mut ChaCha8Rng) -> Domain {
    if rng.random_bool(0.7) { Domain::symmetric(side(rng)) } else { Domain::rectangular(side(rng), side(rng)) }
}

/// Draws any operator of the registry at any size up to 28, in any variant, with its description.
pub(super) fn operator(rng: &mut ChaCha8Rng) -> Result<(Arc<dyn Operator>, String), String> {
    let registration = &REGISTRY[rng.random_range(0..REGISTRY.len())];
    let (drawn, m, seed) = (domain(rng), side(rng) * rng.random_range(1..8), rng.random::<u64>() >> 12);
    let fitting = (registration.domain)(drawn).or_else(|| (registration.domain)(Domain::symmetric(drawn.order())));
    let domain = fitting.unwrap_or(drawn);
    let (mut name, mut random, mut integers) =
        (registration.name.to_owned(), registration.random, registration.integers);
    if !registration.variants.is_empty() && rng.random_bool(0.4) {
        let variant = &registration.variants[rng.random_range(0..registration.variants.len())];
        name = format!("{name} ({})", variant.name);
        (random, integers) = (variant.random, variant.integers);
    }
    let whole = rng.random_bool(0.3);
    let what = format!("{name}{} {domain} m={m} seed={seed}", if whole { " of integers" } else { "" });
    let operator = (if whole { integers } else { random })(domain, m, seed).map_err(|e| format!("{what}: {e}"))?;
    Ok((Arc::from(operator), what))
}

/// Draws factors of one trial with normal entries of standard deviation `size`.
pub(super) fn factors(rng: &mut ChaCha8Rng, domain: Domain, k: usize, size: f64) -> Result<Factors, String> {
    let sizes = Model::natural(&domain).sizes(&domain, k);
    let mut draw = |rows: usize| (0..rows * k).map(|_| size * normal(rng)).collect::<Vec<f64>>();
    let blocks = sizes.iter().map(|(rows, _)| draw(*rows)).collect();
    Factors::of_sizes(1, &sizes, blocks).map_err(|e| e.to_string())
}

/// Draws any method with some of its parameters, and a loss.
pub(super) fn method(rng: &mut ChaCha8Rng) -> Result<(Method, Loss), String> {
    let card = METHODS[rng.random_range(0..METHODS.len())];
    let mut parameters = Named::default();
    if card.has("step_rule") && rng.random_bool(0.3) {
        parameters = parameters.with("step_rule", Some([StepRule::Armijo, StepRule::Exact][rng.random_range(0..2)]));
    }
    if card.has("damping") && rng.random_bool(0.5) {
        parameters = parameters.with("damping", Some([0.0, 1e-3, 0.5][rng.random_range(0..3)]));
    }
    if card.has("minibatches") {
        parameters = parameters.with("minibatches", Some(rng.random_range(1..4usize)));
    }
    if card.has("polyak_every") {
        parameters = parameters.with("polyak_every", Some(rng.random_range(1..4usize)));
    }
    let loss = match rng.random_bool(0.15) {
        true => [Loss::L1, Loss::Huber { delta: 0.5 }][rng.random_range(0..2)],
        false => Loss::Square,
    };
    Ok((Method::named(card.word, &parameters).map_err(|e| e.to_string())?, loss))
}
