//! One device: its queue, its pipelines, and everything that can go wrong with it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use wgpu::{
    Adapter, BindGroup, BindGroupDescriptor, BindGroupEntry, Buffer, BufferDescriptor, BufferUsages, CommandEncoder,
    ComputePipeline, ComputePipelineDescriptor, DeviceDescriptor, ErrorFilter, Limits, MapMode, PollError, PollType,
    Queue, ShaderModuleDescriptor, ShaderSource, SubmissionIndex,
};

use super::plan::DeviceLimits;
use super::stages::Stage;

/// A device that has not answered for so long is given up. Submissions are much shorter.
const PATIENCE: Duration = Duration::from_secs(300);

/// Submissions that may wait in the queue.
const IN_FLIGHT: usize = 3;

/// What can go wrong with a device.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Not enough memory.
    Memory,
    /// The device is gone: why.
    Lost(String),
    /// Anything else, a defect of this program or of a driver.
    Other(String),
}

/// A device with its queue and pipelines.
pub(super) struct Device {
    device: wgpu::Device,
    queue: Queue,
    pipelines: [OnceLock<ComputePipeline>; Stage::ALL.len()],
    lost: Arc<OnceLock<String>>,
    /// The first error that no scope caught.
    stray: Arc<Mutex<Option<String>>>,
    in_flight: RefCell<VecDeque<SubmissionIndex>>,
}

