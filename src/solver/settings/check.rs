//! Checks of settings, before any work.

use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::methods::{AUTOMATIC, Method};
use crate::models::Model;
use crate::operators::Loss;
use crate::problem::Block;
use crate::solver::init::Init;
use crate::solver::schedule::{SaveEvery, Schedule};
use crate::solver::settings::Settings;
use crate::tape::noise;

/// The weight of unobserved entries in messages.
const UNOBSERVED: &str = "a weight of unobserved entries, as implicit feedback has,";

impl Settings {
    /// Checks all settings that do not depend on the problem; [`crate::Solver::new`] does so too.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the setting, what was found and what is allowed.
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, value: Option<f64>, fix: &str| match value {
            Some(v) if !(v.is_finite() && v > 0.0) => Err(Error::invalid(name, v, "a positive finite number", fix)),
            _ => Ok(()),
        };
        let nonnegative = |name: &str, value: Option<f64>| match value {
            Some(v) if v.is_nan() || v < 0.0 => {
                Err(Error::invalid(name, v, "a number of at least 0", "leave it out to do without it"))
            }
            _ => Ok(()),
        };
        let step_fix = "leave it out for the automatic step 1/(4‖s·A*(y)‖)";
        let scale_fix = "leave it out for an automatic scale; at 0 gradient descent never moves";
        positive("step_size", self.step_size, step_fix)?;
        check_loss(self.loss)?;
        self.method.iter().try_for_each(|method| method.check(self.loss))?;
        self.check_dampings()?;
        self.check_nonnegative()?;
        self.check_fixed_trace()?;
        self.check_unobserved_weight()?;
        self.check_perturbation()?;
        if let Init::SmallRandom { scale, .. } = self.init {
            positive("init_scale", Some(scale), scale_fix)?;
        }
        for trial in &self.trials {
            positive("step_size", trial.step_size, step_fix)?;
            positive("init_scale", trial.init_scale, scale_fix)?;
        }
        if self.search_rank == Some(0) || self.trials.iter().any(|t| t.search_rank == Some(0)) {
            let fix = "use a bound on the rank you expect";
            return Err(Error::invalid("search_rank", 0, "at least 1", fix));
        }
        positive("init_scale_ratio", self.init_scale_ratio, "leave it out for factors of equal size")?;
        let ridges = || self.trials.iter().filter_map(|trial| trial.ridge).chain([self.ridge]);
        if let Some(found) = ridges().find(|ridge| !(ridge.is_finite() && *ridge >= 0.0)) {
            let allowed = "a finite number of at least 0";
            return Err(Error::invalid("ridge", found, allowed, "leave it out for none"));
        }
        if ridges().any(|ridge| ridge > 0.0) && self.precision == Precision::Mixed {
            let fix = "a ridge ends far above the floor of f32: use precision f32 or f64";
            return Err(Error::invalid("ridge", ridges().fold(0.0, f64::max), "0 with precision mixed", fix));
        }
        nonnegative("stop_relative_error", self.stop.relative_error)?;
        nonnegative("stop_loss", self.stop.loss)?;
        nonnegative("stop_residual", self.stop.residual)?;
        nonnegative("stop_time", self.stop.time)?;
        if let Some(holdout) = self.holdout {
            holdout.check()?;
        }
        if self.holdout.is_some() && self.held_out.is_some() {
            let fix = "give a share or the measurements themselves";
            return Err(Error::invalid("holdout", "a share and a list of measurements", "one of them", fix));
        }
        if let Some((_, every)) = &self.checkpoint {
            let good = match *every {
                SaveEvery::Iterations(n) => n > 0,
                SaveEvery::Seconds(s) => s.is_finite() && s > 0.0,
            };
            if !good {
                let allowed = "at least 1 iteration, or a positive number of seconds";
                return Err(Error::invalid(
                    "checkpoint_every",
                    format!("{every:?}"),
                    allowed,
                    "for example 100, or 30s",
                ));
            }
        }
        if self.observe == Schedule::Every(0) {
            return Err(Error::invalid("observe", "every:0", "every:J with J ≥ 1, or log", "use every:10"));
        }
        if self.stop.stall_window == Some(0) {
            return Err(Error::invalid("stall_window", 0, "at least 1", "leave it out, or give a window"));
        }
        Ok(())
    }

    /// Refuses methods, precisions and starts that cannot keep the factors non-negative.
    fn check_nonnegative(&self) -> Result<()> {
        if !self.nonnegative {
            return Ok(());
        }
        if let Some(method) = self.method.as_ref().filter(|method| !method.projects()) {
            let found = format!("non-negative factors with the method {method}");
            let allowed = format!("the methods {}, with constant or scheduled steps", Method::projecting());
            return Err(Error::invalid("nonnegative", found, allowed, "leave the method out, or choose one of them"));
        }
        if self.precision == Precision::Mixed {
            let found = "non-negative factors with precision mixed, which iterates on an increment";
            return Err(Error::invalid("nonnegative", found, "precision f32 or f64", "change the precision"));
        }
        match &self.init {
            Init::Given(start) if start.blocks().iter().flat_map(Block::data).any(|v| *v < 0.0) => {
                let found = "a start with negative numbers, though factors are to be non-negative";
                Err(Error::invalid("init", found, "numbers of at least 0", "pass their absolute values"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a trace that is no size, and precisions, penalties and starts that contradict it.
    fn check_fixed_trace(&self) -> Result<()> {
        let Some(trace) = self.fixed_trace else { return Ok(()) };
        let name = "fixed_trace";
        if !(trace.is_finite() && trace > 0.0) {
            let fix = "pass 1 for a quantum state, or leave it out";
            return Err(Error::invalid(name, trace, "a positive finite number", fix));
        }
        if self.precision == Precision::Mixed {
            let found = format!("{trace} with precision mixed, which iterates on an increment");
            return Err(Error::invalid(name, found, "precision f32 or f64", "change the precision"));
        }
        if self.ridge > 0.0 || self.trials.iter().any(|trial| trial.ridge.is_some_and(|ridge| ridge > 0.0)) {
            let found = format!("{trace} beside a ridge, which is (r/2) times the trace");
            return Err(Error::invalid(name, found, "no ridge with a fixed trace", "leave one of them out"));
        }
        if matches!(self.init, Init::SmallRandom { .. }) || self.trials.iter().any(|trial| trial.init_scale.is_some()) {
            let found = format!("{trace} beside init_scale, though the trace gives the size of the start");
            return Err(Error::invalid(name, found, "no init_scale with a fixed trace", "leave one of them out"));
        }
        match &self.init {
            Init::Given(start) if start.blocks().iter().flat_map(Block::data).all(|v| *v == 0.0) => {
                let fix = "pass other factors, or leave the start out";
                Err(Error::invalid("init", "a start of zeros beside a fixed trace", "a start that is not zero", fix))
            }
            _ => Ok(()),
        }
    }

    /// Refuses label noise and sharpness that are no sizes, and methods and precisions that do not bear them.
    fn check_perturbation(&self) -> Result<()> {
        if self.label_noise_until.is_some() && self.label_noise == 0.0 {
            let (found, fix) = ("a number without label noise", "pass label_noise too, or leave it out");
            return Err(Error::invalid("label_noise_until", found, "a number beside label_noise", fix));
        }
        if let Some(until) = self.label_noise_until.filter(|until| *until as u64 > noise::MOST) {
            let allowed = format!("at most {}, up to which every engine counts the turns of the noise", noise::MOST);
            return Err(Error::invalid("label_noise_until", until, allowed, "leave it out"));
        }
        for (name, size) in [("label_noise", self.label_noise), ("sharpness", self.sharpness)] {
            if !(size.is_finite() && size >= 0.0) {
                return Err(Error::invalid(name, size, "a finite number of at least 0", "leave it out for none"));
            }
            if size > 0.0 && self.precision == Precision::Mixed {
                let found = format!("{size} with precision mixed, which iterates on an increment");
                return Err(Error::invalid(name, found, "precision f32 or f64", "change the precision"));
            }
            if let Some(method) = self.method.as_ref().filter(|method| size > 0.0 && !method.perturbs()) {
                let found = format!("{size} with the method {method}, which compares losses or decides by them");
                let allowed = format!("the methods {}, with constant or scheduled steps", Method::perturbing());
                return Err(Error::invalid(name, found, allowed, "leave the method out, or choose one of them"));
            }
        }
        Ok(())
    }

    /// Refuses a weight of unobserved entries that is no weight, or beside settings without a place for it.
    fn check_unobserved_weight(&self) -> Result<()> {
        let (name, weight) = ("unobserved_weight", self.unobserved_weight);
        if !(weight.is_finite() && weight >= 0.0) {
            return Err(Error::invalid(name, weight, "a finite number of at least 0", "leave it out for none"));
        }
        if weight > 0.0 && self.loss != Loss::Square {
            let allowed = "square with a weight of unobserved entries, as implicit feedback has";
            return Err(Error::invalid("loss", self.loss.word(), allowed, "leave the loss out"));
        }
        if weight > 0.0 && self.precision == Precision::Mixed {
            let allowed = "f32 or f64 with a weight of unobserved entries, as implicit feedback has";
            return Err(Error::invalid("precision", "mixed", allowed, "change the precision"));
        }
        self.model.iter().try_for_each(|model| self.check_unobserved_model(model))?;
        match self.method.as_ref().filter(|method| weight > 0.0 && !method.weighs_unobserved()) {
            None => Ok(()),
            Some(method) => {
                let fix = format!("use one of {}, or leave --method out", Method::weighing_unobserved());
                Err(Error::Unsupported { what: format!("{UNOBSERVED} with the method {}", method.word()), fix })
            }
        }
    }

    /// Refuses a weight of unobserved entries for models without a pair of factors.
    pub(crate) fn check_unobserved_model(&self, model: &Model) -> Result<()> {
        if self.unobserved_weight == 0.0 || model.factors() == 2 {
            return Ok(());
        }
        let what = format!("{UNOBSERVED} for the model {}, which has no pair of factors,", model.word());
        Err(Error::Unsupported { what, fix: "pass --model asymmetric".into() })
    }

    /// Refuses λ of single trials for methods without damping.
    fn check_dampings(&self) -> Result<()> {
        let Some(damping) = self.trials.iter().find_map(|trial| trial.damping) else { return Ok(()) };
        if self.method.as_ref().is_none_or(|method| method.damping().is_none()) {
            let word = self.method.as_ref().map_or(AUTOMATIC, |method| method.word());
            let allowed = format!("nothing for the method {word}; {} for it", Method::having("damping"));
            return Err(Error::invalid("damping", damping, allowed, "leave it out, or choose another method"));
        }
        let dampings = || self.trials.iter().filter_map(|trial| trial.damping);
        match dampings().find(|v| !(v.is_finite() && *v >= 0.0)) {
            Some(v) => {
                let fix = "0 is ScaledGD itself; leave it out for an automatic value";
                Err(Error::invalid("damping", v, "a finite number of at least 0", fix))
            }
            None => Ok(()),
        }
    }
}

/// Refuses a loss whose parameter is out of range.
fn check_loss(loss: Loss) -> Result<()> {
    match loss {
        Loss::Huber { delta } if !(delta.is_finite() && delta > 0.0) => {
            let found = format!("huber:{delta}");
            Err(Error::invalid("loss", found, "huber:δ with δ above 0", "for example huber:1"))
        }
        _ => Ok(()),
    }
}
