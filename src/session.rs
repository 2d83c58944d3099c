//! Residuals, losses and gradients at the caller's factors.

use std::sync::Arc;

use crate::backend::Backend;
use crate::engine::{Engine, EngineInfo, Load, Options, Precision};
use crate::error::{Error, Result};
use crate::models::Model;
use crate::operators::{Loss, Operator};
use crate::problem::Factors;
use crate::tape::{Blocks, Program, Tape};

/// Residual, loss and gradient at given factors, from a [`Session`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ValueAndGradient {
    /// Residual e = A(Z) − y, (batch, m).
    pub residual: Vec<f64>,
    /// Loss f of each trial.
    pub loss: Vec<f64>,
    /// Gradient ∇f, with blocks of the sizes of the factors.
    pub gradient: Factors,
}

/// An operator and a model on a backend, for your own loops: batched residuals, losses and gradients at the solver's
/// speed.
///
/// The square loss is f = (s/4)‖A(UUᵀ) − y‖² for one factor and f = (s/2)‖A(LRᵀ) − y‖² for two, so U ← U − μ∇f is the
/// solver's gradient descent. For operators with centred residuals ([`Operator::is_centred`]) it is that of e − ē. The
/// first call decides the numbers of trials and columns that are loaded; other numbers load again.
///
/// ```
/// use lowrank::operators::Dense;
/// use lowrank::problem::{Domain, Factors};
/// use lowrank::{Backend, Model, Session};
///
/// # fn main() -> lowrank::Result<()> {
/// let operator = Dense::gaussian(Domain::symmetric(10), 60, 1)?;
/// let mut session = Session::open(operator, Model::psd(), Backend::Cpu)?.observations(&[1.0; 60])?;
/// let u = Factors::single(1, 10, 2, vec![0.1; 20])?;
/// let found = session.evaluate(&u)?;
/// assert_eq!(found.residual.len(), 60);
/// assert_eq!(found.gradient.blocks()[0].data().len(), 20);
/// # Ok(())
/// # }
/// ```
pub struct Session {
    operator: Arc<dyn Operator>,
    model: Model,
    backend: Backend,
    precision: Precision,
    loss: Loss,
    /// Observations, (1, m) or (batch, m).
    observations: Vec<f64>,
    loaded: Option<Loaded>,
}

struct Loaded {
    engine: Box<dyn Engine>,
    program: Arc<Program>,
    gradient: Blocks,
    batch: usize,
    search_rank: usize,
}

/// Σ value(e), in eight sums side by side.
fn total(e: &[f64], value: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    for e in e.chunks(8) {
        sums.iter_mut().zip(e).for_each(|(sum, e)| *sum += value(*e));
    }
    sums.iter().sum()
}

impl Loaded {
    fn gradient(&mut self, sizes: &[(usize, usize)], s: f64) -> Result<Factors> {
        let mut values = self.engine.read(self.gradient.into())?;
        values.iter_mut().for_each(|v| *v *= s);
        Factors::from_trials(sizes, &values)
    }
}

impl Session {
    /// A session with observations 0 and the square loss, in double precision on the host backends and in single
    /// precision on a GPU.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the model does not suit the operator's domain.
    pub fn open(operator: impl Operator + 'static, model: Model, backend: Backend) -> Result<Self> {
        Self::open_shared(Arc::new(operator), model, backend)
    }

    /// A session like [`Session::open`] with a shared operator.
    ///
    /// # Errors
    /// Those of [`Session::open`].
    pub fn open_shared(operator: Arc<dyn Operator>, model: Model, backend: Backend) -> Result<Self> {
        model.check(&operator.domain())?;
        let precision = if backend.own().word() == "gpu" { Precision::F32 } else { Precision::F64 };
        let observations = vec![0.0; operator.measurements()];
        Ok(Self { operator, model, backend, precision, loss: Loss::Square, observations, loaded: None })
    }

