//! Doubts about the input of a problem, before any iteration.

use crate::error::Result;
use crate::problem::Truth;
use crate::solver::problem::Problem;

/// Least measurements for the comparison with a truth; as many shards as necessary are used.
const SAMPLE: usize = 256;
/// Misfit of a truth, as a median share of the observations, from which it is doubted.
const MISFIT: f64 = 0.5;

/// A sentence for each attached truth that does not explain the observations.
///
/// Medians of |A(truth)ᵢ − yᵢ| and of |yᵢ| over some shards are compared, so gross outliers do not matter.
///
/// # Errors
/// [`crate::Error::Invalid`] for a truth whose factors do not match the operator.
pub(super) fn of_truths(problem: &Problem) -> Result<Vec<String>> {
    let mut doubts = Vec::new();
    for instance in 0..problem.instances() {
        let Some((truth, y)) = problem.attached(instance) else { continue };
        let share = misfit(problem, truth, y)?;
        if share > MISFIT {
            let which = if problem.instances() == 1 { String::new() } else { format!(" of instance {instance}") };
            doubts.push(format!(
                "the truth{which} does not explain the observations: |A(truth) - y| is {:.0} % of |y| in the \
                 median. Either it belongs to other data, or it is the matrix M instead of the factor X, or the \
                 noise is as large as the signal",
                100.0 * share
            ));
        }
    }
    Ok(doubts)
}

/// The median of |A(truth)ᵢ − yᵢ| over that of |yᵢ|; 0 where y is 0.
fn misfit(problem: &Problem, truth: &Truth, y: &[f64]) -> Result<f64> {
    let (operator, factors) = (problem.operator(), truth.as_factors()?);
    // Shards can be large: where a part of the measurements is an operator of its own, no more of them are taken.
    let few = operator.slice(0..SAMPLE.min(operator.measurements()));
    let operator = few.as_deref().unwrap_or(&**operator);
    let (mut misses, mut sizes) = (Vec::new(), Vec::new());
    for shard in 0..operator.shards() {
        let range = operator.shard_range(shard);
        let mut found = vec![0.0; range.len()];
        operator.forward(shard, &factors, &mut found);
        misses.extend(found.iter().zip(&y[range.clone()]).map(|(found, y)| (found - y).abs()));
        sizes.extend(y[range].iter().map(|y| y.abs()));
        if misses.len() >= SAMPLE {
            break;
        }
    }
    let size = median(sizes);
    Ok(if size > 0.0 { median(misses) / size } else { 0.0 })
}

fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f64::total_cmp).1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Dense;
    use crate::problem::synthetic;

    #[test]
    fn a_matrix_given_as_a_factor_is_doubted_and_outliers_are_not() {
        let truth = synthetic::psd(12).rank(2).seed(1).build().unwrap();
        let right = Problem::measure(Dense::gaussian(truth.domain(), 300, 2).unwrap(), truth.clone()).unwrap();
        // Its eigenvalues are 1, so M² = M, which 2M does not satisfy.
        let twice = truth.to_matrix().into_iter().map(|v| 2.0 * v).collect();
        let matrix = Truth::from_factor(12, 12, twice).unwrap();
        let mut y = right.observations(0).unwrap().to_vec();
        y.iter_mut().step_by(20).for_each(|y| *y += 1e4);
        let outliers = Problem::new(right.operator().clone(), y).unwrap().with_truth(truth).unwrap();
        let wrong = right.clone().with_truth(matrix).unwrap();
        assert_eq!((of_truths(&right).unwrap().len(), of_truths(&outliers).unwrap().len()), (0, 0));
        let doubts = of_truths(&wrong).unwrap();
        assert!(doubts.len() == 1 && doubts[0].contains("truth") && doubts[0].contains("observations"), "{doubts:?}");
    }
}
