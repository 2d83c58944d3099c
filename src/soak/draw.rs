//! Random operators, starts and methods.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::methods::{METHODS, Method, Parameters, StepRule};
use crate::operators::{Loss, Operator, REGISTRY};
use crate::problem::random::normal;
use crate::problem::{Factors, Shape};

/// A side: small ones and those around a workgroup's multiples more often than others.
fn side(rng: &mut ChaCha8Rng) -> usize {
    match rng.random_range(0..4) {
        0 => rng.random_range(1..4),
        1 => [8, 15, 16, 17, 31, 32, 33][rng.random_range(0..7)],
        _ => rng.random_range(1..28),
    }
}

pub(super) fn shape(rng: &mut ChaCha8Rng) -> Shape {
    if rng.random_bool(0.7) { Shape::psd(side(rng)) } else { Shape::asymmetric(side(rng), side(rng)) }
}

/// Any operator of the registry at any size up to 28, in any of its variants, and what it is in words.
pub(super) fn operator(rng: &mut ChaCha8Rng) -> Result<(Arc<dyn Operator>, String), String> {
    let registration = &REGISTRY[rng.random_range(0..REGISTRY.len())];
    let (shape, m, seed) = (shape(rng), side(rng) * rng.random_range(1..8), rng.random::<u64>() >> 12);
    let (mut name, mut random, mut integers) =
        (registration.name.to_owned(), registration.random, registration.integers);
    if !registration.variants.is_empty() && rng.random_bool(0.4) {
        let variant = &registration.variants[rng.random_range(0..registration.variants.len())];
        name = format!("{name} ({})", variant.name);
        (random, integers) = (variant.random, variant.integers);
    }
    let whole = rng.random_bool(0.3);
    let what = format!("{name}{} {shape} m={m} seed={seed}", if whole { " of integers" } else { "" });
    let operator = (if whole { integers } else { random })(shape, m, seed).map_err(|e| format!("{what}: {e}"))?;
    Ok((Arc::from(operator), what))
}

/// Factors of one trial with normal entries of standard deviation `size`.
pub(super) fn factors(rng: &mut ChaCha8Rng, shape: Shape, k: usize, size: f64) -> Result<Factors, String> {
    let mut draw = |rows: usize| (0..rows * k).map(|_| size * normal(rng)).collect::<Vec<f64>>();
    let left = draw(shape.rows());
    match shape.is_symmetric() {
        true => Factors::symmetric(1, shape.rows(), k, left),
        false => {
            let right = draw(shape.columns());
            Factors::pair(1, shape, k, left, right)
        }
    }
    .map_err(|e| e.to_string())
}

/// Any method with some of its parameters.
pub(super) fn method(rng: &mut ChaCha8Rng) -> (Method, Parameters) {
    let card = &METHODS[rng.random_range(0..METHODS.len())];
    let mut parameters = Parameters::default();
    if card.has("step_rule") && rng.random_bool(0.3) {
        parameters.step_rule = Some([StepRule::Armijo, StepRule::Exact][rng.random_range(0..2)]);
    }
    if card.has("damping") && rng.random_bool(0.5) {
        parameters.damping = Some([0.0, 1e-3, 0.5][rng.random_range(0..3)]);
    }
    if card.has("minibatches") {
        parameters.minibatches = Some(rng.random_range(1..4));
    }
    if card.has("polyak_every") {
        parameters.polyak_every = Some(rng.random_range(1..4));
    }
    if rng.random_bool(0.15) {
        parameters.loss = [Loss::L1, Loss::Huber { delta: 0.5 }][rng.random_range(0..2)];
    }
    (card.method, parameters)
}
