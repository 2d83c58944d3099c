//! Cards: the description of an option, once for every front end.

/// Type of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionKind {
    /// Given or not.
    Switch,
    /// A real number.
    Number,
    /// A whole number of at least 0.
    Count,
    /// A whole number from 0 to 2⁶⁴ − 1.
    Seed,
    /// A word or another text.
    Text,
    /// Two whole numbers `a,b`.
    Pair,
    /// Name of a file.
    File,
    /// One real number or several.
    Numbers,
    /// One whole number of at least 0 or several.
    Counts,
    /// One seed or several.
    Seeds,
}

impl OptionKind {
    /// Whether several values make several trials.
    pub fn is_list(self) -> bool {
        matches!(self, Self::Numbers | Self::Counts | Self::Seeds)
    }
}

/// Default of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Usual {
    /// Nothing happens without the option.
    Nothing,
    /// This value, as front ends write it.
    Value(&'static str),
    /// A choice by the library, as formula or sentence.
    Chosen(&'static str),
    /// The option must be given.
    Required,
}

impl Usual {
    /// The default for a help text, if there is one.
    pub fn text(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Value(text) | Self::Chosen(text) => Some(text),
            Self::Required => Some("required"),
        }
    }
}

/// Description of an option for command lines, Python, reports and documentation.
#[derive(Clone, Copy, Debug)]
#[must_use = "a card does nothing by itself"]
#[non_exhaustive]
pub struct OptionCard {
    /// Name in settings, reports and Python; the flag has dashes for underscores.
    pub name: &'static str,
    /// Type of the value.
    pub kind: OptionKind,
    /// Symbol of the value in help texts.
    pub symbol: &'static str,
    /// Help text, without words and default.
    pub help: &'static str,
    /// Words of the value, from a registry.
    pub words: Option<fn() -> String>,
    /// Whether the word auto, or auto:LIST with candidates, has cross-validation choose the value.
    pub automatic: bool,
    /// Default.
    pub default: Usual,
    /// Commands with another default.
    pub defaults: &'static [(&'static str, Usual)],
    /// Heading in help texts.
    pub heading: &'static str,
    /// Commands with the option: `solve`, `compare`, `sweep`, `generate`, …
    pub commands: &'static [&'static str],
    /// Whether Python's functions of the same names have the keyword.
    pub in_python: bool,
    /// Whether the program has the flag.
    pub in_program: bool,
    /// Options of which one must be given too; empty for none.
    pub requires: &'static [&'static str],
    /// Options that exclude this one.
    pub conflicts: &'static [&'static str],
}

/// Every command that solves.
pub(crate) const ALL: &[&str] = &["solve", "compare", "sweep"];
/// Every command that computes on a backend of choice.
pub(crate) const WITH_BACKEND: &[&str] = &["solve", "compare", "sweep", "demo", "reproduce", "bench"];
/// Those that choose the arithmetic too.
pub(crate) const WITH_PRECISION: &[&str] = &["solve", "compare", "sweep", "reproduce", "bench"];
/// Those that choose the kernels too.
pub(crate) const WITH_VARIANT: &[&str] = &["solve", "compare", "bench"];
/// Every command with a model of the unknown.
pub(crate) const WITH_MODEL: &[&str] = &["solve", "compare", "sweep", "generate"];
/// Heading of options about measurements and the unknown.
pub(crate) const MEASUREMENTS: &str = "Measurements";
/// Heading of options about the method and where it runs.
pub(crate) const METHOD: &str = "Method";
/// Heading of limits and targets.
pub(crate) const STOP: &str = "When to stop";
/// Heading of checkpoints and device failures.
pub(crate) const FAULTS: &str = "Faults and reruns";

impl OptionCard {
    /// An option of `solve` and `compare`, for the program and Python, without a default.
    pub const fn new(
        name: &'static str,
        kind: OptionKind,
        symbol: &'static str,
        heading: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            symbol,
            help,
            words: None,
            automatic: false,
            default: Usual::Nothing,
            defaults: &[],
            heading,
            commands: &["solve", "compare"],
            in_python: true,
            in_program: true,
            requires: &[],
            conflicts: &[],
        }
    }

    /// Sets the default to a value.
    pub const fn value(self, text: &'static str) -> Self {
        Self { default: Usual::Value(text), ..self }
    }

    /// Sets the default to a choice of the library.
    pub const fn chosen(self, text: &'static str) -> Self {
        Self { default: Usual::Chosen(text), ..self }
    }

    /// Requires the option itself.
    pub const fn required(self) -> Self {
        Self { default: Usual::Required, ..self }
    }

    /// Sets other defaults for commands.
    pub(crate) const fn but(self, defaults: &'static [(&'static str, Usual)]) -> Self {
        Self { defaults, ..self }
    }

    /// Adds words of a registry to the help text.
    pub(crate) const fn words(self, words: fn() -> String) -> Self {
        Self { words: Some(words), ..self }
    }

    /// Allows the word auto.
    pub(crate) const fn or_auto(self) -> Self {
        Self { automatic: true, ..self }
    }

    /// Sets the commands.
    pub const fn of(self, commands: &'static [&'static str]) -> Self {
        Self { commands, ..self }
    }

    /// Leaves the option out of Python, where objects take its place.
    pub(crate) const fn program_only(self) -> Self {
        Self { in_python: false, ..self }
    }

    /// Leaves the option out of the program.
    pub(crate) const fn python_only(self) -> Self {
        Self { in_program: false, ..self }
    }

    /// Requires one of these options.
    pub(crate) const fn requires(self, names: &'static [&'static str]) -> Self {
        Self { requires: names, ..self }
    }

    /// Excludes these options.
    pub const fn excludes(self, names: &'static [&'static str]) -> Self {
        Self { conflicts: names, ..self }
    }

    /// The default for a command.
    pub fn default_of(&self, command: &str) -> Usual {
        self.defaults.iter().find(|(name, _)| *name == command).map_or(self.default, |(_, usual)| *usual)
    }

    /// The flag without its dashes in front.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }
}

/// A parameter of a method or a model: its option and its default there.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Parameter {
    /// The option.
    pub option: &'static OptionCard,
    /// Default of this method or model.
    pub default: &'static str,
}

impl Parameter {
    /// A parameter from its option and its default.
    pub const fn new(option: &'static OptionCard, default: &'static str) -> Self {
        Self { option, default }
    }

    /// Name of the parameter.
    pub fn name(&self) -> &'static str {
        self.option.name
    }
}
