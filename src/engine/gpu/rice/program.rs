//! The commands that make the rates of a batch.

use wgpu::Buffer;

use super::Task;
use super::batch::Buffers;
use super::plan::{Plan, lanes};
use crate::engine::gpu::commands::{Command, Commands, Tables, pieces_buffer};
use crate::engine::gpu::device::Device;
use crate::engine::gpu::plan::LANES;
use crate::engine::gpu::stages::Stage;
use crate::engine::gpu::step::{Density, NormalLaw, Step};
use crate::network::{Activation, Layer};
use crate::rice::RateLaw;

/// The commands of every layer.
pub(super) fn program(device: &Device, plan: &Plan, task: Task, buffers: &Buffers) -> Vec<Vec<Command>> {
    let tables = Tables::of(device, &task.job());
    // Rows are activations.
    let identity = pieces_buffer(device, &Activation::identity());
    let layers = task.job().architecture().layers().iter().zip(RateLaw::of_network(&task.ensemble.network));
    let of_layer = |(layer, (shape, law)): (usize, (&Layer, RateLaw))| {
        let pieces = pieces_buffer(device, &shape.activation);
        let mut commands = LayerCommands { device, plan, buffers, layer, list: Commands::new(device, plan.max_groups) };
        if layer == 0 {
            commands.list.clear(&buffers.failures);
        }
        if let RateLaw::Inputs { weight_variance, bias_variance } = law {
            commands.given_inputs(&pieces, NormalLaw::new(weight_variance, bias_variance));
        }
        if layer < plan.shape.n_drawn {
            if let Some(tables) = &tables {
                commands.list.draw(tables, layer, &buffers.draws, &buffers.weights);
            }
            commands.affine(&identity);
            if let RateLaw::PreActivations(density) = law {
                commands.given_weights(&pieces, density.into());
            }
            commands.activate(&pieces);
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
            n_breakpoints: shape.n_breakpoints as u32,
            layer: self.layer as u32,
            n_layers: self.plan.shape.layers.len() as u32,
            pairs: 1,
            ..Step::default()
        }
    }

    /// The layer's inputs and outputs.
    fn rows(&self) -> (&'a Buffer, &'a Buffer) {
        let rows = &self.buffers.rows;
        (&rows[self.layer % 2], &rows[(self.layer + 1) % 2])
    }

    /// Adds a stage that makes rates from rows of this width.
    fn rates(&mut self, stage: Stage, width: usize, buffers: &[&Buffer]) {
        let lanes = lanes(width);
        let step = Step { lanes: lanes as u32, ..self.step() };
        self.list.run(stage, &step, self.plan.points().div_ceil(LANES / lanes), buffers);
    }

    fn given_inputs(&mut self, pieces: &Buffer, law: NormalLaw) {
        let law = self.device.filled("law", &[law]);
        let Buffers { n_rows, rates, failures, .. } = self.buffers;
        let (inputs, _) = self.rows();
        let width = self.plan.shape.layers[self.layer].inputs;
        self.rates(Stage::GivenInputs, width, &[pieces, &law, inputs, n_rows, rates, failures]);
    }

    fn affine(&mut self, identity: &Buffer) {
        let step = Step { n_breakpoints: 0, ..self.step() };
        let (from, to) = self.rows();
        let Buffers { weights, n_rows, .. } = self.buffers;
        self.list.affine(&step, self.plan.networks, [identity, from, weights, n_rows, to]);
    }

    fn given_weights(&mut self, pieces: &Buffer, density: Density) {
        let density = self.device.filled("density", &[density]);
        let Buffers { n_rows, weights, rates, .. } = self.buffers;
        let (_, outputs) = self.rows();
        let width = self.plan.shape.layers[self.layer].units;
        self.rates(Stage::GivenWeights, width, &[pieces, &density, outputs, n_rows, weights, rates]);
    }

    fn activate(&mut self, pieces: &Buffer) {
        let step = self.step();
        let (_, outputs) = self.rows();
        let Buffers { n_rows, failures, .. } = self.buffers;
        let n = (self.plan.points() * step.units as usize).div_ceil(LANES);
        self.list.run(Stage::Activate, &step, n, &[pieces, outputs, n_rows, failures]);
    }
}
