//! `cargo bench`: one iteration of every operator at the sizes of the conformance tests and at two that no cache holds, on
//! every backend of this machine but the one that is slow on purpose, beside what its memory gives.
//!
//! `cargo bench -- --quick` takes a hundredth of the time: it shows that everything runs, not how fast.

use std::sync::Arc;

use lowrank::internals::operators::{CASES, REGISTRY};
use lowrank::operators::Operator;
use lowrank::problem::Domain;
use lowrank::{Backend, Precision, Result};
use lowrank_studies::bench::{Case, Effort, time_iterations};

/// (n, m) whose matrices do not fit a cache: 60 and 320 MB in f32.
const LARGE: [(usize, usize); 2] = [(100, 3000), (200, 4000)];

fn main() -> Result<()> {
    let quick = std::env::args().any(|word| word == "--quick");
    let effort = if quick { Effort { samples: 1, seconds: 1e-3 } } else { Effort::default() };
    let mut backends = vec![Backend::Cpu];
    // A software adapter would take hours over the large sizes.
    for adapter in lowrank::gpu::list_adapters().iter().filter(|adapter| !adapter.software) {
        backends.push(Backend::from_word(&format!("gpu:{}", adapter.name))?);
    }
    println!(
        "{:<12} {:>5} {:>6} {:>6}  {:>12} {:>8} {:>9} {:>9}  variant",
        "operator", "n", "m", "batch", "ms", "GB/s", "GFLOP/s", "of limit"
    );
    for backend in &backends {
        for registration in REGISTRY {
            let large = if quick { &LARGE[..1] } else { &LARGE[..] };
            for (&(n, m), fits) in CASES.iter().map(|case| (case, true)).chain(large.iter().map(|case| (case, false))) {
                let Some(domain) = (registration.domain)(Domain::symmetric(n)) else { continue };
                let operator: Arc<dyn Operator> = Arc::from((registration.random)(domain, m, 1)?);
                for batch in [1, 8] {
                    let (operator, backend) = (operator.clone(), backend.clone());
                    let search_rank = n.min(20);
                    let precision = Precision::F32;
                    let (variant, device_memory) = (None, None);
                    let case = Case { operator, batch, search_rank, backend, precision, variant, device_memory };
                    // What fits a cache is not bound by memory.
                    let probe = (!fits).then_some(if quick { 64 << 20 } else { 800 << 20 });
                    let row = time_iterations(&case, effort, probe)?;
                    let share = row.share_of_limit().map_or("-".into(), |share| format!("{:.0} %", 100.0 * share));
                    println!(
                        "{:<12} {n:>5} {m:>6} {batch:>6}  {:>12.4} {:>8.2} {:>9.2} {share:>9}  {}",
                        row.operator, row.milliseconds, row.gigabytes_per_second, row.gigaflops, row.variant
                    );
                }
            }
        }
    }
    Ok(())
}
