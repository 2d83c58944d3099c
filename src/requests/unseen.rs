//! The loss on unseen entries of a request.

use crate::error::{Error, Result};
use crate::options::Request;
use crate::solver::Problem;

impl Request {
    /// The threshold t of `hinge:t`, the loss on unseen entries, if it was asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another text.
    pub fn unseen_below(&self) -> Result<Option<f64>> {
        let Some(text) = self.text("loss_unseen") else { return Ok(None) };
        match text.strip_prefix("hinge:").map(str::parse::<f64>) {
            Some(Ok(threshold)) if threshold.is_finite() => Ok(Some(threshold)),
            _ => {
                let allowed = "hinge:t with the threshold t below which entries are not seen";
                Err(Error::invalid("loss_unseen", format!("'{text}'"), allowed, "for example hinge:0"))
            }
        }
    }

    /// Makes unseen entries measurements with an upper bound, if that was asked for, and says so.
    ///
    /// # Errors
    /// Those of [`Request::unseen_below`] and [`Problem::with_unseen_below`].
    pub fn with_unseen(&self, problem: Problem) -> Result<(Problem, Option<String>)> {
        let Some(threshold) = self.unseen_below()? else { return Ok((problem, None)) };
        let seen = problem.operator().measurements();
        let lower = problem.observations(0).unwrap_or_default().iter().filter(|y| **y < threshold).count();
        let problem = problem.with_unseen_below(threshold)?;
        let unseen = problem.operator().measurements() - seen;
        let doubt = match lower {
            0 => String::new(),
            _ => format!("; {lower} observed entries are lower, so it may not be what hides the others"),
        };
        Ok((problem, Some(format!("loss_unseen: {unseen} unseen entries count where Z exceeds {threshold}{doubt}"))))
    }
}
