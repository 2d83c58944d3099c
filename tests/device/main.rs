//! Laws, kernels and methods on every adapter of this machine, beside the engines of the host.

mod common;
mod conformance;
mod golden;
mod gpu_engine;
mod gpu_patterns;
mod gpu_tape;
mod gpu_thin;
mod implicit;
mod methods_gpu;
mod mixed;
mod mutations;
mod precision;
#[path = "../common/running.rs"]
mod running;
#[path = "../common/says.rs"]
mod says;
#[path = "../common/thin.rs"]
mod thin;

use libtest_mimic::{Arguments, Trial};

type Suite = fn() -> Vec<Trial>;

const SUITES: &[(&str, Suite)] = &[
    ("conformance", conformance::trials),
    ("golden", golden::trials),
    ("gpu_engine", gpu_engine::trials),
    ("gpu_patterns", gpu_patterns::trials),
    ("gpu_tape", gpu_tape::trials),
    ("gpu_thin", gpu_thin::trials),
    ("implicit", implicit::trials),
    ("methods_gpu", methods_gpu::trials),
    ("mixed", mixed::trials),
    ("mutations", mutations::trials),
    ("precision", precision::trials),
];

fn main() {
    let arguments = Arguments::from_args();
    let of =
        |(name, trials): &(&str, Suite)| trials().into_iter().map(|trial| trial.with_kind(*name)).collect::<Vec<_>>();
    common::harness::run(&arguments, SUITES.iter().flat_map(of).collect())
}
