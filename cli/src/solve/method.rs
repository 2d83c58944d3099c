//! Flags of the parameters of methods.

use lowrank::Result;
use lowrank::methods::{Named, StepRule};
use lowrank::operators::Loss;
use serde_json::{Value, json};

use crate::grid;

/// Parameters of methods.
#[derive(clap::Args, Clone, Debug)]
pub struct Flags {
    /// λ of scaled-gd, in units of ‖M‖ [default: 0 from a spectral start, else 1e-3 ‖s·A*(y)‖]
    #[arg(long, value_name = "LIST", allow_hyphen_values = true, help_heading = "Method")]
    pub damping: Option<String>,
    /// c in λ = c·√s·‖A(UUᵀ)−y‖ of prec-gd and cg [default: 1]
    #[arg(long, value_parser = grid::single::<f64>, value_name = "c", allow_negative_numbers = true, help_heading = "Method")]
    pub damping_factor: Option<f64>,
    /// constant, armijo, or exact: the least loss along the direction [default: exact for cg and lbfgs, else constant]
    #[arg(long, value_name = "NAME", help_heading = "Method")]
    pub step_rule: Option<String>,
    /// Factor of the step from one iteration to the next [default: 1]
    #[arg(long, value_parser = grid::single::<f64>, value_name = "q", allow_negative_numbers = true, help_heading = "Method")]
    pub step_decay: Option<f64>,
    /// K: gd-polyak takes a Polyak step in every K-th iteration [default: 10]
    #[arg(long, value_parser = grid::single::<usize>, value_name = "K", allow_negative_numbers = true, help_heading = "Method")]
    pub polyak_every: Option<usize>,
    /// The loss that Polyak's steps aim at; gd and scaled-gd then take no others [default: 0]
    #[arg(long, value_parser = grid::single::<f64>, value_name = "f", allow_negative_numbers = true, help_heading = "Method")]
    pub optimal_loss: Option<f64>,
    /// Share of Polyak's step that is taken [default: 1]
    #[arg(long, value_parser = grid::single::<f64>, value_name = "γ", allow_negative_numbers = true, help_heading = "Method")]
    pub polyak_scale: Option<f64>,
    /// Groups of measurements that take turns in sgd, and in riemannian if given [default: 10]
    #[arg(long, value_parser = grid::single::<usize>, value_name = "N", allow_negative_numbers = true, help_heading = "Method")]
    pub minibatches: Option<usize>,
    /// Seed of their order [default: 0]
    #[arg(long, value_parser = grid::single::<u64>, value_name = "SEED", help_heading = "Method")]
    pub method_seed: Option<u64>,
    /// Steps that lbfgs remembers [default: 10]
    #[arg(long, value_parser = grid::single::<usize>, value_name = "N", allow_negative_numbers = true, help_heading = "Method")]
    pub memory: Option<usize>,
    /// square, l1 or huber:δ: what is summed over the residuals; the last two bear gross outliers
    #[arg(long, value_name = "NAME", default_value = "square", help_heading = "Method")]
    pub loss: String,
}

impl Flags {
    /// Parameters by name, without the damping, which is an axis of the batch.
    pub fn parameters(&self) -> Result<Named> {
        let step_rule = self.step_rule.as_ref().map(|word| word.parse::<StepRule>()).transpose()?;
        Ok(Named::default()
            .with("damping_factor", self.damping_factor)
            .with("step_rule", step_rule)
            .with("step_decay", self.step_decay)
            .with("polyak_every", self.polyak_every)
            .with("optimal_loss", self.optimal_loss)
            .with("polyak_scale", self.polyak_scale)
            .with("minibatches", self.minibatches)
            .with("method_seed", self.method_seed)
            .with("memory", self.memory))
    }

    /// ρ of the loss.
    pub fn loss(&self) -> Result<Loss> {
        self.loss.parse()
    }

    /// The flags as they were given.
    pub fn described(&self) -> Value {
        json!({
            "damping": self.damping, "damping_factor": self.damping_factor,
            "step_rule": self.step_rule, "step_decay": self.step_decay, "polyak_every": self.polyak_every,
            "optimal_loss": self.optimal_loss, "polyak_scale": self.polyak_scale, "minibatches": self.minibatches,
            "method_seed": self.method_seed, "memory": self.memory, "loss": self.loss,
        })
    }
}
