//! A Vulkan device that compiles and reports, opened with the features that wgpu asks for.

use std::ffi::{CStr, CString, c_char};
use std::time::Instant;

use ash::{khr, vk};

/// A failure in words.
pub type Outcome<T> = std::result::Result<T, String>;

fn words(call: &str) -> impl Fn(vk::Result) -> String {
    move |error| format!("{call}: {error}")
}

/// Kind of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Storage,
    Uniform,
}

/// A kernel as the driver gets it.
pub struct Binary {
    pub spirv: Vec<u32>,
    pub entry: String,
    /// Group, binding and kind.
    pub bindings: Vec<(u32, u32, Bound)>,
}

/// What a driver reports about a compiled kernel.
pub struct Report {
    pub subgroup: u32,
    pub statistics: Vec<(String, f64)>,
    pub assembly: String,
    pub milliseconds: f64,
}

pub struct Device {
    _entry: ash::Entry,
    instance: ash::Instance,
    device: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
    pub name: String,
    /// Whether the driver bounds accesses to buffers itself. wgpu then leaves these checks out.
    pub bounds_buffers: bool,
}

impl Device {
    /// Opens the first device. `bounded`: with the driver's own bounds on accesses to buffers, which wgpu asks for where it can.
    ///
    /// # Errors
    /// Where there is no loader, no device, or no report about compiled kernels.
    pub fn open(bounded: bool) -> Outcome<Self> {
        // Safety: the loader and the drivers are trusted; every handle below outlives its uses.
        unsafe { Self::open_first(bounded) }
    }

