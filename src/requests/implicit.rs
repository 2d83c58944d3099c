//! Implicit feedback of a request: the settings that it implies.

use crate::error::{Error, Result};
use crate::operators::Operator;
use crate::operators::entries::Implicit;
use crate::options::Request;
use crate::solver::{Problem, Settings};
use crate::text::readable;

/// Ridge where none is given, over Σc/√(n1·n2) of the positive entries: that is at most the largest singular value of
/// their confidences, the ridge with which the zero matrix is the solution.
const RIDGE: f64 = 0.1;

impl Request {
    /// Implicit feedback, if it was asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an α that is not a positive number.
    pub fn implicit(&self) -> Result<Option<Implicit>> {
        self.one("implicit")?.map(Implicit::new).transpose()
    }

    /// Adds the weight of unobserved entries, if implicit feedback was asked for.
    ///
    /// # Errors
    /// Those of [`Request::implicit`]; [`Error::Invalid`] without entries.
    pub fn with_implicit(&self, settings: Settings, has_entries: bool) -> Result<Settings> {
        if self.implicit()?.is_none() {
            return Ok(settings);
        }
        if !has_entries {
            let (found, allowed) = ("measurements that are no entries", "entries of a matrix of counts");
            return Err(Error::invalid("implicit", found, allowed, "pass the counts as entries, or leave it out"));
        }
        Ok(settings.unobserved_weight(Implicit::UNOBSERVED_WEIGHT))
    }

    /// Adds a ridge to implicit feedback that has none, with a sentence on it.
    ///
    /// # Errors
    /// Those of [`Request::implicit`].
    pub fn with_usual_ridge(&self, settings: Settings, problem: &Problem) -> Result<(Settings, Option<String>)> {
        if self.implicit()?.is_none() || self.has("ridge") {
            return Ok((settings, None));
        }
        let (domain, m) = (problem.operator().domain(), problem.operator().measurements());
        let weights = (0..m).map(|i| problem.weight(i)).filter(|w| *w > 0.0);
        let sum: f64 = weights.map(|w| w + Implicit::UNOBSERVED_WEIGHT).sum();
        let ridge = RIDGE * sum / (domain.rows() as f64 * domain.columns() as f64).sqrt();
        let said = format!(
            "ridge {}: chosen for implicit feedback as {RIDGE} Σc/√(n1 n2) over the positive entries; a holdout compares others",
            readable(ridge)
        );
        Ok((settings.ridge(ridge), Some(said)))
    }
}
