//! Keywords as the library's settings. A keyword that is `None` or left out has the library's default.

use std::str::FromStr;

use lowrank::internals::methods::AUTOMATIC;
use lowrank::internals::solver::Axes;
use lowrank::methods::{Method, Named, StepRule};
use lowrank::models::Model;
use lowrank::operators::Loss;
use lowrank::solver::Holdout;
use lowrank::{Backend, Error, Precision, Schedule, Settings, Stop};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::errors::{invalid, raised};
use crate::operator::Operator;

/// A dictionary of keywords.
pub struct Options<'py>(pub Bound<'py, PyDict>);

/// What a keyword can be.
pub trait Value: Sized {
    const ALLOWED: &str;
    fn of(value: &Bound<'_, PyAny>) -> Option<Self>;
}

macro_rules! value {
    ($type:ty, $allowed:expr) => {
        impl Value for $type {
            const ALLOWED: &str = $allowed;
            fn of(value: &Bound<'_, PyAny>) -> Option<Self> {
                value.extract().ok()
            }
        }
    };
}

value!(f64, "a number");
value!(usize, "a whole number of at least 0");
value!(u64, "a whole number of at least 0");
value!(bool, "True or False");
value!(String, "text");
value!((usize, usize), "two whole numbers of at least 0");

fn unreadable<T: Value>(name: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let found = value.repr().map_or_else(|_| "something".to_owned(), |text| text.to_string());
    invalid(name, found, T::ALLOWED, "Give such a value, or leave it out for the default")
}

/// The value of a word.
pub fn parsed<T: FromStr<Err = Error>>(text: &str) -> PyResult<T> {
    text.parse().map_err(raised)
}

impl<'py> Options<'py> {
    fn get(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.0.get_item(name)?.filter(|value| !value.is_none()))
    }

