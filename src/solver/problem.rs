//! An operator with its observations, and the truth if known.

mod unseen;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::host;
use crate::operators::Operator;
use crate::problem::Truth;
use crate::problem::random::{Purpose, normal, stream};

/// One observation vector and its truth.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub observations: Vec<f64>,
    pub truth: Option<Truth>,
    /// Whether the truth was attached to given observations instead of measured.
    pub attached: bool,
}

impl Instance {
    fn observed(observations: Vec<f64>) -> Self {
        Self { observations, truth: None, attached: false }
    }
}

/// A recovery problem: one operator with one or several observation vectors (instances).
///
/// A trial of [`crate::Settings`] solves one instance; by default every instance gets one trial.
#[derive(Clone)]
pub struct Problem {
    operator: Arc<dyn Operator>,
    instances: Vec<Instance>,
    /// Weight of each measurement, where they are not all 1.
    weights: Option<Arc<[f64]>>,
    /// The weight of every measurement where all have the same.
    common_weight: f64,
    /// Whether each observation is an upper bound, where some are.
    upper_bounds: Option<Arc<[bool]>>,
}

impl Problem {
    /// A problem from y = A(M) for a known truth, computed in f64 from the stored matrices. `operator` may be an
    /// `Arc<Dense>`, so that several problems share it.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the sizes differ.
    pub fn measure(operator: impl Operator + 'static, truth: Truth) -> Result<Self> {
        Self::measure_all(operator, vec![truth])
    }

    /// A problem from several truths measured by one operator, one instance each.
    ///
    /// # Errors
    /// [`Error::Invalid`] for different sizes or no truth.
    pub fn measure_all(operator: impl Operator + 'static, truths: Vec<Truth>) -> Result<Self> {
        let operator: Arc<dyn Operator> = Arc::new(operator);
        let instances = truths
            .into_iter()
            .map(|truth| {
                check_truth(&*operator, &truth)?;
                let observations = host::measure(&*operator, &truth.as_factors()?);
                Ok(Instance { observations, truth: Some(truth), attached: false })
            })
            .collect::<Result<Vec<_>>>()?;
        Self::validated(operator, instances)
    }

    /// A problem from own observations y (length m).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong length or a non-finite entry (with its index).
    pub fn new(operator: impl Operator + 'static, observations: impl Into<Vec<f64>>) -> Result<Self> {
        Self::batch(operator, vec![observations.into()])
    }

    /// A problem from several observation vectors of one operator, one instance each.
    ///
    /// # Errors
    /// Those of [`Problem::new`]; [`Error::Invalid`] for no vectors.
    pub fn batch(operator: impl Operator + 'static, observations: Vec<Vec<f64>>) -> Result<Self> {
        let instances = observations.into_iter().map(Instance::observed).collect();
        Self::validated(Arc::new(operator), instances)
    }

    fn validated(operator: Arc<dyn Operator>, instances: Vec<Instance>) -> Result<Self> {
        operator.domain().validate()?;
        if operator.measurements() == 0 {
            return Err(Error::invalid("measurements", 0, "at least 1", "pass at least one measurement"));
        }
        if instances.is_empty() {
            return Err(Error::invalid("observations", "none", "at least one vector", "give y"));
        }
        for instance in &instances {
            check_observations(&instance.observations, operator.measurements())?;
        }
        Ok(Self { operator, instances, weights: None, common_weight: 1.0, upper_bounds: None })
    }

    /// The problem of one instance.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a number beyond the instances.
    pub(crate) fn only(&self, instance: usize) -> Result<Self> {
        let Some(of) = self.instances.get(instance) else {
            let allowed = format!("0 to {}", self.instances.len() - 1);
            return Err(Error::invalid("instance", instance, allowed, "the problem has no such observation vector"));
        };
        Ok(Self { instances: vec![of.clone()], ..self.clone() })
    }

