//! What a batch has the device do: which stage runs on what, in which order. Here is what counting and expecting share.

use wgpu::{BindGroup, Buffer, CommandEncoder};

use super::device::{Device, Fault, dispatch};
use super::inputs::{Job, Weights};
use super::layer::Parameters;
use super::plan::{self, LANES};
use super::stages::Stage;
use super::step::{Draw, Step};
use crate::network::{Activation, ActivationKind, Affine, Pieces, RandomNetwork};
use crate::random::QuantileTable;

/// Floating-point operations of one submission: far below what makes a desktop's driver reset a device.
pub(super) const SUBMISSION: f64 = 2e10;

/// Whose number the third dimension of a dispatch is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Over {
    Networks,
    Paths,
}

/// Networks of a batch, and paths of all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) networks: usize,
    pub(super) paths: usize,
}

/// One thing for the device to do.
pub(super) enum Command {
    Clear(Buffer),
    Run { stage: Stage, bind: BindGroup, groups: [u32; 2], over: Over, work: f64 },
}

impl Command {
    /// Floating-point operations on a full batch.
    fn work(&self) -> f64 {
        match self {
            Self::Clear(_) => 0.0,
            Self::Run { work, .. } => *work,
        }
    }

    /// Adds it to what is sent to the device.
    pub(super) fn encode(&self, device: &Device, encoder: &mut CommandEncoder, extent: Extent) {
        match self {
            Self::Clear(buffer) => encoder.clear_buffer(buffer, 0, None),
            Self::Run { stage, bind, groups: [x, y], over, .. } => {
                let z = match over {
                    Over::Networks => extent.networks,
                    Over::Paths => extent.paths,
                };
                dispatch(encoder, device.pipeline(*stage), bind, [*x, *y, z as u32]);
            }
        }
    }
}

/// Sends commands, in several submissions where there is much to do; `extent` is that `share` of a full batch.
pub(super) fn submit(device: &Device, commands: &[Command], extent: Extent, share: f64) -> Result<(), Fault> {
    let mut encoder = device.encoder();
    let mut work = 0.0;
    for command in commands {
        let more = command.work() * share;
        if work > 0.0 && work + more > SUBMISSION {
            device.submit(std::mem::replace(&mut encoder, device.encoder()))?;
            work = 0.0;
        }
        work += more;
        command.encode(device, &mut encoder, extent);
    }
    device.submit(encoder)
}

/// Sends the index of every network's draw.
pub(super) fn send_draws(device: &Device, draws: &[u64], to: &Buffer) {
    let halves: Vec<[u32; 2]> = draws.iter().map(|&d| [d as u32, (d >> 32) as u32]).collect();
    device.queue().write_buffer(to, 0, bytemuck::cast_slice(&halves));
}

/// Sends a layer's weights where the device does not draw them.
pub(super) fn send_weights(device: &Device, job: &Job, draws: &[u64], layer: usize, to: &Buffer) -> Result<(), Fault> {
    if let Weights::Host = job.weights() {
        let values = job.layer_weights(draws, layer);
        if values.is_empty() {
            return Ok(());
        }
        device.scoped(|| device.queue().write_buffer(to, 0, bytemuck::cast_slice(&values)))?;
    }
    Ok(())
}

/// Commands in the making.
pub(super) struct Commands<'a> {
    pub(super) device: &'a Device,
    /// Workgroups that the device takes in one dimension.
    max_groups: u32,
    list: Vec<Command>,
}

impl<'a> Commands<'a> {
    pub(super) fn new(device: &'a Device, max_groups: u32) -> Self {
        Self { device, max_groups, list: Vec::new() }
    }

    pub(super) fn into_list(self) -> Vec<Command> {
        self.list
    }

    pub(super) fn clear(&mut self, buffer: &Buffer) {
        self.list.push(Command::Clear(buffer.clone()));
    }

    /// Adds one stage over `n` groups of every path.
    pub(super) fn run(&mut self, stage: Stage, step: &Step, n: usize, buffers: &[&Buffer]) {
        let uniform = self.device.uniform(stage.name(), step);
        self.run_with(stage, &uniform, n, buffers);
    }

    pub(super) fn run_with(&mut self, stage: Stage, step: &Buffer, n: usize, buffers: &[&Buffer]) {
        let groups = plan::groups(n, self.max_groups);
        self.push(stage, step, buffers, groups, Over::Paths, 0.0);
    }