    pub fn one<T: Value>(&self, name: &str) -> PyResult<Option<T>> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        T::of(&value).map(Some).ok_or_else(|| unreadable::<T>(name, &value))
    }

    /// One value or several.
    pub fn several<T: Value>(&self, name: &str) -> PyResult<Option<Vec<T>>> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        if let Some(one) = T::of(&value) {
            return Ok(Some(vec![one]));
        }
        if value.is_instance_of::<PyString>() {
            return Err(unreadable::<T>(name, &value));
        }
        let Ok(values) = value.try_iter() else { return Err(unreadable::<T>(name, &value)) };
        let values = values
            .map(|item| item.and_then(|item| T::of(&item).ok_or_else(|| unreadable::<T>(name, &item))))
            .collect::<PyResult<Vec<T>>>()?;
        if values.is_empty() {
            return Err(invalid(name, "no value", "at least one", "leave it out for the default"));
        }
        Ok(Some(values))
    }

    fn axis<T: Value>(&self, name: &str) -> PyResult<Vec<Option<T>>> {
        Ok(self.several(name)?.map_or_else(|| vec![None], |values| values.into_iter().map(Some).collect()))
    }

    pub fn word<T: FromStr<Err = Error>>(&self, name: &str) -> PyResult<Option<T>> {
        self.one::<String>(name)?.map(|text| parsed(&text)).transpose()
    }

    /// The method of a word, and of a word only, with these parameters.
    pub fn method_with(&self, parameters: Named) -> PyResult<Method> {
        let word = self.one::<String>("method")?.unwrap_or_default();
        Method::named(&word, &parameters).map_err(raised)
    }

    /// The method with its parameters, the damping left to the axes; none where it is left to the library.
    pub fn method(&self) -> PyResult<Option<Method>> {
        let word = self.one::<String>("method")?;
        Method::asked(word.as_deref().unwrap_or(AUTOMATIC), &self.parameters()?).map_err(raised)
    }

    pub fn precision(&self) -> PyResult<Precision> {
        Ok(self.word("precision")?.unwrap_or_default())
    }

    pub fn backend(&self) -> PyResult<Backend> {
        let precision = self.precision()?;
        let backend = match self.one::<String>("backend")?.as_deref() {
            None | Some("auto") => Backend::auto_for(precision),
            Some(word) => Backend::from_word(word),
        };
        let backend = backend.map_err(raised)?;
        backend.require(precision).map_err(raised)?;
        Ok(backend)
    }

    /// Parameters of methods, without the damping.
    pub fn parameters(&self) -> PyResult<Named> {
        Ok(Named::default()
            .with("damping_factor", self.one::<f64>("damping_factor")?)
            .with("step_rule", self.word::<StepRule>("step_rule")?)
            .with("step_decay", self.one::<f64>("step_decay")?)
            .with("polyak_every", self.one::<usize>("polyak_every")?)
            .with("optimal_loss", self.one::<f64>("optimal_loss")?)
            .with("polyak_scale", self.one::<f64>("polyak_scale")?)
            .with("minibatches", self.one::<usize>("minibatches")?)
            .with("method_seed", self.one::<u64>("method_seed")?)
            .with("memory", self.one::<usize>("memory")?))
    }

    pub fn loss(&self) -> PyResult<Loss> {
        Ok(self.word("loss")?.unwrap_or_default())
    }

    pub fn axes(&self) -> PyResult<Axes> {
        Ok(Axes {
            rows: self.axis("rows")?,
            search_ranks: self.axis("search_rank")?,
            step_sizes: self.axis("step_size")?,
            dampings: self.axis("damping")?,
            init_scales: self.axis("init_scale")?,
            seeds: self.axis("seed")?,
        })
    }

    pub fn observe(&self) -> PyResult<Option<Schedule>> {
        self.one::<String>("observe")?.map(|text| parsed(&text)).transpose()
    }

    /// Settings without start and trials.
    pub fn settings(&self, operator: &Operator) -> PyResult<Settings> {
        let usual = Stop::default();
        let stop = Stop {
            relative_error: self.one("stop_relative_error")?,
            loss: self.one("stop_loss")?,
            residual: self.one("stop_residual")?,
            time: self.one("stop_time")?,
            max_iterations: self.one("max_iterations")?.unwrap_or(usual.max_iterations),
            // As on the command line, 0 never calls a run stalled.
            stall_window: self
                .one("stall_window")?
                .map_or(usual.stall_window, |window| Some(window).filter(|w| *w > 0)),
        };
        let mut settings = Settings::default().loss(self.loss()?).precision(self.precision()?).stop(stop);
        if let Some(method) = self.method()? {
            settings = settings.method(method);
        }
        if let Some(schedule) = self.observe()? {
            settings = settings.observe(schedule);
        }
        if let Some(fraction) = self.one("holdout")? {
            let holdout = Holdout { fraction, seed: self.one("holdout_seed")?.unwrap_or(0) };
            settings = settings.holdout(holdout.fraction, holdout.seed);
        }
        let signature = self.one::<(usize, usize)>("signature")?.map(|(p, q)| format!("{p},{q}"));
        let signature = Named::default().with("signature", signature);
        settings = settings.model(Model::named(&operator.model, &signature).map_err(raised)?);
        if let Some(ratio) = self.one("init_scale_ratio")? {
            settings = settings.init_scale_ratio(ratio);
        }
        if let Some(ridge) = self.one("ridge")? {
            settings = settings.ridge(ridge);
        }
        if let Some(std) = self.word("init_std")? {
            settings = settings.init_std(std);
        }
        if let Some(variant) = self.one::<String>("variant")? {
            settings = settings.variant(variant);
        }
        if self.one::<bool>("retune")?.unwrap_or(false) {
            settings = settings.retune();
        }
        if let Some(text) = self.one::<String>("device_memory")? {
            settings =
                settings.device_memory(lowrank::internals::memory::parse_size("device_memory", &text).map_err(raised)?);
        }
        Ok(settings)
    }
}