    /// Weights the measurements: the loss is 1/(2m)·Σ wᵢ eᵢ², with w scaled to a mean of 1 over the training measurements. A
    /// measurement of weight 0 is not used.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another number of weights, for weights that are negative or not finite, or all 0.
    pub fn with_weights(mut self, weights: impl Into<Vec<f64>>) -> Result<Self> {
        let (weights, m) = (weights.into(), self.operator.measurements());
        if weights.len() != m {
            let (found, allowed) = (format!("{} numbers", weights.len()), format!("{m} numbers, one per measurement"));
            return Err(Error::invalid("weights", found, allowed, "pass a weight for each measurement"));
        }
        if let Some(at) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
            let found = format!("{} at index {at}", weights[at]);
            return Err(Error::invalid("weights", found, "finite numbers of at least 0", "correct that weight"));
        }
        if weights.iter().all(|w| *w == 0.0) {
            return Err(Error::invalid("weights", "only zeros", "at least one positive weight", "correct the weights"));
        }
        let same = weights.iter().all(|w| *w == weights[0]);
        self.common_weight = if same { weights[0] } else { 1.0 };
        self.weights = (!same).then(|| weights.into());
        Ok(self)
    }

    /// Makes the observations of some measurements upper bounds: of ⟨Aᵢ, Z⟩ only the excess over yᵢ counts, with the residual
    /// max(⟨Aᵢ, Z⟩ − yᵢ, 0). So a measurement that a detector did not see, because it lies below its threshold, tells
    /// that much. Losses, their gradients, and relative residuals are those of these residuals. It needs one of the methods of
    /// [`Settings::label_noise`](crate::Settings::label_noise).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a number beyond the measurements, and for bounds alone; [`Error::Unsupported`] for centred
    /// residuals.
    pub fn with_upper_bounds(mut self, measurements: impl IntoIterator<Item = usize>) -> Result<Self> {
        let m = self.operator.measurements();
        let mut bounds = vec![false; m];
        for i in measurements {
            let Some(bound) = bounds.get_mut(i) else {
                let fix = "number the measurements from 0";
                return Err(Error::invalid("upper_bounds", i, format!("0 to {}", m - 1), fix));
            };
            *bound = true;
        }
        if bounds.iter().all(|bound| *bound) {
            let fix = "the zero matrix may fit them all: pass measured values too";
            return Err(Error::invalid("upper_bounds", "every measurement", "some of them", fix));
        }
        if self.operator.is_centred() {
            let what = format!("upper bounds beside centred residuals, as {} have,", self.operator.name());
            return Err(Error::Unsupported { what, fix: "pass measurements with plain residuals".into() });
        }
        self.upper_bounds = bounds.contains(&true).then(|| bounds.into());
        Ok(self)
    }

    /// Whether each observation is an upper bound, where some are.
    pub fn upper_bounds(&self) -> Option<&[bool]> {
        self.upper_bounds.as_deref()
    }

    /// The same problem with other observations, one instance for each vector, without truths.
    ///
    /// # Errors
    /// Those of [`Problem::batch`].
    pub(crate) fn with_observations(&self, observations: Vec<Vec<f64>>) -> Result<Self> {
        let problem = Self::batch(self.operator.clone(), observations)?;
        Ok(Self { operator: problem.operator, instances: problem.instances, ..self.clone() })
    }

    /// Weights of the measurements, where they are not all equal.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// The weight of a measurement, as given.
    pub(crate) fn weight(&self, i: usize) -> f64 {
        self.weights.as_ref().map_or(self.common_weight, |weights| weights[i])
    }

    /// Adds independent N(0, std²) noise to every observation; instance j uses stream j of `seed`.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless 0 ≤ std < ∞.
    pub fn with_noise(mut self, std: f64, seed: u64) -> Result<Self> {
        if !(std.is_finite() && std >= 0.0) {
            return Err(Error::invalid(
                "noise_std",
                std,
                "a finite number of at least 0",
                "pass the standard deviation of the noise",
            ));
        }
        for (j, instance) in self.instances.iter_mut().enumerate() {
            let mut rng = stream(seed, Purpose::Noise, j as u64);
            instance.observations.iter_mut().for_each(|y| *y += std * normal(&mut rng));
        }
        Ok(self)
    }

    /// Attaches truths to own observations: one for all instances, or one per instance.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the sizes or the counts differ.
    pub fn with_truths(mut self, truths: Vec<Truth>) -> Result<Self> {
        let (found, wanted) = (truths.len(), self.instances.len());
        if found != 1 && found != wanted {
            return Err(Error::invalid("truth", found, format!("1 or {wanted}"), "pass one truth per instance"));
        }
        for (j, instance) in self.instances.iter_mut().enumerate() {
            let truth = truths[j.min(found - 1)].clone();
            check_truth(&*self.operator, &truth)?;
            (instance.truth, instance.attached) = (Some(truth), true);
        }
        Ok(self)
    }

    /// Attaches one truth, like [`Problem::with_truths`].
    ///
    /// # Errors
    /// [`Error::Invalid`] where the sizes differ.
    pub fn with_truth(self, truth: Truth) -> Result<Self> {
        self.with_truths(vec![truth])
    }

    /// The truth attached to the observations of an instance, with them; `None` for observations measured from it.
    pub(crate) fn attached(&self, instance: usize) -> Option<(&Truth, &[f64])> {
        let instance = self.instances.get(instance).filter(|instance| instance.attached)?;
        Some((instance.truth.as_ref()?, &instance.observations))
    }

    /// Measurement operator A.
    pub fn operator(&self) -> &Arc<dyn Operator> {
        &self.operator
    }

    /// Number of observation vectors.
    pub fn instances(&self) -> usize {
        self.instances.len()
    }

    /// Observations y of one instance.
    pub fn observations(&self, instance: usize) -> Option<&[f64]> {
        self.instances.get(instance).map(|i| i.observations.as_slice())
    }

    /// Truth of one instance.
    pub fn truth(&self, instance: usize) -> Option<&Truth> {
        self.instances.get(instance)?.truth.as_ref()
    }

    /// Replaces all observations. Truths are dropped unless the observations are measured from them again.
    pub(crate) fn replace_observations(&mut self, observations: Vec<Vec<f64>>) -> Result<()> {
        if observations.len() != self.instances.len() {
            return Err(Error::invalid(
                "observations",
                format!("{} vectors", observations.len()),
                format!("{} vectors", self.instances.len()),
                "a loaded solver keeps its number of instances",
            ));
        }
        for y in &observations {
            check_observations(y, self.operator.measurements())?;
        }
        self.instances = observations.into_iter().map(Instance::observed).collect();
        Ok(())
    }
}

fn check_observations(y: &[f64], m: usize) -> Result<()> {
    if y.len() != m {
        return Err(Error::invalid(
            "observations",
            format!("{} numbers", y.len()),
            format!("{m} numbers, one per measurement"),
            "pass the observations of these matrices",
        ));
    }
    match y.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(Error::invalid(
            "observations",
            format!("{} at index {at}", y[at]),
            "finite numbers",
            "correct or remove that measurement",
        )),
        None => Ok(()),
    }
}

fn check_truth(operator: &dyn Operator, truth: &Truth) -> Result<()> {
    let (found, wanted) = (truth.domain(), operator.domain());
    if (found.rows(), found.columns()) != (wanted.rows(), wanted.columns()) {
        return Err(Error::invalid(
            "truth",
            format!("a {found} matrix"),
            format!("a {wanted} matrix"),
            "the truth must have the size of the unknown",
        ));
    }
    Ok(())
}
