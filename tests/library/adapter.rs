//! The graphics adapter of tests.

use std::io::Write;

use lowrank::Backend;
use lowrank::gpu::Device;

/// The first adapter; none where there is none and none is required.
pub fn gpu() -> Option<Backend> {
    let device = Device::open(None).ok();
    let required = std::env::var("LOWRANK_REQUIRE_GPU").is_ok_and(|value| value == "1");
    assert!(device.is_some() || !required, "LOWRANK_REQUIRE_GPU=1 and no adapter: install a Vulkan driver");
    if device.is_none() {
        let _ = writeln!(std::io::stderr(), "\n*** IGNORED: no GPU adapter, what needs one was not run ***");
    }
    device.map(Backend::Gpu)
}
