//! Requests: the list of all options, and what a request means as settings, trials, backend and files.

mod choice;
pub(crate) mod files;
mod implicit;
pub(crate) mod listing;
mod unseen;

use crate::backend::Backend;
use crate::engine::Precision;
use crate::error::{Error, Result};
use crate::methods::{AUTOMATIC, METHODS, Method, Named, StepRule};
use crate::models::{self, MODELS, Model, ModelCard};
use crate::operators::{Operator, Storage};
use crate::options::{Request, Scalar};
use crate::solver::axes::Axes;
use crate::solver::init::InitWord;
use crate::solver::table::SETTINGS;
use crate::solver::{Preprocess, Settings};
use crate::tape::out_of_reach;

impl Request {
    /// The settings of the given options, without start, trials and method; the others have their defaults.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the option.
    pub fn settings(&self) -> Result<Settings> {
        let given = SETTINGS.iter().filter(|(option, ..)| self.has(option.name));
        given.into_iter().try_fold(Settings::default(), |settings, (.., apply)| apply(settings, self))
    }

    /// The axes of the batch that belong to the problem and the start; steps and dampings, which belong to the method,
    /// are left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the option.
    pub fn axes(&self) -> Result<Axes> {
        let axes = Axes {
            rows: self.axis("rows")?,
            search_ranks: self.axis("search_rank")?,
            ridges: self.axis("ridge")?,
            init_scales: self.axis("init_scale")?,
            seeds: self.axis("seed")?,
            ..Axes::default()
        };
        axes.check(1)?;
        Ok(axes)
    }

    /// All axes of the batch.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the option.
    pub fn axes_with_method(&self) -> Result<Axes> {
        let axes = Axes { step_sizes: self.axis("step_size")?, dampings: self.axis("damping")?, ..self.axes()? };
        axes.check(1)?;
        Ok(axes)
    }

    fn axis<T: Scalar>(&self, name: &str) -> Result<Vec<Option<T>>> {
        let values = self.list(name)?;
        Ok(if values.is_empty() { vec![None] } else { values.into_iter().map(Some).collect() })
    }

    /// Parameters of methods that were given, without those that are axes of the batch.
    pub fn parameters(&self) -> Named {
        let is_one = |name: &str| {
            let of = METHODS.iter().flat_map(|card| card.parameters).find(|of| of.name() == name);
            of.is_some_and(|of| !of.option.kind.is_list())
        };
        self.only(is_one)
    }

    /// The method with its parameters; `None` where the choice is the library's.
    ///
    /// # Errors
    /// Those of [`Method::asked`].
    pub fn method(&self) -> Result<Option<Method>> {
        // A wrong word is refused before the question which method has the parameter.
        self.word::<StepRule>("step_rule")?;
        Method::asked(self.text("method").unwrap_or(AUTOMATIC), &self.parameters())
    }

    /// The card of the model that was asked for, or of `usual`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown word.
    pub fn model_card(&self, usual: &str) -> Result<&'static ModelCard> {
        models::card(self.text("model").unwrap_or(usual))
    }

    /// The model that was asked for, or `usual`, with its parameters.
    ///
    /// # Errors
    /// Those of [`Model::named`].
    pub fn model(&self, usual: &str) -> Result<Model> {
        let parameters = self.only(|name| MODELS.iter().any(|card| card.has(name)));
        Model::named(self.text("model").unwrap_or(usual), &parameters)
    }

    /// The precision that was asked for, or single precision.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another word.
    pub fn precision(&self) -> Result<Precision> {
        Ok(self.word("precision")?.unwrap_or_default())
    }

    /// The backend that was asked for, or the best one, in the precision of the request.
    ///
    /// # Errors
    /// Those of [`Backend::from_word`]; [`Error::Unsupported`] where it lacks the precision.
    pub fn backend(&self) -> Result<Backend> {
        self.backend_of(self.text("backend").unwrap_or("auto"))
    }

    /// The backend of a word, in the precision of the request.
    ///
    /// # Errors
    /// Those of [`Request::backend`].
    pub fn backend_of(&self, word: &str) -> Result<Backend> {
        let precision = self.precision()?;
        let backend = match word {
            "auto" => Backend::auto_for(precision)?,
            word => Backend::from_word(word)?,
        };
        backend.require(precision)?;
        Ok(backend)
    }

    /// The backend for an operator, and a notice where it changes: a GPU that nobody asked for gives way to the processor where it
    /// lacks the kernels, for the operator or for the method that was asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown word.
    pub fn settled(&self, backend: Backend, operator: &dyn Operator) -> Result<(Backend, Option<String>)> {
        if self.text("backend").is_some_and(|word| word != "auto") {
            return Ok((backend, None));
        }
        let lacks = match self.method()? {
            Some(method) if method.reads_rows() && !backend.has_rows() => Err(out_of_reach("on the backend gpu")),
            _ => backend.require_operator(operator, self.precision()?),
        };
        Ok(match lacks {
            Err(Error::Unsupported { what, .. }) => {
                (backend.on_cpu(), Some(format!("backend cpu: lowrank chose it, because {what} is not supported")))
            }
            _ => (backend, None),
        })
    }

    /// Number type of measurements in memory: the one that was asked for, or the one that suits precision and backend.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another word.
    pub fn storage(&self) -> Result<Option<Storage>> {
        let backend = self.text("backend").unwrap_or("auto");
        Ok(self.word("storage")?.or(self.precision()?.usual_storage(backend)))
    }

    /// The word of the start and the preprocessing before it; `None` for factors, which `init` then names.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown word; for a scale or seed beside a start that is not random.
    pub fn start(&self) -> Result<Option<(InitWord, Preprocess)>> {
        let written = self.written("init");
        let word = match &written {
            None => Some(InitWord::SmallRandom),
            Some(text) if InitWord::is_meant(text) => Some(text.parse::<InitWord>()?),
            Some(_) => None,
        };
        if !word.is_some_and(InitWord::is_random) {
            for name in ["init_scale", "seed"] {
                if let Some(value) = self.written(name) {
                    let found = format!("'{value}' beside --init {}", written.unwrap_or_default());
                    let allowed = "nothing beside a start that is not random";
                    return Err(Error::invalid(name, found, allowed, "leave one of the two out"));
                }
            }
        }
        let preprocess = self.word("init_preprocess")?.unwrap_or_default();
        Ok(word.map(|word| (word, preprocess)))
    }

    /// Whether an error, a loss or a residual is to be reached.
    pub fn has_target(&self) -> bool {
        ["stop_relative_error", "stop_loss", "stop_residual"].iter().any(|name| self.has(name))
    }
}
