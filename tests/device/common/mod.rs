//! Adapters for tests, and what happens without one: with LOWRANK_REQUIRE_GPU=1 a failure, otherwise a test that is
//! reported as ignored. A GPU test that did not run never prints ok.

use libtest_mimic::{Failed, Trial};
use lowrank::gpu::{Device, list_adapters};

pub mod harness;

pub type Outcome = Result<(), Failed>;

/// Fails with a sentence unless the condition holds.
pub fn ensure(condition: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { Err(otherwise().into()) }
}

/// Every adapter of this machine that opens, by name.
pub fn devices() -> Vec<Device> {
    let mut names: Vec<String> = list_adapters().into_iter().map(|adapter| adapter.name).collect();
    names.dedup();
    names.iter().filter_map(|name| Device::open(Some(name)).ok()).collect()
}

/// A test that stands for those that need an adapter, where there is none.
pub fn missing_adapter(suite: &str) -> Option<Trial> {
    if !devices().is_empty() {
        return None;
    }
    let required = std::env::var("LOWRANK_REQUIRE_GPU").is_ok_and(|value| value == "1");
    let name = format!("{suite}: every test on a GPU adapter");
    let trial = Trial::test(name, || Err("LOWRANK_REQUIRE_GPU=1 and no adapter: install a Vulkan driver".into()));
    Some(trial.with_ignored_flag(!required))
}
