//! Cells of a grid, and the parameters in which they differ.

use serde::Serialize;

/// One combination of the grid's values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cell {
    pub n: usize,
    pub n2: usize,
    pub rank: usize,
    pub condition_number: f64,
    pub measurements: usize,
    pub noise_std: f64,
    pub search_rank: usize,
    /// `None`: automatic.
    pub init_scale: Option<f64>,
    /// `None`: automatic.
    pub step_size: Option<f64>,
    /// `None`: no ridge.
    pub ridge: Option<f64>,
    /// Of the truth: with fewer measurements than this no method can succeed.
    pub degrees_of_freedom: usize,
}

impl Cell {
    /// Rows and columns of the unknown matrix.
    pub fn size(&self) -> (usize, usize) {
        (self.n, self.n2)
    }
}

/// A parameter that can vary, in the order of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Axis {
    N,
    N2,
    Rank,
    ConditionNumber,
    Measurements,
    NoiseStd,
    SearchRank,
    InitScale,
    StepSize,
    Ridge,
}

impl Axis {
    /// The identifier in tables and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::N => "n",
            Self::N2 => "n2",
            Self::Rank => "rank",
            Self::ConditionNumber => "condition_number",
            Self::Measurements => "measurements",
            Self::NoiseStd => "noise_std",
            Self::SearchRank => "search_rank",
            Self::InitScale => "init_scale",
            Self::StepSize => "step_size",
            Self::Ridge => "ridge",
        }
    }

    /// What a figure calls it.
    pub fn label(self) -> &'static str {
        match self {
            Self::N => "size n",
            Self::N2 => "columns n2",
            Self::Rank => "rank r*",
            Self::ConditionNumber => "condition number κ",
            Self::Measurements => "measurements m",
            Self::NoiseStd => "noise std",
            Self::SearchRank => "search rank k",
            Self::InitScale => "init scale α",
            Self::StepSize => "step size μ",
            Self::Ridge => "ridge",
        }
    }

    /// Whether a grid may have no values: the parameter is then chosen automatically, or there is no ridge.
    pub(crate) fn is_optional(self) -> bool {
        matches!(self, Self::N2 | Self::SearchRank | Self::InitScale | Self::StepSize | Self::Ridge)
    }

    /// A cell's value; NaN for one that is chosen automatically.
    pub fn of(self, cell: &Cell) -> f64 {
        match self {
            Self::N => cell.n as f64,
            Self::N2 => cell.n2 as f64,
            Self::Rank => cell.rank as f64,
            Self::ConditionNumber => cell.condition_number,
            Self::Measurements => cell.measurements as f64,
            Self::NoiseStd => cell.noise_std,
            Self::SearchRank => cell.search_rank as f64,
            Self::InitScale => cell.init_scale.unwrap_or(f64::NAN),
            Self::StepSize => cell.step_size.unwrap_or(f64::NAN),
            Self::Ridge => cell.ridge.unwrap_or(0.0),
        }
    }
}
