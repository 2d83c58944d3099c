//! Whether more degrees of freedom explain more of the measurements than noise.

/// Fall of the loss, as a multiple of the share of the degrees of freedom, from which they explain more than noise.
const SIGNIFICANT: f64 = 3.0;

/// Whether the loss can tell `more` degrees of freedom from noise, where the measurements have `left` others: where fewer are left
/// than the test asks for, noise alone could pass it.
pub(crate) fn is_testable(more: f64, left: f64) -> bool {
    SIGNIFICANT * more < left
}

/// Fall of the loss, as [`SIGNIFICANT`], that noise does not make even where few measurements are left: a fit without noise.
const OVERWHELMING: f64 = 100.0;

/// [`significant_loss`] where the loss can tell `more` degrees of freedom from noise, and a loss that next to no noise leaves where it
/// cannot; 0 where no measurement is left.
pub(crate) fn convincing_loss(loss: f64, more: f64, left: f64) -> f64 {
    match is_testable(more, left) {
        true => significant_loss(loss, more, left),
        false => overwhelming_loss(loss, more, left),
    }
}

/// Loss below which `more` degrees of freedom explain more than noise, however few measurements are left beside them.
pub(crate) fn overwhelming_loss(loss: f64, more: f64, left: f64) -> f64 {
    loss / (1.0 + OVERWHELMING * more / (left - more).max(f64::MIN_POSITIVE))
}

/// Loss below which `more` degrees of freedom explain more than noise, where the measurements have `left` others. With
/// E₁, the quotient of (E₀ − E₁)/d and E₁/(m − d₀ − d) is [`SIGNIFICANT`], as in an F test.
pub(crate) fn significant_loss(loss: f64, more: f64, left: f64) -> f64 {
    loss / (1.0 + SIGNIFICANT * more / (left - more))
}

/// Loss below which a fit with `more` degrees of freedom explains more than noise, although it has chosen its columns.
///
/// The best fit of noise leaves about the square of (left − more)/left, because the columns follow the noise. The third power is below
/// each of 304 such fits of matrices from 12×12 to 60×60, but not below all of small ones. Where `more` are few, this is
/// [`significant_loss`].
pub(crate) fn chosen_loss(loss: f64, more: f64, left: f64) -> f64 {
    loss * ((left - more).max(0.0) / left).powf(SIGNIFICANT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Backend;
    use crate::methods::Method;
    use crate::operators::Dense;
    use crate::problem::{Domain, synthetic};
    use crate::{Problem, Settings, Solver, Trial};

    /// Two columns instead of one, for noise of 40 % of the signal. The F test alone would believe some of them.
    #[test]
    fn the_best_fit_of_noise_leaves_more_than_a_chosen_loss() {
        let (n, m) = (24, 72);
        let mut believed = 0;
        for seed in 0..12 {
            let truth = synthetic::psd(n).rank(1).seed(seed).build().unwrap();
            let exact = Problem::measure(Dense::gaussian(Domain::symmetric(n), m, seed + 100).unwrap(), truth).unwrap();
            let size = (exact.observations(0).unwrap().iter().map(|y| y * y).sum::<f64>() / m as f64).sqrt();
            let problem = exact.with_noise(0.4 * size, seed + 200).unwrap();
            let least = |rank: usize| {
                let trials = (0..4).map(|start| Trial::default().seed(start));
                let settings = Settings::new(Method::cg()).search_rank(rank).trials(trials);
                let solution = Solver::new(problem.clone(), settings, Backend::Cpu).unwrap().solve().unwrap();
                solution.trials.iter().map(|trial| trial.train_loss).fold(f64::INFINITY, f64::min)
            };
            let (one, two) = (least(1), least(2));
            let (more, left) = ((n - 1) as f64, (m - n) as f64);
            assert!(two > chosen_loss(one, more, left), "seed {seed}: {one:e} {two:e}");
            believed += usize::from(two < significant_loss(one, more, left));
        }
        assert!(believed > 0);
    }
}