    /// Sets the arithmetic: single or double precision.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for mixed precision, and for double precision on an adapter without it.
    #[must_use = "a session is returned"]
    pub fn precision(mut self, precision: Precision) -> Result<Self> {
        if precision == Precision::Mixed {
            let what = "mixed precision for single evaluations";
            return Err(Error::Unsupported { what: what.into(), fix: "use f32 or f64".into() });
        }
        self.backend.require(precision)?;
        (self.precision, self.loaded) = (precision, None);
        Ok(self)
    }

    /// Sets ρ of the loss f = c·s·Σρ(eᵢ).
    #[must_use = "a session is returned"]
    pub fn loss_function(mut self, loss: Loss) -> Self {
        (self.loss, self.loaded) = (loss, None);
        self
    }

    /// Sets the observations y: m numbers for all trials, or (batch, m).
    ///
    /// # Errors
    /// [`Error::Invalid`] for a length that is not a multiple of m, and for numbers that are not finite.
    #[must_use = "a session is returned"]
    pub fn observations(mut self, y: &[f64]) -> Result<Self> {
        let m = self.operator.measurements();
        if y.is_empty() || !y.len().is_multiple_of(m) {
            let allowed = format!("{m} numbers, or {m} per trial");
            return Err(Error::invalid(
                "observations",
                format!("{} numbers", y.len()),
                allowed,
                "pass one for each A_i",
            ));
        }
        if let Some(at) = y.iter().position(|v| !v.is_finite()) {
            return Err(Error::invalid("observations", format!("{} at {at}", y[at]), "finite numbers", "leave it out"));
        }
        (self.observations, self.loaded) = (y.to_vec(), None);
        Ok(self)
    }

    /// Description of the engine; `None` before the first evaluation.
    pub fn engine(&self) -> Option<&EngineInfo> {
        self.loaded.as_ref().map(|loaded| loaded.engine.info())
    }

    /// Residual e = A(Z) − y, (batch, m).
    ///
    /// # Errors
    /// [`Error::Invalid`] for factors that the model does not have; errors of the device.
    pub fn residual(&mut self, factors: &Factors) -> Result<Vec<f64>> {
        let loaded = self.at(factors)?;
        loaded.engine.read(loaded.program.residual().into())
    }

    /// Loss f of each trial.
    ///
    /// # Errors
    /// Those of [`Session::residual`].
    pub fn loss(&mut self, factors: &Factors) -> Result<Vec<f64>> {
        let residual = self.residual(factors)?;
        Ok(self.losses(&residual))
    }

    /// Gradient ∇f, with blocks of the sizes of the factors.
    ///
    /// # Errors
    /// Those of [`Session::residual`].
    pub fn gradient(&mut self, factors: &Factors) -> Result<Factors> {
        let s = self.operator.normalization();
        let loaded = self.at(factors)?;
        // One iteration is the pass alone: the tape ends there. The residual stays where it is.
        loaded.engine.run(1)?;
        loaded.gradient(&factors.sizes(), s)
    }

    /// Residual, loss and gradient, all from one pass over the measurements.
    ///
    /// # Errors
    /// Those of [`Session::residual`].
    pub fn evaluate(&mut self, factors: &Factors) -> Result<ValueAndGradient> {
        let s = self.operator.normalization();
        let sizes = factors.sizes();
        let loaded = self.at(factors)?;
        let residual = loaded.engine.read(loaded.program.residual().into())?;
        let gradient = loaded.gradient(&sizes, s)?;
        Ok(ValueAndGradient { loss: self.losses(&residual), residual, gradient })
    }

    fn losses(&self, residual: &[f64]) -> Vec<f64> {
        let scale = self.model.recorded().share() * self.operator.normalization();
        let centre = |e: &[f64]| if self.operator.is_centred() { total(e, |e| e) / e.len() as f64 } else { 0.0 };
        let of = |e: &[f64]| {
            let mean = centre(e);
            scale * total(e, |e| self.loss.value(e - mean))
        };
        residual.chunks(self.operator.measurements()).map(of).collect()
    }

