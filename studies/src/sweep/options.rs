//! The options of a grid, for every front end.

use lowrank::Result;
use lowrank::internals::operators::Registration;
use lowrank::internals::options::{Request, Scalar};
use lowrank::internals::requests::options_of;
use lowrank::options::OptionCard;
use lowrank::options::OptionKind::{Count, Counts, Number, Numbers, Seed, Switch, Text};

use crate::sweep::Grid;

const COMMANDS: &[&str] = &["sweep"];
/// Heading of the lists.
const GRID: &str = "Grid";
/// Heading of what all solves share.
const SOLVES: &str = "Solves";

/// Trials that advance together at most, by default.
pub const BATCH: usize = 64;

/// The kind of random measurements, under a heading of commands.
pub const fn operator(heading: &'static str, commands: &'static [&'static str]) -> OptionCard {
    OptionCard::new("operator", Text, "NAME", heading, "Kind of measurements; see `lowrank list operators`")
        .of(commands)
        .value("dense")
}

/// Options of a grid, beside those of the solver that sweeps have.
pub const OPTIONS: &[OptionCard] = &[
    OptionCard::new("n", Counts, "LIST", GRID, "Sizes of the unknown n×n matrix; with --n2 its numbers of rows")
        .of(COMMANDS)
        .required(),
    OptionCard::new(
        "n2",
        Counts,
        "LIST",
        GRID,
        "Columns of the unknown n×n2 matrix, for the models asymmetric and deep",
    )
    .of(COMMANDS)
    .chosen("n"),
    OptionCard::new("rank", Counts, "LIST", GRID, "Ranks r* of the truth").of(COMMANDS).required(),
    OptionCard::new("measurements", Counts, "LIST", GRID, "Numbers of measurements m").of(COMMANDS).required(),
    OptionCard::new(
        "noise_std",
        Numbers,
        "LIST",
        GRID,
        "Standard deviations of the noise on y (the truth has ‖X‖ = 1)",
    )
    .of(COMMANDS)
    .value("0"),
    OptionCard::new(
        "condition_number",
        Numbers,
        "LIST",
        GRID,
        "κ of X, κ(M) being κ²; for the models asymmetric and deep that of M",
    )
    .of(COMMANDS)
    .value("1"),
    OptionCard::new("search_rank", Counts, "LIST", GRID, "Columns k of the factors")
        .of(COMMANDS)
        .chosen("that of the model, or min(n, n2, 2 r*)"),
    OptionCard::new("init_scale", Numbers, "LIST", GRID, "α of the start of gd, entries N(0, α²/k)")
        .of(COMMANDS)
        .chosen("1e-6 √‖s·A*(y)‖"),
    OptionCard::new("step_size", Numbers, "LIST", GRID, "Step size μ")
        .of(COMMANDS)
        .chosen("1/(4 ‖s·A*(y)‖) for gd; of other methods see `lowrank list methods`"),
    OptionCard::new(
        "ridge",
        Numbers,
        "LIST",
        GRID,
        "Weight r of (r/2)‖U‖², or (r/2)(‖L‖² + ‖R‖²), in the loss of the descent",
    )
    .of(COMMANDS)
    .chosen("none"),
    OptionCard::new("repetitions", Count, "N", GRID, "Solves of each cell, with different truths, noise and starts")
        .of(COMMANDS)
        .value("20"),
    operator(SOLVES, COMMANDS),
    OptionCard::new("success", Number, "e", SOLVES, "A solve succeeds, and stops, at ‖Z−M‖/‖M‖ ≤ e")
        .of(COMMANDS)
        .value("1e-3"),
    OptionCard::new(
        "vary_operator",
        Switch,
        "",
        SOLVES,
        "A fresh operator for every repetition instead of one for each size",
    )
    .of(COMMANDS),
    OptionCard::new("seed", Seed, "SEED", SOLVES, "Seed from which all others are derived").of(COMMANDS).value("0"),
    OptionCard::new("batch", Count, "N", SOLVES, "Trials that advance together at most; results do not depend on it")
        .of(COMMANDS)
        .value("64"),
];

impl Grid {
    /// The grid of a request. Limits are those of a sweep where none were asked for.
    ///
    /// # Errors
    /// [`lowrank::Error::Invalid`] naming the option; for a grid, see [`Grid::check`].
    pub fn asked(of: &Request) -> Result<Self> {
        fn list<T: Scalar>(of: &Request, name: &str, usual: Vec<T>) -> Result<Vec<T>> {
            Ok(if of.has(name) { of.list(name)? } else { usual })
        }
        of.check(&OPTIONS.iter().chain(options_of("sweep")).collect::<Vec<_>>())?;
        let usual = Self::default();
        Ok(Self {
            operator: of.text("operator").map_or(Ok(usual.operator), Registration::find)?,
            model: of.model(usual.model.word())?,
            method: of.method()?,
            n: list(of, "n", usual.n)?,
            n2: list(of, "n2", usual.n2)?,
            rank: list(of, "rank", usual.rank)?,
            condition_number: list(of, "condition_number", usual.condition_number)?,
            measurements: list(of, "measurements", usual.measurements)?,
            noise_std: list(of, "noise_std", usual.noise_std)?,
            search_rank: list(of, "search_rank", usual.search_rank)?,
            init_scale: list(of, "init_scale", usual.init_scale)?,
            step_size: list(of, "step_size", usual.step_size)?,
            ridge: list(of, "ridge", usual.ridge)?,
            repetitions: of.one("repetitions")?.unwrap_or(usual.repetitions),
            success: of.one("success")?.unwrap_or(usual.success),
            max_iterations: of.one("max_iterations")?.unwrap_or(usual.max_iterations),
            stall_window: of.one("stall_window")?.map_or(usual.stall_window, |window| Some(window).filter(|w| *w > 0)),
            vary_operator: of.is_on("vary_operator"),
            precision: of.precision()?,
            seed: of.one("seed")?.unwrap_or(usual.seed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::options::Usual;

    #[test]
    fn defaults_are_those_of_the_grid() {
        let nothing = Grid::asked(&Request::new()).unwrap();
        assert_eq!(nothing, Grid::default());
        for option in OPTIONS {
            let Usual::Value(text) = option.default else { continue };
            assert_eq!(Grid::asked(&Request::new().with(option.name, text)).unwrap(), nothing, "{}", option.name);
        }
        let batch = OPTIONS.iter().find(|option| option.name == "batch").unwrap();
        assert_eq!(batch.default.text(), Some(BATCH.to_string().as_str()));
    }
}
