//! Adapters for tests, and what happens without one: with LOWRANK_REQUIRE_GPU=1 a failure, otherwise a test that is
//! reported as ignored. A GPU test that did not run never prints ok.

use std::cell::RefCell;
use std::collections::BTreeMap;

use libtest_mimic::{Failed, Trial};
use lowrank::Backend;
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

/// The same adapter, opened by this thread: a software adapter works through one queue for each device, so that tests which
/// share a device wait for each other.
pub fn own(device: &Device) -> Device {
    thread_local! {
        static OPENED: RefCell<BTreeMap<String, Device>> = RefCell::default();
    }
    OPENED.with_borrow_mut(|opened| {
        let open = || Device::open(Some(device.name())).unwrap_or_else(|_| device.clone());
        opened.entry(device.name().to_owned()).or_insert_with(open).clone()
    })
}

/// A backend with this thread's own device.
pub fn own_backend(backend: &Backend) -> Backend {
    match backend {
        Backend::Gpu(device) => Backend::Gpu(own(device)),
        other => other.clone(),
    }
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
