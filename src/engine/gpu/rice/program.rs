//! The commands that make the rates of a batch.

use wgpu::Buffer;

use super::Task;
use super::batch::Buffers;
use super::plan::{Plan, lanes};
use crate::engine::gpu::commands::{Command, Commands, Tables, pieces_buffer};
use crate::engine::gpu::device::Device;
use crate::engine::gpu::layer::UnitKind;
use crate::engine::gpu::maps::{Target, Values};
use crate::engine::gpu::plan::LANES;
use crate::engine::gpu::stages::Stage;
use crate::engine::gpu::step::{Density, NormalLaw, Step};
use crate::network::{Activation, Affine, Layer};
use crate::rice::RateLaw;
use crate::theory::rice::Switches;

/// The commands of every layer.
pub(super) fn program(device: &Device, plan: &Plan, task: Task, buffers: &Buffers) -> Vec<Vec<Command>> {
    let tables = Tables::of(device, &task.job());
    // Rows are activations.
    let identity = pieces_buffer(device, &Activation::identity());
    let layers = task.job().architecture().layers().iter().zip(RateLaw::of_network(&task.ensemble.network));
    let of_layer = |(layer, (shape, law)): (usize, (&Layer, Option<RateLaw>))| {
        let pieces = pieces_buffer(device, &shape.activation);
        let mut commands = LayerCommands { device, plan, buffers, layer, list: Commands::new(device, plan.max_groups) };
        if layer == 0 {
            commands.list.clear(&buffers.failures);
        }
        if let Some(RateLaw::Inputs { weight_variance, bias_variance }) = law {
            let Switches { levels, multiplicity } = Switches::of_layer(shape);
            commands.given_inputs(&levels, NormalLaw::new(weight_variance, bias_variance, multiplicity));
        }
        if layer < plan.shape.n_drawn {
            if let Some(tables) = &tables {
                commands.list.draw(tables, layer, &buffers.draws, &buffers.weights);
            }
            commands.affine(&identity);
            if let Some(RateLaw::PreActivations(density)) = law {
                commands.given_weights(&pieces, density.into());
            }
            commands.activate(&pieces);
            commands.outputs();
        }
        commands.list.into_list()
    };
    layers.enumerate().map(of_layer).collect()
}

/// The commands of one layer in the making.
struct LayerCommands<'a> {
    device: &'a Device,
    plan: &'a Plan,
    buffers: &'a Buffers,
    layer: usize,
    list: Commands<'a>,
}

impl<'a> LayerCommands<'a> {
    fn step(&self) -> Step {
        let shape = &self.plan.shape.layers[self.layer];
        Step {
            paths_per_network: 1,
            rows_in: 2 * self.plan.points() as u32,
            inputs: shape.inputs as u32,
            units: shape.units as u32,
            n_breakpoints: shape.n_breakpoints() as u32,
            group_size: shape.group_size() as u32,
            layer: self.layer as u32,
            n_layers: self.plan.shape.layers.len() as u32,
            pairs: 1,
            ..Step::default()
        }
    }

    /// The layer's inputs, and its pre-activations, of which activations take the place.
    fn rows(&self) -> (&'a Buffer, &'a Buffer) {
        let (rows, side) = (&self.buffers.rows, self.plan.shape.side(self.layer));
        (&rows[side], &rows[1 - side])
    }

    /// Adds a stage that makes rates from rows of this width.
    fn rates(&mut self, stage: Stage, width: usize, step: &Step, buffers: &[&Buffer]) {
        let lanes = lanes(width);
        let step = Step { lanes: lanes as u32, ..*step };
        self.list.run(stage, &step, self.plan.points().div_ceil(LANES / lanes), buffers);
    }

    fn given_inputs(&mut self, levels: &[f64], law: NormalLaw) {
        let step = Step { n_breakpoints: levels.len() as u32, ..self.step() };
        let levels: Vec<f32> = levels.iter().map(|&level| level as f32).collect();
        let (levels, law) = (self.device.filled("levels", &levels), self.device.filled("law", &[law]));
        let Buffers { n_rows, rates, failures, .. } = self.buffers;
        let (inputs, _) = self.rows();
        let width = self.plan.shape.layers[self.layer].inputs;
        self.rates(Stage::GivenInputs, width, &step, &[&levels, &law, inputs, n_rows, rates, failures]);
    }

    fn affine(&mut self, identity: &Buffer) {
        let shape = &self.plan.shape.layers[self.layer];
        let (inputs, units) = (shape.inputs, shape.units);
        let step =
            Step { weights_stride: shape.n_parameters as u32, bias_base: (inputs * units) as u32, ..self.step() };
        let (from, to) = self.rows();
        let Buffers { weights, n_rows, .. } = self.buffers;
        let values = Values { rows: from, stride: inputs, base: 0, pieces: identity, n_breakpoints: 0 };
        let target = Target { n_paths: self.plan.networks, weights, n_rows, z: to };
        self.list.map(&Affine::Dense { inputs, units }, &step, &values, &target);
    }

    fn given_weights(&mut self, pieces: &Buffer, density: Density) {
        let density = self.device.filled("density", &[density]);
        let Buffers { n_rows, weights, rates, .. } = self.buffers;
        let (_, outputs) = self.rows();
        let width = self.plan.shape.layers[self.layer].units;
        self.rates(Stage::GivenWeights, width, &self.step(), &[pieces, &density, outputs, n_rows, weights, rates]);
    }

    /// Of groups it only looks whether their pre-activations are in range.
    fn activate(&mut self, pieces: &Buffer) {
        let step = self.step();
        let (_, outputs) = self.rows();
        let Buffers { n_rows, failures, .. } = self.buffers;
        let n = (self.plan.points() * step.units as usize).div_ceil(LANES);
        self.list.run(Stage::Activate, &step, n, &[pieces, outputs, n_rows, failures]);
    }

    /// Adds the outputs of units of several pre-activations, with their derivatives.
    fn outputs(&mut self) {
        let shape = self.plan.shape.layers[self.layer];
        let stage = match shape.kind {
            UnitKind::Maxout { .. } => Stage::Maxout,
            UnitKind::Sorted { .. } => Stage::Sort,
            UnitKind::Scalar { .. } | UnitKind::Crelu => return,
        };
        let step = self.step();
        let (to, from) = self.rows();
        let n = (step.rows_in as usize * shape.outputs()).div_ceil(LANES);
        self.list.run(stage, &step, n, &[from, &self.buffers.n_rows, to]);
    }
}
