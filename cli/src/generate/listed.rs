//! `generate --operator entries` and `--operator sparse`: problems as lists.

use std::io::Write;

use lowrank::internals::io::OutputFile;
use lowrank::internals::operators::draw_positions;
use lowrank::io::write_npy_f64;
use lowrank::operators::{Entries, Layout, Operator, Sparse};
use lowrank::problem::packed_index;
use lowrank::{Problem, Result};
use serde_json::json;

use super::{Args, Wanted, invalid, refused, truth};
use crate::solve::write_json;
use crate::{Ending, said};

/// Which of the drawn entries are observed.
fn threshold(args: &Args) -> Result<Option<f64>> {
    match (args.mask.as_deref(), args.threshold) {
        (None | Some("none"), None) => Ok(None),
        (None | Some("none"), Some(t)) => {
            Err(refused("threshold", t, "none without --mask relu", "say --mask relu, or leave it out"))
        }
        (Some("relu"), t) => Ok(Some(t.unwrap_or(0.0))),
        (Some(other), _) => Err(invalid("mask", other, "none or relu")),
    }
}

/// Entries of a matrix whose entries have the mean square 1.
pub fn entries(args: &Args, wanted: &Wanted) -> Result<Ending> {
    let matrix_market = match args.format.as_deref() {
        None | Some("csv") => false,
        Some("mtx") => true,
        Some(other) => return Err(invalid("format", other, "csv or mtx")),
    };
    let threshold = threshold(args)?;
    let [truth_seed, operator_seed, noise_seed] = wanted.seeds;
    let truth = truth::with_unit_entries(&wanted.truth)?;
    let domain = truth.domain();
    let name = if matrix_market { "entries.mtx" } else { "entries.csv" };
    let truth_name = truth::file_name(&truth);
    let file = |name: &str| OutputFile::create(args.out.join(name));
    let (mut list, mut x, description) = (file(name)?, file(truth_name)?, file("problem.json")?);

    let mut drawn = draw_positions(domain, args.measurements, args.degrees.unwrap_or(0.0), operator_seed)?;
    let wide = |places: &[u32]| places.iter().map(|&place| place as usize).collect::<Vec<_>>();
    let operator = Entries::new(domain, &wide(&drawn.rows), &wide(&drawn.columns))?;
    let problem = Problem::measure(operator, truth.clone())?.with_noise(args.noise_std, noise_seed)?;
    drawn.values.copy_from_slice(problem.observations(0).unwrap_or_default());
    let seen: Vec<usize> = (0..drawn.len()).filter(|&q| threshold.is_none_or(|t| drawn.values[q] >= t)).collect();
    if seen.is_empty() {
        let found = threshold.unwrap_or(f64::NAN);
        return Err(refused("threshold", found, "one that some entries reach", "lower it: entries have mean square 1"));
    }
    let (n1, n2, m) = (domain.rows(), domain.columns(), seen.len());
    let lines = seen.iter().map(|&q| (u64::from(drawn.rows[q]), u64::from(drawn.columns[q]), drawn.values[q]));
    let written = if matrix_market {
        let symmetry = if domain.is_symmetric() { "symmetric" } else { "general" };
        // Of a symmetric matrix the lower triangle is stored, and positions are drawn in the upper one.
        let lines = lines.map(|(a, b, v)| if domain.is_symmetric() { (b, a, v) } else { (a, b, v) });
        write_matrix_market(&mut list, symmetry, (n1, n2, m), lines)
    } else {
        write_csv(&mut list, lines)
    };
    list.check(written)?;
    let written = truth::write(&mut x, &truth);
    x.check(written)?;
    let value = json!({
        "operator": "entries", "model": args.model, "shape": [n1, n2], "rank": truth.rank(),
        "signature": args.signature, "measurements": m, "drawn": drawn.len(), "degrees": args.degrees.unwrap_or(0.0),
        "mask": args.mask, "threshold": threshold, "condition_number": args.condition_number,
        "noise_std": args.noise_std, "index_base": u8::from(matrix_market),
        "seeds": { "truth": truth_seed, "operator": operator_seed, "noise": noise_seed },
        "version": env!("CARGO_PKG_VERSION"), "argv": argv(),
    });
    list.finish()?;
    x.finish()?;
    write_json(description, &value)?;

    let at = |name: &str| args.out.join(name).display().to_string();
    let model = if args.model == "asymmetric" { String::new() } else { format!(" --model {}", args.model) };
    let signature = args.signature.as_ref().map_or_else(String::new, |s| format!(" --signature {s}"));
    let base = if matrix_market { "" } else { " --index-base 0" };
    let rank = truth.rank().unwrap_or(0);
    let start = match threshold {
        Some(_) if args.model == "psd" => format!(" --search-rank {rank} --init spectral:1"),
        _ => " --holdout 0.1".to_owned(),
    };
    let mut out = std::io::stdout().lock();
    said(writeln!(
        out,
        "{}  {m} entries of a {domain} matrix, mean square 1, noise {} (seeds {operator_seed}, {noise_seed})\n\
         {}  truth of rank {rank}, condition number {} (seed {truth_seed})\n{}\n\nsolve it with\n  \
         lowrank solve --entries {} --shape {n1},{n2}{base}{model}{signature}{start} --truth {}",
        at(name),
        args.noise_std,
        at(truth_name),
        args.condition_number,
        at("problem.json"),
        at(name),
        at(truth_name),
    ))?;
    Ok(Ending::Done)
}

