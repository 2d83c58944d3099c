//! `lowrank generate`: a synthetic problem as files.

mod listed;
mod made;
mod truth;
mod vectors;

use std::io::Write;
use std::path::PathBuf;

use lowrank::internals::io::{NpyNumber, NpyWriter, OutputFile};
use lowrank::internals::operators::Registration;
use lowrank::io::write_npy_f64;
use lowrank::operators::{Dense, Layout, Operator, Storage};
use lowrank::problem::Truth;
use lowrank::{Error, Problem, Result};
use serde_json::json;

use super::solve::write_json;
use super::{Ending, said};

#[derive(clap::Args)]
pub struct Args {
    /// Kind of measurements; see `lowrank list operators`
    #[arg(long, value_name = "NAME", default_value = "dense")]
    operator: String,
    /// psd: M = X Xᵀ; signed: M = X S Xᵀ with S = diag(±1); asymmetric: M = L Rᵀ
    #[arg(long, value_name = "NAME", default_value = "psd")]
    model: String,
    /// Size of the unknown n×n matrix
    #[arg(long, value_parser = crate::grid::single::<usize>, value_name = "n", conflicts_with = "shape")]
    n: Option<usize>,
    /// Size of the unknown matrix, for the model asymmetric
    #[arg(long, value_name = "n1,n2")]
    shape: Option<String>,
    /// Rank of the unknown matrix [default: that of --signature]
    #[arg(long, value_parser = crate::grid::single::<usize>, value_name = "r")]
    rank: Option<usize>,
    /// Numbers of positive and negative eigenvalues, for the model signed
    #[arg(long, value_name = "p,q")]
    signature: Option<String>,
    /// Number of measurements
    #[arg(long, value_parser = crate::grid::single::<usize>, value_name = "m")]
    measurements: usize,
    /// Condition number κ of the factor X, that of M = X Xᵀ being κ²; for the model asymmetric that of M
    #[arg(long, value_parser = crate::grid::single::<f64>, value_name = "κ", allow_negative_numbers = true, default_value_t = 1.0)]
    condition_number: f64,
    /// Standard deviation of the noise on y
    #[arg(long, value_parser = crate::grid::single::<f64>, value_name = "σ", allow_negative_numbers = true, default_value_t = 0.0)]
    noise_std: f64,
    /// Seed of the truth, the operator and the noise, where they have none of their own
    #[arg(long, value_parser = crate::grid::single::<u64>, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Seed of the truth alone [default: that of --seed]
    #[arg(long, value_parser = crate::grid::single::<u64>, value_name = "SEED")]
    truth_seed: Option<u64>,
    /// Seed of the measurements alone [default: that of --seed]
    #[arg(long, value_parser = crate::grid::single::<u64>, value_name = "SEED")]
    operator_seed: Option<u64>,
    /// Seed of the noise alone [default: that of --seed]
    #[arg(long, value_parser = crate::grid::single::<u64>, value_name = "SEED")]
    noise_seed: Option<u64>,
    /// packed: upper triangles (m, n(n+1)/2); full: (m, n1, n2) [default: packed where matrices are symmetric]
    #[arg(long, value_name = "NAME")]
    layout: Option<String>,
    /// Type of the matrices: f32, f64, or f16 (numbers that half precision holds, in a float32 file)
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    storage: String,
    /// Of entries: exponent γ of the numbers of entries in rows and columns, the j-th having about j^−γ [default: 0, even]
    #[arg(long, value_parser = crate::grid::single::<f64>, value_name = "γ", allow_negative_numbers = true)]
    degrees: Option<f64>,
    /// Of entries: relu observes those of the drawn entries alone that reach the threshold [default: none]
    #[arg(long, value_name = "NAME")]
    mask: Option<String>,
    /// What entries reach under the mask relu [default: 0]
    #[arg(long, value_parser = crate::grid::single::<f64>, value_name = "t", allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Of entries: csv, counted from 0, or mtx [default: csv]
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// Of sparse: nonzeros of a matrix [default: 4]
    #[arg(long, value_parser = crate::grid::single::<usize>, value_name = "N")]
    nonzeros: Option<usize>,
    /// Of seeded and rademacher: write A.npy too, so that other programs can check; see --layout and --storage
    #[arg(long)]
    materialize: bool,
    /// Directory for A.npy, y.npy, X.npy (X.npz, where there are two factors or a signature) and problem.json; made if it is
    /// not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// The problem that the flags describe, as far as it is made before there are files.
pub struct Understood {
    generator: &'static Generator,
    problem: Wanted,
}

/// What a generator writes.
pub struct Wanted {
    /// Whether matrices are written in full.
    full: bool,
    storage: Storage,
    /// Of the truth, the operator and the noise.
    seeds: [u64; 3],
    truth: Truth,
}

/// Writes problems of some operators.
struct Generator {
    /// Words of the operators.
    operators: &'static [&'static str],
    /// Flags that belong to these operators alone.
    flags: &'static [&'static str],
    write: fn(&Args, &Wanted) -> Result<Ending>,
}