    unsafe fn open_first(bounded: bool) -> Outcome<Self> {
        let entry = unsafe { ash::Entry::load() }.map_err(|e| format!("no Vulkan loader: {e}"))?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        let instance = unsafe { entry.create_instance(&info, None) }.map_err(words("vkCreateInstance"))?;
        let devices = unsafe { instance.enumerate_physical_devices() }.map_err(words("vkEnumeratePhysicalDevices"))?;
        let physical = *devices.first().ok_or("the driver lists no device")?;
        let properties = unsafe { instance.get_physical_device_properties(physical) };
        let name = text(&properties.device_name);

        let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
        let mut report = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
        let mut sizes = vk::PhysicalDeviceSubgroupSizeControlFeatures::default();
        let mut found =
            vk::PhysicalDeviceFeatures2::default().push_next(&mut robust).push_next(&mut report).push_next(&mut sizes);
        unsafe { instance.get_physical_device_features2(physical, &mut found) };
        let core = found.features;
        if report.pipeline_executable_info == 0 {
            return Err(format!("{name} does not report about compiled kernels"));
        }
        let bounds_buffers = bounded && robust.robust_buffer_access2 != 0;

        let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default()
            .robust_buffer_access2(bounds_buffers)
            .robust_image_access2(robust.robust_image_access2 != 0);
        let mut report =
            vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
        let mut sizes = vk::PhysicalDeviceSubgroupSizeControlFeatures::default()
            .subgroup_size_control(sizes.subgroup_size_control != 0);
        let mut extensions = vec![khr::pipeline_executable_properties::NAME.as_ptr()];
        if bounds_buffers {
            extensions.push(ash::ext::robustness2::NAME.as_ptr());
        }
        let queue = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
        let features = vk::PhysicalDeviceFeatures::default()
            .robust_buffer_access(bounded && core.robust_buffer_access != 0)
            .shader_int16(core.shader_int16 != 0);
        let mut info = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queue)
            .enabled_extension_names(&extensions)
            .enabled_features(&features)
            .push_next(&mut report)
            .push_next(&mut sizes);
        if bounds_buffers {
            info = info.push_next(&mut robust);
        }
        let device = unsafe { instance.create_device(physical, &info, None) }.map_err(words("vkCreateDevice"))?;
        let executables = khr::pipeline_executable_properties::Device::new(&instance, &device);
        Ok(Self { _entry: entry, instance, device, executables, name, bounds_buffers })
    }

    /// Compiles a kernel.
    ///
    /// # Errors
    /// What the driver refuses.
    pub fn compile(&self, binary: &Binary) -> Outcome<Report> {
        // Safety: as in `open`; the handles are destroyed after their last use.
        unsafe { self.compile_one(binary) }
    }

    unsafe fn compile_one(&self, binary: &Binary) -> Outcome<Report> {
        let device = &self.device;
        let info = vk::ShaderModuleCreateInfo::default().code(&binary.spirv);
        let module = unsafe { device.create_shader_module(&info, None) }.map_err(words("vkCreateShaderModule"))?;
        let groups = binary.bindings.iter().map(|(group, ..)| group + 1).max().unwrap_or(0);
        let mut layouts = Vec::new();
        for group in 0..groups {
            let bindings: Vec<_> = binary.bindings.iter().filter(|(of, ..)| *of == group).map(binding).collect();
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            layouts.push(
                unsafe { device.create_descriptor_set_layout(&info, None) }
                    .map_err(words("vkCreateDescriptorSetLayout"))?,
            );
        }
        let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts);
        let layout = unsafe { device.create_pipeline_layout(&info, None) }.map_err(words("vkCreatePipelineLayout"))?;
        let entry = CString::new(binary.entry.as_str()).map_err(|e| e.to_string())?;
        // As wgpu does where the device has subgroup operations.
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .flags(vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE)
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(&entry);
        let flags = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
            | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
        let info = vk::ComputePipelineCreateInfo::default().flags(flags).stage(stage).layout(layout);
        let begin = Instant::now();
        let pipelines = unsafe { device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None) };
        let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
        let pipeline = pipelines.map_err(|(_, error)| words("vkCreateComputePipelines")(error))?[0];
        let report = unsafe { self.report(pipeline, milliseconds) };
        unsafe {
            device.destroy_pipeline(pipeline, None);
            device.destroy_pipeline_layout(layout, None);
            layouts.into_iter().for_each(|layout| device.destroy_descriptor_set_layout(layout, None));
            device.destroy_shader_module(module, None);
        }
        report
    }

    unsafe fn report(&self, pipeline: vk::Pipeline, milliseconds: f64) -> Outcome<Report> {
        let of = vk::PipelineInfoKHR::default().pipeline(pipeline);
        let executables = unsafe { self.executables.get_pipeline_executable_properties(&of) }
            .map_err(words("vkGetPipelineExecutablePropertiesKHR"))?;
        let first = executables.first().ok_or("the driver reports no executable")?;
        let of = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(0);
        let found = unsafe { self.executables.get_pipeline_executable_statistics(&of) }
            .map_err(words("vkGetPipelineExecutableStatisticsKHR"))?;
        let value = |of: &vk::PipelineExecutableStatisticKHR<'_>| unsafe {
            match of.format {
                vk::PipelineExecutableStatisticFormatKHR::FLOAT64 => of.value.f64,
                vk::PipelineExecutableStatisticFormatKHR::BOOL32 => f64::from(of.value.b32),
                vk::PipelineExecutableStatisticFormatKHR::INT64 => of.value.i64 as f64,
                _ => of.value.u64 as f64,
            }
        };
        let statistics = found.iter().map(|one| (text(&one.name), value(one))).collect();
        let assembly = unsafe { self.assembly(&of) }?;
        Ok(Report { subgroup: first.subgroup_size, statistics, assembly, milliseconds })
    }

    /// The text of the machine's instructions, or nothing where the driver has none.
    unsafe fn assembly(&self, of: &vk::PipelineExecutableInfoKHR<'_>) -> Outcome<String> {
        let call = self.executables.fp().get_pipeline_executable_internal_representations_khr;
        let handle = self.executables.device();
        let what = words("vkGetPipelineExecutableInternalRepresentationsKHR");
        let mut count = 0;
        unsafe { call(handle, of, &mut count, std::ptr::null_mut()) }.result().map_err(&what)?;
        let mut all = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
        // The first call asks for the lengths, the second one for the texts.
        unsafe { call(handle, of, &mut count, all.as_mut_ptr()) }.result().map_err(&what)?;
        let mut texts: Vec<Vec<u8>> = all.iter().map(|one| vec![0; one.data_size]).collect();
        for (one, text) in all.iter_mut().zip(&mut texts) {
            one.p_data = text.as_mut_ptr().cast();
        }
        unsafe { call(handle, of, &mut count, all.as_mut_ptr()) }.result().map_err(&what)?;
        let last = all.iter().zip(texts).rfind(|(one, _)| text(&one.name).to_lowercase().contains("assembly"));
        Ok(last
            .map_or_else(String::new, |(_, bytes)| String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned()))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Safety: nothing of the device is left.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

fn binding((_, at, kind): &(u32, u32, Bound)) -> vk::DescriptorSetLayoutBinding<'static> {
    let kind = match kind {
        Bound::Storage => vk::DescriptorType::STORAGE_BUFFER,
        Bound::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
    };
    vk::DescriptorSetLayoutBinding::default()
        .binding(*at)
        .descriptor_type(kind)
        .descriptor_count(1)
        .stage_flags(vk::ShaderStageFlags::COMPUTE)
}

fn text(name: &[c_char]) -> String {
    // Safety: Vulkan ends its names with a zero.
    unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned()
}