impl Device {
    /// Opens a device with limits `wanted`, or with all that it has.
    pub(super) fn open(adapter: &Adapter, wanted: Option<Limits>) -> Result<Self, Fault> {
        let required_limits = wanted.unwrap_or_else(|| adapter.limits());
        let descriptor = DeviceDescriptor { label: Some("linregions"), required_limits, ..DeviceDescriptor::default() };
        let (device, queue) =
            pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| Fault::Other(e.to_string()))?;
        let lost = Arc::new(OnceLock::new());
        let stray = Arc::new(Mutex::new(None));
        let callback = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, message| {
            let _ = callback.set(format!("{reason:?} {message}"));
        });
        let first = Arc::clone(&stray);
        device.on_uncaptured_error(Arc::new(move |error| {
            first.lock().expect("no thread panics while it holds the lock").get_or_insert(error.to_string());
        }));
        let pipelines = [const { OnceLock::new() }; Stage::ALL.len()];
        Ok(Self { device, queue, pipelines, lost, stray, in_flight: RefCell::default() })
    }

    /// What plans for this device have to know, when all buffers may have `memory` bytes together.
    pub(super) fn limits(&self, memory: u64) -> DeviceLimits {
        let limits = self.device.limits();
        DeviceLimits {
            binding: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            groups: limits.max_compute_workgroups_per_dimension,
            memory,
        }
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Does something that creates or encodes, and reports what went wrong.
    pub(super) fn scoped<R>(&self, work: impl FnOnce() -> R) -> Result<R, Fault> {
        let validation = self.device.push_error_scope(ErrorFilter::Validation);
        let internal = self.device.push_error_scope(ErrorFilter::Internal);
        let memory = self.device.push_error_scope(ErrorFilter::OutOfMemory);
        let result = work();
        let memory = pollster::block_on(memory.pop());
        let others = [pollster::block_on(internal.pop()), pollster::block_on(validation.pop())];
        if memory.is_some() || others.iter().any(Option::is_some) {
            // A lost device makes all sorts of errors, and is known to be lost only after this.
            let _ = self.device.poll(PollType::Poll);
        }
        self.check_lost()?;
        if memory.is_some() {
            return Err(Fault::Memory);
        }
        match others.into_iter().flatten().next() {
            Some(error) => Err(Fault::Other(error.to_string())),
            None => Ok(result),
        }
    }

    /// After a loss, results are garbage without any error: nothing may be believed before this says so.
    fn check_lost(&self) -> Result<(), Fault> {
        if let Some(reason) = self.lost.get() {
            return Err(Fault::Lost(reason.clone()));
        }
        match self.stray.lock().expect("no thread panics while it holds the lock").take() {
            Some(error) => Err(Fault::Other(error)),
            None => Ok(()),
        }
    }

    /// A buffer of so many bytes that stages read and write.
    pub(super) fn buffer(&self, label: &str, bytes: u64) -> Buffer {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        self.create(label, bytes, usage)
    }

    /// A buffer of one struct that stages read.
    pub(super) fn uniform<T: bytemuck::Pod>(&self, label: &str, value: &T) -> Buffer {
        let buffer = self.create(label, size_of::<T>() as u64, BufferUsages::UNIFORM | BufferUsages::COPY_DST);
        self.queue.write_buffer(&buffer, 0, bytemuck::bytes_of(value));
        buffer
    }

    /// A buffer with these values.
    pub(super) fn filled<T: bytemuck::Pod>(&self, label: &str, values: &[T]) -> Buffer {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let buffer = self.buffer(label, bytes.len() as u64);
        self.queue.write_buffer(&buffer, 0, bytes);
        buffer
    }

    fn create(&self, label: &str, bytes: u64, usage: BufferUsages) -> Buffer {
        // Empty buffers cannot be bound.
        let size = bytes.max(4).next_multiple_of(4);
        self.device.create_buffer(&BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
    }

    /// The pipeline of a stage, compiled when it is first asked for.
    pub(super) fn pipeline(&self, stage: Stage) -> &ComputePipeline {
        self.pipelines[stage as usize].get_or_init(|| {
            let source = ShaderSource::Wgsl(stage.source().into());
            let module = self.device.create_shader_module(ShaderModuleDescriptor { label: Some(stage.name()), source });
            self.device.create_compute_pipeline(&ComputePipelineDescriptor {
                label: Some(stage.name()),
                layout: None,
                module: &module,
                entry_point: None,
                compilation_options: Default::default(),
                cache: None,
            })
        })
    }

    /// The buffers of a stage, in the order of their bindings.
    pub(super) fn bind(&self, stage: Stage, buffers: &[&Buffer]) -> BindGroup {
        let bound = buffers.iter().zip(0..);
        let entries: Vec<BindGroupEntry> =
            bound.map(|(buffer, binding)| BindGroupEntry { binding, resource: buffer.as_entire_binding() }).collect();
        let layout = self.pipeline(stage).get_bind_group_layout(0);
        let label = Some(stage.name());
        self.device.create_bind_group(&BindGroupDescriptor { label, layout: &layout, entries: &entries })
    }

    pub(super) fn encoder(&self) -> CommandEncoder {
        self.device.create_command_encoder(&Default::default())
    }

    /// Sends commands, and waits while many are queued, so that a program that is asked to stop has little to wait for.
    pub(super) fn submit(&self, encoder: CommandEncoder) -> Result<(), Fault> {
        let index = self.scoped(|| self.queue.submit([encoder.finish()]))?;
        let mut in_flight = self.in_flight.borrow_mut();
        in_flight.push_back(index);
        while in_flight.len() > IN_FLIGHT {
            self.wait(in_flight.pop_front())?;
        }
        Ok(())
    }

    fn wait(&self, submission_index: Option<SubmissionIndex>) -> Result<(), Fault> {
        match self.device.poll(PollType::Wait { submission_index, timeout: Some(PATIENCE) }) {
            Ok(_) => self.check_lost(),
            Err(PollError::Timeout) => Err(Fault::Lost(format!("no answer for {} seconds", PATIENCE.as_secs()))),
            Err(error) => Err(Fault::Other(error.to_string())),
        }
    }

    /// Waits for all that was sent.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        self.in_flight.borrow_mut().clear();
        self.wait(None)
    }

    /// A buffer that [`Device::read`] reads back.
    pub(super) fn staging(&self, bytes: u64) -> Buffer {
        self.create("staging", bytes, BufferUsages::MAP_READ | BufferUsages::COPY_DST)
    }

    /// Waits for all that was sent and reads the first `words` words of a staging buffer.
    pub(super) fn read(&self, staging: &Buffer, words: usize) -> Result<Vec<u32>, Fault> {
        if words == 0 {
            return Ok(Vec::new());
        }
        let slice = staging.slice(..4 * words as u64);
        let mapped = Arc::new(OnceLock::new());
        let callback = Arc::clone(&mapped);
        self.scoped(|| {
            slice.map_async(MapMode::Read, move |result| {
                let _ = callback.set(result.is_ok());
            });
        })?;
        self.finish()?;
        if mapped.get() != Some(&true) {
            return Err(Fault::Lost("its results cannot be read".to_owned()));
        }
        let view = slice.get_mapped_range().map_err(|e| Fault::Other(e.to_string()))?;
        let values = bytemuck::cast_slice(&view).to_vec();
        drop(view);
        staging.unmap();
        Ok(values)
    }

    /// Waits for all that was sent and reads the first words of several buffers, one after the other; through `staging` where it is
    /// large enough.
    pub(super) fn read_parts(&self, staging: &Buffer, parts: &[(&Buffer, usize)]) -> Result<Vec<u32>, Fault> {
        let words: usize = parts.iter().map(|(_, words)| words).sum();
        let staging = if 4 * words as u64 <= staging.size() {
            staging.clone()
        } else {
            self.scoped(|| self.staging(4 * words as u64))?
        };
        let mut encoder = self.encoder();
        let mut offset = 0;
        for (buffer, words) in parts.iter().filter(|(_, words)| *words > 0) {
            let bytes = 4 * *words as u64;
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, offset, bytes);
            offset += bytes;
        }
        self.submit(encoder)?;
        self.read(&staging, words)
    }

    /// Ends the device, as a driver's reset would.
    #[cfg(test)]
    pub(super) fn destroy(&self) {
        self.device.destroy();
    }
}

/// Runs one stage on `groups` workgroups.
pub(super) fn dispatch(encoder: &mut CommandEncoder, pipeline: &ComputePipeline, bind: &BindGroup, groups: [u32; 3]) {
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(pipeline);
    pass.set_bind_group(0, bind, &[]);
    pass.dispatch_workgroups(groups[0], groups[1], groups[2]);
}
