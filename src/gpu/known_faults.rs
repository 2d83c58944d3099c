//! Known faults of drivers, as data: whom they concern, what fails, what this library does about it, and the test that
//! shows it. A fault that no driver within reach of the tests has is a candidate: somebody reported it.

/// Action of the library against a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Kernels have bounded loops on this driver.
    BoundLoops,
    /// The library avoids the fault on every driver, as the text says.
    Always(&'static str),
}

/// What stands behind an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This function in `tests/` or `src/` shows the fault or its remedy.
    Shown(&'static str),
    /// Reported by others, and not seen by the tests of this library.
    Candidate,
}

/// A known fault of a driver.
#[derive(Clone, Copy, Debug)]
pub struct KnownFault {
    /// Text in the adapter's or the driver's name, in lower case; empty for any.
    pub driver: &'static str,
    /// Graphics interface; empty for any.
    pub backend: &'static str,
    /// Operating system as in [`std::env::consts::OS`]; empty for any.
    pub system: &'static str,
    /// First version of the driver without the fault, where one is known.
    pub until: Option<[u32; 3]>,
    /// What fails.
    pub fails: &'static str,
    /// Where it is described.
    pub source: &'static str,
    /// What the library does.
    pub remedy: Remedy,
    /// What stands behind the entry.
    pub standing: Standing,
}

/// Every known fault that concerns kernels like these.
pub const KNOWN_FAULTS: &[KnownFault] = &[
    KnownFault {
        driver: "",
        backend: "",
        system: "",
        until: None,
        fails: "the driver accepts every submission and executes no kernel, as Mesa's stand-ins for kernel drivers do",
        source: "scripts/gpu-compile.sh runs on such drivers",
        remedy: Remedy::Always("a kernel with a known result runs first, and the device is refused if it fails"),
        standing: Standing::Shown("idle_driver"),
    },
    KnownFault {
        driver: "nvidia",
        backend: "",
        system: "windows",
        until: None,
        fails: "loops of modules without any runtime check are compiled wrongly",
        source: "dimforge/khal, CHANGELOG, pull request 3",
        remedy: Remedy::BoundLoops,
        standing: Standing::Candidate,
    },
    KnownFault {
        driver: "apple",
        backend: "metal",
        system: "macos",
        until: None,
        fails: "a barrier is lost where stores behind it are guarded, as bounds checks by condition guard them",
        source: "gfx-rs/wgpu issue 3181; gpuweb/cts issue 1983",
        remedy: Remedy::Always("kernels have no bounds checks"),
        standing: Standing::Candidate,
    },
    KnownFault {
        driver: "apple",
        backend: "metal",
        system: "macos",
        until: None,
        fails: "a uniform load from workgroup memory that is passed as a parameter differs between threads",
        source: "gfx-rs/wgpu issue 4500",
        remedy: Remedy::Always("no kernel leaves early because of workgroup memory"),
        standing: Standing::Candidate,
    },
    KnownFault {
        driver: "amd",
        backend: "vulkan",
        system: "windows",
        until: None,
        fails: "workgroup memory is zeroed without a barrier behind it",
        source: "gfx-rs/wgpu issue 4591 (Radeon RX 5700 XT)",
        remedy: Remedy::Always("workgroup memory is never zeroed: kernels write it before they read it"),
        standing: Standing::Candidate,
    },
    KnownFault {
        driver: "",
        backend: "vulkan",
        system: "windows",
        until: None,
        fails: "a module with bounded loops crashes the driver",
        source: "gfx-rs/wgpu issue 7743",
        remedy: Remedy::Always("loops are bounded only where an entry of this list or `lowrank check` asks for it"),
        standing: Standing::Candidate,
    },
    KnownFault {
        driver: "intel",
        backend: "vulkan",
        system: "",
        until: None,
        fails: "the size of subgroups that kernels see is not the number of their threads",
        source: "google/uVkCompute issue 43",
        remedy: Remedy::Always("sums use the number of subgroups, and not their size"),
        standing: Standing::Candidate,
    },
    KnownFault {
        driver: "swiftshader",
        backend: "vulkan",
        system: "",
        until: None,
        fails: "compute from several threads crashes now and then",
        source: "gfx-rs/wgpu issue 3944",
        remedy: Remedy::Always("one thread submits for a device"),
        standing: Standing::Candidate,
    },
];