    pub(super) fn push(
        &mut self,
        stage: Stage,
        uniform: &Buffer,
        buffers: &[&Buffer],
        groups: [u32; 2],
        over: Over,
        work: f64,
    ) {
        let all: Vec<&Buffer> = std::iter::once(uniform).chain(buffers.iter().copied()).collect();
        let bind = self.device.bind(stage, &all);
        self.list.push(Command::Run { stage, bind, groups, over, work });
    }

    /// Adds the draw of a layer's parameters, by the networks' `draws`.
    pub(super) fn draw(&mut self, tables: &Tables, layer: usize, draws: &Buffer, weights: &Buffer) {
        let network = tables.network;
        let shape = &network.architecture().layers()[layer];
        let parameters = Parameters::of(shape);
        let seed = [network.seed() as u32, (network.seed() >> 32) as u32];
        let own = [
            (2 * layer as u32, 0, parameters.bias, tables.weights(&shape.affine)),
            (2 * layer as u32 + 1, parameters.bias, shape.affine.n_biases(), tables.bias(&shape.affine)),
        ];
        let skips = shape.skips.iter().zip(&parameters.skips).enumerate();
        let skips = skips.filter_map(|(ix, (skip, &base))| {
            let map = skip.map.as_ref()?;
            Some((RandomNetwork::skip_tensor(layer, ix), base, map.n_weights() as usize, tables.weights(map)))
        });
        for (tensor, base, n_elements, (table, scale)) in own.into_iter().chain(skips) {
            if n_elements == 0 {
                continue;
            }
            let draw = Draw {
                seed,
                tensor,
                n_elements: n_elements as u32,
                stride: parameters.len as u32,
                base: base as u32,
                scale,
                padding: 0,
            };
            let uniform = self.device.uniform("draw", &draw);
            let groups = plan::groups(n_elements.div_ceil(4 * LANES), self.max_groups);
            self.push(Stage::Draw, &uniform, &[table, draws, weights], groups, Over::Networks, 0.0);
        }
    }
}

/// The quantile tables of a random network, on the device.
pub(super) struct Tables<'a> {
    network: &'a RandomNetwork,
    weights: Buffer,
    bias: Buffer,
}

impl<'a> Tables<'a> {
    /// Those of a job; `None` where the host sends the weights.
    pub(super) fn of(device: &Device, job: &Job<'a>) -> Option<Self> {
        let Weights::Device(network) = job.weights() else { return None };
        let buffer = |table: &QuantileTable| {
            let words: Vec<[u32; 2]> = table.entries().iter().map(|&e| [e as u32, (e >> 32) as u32]).collect();
            device.filled("table", &words)
        };
        Some(Self {
            network,
            weights: buffer(network.weight_table()),
            bias: buffer(network.bias_table().unwrap_or(network.weight_table())),
        })
    }

    fn weights(&self, map: &Affine) -> (&Buffer, f32) {
        let std = self.network.weights().variance(*map).sqrt();
        (&self.weights, self.network.weight_table().scale(std))
    }

    /// Biases that are all zero have scale 0.
    fn bias(&self, map: &Affine) -> (&Buffer, f32) {
        let std = self.network.bias().std(*map);
        (&self.bias, self.network.bias_table().map_or(0.0, |table| table.scale(std)))
    }
}

/// An activation as the stages read it that are about one pre-activation at a time: nothing of groups.
pub(super) fn piece_values(activation: &Activation) -> Vec<f32> {
    let pieces = match activation.kind() {
        ActivationKind::Scalar(pieces) => pieces.clone(),
        // The sum of its two outputs, which is constant nowhere.
        ActivationKind::Crelu(Pieces { breakpoints, .. }) => {
            Pieces { breakpoints: breakpoints.clone(), slopes: vec![-1.0, 1.0], intercepts: vec![0.0; 2] }
        }
        ActivationKind::Maxout { .. } | ActivationKind::GroupSort { .. } => Activation::identity().pieces().clone(),
    };
    let Pieces { breakpoints, slopes, intercepts } = pieces.map(|v| v as f32);
    [breakpoints, slopes, intercepts].concat()
}

/// The same on the device.
pub(super) fn pieces_buffer(device: &Device, activation: &Activation) -> Buffer {
    device.filled("pieces", &piece_values(activation))
}
