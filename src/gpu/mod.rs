//! The GPU engine: the same iteration as WGSL kernels on any adapter that wgpu reaches (Vulkan, Metal, DirectX 12,
//! OpenGL ES), in single precision, or in double where the adapter has 64-bit shader numbers: one source for both, in
//! which `real` stands for either. Mixed precision runs the single one around a centre. The only module that knows wgpu.

mod buffers;
mod choice;
mod copy;
mod device;
mod engine;
mod frame;
mod groups;
mod load;
mod paranoia;
mod pipelines;
mod place;
mod program;
mod resources;
mod rows;
mod shaders;
mod sizes;
mod stages;
mod stream;
mod thin;
mod variant;

/// The version of wgpu that [`Device::from_wgpu`] takes its types from.
pub use wgpu;

pub use choice::variants;
pub(crate) use copy::copy_times;
pub use device::{AdapterSummary, Device, list_adapters};
pub use engine::Options;
pub use load::load;
#[doc(hidden)]
pub use shaders::{Module, Mutation, composed_modules};
