//! Compiles the kernels of lowrank with a Vulkan driver and writes what the driver reports about each. Nothing is executed,
//! so that a driver will do that only pretends to have its card (`scripts/gpu-compile.sh`).

mod assembly;
mod kernels;
mod languages;
mod translate;
mod vulkan;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use lowrank::operators::Storage;

use crate::assembly::Accesses;
use crate::kernels::{Grid, Kernel, kernels};
use crate::languages::languages;
use crate::translate::{Translated, translate};
use crate::vulkan::{Device, Outcome, Report};

/// Compiles the kernels of lowrank with a Vulkan driver and writes what the driver reports about each
#[derive(Parser)]
struct Args {
    /// Name of the part in the output
    #[arg(long)]
    part: String,
    /// Sizes n
    #[arg(long, value_delimiter = ',', default_value = "200")]
    n: Vec<usize>,
    /// Trials at a time
    #[arg(long, value_delimiter = ',', default_value = "1,64")]
    batch: Vec<usize>,
    /// Number types of stored matrices
    #[arg(long, value_delimiter = ',', default_value = "f32")]
    storage: Vec<String>,
    /// Other operators and methods too, at the first size
    #[arg(long)]
    everything: bool,
    /// Only kernels whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// The first kernel of the list to compile
    #[arg(long, default_value_t = 0)]
    from: usize,
    /// Most kernels to compile: a pretended AMD card has room for some hundred
    #[arg(long, default_value_t = usize::MAX)]
    most: usize,
    /// Without the checks of indices and loops that wgpu adds
    #[arg(long)]
    unchecked: bool,
    /// Without the bounds that the driver puts on accesses to buffers; wgpu always asks for them
    #[arg(long)]
    unbounded: bool,
    /// One kernel in a file of WGSL, in place of those of lowrank
    #[arg(long)]
    file: Option<PathBuf>,
    /// Folder for each kernel as WGSL, SPIR-V, HLSL, MSL and GLSL, and as the machine's instructions
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Output file, CSV
    #[arg(long)]
    out: PathBuf,
}

fn storages(words: &[String]) -> Outcome<Vec<Storage>> {
    let all = [Storage::F16, Storage::F32, Storage::F64];
    let of = |word: &String| {
        all.into_iter().find(|storage| storage.word() == word).ok_or(format!("--storage '{word}': f16, f32 or f64"))
    };
    words.iter().map(of).collect()
}

const COLUMNS: [&str; 28] = [
    "part",
    "operator",
    "n",
    "m",
    "batch",
    "storage",
    "kernel",
    "threads",
    "workgroups",
    "subgroup",
    "vgprs",
    "sgprs",
    "spilled_vgprs",
    "spilled_sgprs",
    "scratch_bytes",
    "lds_bytes",
    "subgroups_per_simd",
    "instructions",
    "code_bytes",
    "latency",
    "inverse_throughput",
    "loads",
    "load_bytes",
    "widest_load",
    "stores",
    "in_flight_bytes",
    "barriers",
    "milliseconds",
];

fn row(part: &str, kernel: &Kernel, translated: &Translated, report: &Report) -> Vec<String> {
    let of = |names: &[&str]| {
        let found = report.statistics.iter().find(|(name, _)| names.contains(&name.as_str()));
        found.map_or(String::new(), |(_, value)| value.to_string())
    };
    let accesses = Accesses::of(&report.assembly);
    // AMD's names (RADV), then NVIDIA's (NVK), which does not report workgroup memory.
    let shared = Some(of(&["LDS size"])).filter(|found| !found.is_empty());
    vec![
        part.into(),
        kernel.operator.clone(),
        kernel.n.clone(),
        kernel.measurements.to_string(),
        kernel.batch.to_string(),
        kernel.storage.clone(),
        kernel.name.clone(),
        translated.threads.to_string(),
        kernel.workgroups.to_string(),
        report.subgroup.to_string(),
        of(&["VGPRs", "Number of GPRs"]),
        of(&["SGPRs"]),
        of(&["Spilled VGPRs"]),
        of(&["Spilled SGPRs"]),
        of(&["Scratch size", "SLM Size"]),
        shared.unwrap_or_else(|| translated.shared.to_string()),
        of(&["Subgroups per SIMD"]),
        of(&["Instructions", "Instruction count"]),
        of(&["Code size", "Code Size"]),
        of(&["Latency"]),
        of(&["Inverse Throughput"]),
        accesses.loads.to_string(),
        accesses.load_bytes.to_string(),
        accesses.widest.to_string(),
        accesses.stores.to_string(),
        accesses.in_flight.to_string(),
        accesses.barriers.to_string(),
        format!("{:.1}", report.milliseconds),
    ]
}

fn run(args: &Args) -> Outcome<()> {
    let device = Device::open(!args.unbounded)?;
    let bounded = match (device.bounds_buffers, args.unbounded || args.unchecked) {
        (true, _) => "bounds buffers itself",
        (false, false) => "gets bounds checks of buffers",
        (false, true) => "has no bounds of buffers",
    };
    eprintln!("{}: {}, which {bounded}", args.part, device.name);
    let grid = Grid {
        sizes: args.n.clone(),
        batches: args.batch.clone(),
        storages: storages(&args.storage)?,
        everything: args.everything,
    };
    let mut kernels = match &args.file {
        Some(path) => vec![Kernel::of_file(path)?],
        None => kernels(&grid).map_err(|e| e.to_string())?,
    };
    kernels.retain(|kernel| kernel.name.contains(&args.only));
    let all = kernels.len();
    let wrong = |e: csv::Error| format!("{}: {e}", args.out.display());
    let mut out = csv::Writer::from_path(&args.out).map_err(wrong)?;
    out.write_record(COLUMNS).map_err(wrong)?;
    for (index, kernel) in kernels.iter().enumerate().skip(args.from).take(args.most) {
        let place = |what: &str| format!("{} n={} batch={} {}: {what}", kernel.name, kernel.n, kernel.batch, args.part);
        let translated =
            translate(kernel, !args.unchecked, device.bounds_buffers || args.unbounded).map_err(|e| place(&e))?;
        let report = device.compile(&translated.binary).map_err(|e| place(&e))?;
        if let Some(folder) = &args.keep {
            keep(folder, index, kernel, &translated.binary.spirv, &report).map_err(|e| place(&e.to_string()))?;
        }
        out.write_record(row(&args.part, kernel, &translated, &report)).map_err(wrong)?;
        out.flush().map_err(|e| e.to_string())?;
    }
    let done = (args.from.min(all), args.from.saturating_add(args.most).min(all));
    eprintln!("{}: kernels {} to {} of {all}", args.part, done.0, done.1);
    Ok(())
}

fn keep(folder: &PathBuf, index: usize, kernel: &Kernel, spirv: &[u32], report: &Report) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let name: String = kernel.name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let stem = folder.join(format!("{index:04}-n{}-b{}-{}-{name}", kernel.n, kernel.batch, kernel.storage));
    let bytes: Vec<u8> = spirv.iter().flat_map(|word| word.to_le_bytes()).collect();
    std::fs::write(stem.with_extension("wgsl"), &kernel.text)?;
    for (extension, text) in languages(kernel).map_err(std::io::Error::other)? {
        std::fs::write(stem.with_extension(extension), text)?;
    }
    std::fs::write(stem.with_extension("spv"), bytes)?;
    std::fs::write(stem.with_extension("asm"), &report.assembly)?;
    let statistics: String = report.statistics.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    std::fs::write(stem.with_extension("txt"), statistics)
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
