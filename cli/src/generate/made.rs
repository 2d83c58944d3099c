//! `generate --operator seeded` and `--operator rademacher`: problems whose matrices are known by a seed, and written only where
//! that is asked for.

use std::io::Write;
use std::sync::Arc;

use lowrank::internals::io::OutputFile;
use lowrank::io::write_npy_f64;
use lowrank::operators::{Operator, Seeded, Storage};
use lowrank::{Problem, Result};
use serde_json::json;

use super::{Args, Wanted, refused, truth, write_matrices};
use crate::solve::write_json;
use crate::{Ending, said};

/// `seeds` are those of the truth, the operator and the noise.
pub fn write(args: &Args, wanted: &Wanted) -> Result<Ending> {
    let Wanted { full, storage, seeds: [truth_seed, operator_seed, noise_seed], truth } = wanted;
    let (full, storage, operator_seed, noise_seed) = (*full, *storage, *operator_seed, *noise_seed);
    if args.layout.is_some() && !args.materialize {
        let fix = "say --materialize, or leave it out";
        return Err(refused("layout", "a layout, and no matrices to write", "none without --materialize", fix));
    }
    if storage == Storage::F16 {
        return Err(refused("storage", "f16", "f32 or f64, of the matrices of --materialize", "pick one of them"));
    }
    let (domain, m) = (truth.domain(), args.measurements);
    let operator = Arc::new(match args.operator.as_str() {
        "rademacher" => Seeded::rademacher(domain, m, operator_seed)?,
        _ => Seeded::new(domain, m, operator_seed)?,
    });
    let file = |name: &str| OutputFile::create(args.out.join(name));
    let truth_name = truth::file_name(truth);
    let mut a = if args.materialize { Some(file("A.npy")?) } else { None };
    let (mut y, mut x, description) = (file("y.npy")?, file(truth_name)?, file("problem.json")?);

    let problem = Problem::measure(operator.clone(), truth.clone())?.with_noise(args.noise_std, noise_seed)?;
    if let Some(a) = &mut a {
        let written = match storage {
            Storage::F64 => write_matrices(a, &*operator, full, |v| v),
            _ => write_matrices(a, &*operator, full, |v| v as f32),
        };
        a.check(written)?;
    }
    let written = write_npy_f64(&mut y, &[m], problem.observations(0).unwrap_or_default());
    y.check(written)?;
    let written = truth::write(&mut x, truth);
    x.check(written)?;
    let layout = args.materialize.then_some(if full { "full" } else { "packed" });
    let value = json!({
        "operator": args.operator, "model": args.model, "n": args.n, "shape": [domain.rows(), domain.columns()],
        "rank": truth.rank(), "signature": args.signature, "measurements": m,
        "condition_number": args.condition_number, "noise_std": args.noise_std, "layout": layout,
        "normalization": operator.normalization(), "storage": args.materialize.then_some(storage.word()),
        "seeds": { "truth": truth_seed, "operator": operator_seed, "noise": noise_seed },
        "version": env!("CARGO_PKG_VERSION"),
        "argv": std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>(),
    });
    let wrote_matrices = a.is_some();
    a.map(OutputFile::finish).transpose()?;
    y.finish()?;
    x.finish()?;
    write_json(description, &value)?;

    let at = |name: &str| args.out.join(name).display().to_string();
    let matrices = match layout.filter(|_| wrote_matrices) {
        Some(layout) => format!("{}  {m} {layout} {domain} matrices, to check with other programs\n", at("A.npy")),
        None => String::new(),
    };
    let size = if domain.is_symmetric() {
        format!("--n {}", domain.rows())
    } else {
        format!("--shape {},{}", domain.rows(), domain.columns())
    };
    let mut out = std::io::stdout().lock();
    said(writeln!(
        out,
        "{matrices}{}  observations by {m} {} matrices (seed {operator_seed}), noise {} (seed {noise_seed})\n\
         {}  truth of rank {}, condition number {} (seed {truth_seed})\n{}\n\nsolve it with\n  \
         lowrank solve --operator {} --operator-seed {operator_seed} --measurements {m} {size} --observations {} --truth {}{}",
        at("y.npy"),
        args.operator,
        args.noise_std,
        at(truth_name),
        truth.rank().unwrap_or(0),
        args.condition_number,
        at("problem.json"),
        args.operator,
        at("y.npy"),
        at(truth_name),
        truth::solve_flags(args),
    ))?;
    Ok(Ending::Done)
}
