//! Options of generated problems of every operator.

use lowrank::options::OptionCard;
use lowrank::options::OptionKind::{Count, Number, Pair, Seed, Switch, Text};
use lowrank_studies::sweep::operator;

/// The commands of these options.
pub const COMMANDS: &[&str] = &["generate"];
/// Heading of what every problem has.
const PROBLEM: &str = "Problem";
/// Heading of options of single operators.
pub const OF_OPERATORS: &str = "Options of single operators";

pub const OPTIONS: &[OptionCard] = &[
    operator(PROBLEM, COMMANDS),
    OptionCard::new("n", Count, "n", PROBLEM, "Size of the unknown n×n matrix; or give --shape")
        .of(COMMANDS)
        .excludes(&["shape"]),
    OptionCard::new("shape", Pair, "n1,n2", PROBLEM, "Size of the unknown matrix, for the models asymmetric and deep")
        .of(COMMANDS),
    OptionCard::new("rank", Count, "r", PROBLEM, "Rank of the unknown matrix")
        .of(COMMANDS)
        .chosen("that of --signature"),
    OptionCard::new("measurements", Count, "m", PROBLEM, "Number of measurements").of(COMMANDS).required(),
    OptionCard::new(
        "condition_number",
        Number,
        "κ",
        PROBLEM,
        "Condition number κ of the factor X, that of M = X Xᵀ being κ²; for the models asymmetric and deep that of M",
    )
    .of(COMMANDS)
    .value("1"),
    OptionCard::new("noise_std", Number, "σ", PROBLEM, "Standard deviation of the noise on y").of(COMMANDS).value("0"),
    OptionCard::new(
        "seed",
        Seed,
        "SEED",
        PROBLEM,
        "Seed of the truth, the operator and the noise, where they have none of their own",
    )
    .of(COMMANDS)
    .value("0"),
    OptionCard::new("truth_seed", Seed, "SEED", PROBLEM, "Seed of the truth alone")
        .of(COMMANDS)
        .chosen("that of --seed"),
    OptionCard::new("operator_seed", Seed, "SEED", PROBLEM, "Seed of the measurements alone")
        .of(COMMANDS)
        .chosen("that of --seed"),
    OptionCard::new("noise_seed", Seed, "SEED", PROBLEM, "Seed of the noise alone")
        .of(COMMANDS)
        .chosen("that of --seed"),
    OptionCard::new(
        "complex",
        Switch,
        "",
        PROBLEM,
        "Of dense: complex Hermitian matrices; of rank_one: complex vectors a, as in phase retrieval. The unknown is complex",
    )
    .of(COMMANDS),
    OptionCard::new("layout", Text, "NAME", PROBLEM, "packed: upper triangles (m, n(n+1)/2); full: (m, n1, n2)")
        .of(COMMANDS)
        .chosen("packed where matrices are symmetric"),
    OptionCard::new(
        "storage",
        Text,
        "TYPE",
        PROBLEM,
        "Type of the matrices: f32, f64, or f16 (numbers that half precision holds, in a float32 file)",
    )
    .of(COMMANDS)
    .value("f32"),
];
