//! A batch on the device: sends points, runs commands, reads rates.

use std::sync::atomic::{AtomicBool, Ordering};

use wgpu::Buffer;

use super::Task;
use super::inputs::Inputs;
use super::plan::Plan;
use super::program::program;
use crate::engine::gpu::commands::{self, Command, Extent};
use crate::engine::gpu::device::{Device, Fault};
use crate::engine::gpu::inputs::Job;

/// Buffers for as many networks and paths as a plan has.
pub(super) struct Buffers {
    /// Index of every network's draw.
    pub(super) draws: Buffer,
    /// Weights and biases of the layer at hand.
    pub(super) weights: Buffer,
    /// The inputs of layers, in turn: for every point, values, then derivatives.
    pub(super) rows: [Buffer; 2],
    /// Rows of every network.
    pub(super) n_rows: Buffer,
    /// What later layers add, before and after a layer in turn.
    pub(super) kept: [Buffer; 2],
    /// Of the laws of a layer's pre-activations, at every point.
    pub(super) moments: Buffer,
    /// Of every layer at every point.
    pub(super) rates: Buffer,
    /// Of every network: layers from the first that left the range of f32 to the last.
    pub(super) failures: Buffer,
    /// What is read back.
    staging: Buffer,
}

impl Buffers {
    fn new(device: &Device, plan: &Plan) -> Self {
        let sizes = plan.sizes();
        Self {
            draws: device.buffer("draws", sizes.draws),
            weights: device.buffer("weights", sizes.weights),
            rows: sizes.rows.map(|bytes| device.buffer("rows", bytes)),
            n_rows: device.buffer("n_rows", sizes.n_rows),
            kept: [(); 2].map(|()| device.buffer("kept", sizes.kept)),
            moments: device.buffer("moments", sizes.moments),
            rates: device.buffer("rates", sizes.rates),
            failures: device.buffer("failures", sizes.failures),
            staging: device.staging(sizes.staging()),
        }
    }
}

/// What the device says of one network.
pub(super) enum Rates {
    /// The rates of every layer at every point, row-major, one row per point.
    Of(Vec<f64>),
    /// The first layer whose values left the range of f32.
    Overflow { layer: usize },
}

/// Buffers and commands for up to as many networks and paths as its plan has.
pub(super) struct Batch {
    pub(super) plan: Plan,
    buffers: Buffers,
    /// Of every layer.
    program: Vec<Vec<Command>>,
}

impl Batch {
    /// Makes room for a plan of a task.
    pub(super) fn new(device: &Device, plan: Plan, task: Task) -> Result<Self, Fault> {
        device.scoped(|| {
            let buffers = Buffers::new(device, &plan);
            let program = program(device, &plan, task, &buffers);
            Self { plan, buffers, program }
        })
    }

    /// The rates at all points of `inputs`, at most as many as planned, of every network. `None` if asked to stop.
    pub(super) fn rates(
        &self,
        device: &Device,
        job: &Job,
        inputs: &Inputs,
        stop: &AtomicBool,
    ) -> Result<Option<Vec<Rates>>, Fault> {
        let Buffers { draws, weights, rows, n_rows, rates, failures, staging, .. } = &self.buffers;
        let networks = inputs.draws.len();
        // Networks of which there are several have all the points that there is room for.
        let points = inputs.n_points() / networks;
        device.scoped(|| {
            commands::send_draws(device, &inputs.draws, draws);
            device.queue().write_buffer(&rows[0], 0, bytemuck::cast_slice(&inputs.rows));
            device.queue().write_buffer(n_rows, 0, bytemuck::cast_slice(&vec![2 * points as u32; networks]));
        })?;
        // All points of a network are one path.
        let extent = Extent { networks, paths: networks };
        let share = inputs.n_points() as f64 / self.plan.n_points() as f64;
        for (layer, program) in self.program.iter().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if layer < self.plan.shape.n_drawn {
                commands::send_weights(device, job, &inputs.draws, layer, weights)?;
            }
            commands::submit(device, program, extent, share)?;
        }
        let depth = self.program.len();
        let words = device.read_parts(staging, &[(failures, networks), (rates, networks * points * depth)])?;
        let (failures, rates) = words.split_at(networks);
        let of_network = |(&failed, rates): (&u32, &[u32])| match failed {
            0 => Rates::Of(rates.iter().map(|&bits| f64::from(f32::from_bits(bits))).collect()),
            failed => Rates::Overflow { layer: depth - failed as usize },
        };
        Ok(Some(failures.iter().zip(rates.chunks_exact(points * depth)).map(of_network).collect()))
    }
}
