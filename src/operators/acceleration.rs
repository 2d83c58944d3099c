//! What an operator brings beside its definition to be fast.

use crate::operators::{GatherKernel, GpuForm, HostKernel};

/// Kernels and data that make an operator fast on the Cpu and Gpu backends; see
/// [`Operator::accelerate`](crate::operators::Operator::accelerate).
#[derive(Default)]
#[must_use]
pub struct Acceleration<'a> {
    pub(crate) kernels: Option<(&'a dyn HostKernel<f32>, &'a dyn HostKernel<f64>)>,
    pub(crate) gathers: Option<(&'a dyn GatherKernel<f32>, &'a dyn GatherKernel<f64>)>,
    pub(crate) gpu: Option<GpuForm<'a>>,
}

impl<'a> Acceleration<'a> {
    /// Sets the kernels of both precisions. Without them the Cpu backend runs the f64 functions of the operator.
    pub fn kernels(mut self, single: &'a dyn HostKernel<f32>, double: &'a dyn HostKernel<f64>) -> Self {
        self.kernels = Some((single, double));
        self
    }

    /// Sets the kernels of both precisions for measurements that touch few lines of the factors. The Cpu backend prefers
    /// them.
    pub fn gathers(mut self, single: &'a dyn GatherKernel<f32>, double: &'a dyn GatherKernel<f64>) -> Self {
        self.gathers = Some((single, double));
        self
    }

    /// Sets the data for the Gpu backend.
    pub fn gpu(mut self, form: GpuForm<'a>) -> Self {
        self.gpu = Some(form);
        self
    }

    /// Whether there is a fast kernel for the Cpu backend.
    pub(crate) fn has_kernels(&self) -> bool {
        self.kernels.is_some() || self.gathers.is_some()
    }
}
