//! Places on graphics adapters.

use crate::backend::Backend;
use crate::engine::options::Checks;
use crate::engine::{Options, Precision};
use crate::gpu;
use crate::laws::Place;
use crate::operators::{Operator, Storage};

/// Bytes of panels so small that every conformance case needs several.
const SMALL_PANEL_BYTES: u64 = 4096;

impl Place {
    /// The places of a graphics adapter: each of its precisions, with default panels and with panels of a few rows, and
    /// each kernel variant. All have poisoned outputs and guard words, which reveal missing and excess writes.
    pub fn adapter(device: &gpu::Device) -> Vec<Self> {
        let place = |precision, variant: Option<&str>, panel_bytes: Option<u64>| {
            let words = [
                (precision == Precision::F64).then(|| "f64".to_owned()),
                variant.map(str::to_owned),
                panel_bytes.map(|_| "small panels".to_owned()),
            ];
            let words: String = words.into_iter().flatten().map(|word| format!(", {word}")).collect();
            let name = format!("gpu:{}{words}", device.name());
            Self {
                options: Options { panel_bytes, paranoid: true, ..Options::default() },
                variant: variant.map(str::to_owned),
                ..Self::new(name, Backend::Gpu(device.clone()), precision)
            }
        };
        // Without forcing, problems as small as the cases run one of these.
        let untimed = if device.is_software() { "one-pass" } else { "two-kernel" };
        let small = Some(SMALL_PANEL_BYTES);
        let mut places = Vec::new();
        for precision in [Precision::F32, Precision::F64].into_iter().filter(|p| device.require(*p).is_ok()) {
            places.extend([None, small].map(|panels| place(precision, None, panels)));
            let forced =
                ["two-kernel", "one-pass", "row-resident", "tiled"].into_iter().filter(|word| *word != untimed);
            places.extend(forced.map(|variant| place(precision, Some(variant), small)));
        }
        let widest = ["one-pass", "row-resident"]
            .map(|word| if device.has_subgroups() { format!("{word}+subgroup") } else { word.into() });
        let whole =
            ["two-kernel", "tiled/8"].map(str::to_owned).into_iter().filter(|word| word != untimed).chain(widest);
        places.extend(whole.map(|variant| place(Precision::F32, Some(&variant), None)));
        places.extend(Self::checked(device, &places));
        places
    }

    /// Some of `places` with each of the runtime checks that the device does not have. Where laws hold with one of
    /// them alone, the driver translates the others wrongly.
    fn checked(device: &gpu::Device, places: &[Self]) -> Vec<Self> {
        let words = [None, Some("two-kernel"), Some("tiled")];
        let some = places.iter().filter(|place| {
            let plain = place.variant.is_none() == place.options.panel_bytes.is_none();
            place.precision == Precision::F32 && plain && words.contains(&place.variant.as_deref())
        });
        let others = |place: &Self| {
            let with = |checks: &Checks| {
                let mut place = place.clone();
                place.name = format!("{}, checks {checks}", place.name);
                place.options.checks = Some(*checks);
                place
            };
            Checks::ALL.iter().filter(|checks| **checks != device.checks()).map(with).collect::<Vec<_>>()
        };
        some.flat_map(others).collect()
    }

    /// The device of a place on an adapter.
    pub fn device(&self) -> Option<&gpu::Device> {
        match &self.backend {
            Backend::Gpu(device) => Some(device),
            _ => None,
        }
    }

    /// Runtime checks of the kernels at a place on an adapter.
    pub fn checks(&self) -> Option<Checks> {
        self.device().map(|device| self.options.checks.unwrap_or(device.checks()))
    }

    /// Records for later runs which runtime checks kernels have on the place's adapter. The error is a sentence.
    #[doc(hidden)]
    pub fn keep_checks(&self, checks: Checks) -> std::result::Result<(), String> {
        self.device().map_or(Ok(()), |device| device.keep_checks(checks))
    }

    /// The places of every backend and adapter of this machine, and sentences about adapters that cannot be opened.
    pub(super) fn with_adapters() -> (Vec<Self>, Vec<String>) {
        let (mut places, mut notices) = (Self::host(), Vec::new());
        let adapters = gpu::list_adapters();
        if adapters.is_empty() {
            notices.push("no GPU adapter on this machine: the check covers only the backends reference and cpu".into());
        }
        let mut seen = Vec::new();
        for adapter in adapters {
            if seen.contains(&adapter.name) {
                continue;
            }
            match gpu::Device::open(Some(&adapter.name)) {
                Ok(device) => places.extend(Self::adapter(&device)),
                Err(error) => notices.push(format!("the check leaves out {}: {error}", adapter.name)),
            }
            seen.push(adapter.name);
        }
        (places, notices)
    }

    /// [`Place::applies_to`] for an adapter.
    pub(super) fn adapter_applies_to(&self, device: &gpu::Device, operator: &dyn Operator) -> bool {
        if operator.accelerate().gpu.is_none() {
            return false;
        }
        let Some(variant) = &self.variant else { return true };
        let double = operator.stored_in() == Some(Storage::F64);
        double == (self.precision == Precision::F64)
            && gpu::variants(device, operator, 1, self.precision)
                .is_ok_and(|names| names.iter().any(|name| name == variant))
    }
}
