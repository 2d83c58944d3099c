//! Adapters and devices, with each of their faults turned into an [`Error`].

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::Precision;
use crate::engine::options::Checks;
use crate::error::{Error, Result};
use crate::gpu::compiled::{CompileTime, Compiled};
use crate::gpu::known_faults::Adapter;
use crate::gpu::{trust, wait};

/// Threads per workgroup that suffice for every strategy; every WebGPU adapter has them.
const WORKGROUP_THREADS: u32 = 256;
/// Most storage buffers bound by one kernel.
const STORAGE_BUFFERS: u32 = 8;
/// Most workgroup memory used by one kernel, in bytes.
const WORKGROUP_BYTES: u32 = 16 << 10;
/// Widest workgroup of any kernel variant, used where the adapter has it.
const WIDEST_WORKGROUP: u32 = 1024;

/// Longest silence of a device before it counts as lost. Submissions are cut to fractions of a second, and drivers that
/// can reset a silent device do so after some seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Features of an adapter beyond the baseline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abilities {
    /// Most threads per workgroup.
    pub threads: usize,
    /// Whether subgroup operations exist.
    pub subgroup: bool,
    /// Whether the adapter runs on the CPU.
    pub software: bool,
}

/// One adapter, as listed by `lowrank list devices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdapterSummary {
    /// Name of the adapter.
    pub name: String,
    /// Graphics interface: `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: String,
    /// Driver name and version.
    pub driver: String,
    /// Kind of adapter: `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    /// Whether the adapter runs on the CPU (llvmpipe, SwiftShader).
    pub software: bool,
    /// Whether its shaders also compute in double precision.
    pub double_precision: bool,
}

impl AdapterSummary {
    fn new(info: &wgpu::AdapterInfo, features: wgpu::Features) -> Self {
        let (kind, _) = kind(info.device_type);
        Self {
            name: info.name.clone(),
            backend: info.backend.to_str().to_owned(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            kind: kind.to_owned(),
            software: info.device_type == wgpu::DeviceType::Cpu,
            double_precision: features.contains(wgpu::Features::SHADER_F64),
        }
    }

    /// The adapter, as far as known faults depend on it.
    fn known(&self) -> Adapter<'_> {
        let system = std::env::consts::OS;
        Adapter { name: &self.name, backend: &self.backend, driver: &self.driver, system }
    }
}

/// The word for a device type and its rank in the order of preference.
fn kind(device_type: wgpu::DeviceType) -> (&'static str, usize) {
    match device_type {
        wgpu::DeviceType::DiscreteGpu => ("discrete", 0),
        wgpu::DeviceType::IntegratedGpu => ("integrated", 1),
        wgpu::DeviceType::VirtualGpu => ("virtual", 2),
        // OpenGL drivers often do not report their type.
        wgpu::DeviceType::Other => ("other", 3),
        wgpu::DeviceType::Cpu => ("software", 4),
    }
}

/// Adapters that can run the kernels, best first: discrete, integrated, virtual, other, software. OpenGL is queried
/// only where no native interface answers or where `WGPU_BACKEND` names it, because it would list the same devices
/// again.
fn adapters() -> Vec<wgpu::Adapter> {
    match wgpu::Backends::from_env() {
        Some(chosen) => adapters_of(chosen),
        None => {
            let native = adapters_of(wgpu::Backends::all() - wgpu::Backends::GL);
            if native.is_empty() { adapters_of(wgpu::Backends::GL) } else { native }
        }
    }
}

fn adapters_of(backends: wgpu::Backends) -> Vec<wgpu::Adapter> {
    // An instance of none but interfaces that this build leaves out would be a panic.
    let backends = backends & wgpu::Instance::enabled_backend_features();
    if backends.is_empty() || !wait::is_possible() {
        return Vec::new();
    }
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters = wait::block_on(instance.enumerate_adapters(backends));
    adapters.retain(|adapter| {
        let limits = adapter.limits();
        adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
            && limits.max_compute_invocations_per_workgroup >= WORKGROUP_THREADS
            && limits.max_compute_workgroup_size_x >= WORKGROUP_THREADS
            && limits.max_storage_buffers_per_shader_stage >= STORAGE_BUFFERS
            && limits.max_compute_workgroup_storage_size >= WORKGROUP_BYTES
    });
    adapters.sort_by_key(|adapter| kind(adapter.get_info().device_type).1);
    adapters
}