const GENERATORS: &[Generator] = &[
    Generator { operators: &["dense"], flags: &[], write: matrices },
    Generator { operators: &["rank_one"], flags: &[], write: vectors::rank_one },
    Generator { operators: &["seeded", "rademacher"], flags: &["materialize"], write: made::write },
    Generator { operators: &["entries"], flags: &["degrees", "mask", "threshold", "format"], write: listed::entries },
    Generator { operators: &["sparse"], flags: &["nonzeros"], write: listed::sparse },
];

/// The generator of an operator's problems.
fn generator(word: &str) -> Result<&'static Generator> {
    let known = Registration::find(word)?;
    GENERATORS.iter().find(|generator| generator.operators.contains(&known.name)).ok_or_else(|| Error::Unsupported {
        what: format!("writing problems of the operator {word}"),
        fix: "choose another operator".into(),
    })
}

impl Args {
    /// Whether the unknown has at most so many rows and columns: the truth of a larger one takes its time.
    pub fn is_within(&self, most: usize) -> bool {
        let numbers = [&self.shape, &self.signature].into_iter().flatten().flat_map(|text| text.split(','));
        let sizes = numbers.filter_map(|part| part.trim().parse().ok()).chain(self.n);
        sizes.chain(self.rank).all(|size: usize| size <= most)
    }
}

/// What the flags say, with no look at files or devices.
pub fn understood(args: &Args) -> Result<Understood> {
    let generator = generator(&args.operator)?;
    refuse_others(args, generator)?;
    let storage: Storage = args.storage.parse()?;
    let seeds = [args.truth_seed, args.operator_seed, args.noise_seed].map(|seed| seed.unwrap_or(args.seed));
    let truth = truth::build(args, seeds[0])?;
    let symmetric = truth.domain().is_symmetric();
    let full = match args.layout.as_deref().map(str::parse::<Layout>).transpose()? {
        None => !symmetric,
        Some(Layout::Full) => true,
        Some(_) if symmetric => false,
        Some(_) => return Err(invalid("layout", "packed", "full for the model asymmetric")),
    };
    // Before the matrices are drawn, which can take long.
    if !(args.noise_std.is_finite() && args.noise_std >= 0.0) {
        return Err(refused("noise_std", args.noise_std, "a finite number of at least 0", "leave it out for none"));
    }
    Ok(Understood { generator, problem: Wanted { full, storage, seeds, truth } })
}

pub fn run(args: &Args) -> Result<Ending> {
    let Understood { generator, problem } = understood(args)?;
    let made = !args.out.exists();
    std::fs::create_dir_all(&args.out).map_err(|source| Error::Io {
        path: args.out.clone(),
        source,
        fix: "Name a directory that can be made with --out".into(),
    })?;
    let written = (generator.write)(args, &problem);
    written.inspect_err(|_| {
        if made {
            // A refusal leaves nothing behind; a directory with something in it stays.
            let _ = std::fs::remove_dir(&args.out);
        }
    })
}