/// Random matrices with a few nonzeros.
pub fn sparse(args: &Args, wanted: &Wanted) -> Result<Ending> {
    let ([truth_seed, operator_seed, noise_seed], truth) = (wanted.seeds, &wanted.truth);
    let (domain, m) = (truth.domain(), args.measurements);
    let truth_name = truth::file_name(truth);
    let file = |name: &str| OutputFile::create(args.out.join(name));
    let (mut a, mut y) = (file("A.mtx")?, file("y.npy")?);
    let (mut x, description) = (file(truth_name)?, file("problem.json")?);

    let operator = std::sync::Arc::new(Sparse::random(domain, m, args.nonzeros.unwrap_or(4), operator_seed)?);
    let problem = Problem::measure(operator.clone(), truth.clone())?.with_noise(args.noise_std, noise_seed)?;
    let layout = if domain.is_symmetric() { Layout::Packed } else { Layout::Full };
    let place = |a: usize, b: usize| match layout {
        Layout::Packed => packed_index(domain.rows(), a, b),
        Layout::Full => a * domain.columns() + b,
    };
    let width = if layout == Layout::Packed { domain.dimension() } else { domain.rows() * domain.columns() };
    let lines =
        (0..m).flat_map(|i| operator.row(i).into_iter().map(move |(a, b, v)| (i as u64, place(a, b) as u64, v)));
    let written = write_matrix_market(&mut a, "general", (m, width, operator.nonzeros()), lines);
    a.check(written)?;
    let written = write_npy_f64(&mut y, &[m], problem.observations(0).unwrap_or_default());
    y.check(written)?;
    let written = truth::write(&mut x, truth);
    x.check(written)?;
    let layout = format!("{layout:?}").to_lowercase();
    let value = json!({
        "operator": "sparse", "model": args.model, "shape": [domain.rows(), domain.columns()], "rank": truth.rank(),
        "signature": args.signature, "measurements": m, "nonzeros": operator.nonzeros(), "layout": layout,
        "condition_number": args.condition_number, "noise_std": args.noise_std,
        "normalization": operator.normalization(),
        "seeds": { "truth": truth_seed, "operator": operator_seed, "noise": noise_seed },
        "version": env!("CARGO_PKG_VERSION"), "argv": argv(),
    });
    a.finish()?;
    y.finish()?;
    x.finish()?;
    write_json(description, &value)?;

    let at = |name: &str| args.out.join(name).display().to_string();
    let mut out = std::io::stdout().lock();
    said(writeln!(
        out,
        "{}  {m} {layout} {domain} matrices with {} nonzeros, seed {operator_seed}\n{}  observations, noise {} (seed \
         {noise_seed})\n{}  truth of rank {}, condition number {} (seed {truth_seed})\n{}\n\nsolve it with\n  lowrank solve \
         --sparse {} --observations {} --truth {} --layout {layout} --shape {},{}{}",
        at("A.mtx"),
        operator.nonzeros(),
        at("y.npy"),
        args.noise_std,
        at(truth_name),
        truth.rank().unwrap_or(0),
        args.condition_number,
        at("problem.json"),
        at("A.mtx"),
        at("y.npy"),
        at(truth_name),
        domain.rows(),
        domain.columns(),
        truth::solve_flags(args),
    ))?;
    Ok(Ending::Done)
}

fn argv() -> Vec<String> {
    std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect()
}

/// Numbers are written with as many digits as it takes to read the same ones.
fn write_csv(out: &mut impl Write, lines: impl Iterator<Item = (u64, u64, f64)>) -> std::io::Result<()> {
    writeln!(out, "row,column,value")?;
    lines.into_iter().try_for_each(|(row, column, value)| writeln!(out, "{row},{column},{value}"))
}

fn write_matrix_market(
    out: &mut impl Write,
    symmetry: &str,
    (rows, columns, entries): (usize, usize, usize),
    lines: impl Iterator<Item = (u64, u64, f64)>,
) -> std::io::Result<()> {
    writeln!(out, "%%MatrixMarket matrix coordinate real {symmetry}\n{rows} {columns} {entries}")?;
    lines.into_iter().try_for_each(|(row, column, value)| writeln!(out, "{} {} {value}", row + 1, column + 1))
}