/// An adapter, as far as faults depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Adapter<'a> {
    /// Name of the adapter.
    pub name: &'a str,
    /// Graphics interface.
    pub backend: &'a str,
    /// Name and version of the driver.
    pub driver: &'a str,
    /// Operating system.
    pub system: &'a str,
}

/// The first number with two or three parts in a driver's name.
fn version(driver: &str) -> Option<[u32; 3]> {
    driver.split(|c: char| !(c.is_ascii_digit() || c == '.')).find_map(|text| {
        let mut parts = text.split('.').map(str::parse);
        let (major, minor) = (parts.next()?.ok()?, parts.next()?.ok()?);
        Some([major, minor, parts.next().and_then(Result::ok).unwrap_or(0)])
    })
}

impl KnownFault {
    /// Whether the fault concerns the adapter. A driver that states no version has every fault of its name.
    pub fn concerns(&self, adapter: &Adapter<'_>) -> bool {
        let names = format!("{} {}", adapter.name, adapter.driver).to_lowercase();
        let cured = self.until.zip(version(adapter.driver)).is_some_and(|(until, found)| found >= until);
        names.contains(self.driver)
            && (self.backend.is_empty() || self.backend == adapter.backend)
            && (self.system.is_empty() || self.system == adapter.system)
            && !cured
    }
}

/// Whether a known fault of the adapter asks for a remedy.
pub(super) fn asks_for(adapter: &Adapter<'_>, remedy: Remedy) -> bool {
    KNOWN_FAULTS.iter().any(|fault| fault.remedy == remedy && fault.concerns(adapter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORCE: Adapter<'_> =
        Adapter { name: "NVIDIA GeForce RTX 3070", backend: "vulkan", driver: "NVIDIA 552.44", system: "windows" };

    #[test]
    fn a_fault_concerns_its_driver_system_interface_and_versions() {
        let fault = KnownFault { until: Some([552, 50, 0]), backend: "vulkan", ..KNOWN_FAULTS[1] };
        assert!(fault.concerns(&FORCE));
        assert!(fault.concerns(&Adapter { driver: "NVIDIA", ..FORCE }));
        assert!(!fault.concerns(&Adapter { driver: "NVIDIA 552.50", ..FORCE }));
        assert!(!fault.concerns(&Adapter { driver: "NVIDIA 560.1.2", ..FORCE }));
        assert!(!fault.concerns(&Adapter { system: "linux", ..FORCE }));
        assert!(!fault.concerns(&Adapter { backend: "dx12", ..FORCE }));
        assert!(!fault.concerns(&Adapter { name: "AMD Radeon", driver: "AMD 552.44", ..FORCE }));
        assert_eq!(version("llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"), Some([22, 3, 6]));
        assert_eq!(version("SwiftShader driver 5"), None);
    }

    #[test]
    fn loops_are_bounded_where_the_list_asks_for_it() {
        assert!(asks_for(&FORCE, Remedy::BoundLoops));
        assert!(!asks_for(&Adapter { system: "linux", ..FORCE }, Remedy::BoundLoops));
    }

    #[test]
    fn entries_name_a_source_and_a_cure() {
        for fault in KNOWN_FAULTS {
            assert!(!fault.fails.is_empty() && !fault.source.is_empty(), "{fault:?}");
            assert_eq!(fault.driver, fault.driver.to_lowercase());
            let unknown = fault.standing == Standing::Candidate;
            assert!(!unknown || fault.source.contains(" issue ") || fault.source.contains("pull request"), "{fault:?}");
        }
    }
}
