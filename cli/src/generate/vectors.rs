//! Problems of vectors: `rank_one`.

use std::io::Write;
use std::sync::Arc;

use lowrank::internals::io::{NpyWriter, OutputFile};
use lowrank::io::write_npy_f64;
use lowrank::operators::{GpuVectors, Operator, RankOne};
use lowrank::{Problem, Result};
use serde_json::json;

use super::{Args, Wanted, truth};
use crate::solve::write_json;
use crate::{Ending, said};

/// Gaussian vectors a of a·aᵀ, or a and b of a·bᵀ.
pub fn rank_one(args: &Args, wanted: &Wanted) -> Result<Ending> {
    let ([truth_seed, operator_seed, noise_seed], truth) = (wanted.seeds, &wanted.truth);
    let (domain, m) = (truth.domain(), args.measurements);
    let truth_name = truth::file_name(truth);
    let file = |name: &str| OutputFile::create(args.out.join(name));
    let mut sides = vec![("a.npy", file("a.npy")?, 0..domain.rows())];
    if !domain.is_symmetric() {
        sides.push(("b.npy", file("b.npy")?, domain.rows()..domain.rows() + domain.columns()));
    }
    let (mut y, mut x, description) = (file("y.npy")?, file(truth_name)?, file("problem.json")?);

    let operator = Arc::new(RankOne::gaussian(domain, m, operator_seed)?);
    let problem = Problem::measure(operator.clone(), truth.clone())?.with_noise(args.noise_std, noise_seed)?;
    let mut both = vec![0.0; sides.last().map_or(0, |(_, _, at)| at.end)];
    for (_, output, at) in &mut sides {
        let mut write = || -> std::io::Result<()> {
            let mut npy = NpyWriter::<_, f32>::new(&mut *output, &[m, at.len()])?;
            for i in 0..m {
                operator.write(i, &mut both);
                npy.write(&both[at.clone()].iter().map(|&v| v as f32).collect::<Vec<_>>())?;
            }
            npy.finish().map(|_| ())
        };
        let written = write();
        output.check(written)?;
    }
    let written = write_npy_f64(&mut y, &[m], problem.observations(0).unwrap_or_default());
    y.check(written)?;
    let written = truth::write(&mut x, truth);
    x.check(written)?;
    let value = json!({
        "operator": "rank_one", "model": args.model, "shape": [domain.rows(), domain.columns()], "rank": truth.rank(),
        "signature": args.signature, "measurements": m,
        "condition_number": args.condition_number, "noise_std": args.noise_std,
        "normalization": operator.normalization(), "dtype": "float32",
        "seeds": { "truth": truth_seed, "operator": operator_seed, "noise": noise_seed },
        "version": env!("CARGO_PKG_VERSION"),
        "argv": std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>(),
    });
    let at = |name: &str| args.out.join(name).display().to_string();
    let names: Vec<String> = sides.iter().map(|(name, ..)| at(name)).collect();
    for (_, output, _) in sides {
        output.finish()?;
    }
    y.finish()?;
    x.finish()?;
    write_json(description, &value)?;

    let mut out = std::io::stdout().lock();
    let model = truth::solve_flags(args);
    said(writeln!(
        out,
        "{}  {m} vectors each, seed {operator_seed}\n{}  observations, noise {} (seed {noise_seed})\n{}  truth of rank {}, \
         condition number {} (seed {truth_seed})\n{}\n\nsolve it with\n  lowrank solve --vectors {} --observations {} \
         --truth {}{model}",
        names.join(", "),
        at("y.npy"),
        args.noise_std,
        at(truth_name),
        truth.rank().unwrap_or(0),
        args.condition_number,
        at("problem.json"),
        names.join(" --vectors-right "),
        at("y.npy"),
        at(truth_name),
    ))?;
    Ok(Ending::Done)
}
