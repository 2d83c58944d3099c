//! `generate --operator entries` and `--operator sparse`: problems as lists.

use std::io::Write;
use std::sync::Arc;

use lowrank::internals::io::OutputFile;
use lowrank::internals::operators::draw_positions;
use lowrank::operators::{Entries, Layout, Operator, Sparse};
use lowrank::options::OptionCard;
use lowrank::options::OptionKind::{Count, Number, Text};
use lowrank::problem::{Domain, packed_index};
use lowrank::{Problem, Result};
use serde_json::json;

use super::frame::{Generator, Made, Wanted};
use super::options::{COMMANDS, OF_OPERATORS};
use super::{invalid, refused, truth};

pub const ENTRIES: Generator = Generator {
    operators: &["entries"],
    options: &[
        OptionCard::new(
            "degrees",
            Number,
            "γ",
            OF_OPERATORS,
            "Of entries: exponent γ of the numbers of entries in rows and columns, the j-th having about j^−γ",
        )
        .of(COMMANDS)
        .chosen("0, even"),
        OptionCard::new(
            "mask",
            Text,
            "NAME",
            OF_OPERATORS,
            "Of entries: relu observes those of the drawn entries alone that reach the threshold",
        )
        .of(COMMANDS)
        .chosen("none"),
        OptionCard::new("threshold", Number, "t", OF_OPERATORS, "What entries reach under the mask relu")
            .of(COMMANDS)
            .chosen("0"),
        OptionCard::new("format", Text, "NAME", OF_OPERATORS, "Of entries: csv, counted from 0, or mtx")
            .of(COMMANDS)
            .chosen("csv"),
    ],
    usual_model: "asymmetric",
    complex: |_| false,
    has_observations: false,
    files: |wanted| {
        threshold(wanted)?;
        Ok(vec![if is_matrix_market(wanted)? { "entries.mtx" } else { "entries.csv" }])
    },
    make: entries,
};

pub const SPARSE: Generator = Generator {
    operators: &["sparse"],
    options: &[OptionCard::new("nonzeros", Count, "N", OF_OPERATORS, "Of sparse: nonzeros of a matrix")
        .of(COMMANDS)
        .chosen("4")],
    usual_model: "psd",
    complex: |_| false,
    has_observations: true,
    files: |_| Ok(vec!["A.mtx"]),
    make: sparse,
};

/// Whether entries are written as Matrix Market.
fn is_matrix_market(wanted: &Wanted) -> Result<bool> {
    match wanted.request.text("format") {
        None | Some("csv") => Ok(false),
        Some("mtx") => Ok(true),
        Some(other) => Err(invalid("format", other, "csv or mtx")),
    }
}

/// Which of the drawn entries are observed.
fn threshold(wanted: &Wanted) -> Result<Option<f64>> {
    match (wanted.request.text("mask"), wanted.request.one("threshold")?) {
        (None | Some("none"), None) => Ok(None),
        (None | Some("none"), Some(t)) => {
            Err(refused("threshold", t, "none without --mask relu", "say --mask relu, or leave it out"))
        }
        (Some("relu"), t) => Ok(Some(t.unwrap_or(0.0))),
        (Some(other), _) => Err(invalid("mask", other, "none or relu")),
    }
}

/// Row, column and value of an entry.
type Line = (u64, u64, f64);