/// Draws matrices and writes the problem.
fn matrices(args: &Args, wanted: &Wanted) -> Result<Ending> {
    let Wanted { full, storage, seeds: [truth_seed, operator_seed, noise_seed], truth } = wanted;
    let (full, storage, operator_seed, noise_seed) = (*full, *storage, *operator_seed, *noise_seed);
    let (domain, m) = (truth.domain(), args.measurements);
    let file = |name: &str| OutputFile::create(args.out.join(name));
    let truth_name = truth::file_name(truth);
    let (mut a, mut y) = (file("A.npy")?, file("y.npy")?);
    let (mut x, description) = (file(truth_name)?, file("problem.json")?);

    let operator = std::sync::Arc::new(Dense::gaussian_stored(domain, m, operator_seed, storage)?);
    let problem = Problem::measure(operator.clone(), truth.clone())?.with_noise(args.noise_std, noise_seed)?;
    // What half precision holds, single precision holds exactly.
    let (written, dtype) = match storage {
        Storage::F64 => (write_matrices(&mut a, &*operator, full, |v| v), "float64"),
        _ => (write_matrices(&mut a, &*operator, full, |v| v as f32), "float32"),
    };
    a.check(written)?;
    let written = write_npy_f64(&mut y, &[m], problem.observations(0).unwrap_or_default());
    y.check(written)?;
    let written = truth::write(&mut x, truth);
    x.check(written)?;
    let layout = if full { "full" } else { "packed" };
    let rank = truth.rank().unwrap_or(0);
    let value = json!({
        "operator": args.operator, "model": args.model, "n": args.n, "shape": [domain.rows(), domain.columns()],
        "rank": rank, "signature": args.signature, "measurements": m,
        "condition_number": args.condition_number, "noise_std": args.noise_std, "layout": layout,
        "normalization": operator.normalization(), "dtype": dtype, "storage": args.storage,
        "seeds": { "truth": truth_seed, "operator": operator_seed, "noise": noise_seed },
        "version": env!("CARGO_PKG_VERSION"),
        "argv": std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>(),
    });
    a.finish()?;
    y.finish()?;
    x.finish()?;
    write_json(description, &value)?;

    let at = |name: &str| args.out.join(name).display().to_string();
    let mut out = std::io::stdout().lock();
    said(writeln!(
        out,
        "{}  {m} {layout} {domain} matrices, seed {operator_seed}\n{}  observations, noise {} (seed {noise_seed})\n\
         {}  truth of rank {}, condition number {} (seed {truth_seed})\n{}\n\nsolve it with\n  \
         lowrank solve --matrices {} --observations {} --truth {}{}{}",
        at("A.npy"),
        at("y.npy"),
        args.noise_std,
        at(truth_name),
        rank,
        args.condition_number,
        at("problem.json"),
        at("A.npy"),
        at("y.npy"),
        at(truth_name),
        // Some widths can be read both ways; three axes cannot.
        if full { "" } else { " --layout packed" },
        truth::solve_flags(args),
    ))?;
    Ok(Ending::Done)
}

/// Refuses flags that belong to another operator.
fn refuse_others(args: &Args, own: &Generator) -> Result<()> {
    let given = [
        ("degrees", args.degrees.is_some()),
        ("mask", args.mask.is_some()),
        ("threshold", args.threshold.is_some()),
        ("format", args.format.is_some()),
        ("nonzeros", args.nonzeros.is_some()),
        ("materialize", args.materialize),
    ];
    let stray = given.into_iter().find(|(name, given)| *given && !own.flags.contains(name));
    let Some((name, _)) = stray else { return Ok(()) };
    let of = GENERATORS.iter().filter(|generator| generator.flags.contains(&name));
    let operators: Vec<&str> = of.flat_map(|generator| generator.operators).copied().collect();
    let found = format!("given for --operator {}", args.operator);
    let allowed = format!("only for --operator {}", operators.join(" and "));
    Err(refused(name, found, &allowed, "leave it out"))
}

fn invalid(name: &str, found: &str, allowed: &str) -> Error {
    refused(name, format!("'{found}'"), allowed, "pick one of them")
}

fn refused(name: &str, found: impl std::fmt::Display, allowed: &str, fix: &str) -> Error {
    Error::Invalid { name: name.into(), found: found.to_string(), allowed: allowed.into(), fix: fix.into() }
}

/// Row by row, so that the full matrices are never held at once.
fn write_matrices<T: NpyNumber + Default>(
    writer: &mut OutputFile,
    operator: &dyn Operator,
    full: bool,
    number: fn(f64) -> T,
) -> std::io::Result<()> {
    let (domain, m) = (operator.domain(), operator.measurements());
    let (n1, n2) = (domain.rows(), domain.columns());
    let sizes: &[usize] = if full { &[m, n1, n2] } else { &[m, domain.dimension()] };
    let mut npy = NpyWriter::<_, T>::new(writer, sizes)?;
    for i in 0..m {
        let matrix = operator.sensing_matrix(i);
        // Of a packed matrix the upper triangle.
        let rows = matrix.chunks(n2).enumerate().flat_map(|(i, row)| if full { row } else { &row[i..] });
        npy.write(&rows.map(|v| number(*v)).collect::<Vec<T>>())?;
    }
    npy.finish().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_a_generator() {
        for registration in lowrank::internals::operators::REGISTRY {
            assert!(generator(registration.name).is_ok(), "{}", registration.name);
        }
    }
}