    /// The engine, loaded and set to these factors.
    fn at(&mut self, factors: &Factors) -> Result<&mut Loaded> {
        let (domain, batch, k) = (self.operator.domain(), factors.batch(), factors.search_rank());
        let (found, wanted) = (factors.sizes(), self.model.sizes(&domain, k));
        if found != wanted || batch == 0 {
            let found = format!("{batch} x {found:?}");
            let allowed = format!("blocks of {wanted:?}, at least one trial");
            return Err(Error::invalid("factors", found, allowed, "pass the factors of the model"));
        }
        let kept = self.loaded.take().filter(|loaded| (loaded.batch, loaded.search_rank) == (batch, k));
        let mut loaded = match kept {
            Some(loaded) => loaded,
            None => self.load(batch, k)?,
        };
        loaded.engine.write(loaded.program.iterate().into(), &factors.by_trial())?;
        Ok(self.loaded.insert(loaded))
    }

    fn load(&self, batch: usize, search_rank: usize) -> Result<Loaded> {
        let (domain, m) = (self.operator.domain(), self.operator.measurements());
        let given = self.observations.len() / m;
        if given != 1 && given != batch {
            let allowed = format!("factors of {given} trials, to match the observations");
            return Err(Error::invalid("factors", format!("{batch} trials"), allowed, "pass one row of y per trial"));
        }
        let mut tape = Tape::new(self.model.recorded(), domain, search_rank, self.loss, false, false);
        let u = tape.iterate();
        let (e, gradient) = tape.gradient(u);
        tape.observe(e);
        let program = Arc::new(tape.finish());
        let load =
            Load { operator: self.operator.clone(), program: program.clone(), increments: None, batch, variant: None };
        let mut engine = self.backend.load(&load, self.backend.precision(self.precision), &Options::default())?;
        let target = if given == 1 { self.observations.repeat(batch) } else { self.observations.clone() };
        engine.write(program.target.into(), &target)?;
        engine.write(program.weights.into(), &vec![1.0; batch * m])?;
        Ok(Loaded { engine, program, gradient, batch, search_rank })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::Dense;
    use crate::problem::Domain;

    /// What no pass measures has to be what one would have measured.
    #[test]
    fn at_zero_a_residual_alone_is_minus_the_observations() {
        let (n, k, m) = (5, 2, 12);
        let operator: Arc<dyn Operator> = Arc::new(Dense::gaussian(Domain::symmetric(n), m, 2).unwrap());
        let mut tape = Tape::new(Model::psd().recorded(), operator.domain(), k, Loss::Square, false, false);
        let u = tape.iterate();
        let e = tape.residuals(&[u])[0];
        tape.observe(e);
        let program = Arc::new(tape.finish());
        let y: Vec<f64> = (0..2 * m).map(|i| i as f64 - 7.5).collect();
        // One trial at 0, and one beside it.
        let points: Vec<f64> = (0..2 * n * k).map(|i| if i < n * k { 0.0 } else { i as f64 / 10.0 }).collect();
        let found = [Backend::Reference, Backend::Cpu].map(|backend| {
            let load = Load {
                operator: operator.clone(),
                program: program.clone(),
                increments: None,
                batch: 2,
                variant: None,
            };
            let mut engine = backend.load(&load, Precision::F64, &Options::default()).unwrap();
            engine.write(program.target.into(), &y).unwrap();
            engine.write(program.weights.into(), &vec![1.0; 2 * m]).unwrap();
            engine.write(program.iterate().into(), &points).unwrap();
            engine.read(program.residual().into()).unwrap()
        });
        for e in &found {
            assert!(e[..m].iter().zip(&y).all(|(e, y)| *e == -*y), "{e:?}");
        }
        assert!(found[0][m..].iter().zip(&found[1][m..]).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        assert_ne!(found[0][m], -y[m]);
    }
}