/// Entries of a matrix whose entries have the mean square 1.
fn entries(wanted: &Wanted) -> Result<Made> {
    let (threshold, matrix_market) = (threshold(wanted)?, is_matrix_market(wanted)?);
    let truth = truth::with_unit_entries(&wanted.truth)?;
    let domain = truth.domain();
    let degrees = wanted.request.one("degrees")?.unwrap_or(0.0);
    let drawn = draw_positions(domain, wanted.measurements, degrees, wanted.seeds.operator)?;
    let wide = |places: &[u32]| places.iter().map(|&place| place as usize).collect::<Vec<_>>();
    let (rows, columns) = (wide(&drawn.rows), wide(&drawn.columns));
    let all = wanted.observed(Entries::new(domain, &rows, &columns)?, truth.clone())?;
    let y = all.observations(0).unwrap_or_default();
    let seen: Vec<usize> = (0..y.len()).filter(|&q| threshold.is_none_or(|t| y[q] >= t)).collect();
    if seen.is_empty() {
        let found = threshold.unwrap_or(f64::NAN);
        return Err(refused("threshold", found, "one that some entries reach", "lower it: entries have mean square 1"));
    }
    let of = |places: &[usize]| seen.iter().map(|&q| places[q]).collect::<Vec<_>>();
    let lines: Vec<Line> = seen.iter().map(|&q| (rows[q] as u64, columns[q] as u64, y[q])).collect();
    let observations: Vec<f64> = lines.iter().map(|(.., value)| *value).collect();
    let operator = Entries::new(domain, &of(&rows), &of(&columns))?;

    let (n1, n2, m) = (domain.rows(), domain.columns(), seen.len());
    let (std, seeds) = (wanted.noise_std, wanted.seeds);
    let base = if matrix_market { "" } else { " --index-base 0" };
    let name = if matrix_market { "entries.mtx" } else { "entries.csv" };
    Ok(Made {
        problem: Problem::new(operator, observations)?.with_truth(truth.clone())?,
        write: Box::new(move |_, file| write_entries(file, domain, matrix_market, &lines)),
        described: json!({
            "drawn": drawn.len(), "degrees": degrees, "mask": wanted.request.text("mask"), "threshold": threshold,
            "index_base": u8::from(matrix_market),
        }),
        measured: format!(
            "{m} entries of a {domain} matrix, mean square 1, noise {std} (seeds {}, {})",
            seeds.operator, seeds.noise
        ),
        observed: String::new(),
        flags: (
            format!("--entries {} --shape {n1},{n2}{base}", wanted.at(name)),
            match threshold {
                Some(_) if domain.is_symmetric() && wanted.truth.factor().is_some() => {
                    format!("--search-rank {} --init spectral:1", truth.rank().unwrap_or(0))
                }
                _ => "--holdout 0.1".to_owned(),
            },
        ),
    })
}

fn write_entries(file: &mut OutputFile, domain: Domain, matrix_market: bool, lines: &[Line]) -> std::io::Result<()> {
    let lines_of = lines.iter().copied();
    let sizes = (domain.rows(), domain.columns(), lines.len());
    match (matrix_market, domain.is_symmetric()) {
        (false, _) => write_csv(file, lines_of),
        (true, false) => write_matrix_market(file, "general", sizes, lines_of),
        // Of a symmetric matrix the lower triangle is stored, and positions are drawn in the upper one.
        (true, true) => write_matrix_market(file, "symmetric", sizes, lines_of.map(|(a, b, v)| (b, a, v))),
    }
}

/// Random matrices with a few nonzeros.
fn sparse(wanted: &Wanted) -> Result<Made> {
    let (domain, m, seed) = (wanted.truth.domain(), wanted.measurements, wanted.seeds.operator);
    let operator = Arc::new(Sparse::random(domain, m, wanted.request.one("nonzeros")?.unwrap_or(4), seed)?);
    let (layout, nonzeros) = (if domain.is_symmetric() { "packed" } else { "full" }, operator.nonzeros());
    Ok(Made {
        problem: wanted.observed(operator.clone(), wanted.truth.clone())?,
        write: Box::new(move |_, file| write_rows(file, &operator)),
        described: json!({ "nonzeros": nonzeros, "layout": layout }),
        measured: format!("{m} {layout} {domain} matrices with {nonzeros} nonzeros, seed {seed}"),
        observed: "observations".into(),
        flags: (
            format!("--sparse {}", wanted.at("A.mtx")),
            format!("--layout {layout} --shape {},{}", domain.rows(), domain.columns()),
        ),
    })
}

fn write_rows(file: &mut OutputFile, operator: &Sparse) -> std::io::Result<()> {
    let (domain, m) = (operator.domain(), operator.measurements());
    let layout = if domain.is_symmetric() { Layout::Packed } else { Layout::Full };
    let place = |a: usize, b: usize| match layout {
        Layout::Packed => packed_index(domain.rows(), a, b),
        Layout::Full => a * domain.columns() + b,
    };
    let width = if layout == Layout::Packed { domain.dimension() } else { domain.rows() * domain.columns() };
    let lines =
        (0..m).flat_map(|i| operator.row(i).into_iter().map(move |(a, b, v)| (i as u64, place(a, b) as u64, v)));
    write_matrix_market(file, "general", (m, width, operator.nonzeros()), lines)
}

/// Numbers are written with as many digits as it takes to read the same ones.
fn write_csv(out: &mut impl Write, mut lines: impl Iterator<Item = Line>) -> std::io::Result<()> {
    writeln!(out, "row,column,value")?;
    lines.try_for_each(|(row, column, value)| writeln!(out, "{row},{column},{value}"))
}

fn write_matrix_market(
    out: &mut impl Write,
    symmetry: &str,
    (rows, columns, entries): (usize, usize, usize),
    mut lines: impl Iterator<Item = Line>,
) -> std::io::Result<()> {
    writeln!(out, "%%MatrixMarket matrix coordinate real {symmetry}\n{rows} {columns} {entries}")?;
    lines.try_for_each(|(row, column, value)| writeln!(out, "{} {} {value}", row + 1, column + 1))
}
