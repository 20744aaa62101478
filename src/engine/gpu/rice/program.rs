//! The commands that make the rates of a batch.

use wgpu::Buffer;

use super::Task;
use super::batch::Buffers;
use super::plan::{Plan, lanes};
use super::processes::{self, Processes};
use super::rates::RatesFrom;
use crate::engine::gpu::commands::{Command, Commands, Tables, pieces_buffer};
use crate::engine::gpu::device::Device;
use crate::engine::gpu::layer::{Parameters, UnitKind};
use crate::engine::gpu::maps::{Target, Values};
use crate::engine::gpu::plan::LANES;
use crate::engine::gpu::stages::Stage;
use crate::engine::gpu::step::{Density, NormalLaw, Step};
use crate::network::{Activation, Affine, Layer, RandomNetwork};
use crate::rice::RateLaw;
use crate::theory::rice::Switches;

/// The commands of every layer.
pub(super) fn program(device: &Device, plan: &Plan, task: Task, buffers: &Buffers) -> Vec<Vec<Command>> {
    let network = &task.ensemble.network;
    let tables = Tables::of(device, &task.job());
    // Rows are activations.
    let identity = pieces_buffer(device, &Activation::identity());
    let layers = network.architecture().layers().iter().zip(RateLaw::of_network(network));
    let of_layer = |(layer, (shape, law)): (usize, (&Layer, Option<RateLaw>))| {
        let pieces = pieces_buffer(device, &shape.activation);
        let list = Commands::new(device, plan.max_groups);
        let mut commands = LayerCommands { device, plan, network, buffers, identity: &identity, layer, list };
        if layer == 0 {
            commands.list.clear(&buffers.failures);
            // Layers without rates leave them.
            commands.list.clear(&buffers.rates);
        }
        if let Some(RateLaw::Inputs { bias_variance, .. }) = law {
            match plan.shape.rates[layer] {
                RatesFrom::Moments { laws, has_means, .. } => commands.given_moments(laws, has_means, bias_variance),
                _ => commands.given_inputs(bias_variance),
            }
        }
        if layer < plan.shape.n_drawn {
            if let Some(tables) = &tables {
                commands.list.draw(tables, layer, &buffers.draws, &buffers.weights);
            }
            commands.pre_activations();
            if let Some(RateLaw::PreActivations(density)) = law {
                commands.given_weights(&pieces, density.into());
            }
            commands.keep();
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
    network: &'a RandomNetwork,
    buffers: &'a Buffers,
    identity: &'a Buffer,
    layer: usize,
    list: Commands<'a>,
}

impl<'a> LayerCommands<'a> {
    fn shape(&self) -> &'a Layer {
        &self.network.architecture().layers()[self.layer]
    }

    fn step(&self) -> Step {
        let shape = &self.plan.shape.layers[self.layer];
        let parameters = Parameters::of(self.shape());
        Step {
            paths_per_network: 1,
            rows_in: 2 * self.plan.points() as u32,
            inputs: shape.inputs as u32,
            units: shape.units as u32,
            n_breakpoints: shape.n_breakpoints() as u32,
            group_size: shape.group_size() as u32,
            group_stride: shape.group_stride as u32,
            weights_stride: parameters.len as u32,
            bias_base: parameters.bias as u32,
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

    /// The values of rows of this width.
    fn values(&self, rows: &'a Buffer, stride: usize, base: usize) -> Values<'a> {
        Values { rows, stride, base, pieces: self.identity, n_breakpoints: 0 }
    }

    /// The values of a source of the layer: its inputs, or what is kept.
    fn source(&self, source: usize) -> Values<'a> {
        match source == self.layer {
            true => self.values(self.rows().0, self.plan.shape.layers[self.layer].inputs, 0),
            false => self.kept(self.layer, source),
        }
    }

    /// Where the values of a source are kept before a layer.
    fn kept(&self, layer: usize, source: usize) -> Values<'a> {
        let architecture = self.network.architecture();
        let (stride, base) = (architecture.kept_len(layer), architecture.kept_at(layer, source));
        self.values(&self.buffers.kept[layer % 2], stride, base)
    }

    fn levels(&self, levels: &[f64]) -> Buffer {
        let levels: Vec<f32> = levels.iter().map(|&level| level as f32).collect();
        self.device.filled("levels", &levels)
    }

    fn given_inputs(&mut self, bias_variance: f64) {
        let Switches { levels, multiplicity } = Switches::of_layer(self.shape());
        let variance = self.network.weights().variance(self.shape().affine);
        let step = Step { n_breakpoints: levels.len() as u32, ..self.step() };
        let law = NormalLaw::of_maps(&[variance], bias_variance, multiplicity);
        let (levels, law) = (self.levels(&levels), self.device.filled("law", &law));
        let Buffers { n_rows, rates, failures, .. } = self.buffers;
        let (inputs, _) = self.rows();
        let width = self.plan.shape.layers[self.layer].inputs;
        self.rates(Stage::GivenInputs, width, &step, &[&levels, &law, inputs, n_rows, rates, failures]);
    }

    /// Adds the stages that make rates from the moments of so many laws.
    fn given_moments(&mut self, n_laws: usize, has_means: bool, bias_variance: f64) {
        let (shape, processes) = (self.shape(), Processes::of(self.shape()));
        let Switches { levels, multiplicity } = Switches::of_layer(shape);
        let Buffers { n_rows, moments, rates, failures, .. } = self.buffers;
        let maps: Vec<(usize, &Affine)> = processes::maps(self.layer, shape).collect();
        let variances: Vec<f64> = maps.iter().map(|(_, map)| self.network.weights().variance(**map)).collect();
        let laws = NormalLaw::of_maps(&variances, bias_variance, multiplicity / n_laws as f64);
        let laws: Vec<Buffer> = laws.iter().map(|law| self.device.filled("law", &[*law])).collect();
        let step = Step { n_laws: n_laws as u32, ..self.step() };
        for stage in [Stage::Squares, Stage::Rests] {
            for (ix, (&(source, map), law)) in maps.iter().zip(&laws).enumerate() {
                let windows = self.device.filled("windows", &[processes.windows(map)]);
                let (values, lanes) = (self.source(source), lanes(map.fan_in()));
                let step = Step { lanes: lanes as u32, adds: u32::from(ix > 0), ..values.of_step(&step) };
                let n = (self.plan.points() * n_laws).div_ceil(LANES / lanes);
                self.list.run(stage, &step, n, &[law, values.rows, n_rows, moments, &windows]);
            }
        }
        self.means();
        let (_, means) = self.rows();
        let step = Step { n_breakpoints: levels.len() as u32, adds: u32::from(has_means), ..step };
        let parts = self.plan.shape.rates[self.layer].parts(shape);
        let levels = self.levels(&levels);
        let buffers = [&levels, &laws[0], moments, means, n_rows, rates, failures];
        self.rates(Stage::GivenMoments, parts, &step, &buffers);
    }

    /// Adds the stages that add up what the layer adds as it is, where its pre-activations will be.
    fn means(&mut self) {
        let (step, (_, z)) = (self.step(), self.rows());
        let units = self.plan.shape.layers[self.layer].units;
        for (ix, source) in processes::means(self.shape()).enumerate() {
            let values = self.source(source);
            match ix {
                0 => self.list.copy(&step, units, &values, &self.buffers.n_rows, &self.values(z, units, 0)),
                _ => self.list.add(&step, &values, &self.target()),
            }
        }
    }

    fn target(&self) -> Target<'a> {
        let Buffers { weights, n_rows, .. } = self.buffers;
        Target { n_paths: self.plan.networks, weights, n_rows, z: self.rows().1 }
    }

    fn pre_activations(&mut self) {
        let (step, inputs, target) = (self.step(), self.source(self.layer), self.target());
        let sources: Vec<Values> = self.shape().skips.iter().map(|skip| self.source(skip.source)).collect();
        self.list.pre_activations(self.shape(), &step, &inputs, &sources, &target);
    }

    /// Adds the stages that keep what layers after the next add; the inputs are still there.
    fn keep(&mut self) {
        let (step, architecture) = (self.step(), self.network.architecture());
        for &source in architecture.kept(self.layer + 1) {
            let (values, kept) = (self.source(source), self.kept(self.layer + 1, source));
            self.list.copy(&step, architecture.source_len(source), &values, &self.buffers.n_rows, &kept);
        }
    }

    fn given_weights(&mut self, pieces: &Buffer, density: Density) {
        let density = self.device.filled("density", &[density]);
        let Buffers { n_rows, weights, rates, .. } = self.buffers;
        let (_, outputs) = self.rows();
        let width = self.plan.shape.layers[self.layer].units;
        self.rates(Stage::GivenWeights, width, &self.step(), &[pieces, &density, outputs, n_rows, weights, rates]);
    }

    /// Where a stage makes outputs it only looks whether pre-activations are in range.
    fn activate(&mut self, pieces: &Buffer) {
        let makes_outputs = self.plan.shape.layers[self.layer].makes_outputs();
        let (pieces, step) = match makes_outputs {
            true => (self.identity, Step { n_breakpoints: 0, ..self.step() }),
            false => (pieces, self.step()),
        };
        let (_, outputs) = self.rows();
        let Buffers { n_rows, failures, .. } = self.buffers;
        let n = (self.plan.points() * step.units as usize).div_ceil(LANES);
        self.list.run(Stage::Activate, &step, n, &[pieces, outputs, n_rows, failures]);
    }

    /// Adds the outputs that a stage makes, with their derivatives.
    fn outputs(&mut self) {
        let shape = self.plan.shape.layers[self.layer];
        // Each invocation makes one output, or both of a pre-activation.
        let (stage, per_row) = match shape.kind {
            UnitKind::Crelu => (Stage::Crelu, shape.units),
            UnitKind::Maxout { .. } => (Stage::Maxout, shape.outputs()),
            UnitKind::Sorted { .. } => (Stage::Sort, shape.units),
            UnitKind::Scalar { .. } => return,
        };
        let step = self.step();
        let (to, from) = self.rows();
        let n = (step.rows_in as usize * per_row).div_ceil(LANES);
        self.list.run(stage, &step, n, &[from, &self.buffers.n_rows, to]);
    }
}