/// Adapters that can run the kernels, best first. The list is empty where there is no driver.
pub fn list_adapters() -> Vec<AdapterSummary> {
    adapters().iter().map(|adapter| AdapterSummary::new(&adapter.get_info(), adapter.features())).collect()
}

/// Handle of an open graphics device. Clones share the device.
#[derive(Clone, Debug)]
pub struct Device {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    adapter: AdapterSummary,
    faults: Arc<Mutex<Faults>>,
    compiled: Compiled,
    checks: Checks,
    patience_ns: AtomicU64,
    /// Whether the kernel with a known result has passed.
    proven: AtomicBool,
}

/// Faults that drivers report outside error scopes.
#[derive(Debug, Default)]
struct Faults {
    lost: Option<String>,
    uncaptured: Option<String>,
}

fn lock(faults: &Mutex<Faults>) -> MutexGuard<'_, Faults> {
    // The strings stay valid even if a thread panicked while it held the lock.
    faults.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Device {
    /// Opens the best adapter, or the best one whose name contains `name` (ignoring case).
    ///
    /// # Errors
    /// [`Error::NoAdapter`] with the available adapters; [`Error::Device`] where the driver refuses to open it;
    /// [`Error::Invalid`] for an unknown word in `LOWRANK_GPU_CHECKS`.
    pub fn open(name: Option<&str>) -> Result<Self> {
        trust::asked()?;
        let adapters = adapters();
        let matches = |adapter: &&wgpu::Adapter| {
            name.is_none_or(|name| adapter.get_info().name.to_lowercase().contains(&name.to_lowercase()))
        };
        let Some(adapter) = adapters.iter().find(matches) else {
            let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
            return Err(Error::NoAdapter {
                wanted: name.unwrap_or("any").to_owned(),
                available: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
            });
        };
        let summary = AdapterSummary::new(&adapter.get_info(), adapter.features());
        // The baseline everywhere, with buffers and workgroups as large as the adapter offers.
        let limits = adapter.limits();
        let required_limits = wgpu::Limits {
            max_buffer_size: limits.max_buffer_size,
            max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
            max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup.min(WIDEST_WORKGROUP),
            max_compute_workgroup_size_x: limits.max_compute_workgroup_size_x.min(WIDEST_WORKGROUP),
            ..wgpu::Limits::default().or_worse_values_from(&limits)
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("lowrank"),
            required_limits,
            required_features: adapter.features() & (wgpu::Features::SHADER_F64 | wgpu::Features::SUBGROUP),
            ..Default::default()
        };
        let (device, queue) = wait::block_on(adapter.request_device(&descriptor)).map_err(|e| Error::Device {
            adapter: summary.name.clone(),
            message: format!("the driver refused to open the device: {e}"),
            fix: "close other programs that use it, update the driver, or use the backend 'cpu'".into(),
        })?;
        let opened = Self::wrap(device, queue, summary);
        let sink = Arc::clone(&opened.inner.faults);
        opened.inner.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&sink).uncaptured.get_or_insert(error.to_string());
        }));
        Ok(opened)
    }

    /// Wraps a device of the caller. Its handler for uncaptured errors stays. Its callback for device loss is replaced:
    /// wgpu reports a loss in no other way, and a solver must stop after it. Double precision needs a device requested
    /// with `Features::SHADER_F64`. Some kernel variants need `Features::SUBGROUP` or workgroups of more than 256
    /// threads.
    pub fn from_wgpu(device: wgpu::Device, queue: wgpu::Queue, adapter_info: &wgpu::AdapterInfo) -> Self {
        let features = device.features();
        Self::wrap(device, queue, AdapterSummary::new(adapter_info, features))
    }

    fn wrap(device: wgpu::Device, queue: wgpu::Queue, adapter: AdapterSummary) -> Self {
        let faults = Arc::new(Mutex::new(Faults::default()));
        let sink = Arc::clone(&faults);
        device.set_device_lost_callback(move |reason, message| {
            lock(&sink).lost.get_or_insert(format!("{reason:?} {message}"));
        });
        let (compiled, patience_ns, proven) = (Compiled::default(), AtomicU64::new(0), AtomicBool::new(false));
        let checks = trust::of(&adapter.known());
        let opened = Inner { device, queue, adapter, faults, compiled, checks, patience_ns, proven };
        let opened = Self { inner: Arc::new(opened) };
        opened.set_patience(PATIENCE);
        opened
    }

    /// Sets the longest silence before the device counts as lost ([`Error::DeviceLost`]); the default is two minutes.
    /// Without a limit, a hanging driver would block a run for ever.
    pub fn set_patience(&self, patience: Duration) {
        let nanoseconds = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        self.inner.patience_ns.store(nanoseconds, Ordering::Relaxed);
    }

    /// The limit set by [`Device::set_patience`].
    fn patience(&self) -> Duration {
        Duration::from_nanos(self.inner.patience_ns.load(Ordering::Relaxed))
    }

    /// Whether the kernel with a known result has passed.
    pub(super) fn is_proven(&self) -> bool {
        self.inner.proven.load(Ordering::Relaxed)
    }

    /// Records that the kernel with a known result has passed.
    pub(super) fn set_proven(&self) {
        self.inner.proven.store(true, Ordering::Relaxed);
    }

    /// The same adapter, opened again after a loss.
    pub(crate) fn reopened(&self) -> Result<Self> {
        let again = Self::open(Some(self.name()))?;
        again.set_patience(self.patience());
        Ok(again)
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.inner.adapter.name
    }

    /// Driver name and version.
    pub fn driver(&self) -> &str {
        &self.inner.adapter.driver
    }

    /// Whether the adapter runs on the CPU (llvmpipe, SwiftShader).
    pub fn is_software(&self) -> bool {
        self.inner.adapter.software
    }

    /// Whether the device runs kernel variants with subgroup operations.
    pub fn has_subgroups(&self) -> bool {
        self.abilities().subgroup
    }

    /// Summary of the adapter.
    pub fn summary(&self) -> &AdapterSummary {
        &self.inner.adapter
    }

    /// Checks that the device computes in a precision.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for double precision without 64-bit shader numbers, with the adapters that have them.
    pub fn require(&self, precision: Precision) -> Result<()> {
        if precision != Precision::F64 || self.summary().double_precision {
            return Ok(());
        }
        let others: Vec<String> = (list_adapters().into_iter())
            .filter(|adapter| adapter.double_precision)
            .map(|adapter| format!("'gpu:{}'", adapter.name))
            .collect();
        let others =
            if others.is_empty() { String::new() } else { format!(" (or {}, which has it)", others.join(", ")) };
        Err(Error::Unsupported {
            what: format!("precision f64 on the adapter '{}', which has no 64-bit floating point,", self.name()),
            fix: format!("use the backend 'cpu'{others}, or precision mixed, which needs no 64-bit floating point"),
        })
    }

    /// The features that decide which kernel variants are available.
    pub(super) fn abilities(&self) -> Abilities {
        let limits = self.raw().limits();
        // `shaders/rows/sum_subgroup.wgsl` has room for the sums of so many.
        let wide = self.raw().adapter_info().subgroup_min_size >= 4;
        Abilities {
            threads: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x) as usize,
            subgroup: wide && self.raw().features().contains(wgpu::Features::SUBGROUP),
            software: self.is_software(),
        }
    }

    pub(super) fn raw(&self) -> &wgpu::Device {
        &self.inner.device
    }

    pub(super) fn queue(&self) -> &wgpu::Queue {
        &self.inner.queue
    }

    /// Number of compiled kernels kept for later engines. A second engine for a problem of the same sizes compiles
    /// none.
    pub fn kernels(&self) -> usize {
        self.inner.compiled.len()
    }

    /// Compile times of modules on this device so far, the longest first.
    pub fn compile_times(&self) -> Vec<CompileTime> {
        self.inner.compiled.times()
    }

    /// Runtime checks of kernels where a load asks for no others.
    #[doc(hidden)]
    pub fn checks(&self) -> Checks {
        self.inner.checks
    }

    /// Records for later runs which runtime checks kernels have on this adapter and driver. The error is a sentence.
    pub(crate) fn keep_checks(&self, checks: Checks) -> std::result::Result<(), String> {
        trust::keep(&self.summary().known(), checks)
    }

    /// The cache of kernels compiled on this device.
    pub(super) fn compiled(&self) -> &Compiled {
        &self.inner.compiled
    }

    /// An [`Error::Device`] of this adapter.
    pub(super) fn error(&self, message: impl Into<String>, fix: impl Into<String>) -> Error {
        Error::Device { adapter: self.name().to_owned(), message: message.into(), fix: fix.into() }
    }

    /// Runs `work` with every fault of the device caught: validation, out of memory, internal, loss.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Device`]. `phase` names the current action.
    pub(super) fn checked<T>(&self, phase: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let outcome = self.caught(phase, work);
        if outcome.is_err() {
            self.inner.compiled.forget();
        }
        outcome
    }

    fn caught<T>(&self, phase: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let device = self.raw();
        let scopes = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation];
        let scopes = scopes.map(|filter| device.push_error_scope(filter));
        // wgpu panics on some driver faults that have no error (a device lost while waiting).
        let outcome = catch_unwind(AssertUnwindSafe(work));
        self.fault(phase, scopes)?;
        outcome.unwrap_or_else(|panic| Err(self.panicked(phase, &*panic)))
    }

    /// The error that the scopes caught: internal ones, memory, validation.
    fn fault(&self, phase: &str, [internal, memory, validation]: [wgpu::ErrorScopeGuard; 3]) -> Result<()> {
        let [validation, memory, internal] = [validation, memory, internal].map(|scope| wait::block_on(scope.pop()));
        let mut faults = lock(&self.inner.faults);
        if let Some(lost) = &faults.lost {
            let fix = "the driver reset the device or it was removed: start again, with a smaller problem if it \
                       happens again, or use the backend 'cpu'";
            let (adapter, message) = (self.name().to_owned(), format!("device lost while {phase}: {lost}"));
            return Err(Error::DeviceLost { adapter, message, fix: fix.into() });
        }
        if memory.is_some() {
            return Err(self.out_of_memory(phase));
        }
        let message = validation.or(internal).map(|error| error.to_string()).or_else(|| faults.uncaptured.take());
        let fix = "update the driver or use the backend 'cpu'; if the error persists, report a bug of lowrank";
        message.map_or(Ok(()), |message| Err(self.error(format!("error while {phase}: {message}"), fix)))
    }

    fn panicked(&self, phase: &str, panic: &(dyn Any + Send)) -> Error {
        let message = (panic.downcast_ref::<String>().map(String::as_str))
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("unknown fault");
        self.error(format!("fault while {phase}: {message}"), "update the driver, or use the backend 'cpu'")
    }

    /// The error of [`Device::checked`] for exhausted memory.
    pub(super) fn out_of_memory(&self, phase: &str) -> Error {
        let fix = "use a smaller batch or fewer measurements, close other programs that use the device, or use the \
                   backend 'cpu'";
        let (adapter, message) = (self.name().to_owned(), format!("out of device memory while {phase}"));
        Error::OutOfMemory { adapter, message, fix: fix.into() }
    }

    /// Waits for all submitted work.
    pub(super) fn wait(&self) -> Result<()> {
        self.wait_for(None)
    }

    /// Waits for one submission, or for all.
    pub(super) fn wait_for(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let patience = self.patience();
        match wait::submitted((self.raw(), self.queue()), submission_index, patience) {
            Ok(()) => Ok(()),
            Err(wgpu::PollError::Timeout) => {
                // Later answers come too late: `checked` turns this into the error of every later call.
                let silence = format!("the device did not answer within {patience:?}");
                lock(&self.inner.faults).lost.get_or_insert(silence.clone());
                Err(self.error(silence, "start again, or use the backend 'cpu'"))
            }
            Err(e) => Err(self.error(format!("waiting failed: {e}"), "start again, or use the backend 'cpu'")),
        }
    }
}

/// Whether the error is exhausted device memory.
pub(super) fn is_out_of_memory(error: &Error) -> bool {
    matches!(error, Error::OutOfMemory { .. })
}
