//! The GPU engine: the same iteration as WGSL kernels on any adapter that wgpu reaches (Vulkan, Metal, DirectX 12,
//! OpenGL ES, and WebGPU in a browser). It computes in single precision, or in double where the adapter has 64-bit shader numbers. One source
//! serves both, with `real` as the number type. Mixed precision runs the single one around a centre. Only this module
//! uses wgpu.

mod about;
mod blueprint;
mod bound;
mod buffers;
mod call;
mod canary;
pub(crate) mod choice;
mod compiled;
#[cfg(feature = "internals")]
pub(crate) mod copy;
mod device;
mod dispatch;
mod engine;
mod formulas;
mod frame;
mod fuse;
mod generate;
mod groups;
pub(crate) mod kernels;
pub(crate) mod known_faults;
pub(crate) mod load;
mod ops;
mod paranoia;
mod pass;
mod patterns;
mod pipelines;
mod place;
mod registers;
mod sizes;
mod stream;
mod strings;
pub(crate) mod text;
mod trust;
mod tuning;
mod upload;
mod usage;
mod variant;
mod wait;

/// The wgpu version of the types in [`Device::from_wgpu`].
pub use wgpu;

pub(crate) use choice::{require_operator, variants};
pub use compiled::CompileTime;
pub use device::{AdapterSummary, Device, list_adapters};
pub(crate) use load::load;
#[cfg(target_family = "wasm")]
pub use wait::set_turn;
