//! The commands that count on a batch: which stage runs on what, in which order.

use wgpu::{BindGroup, Buffer, CommandEncoder};

use super::buffers::Buffers;
use super::device::{Device, dispatch};
use super::inputs::{Inputs, Job, Weights};
use super::plan::{self, LANES, Plan, TILE};
use super::stages::Stage;
use super::step::{Draw, Step};
use crate::network::{Activation, Pieces, RandomNetwork};
use crate::random::QuantileTable;

/// Floating-point operations of one submission: far below what makes a desktop's driver reset a device.
pub(super) const SUBMISSION: f64 = 2e10;

/// What counts on a batch.
pub(super) struct Program {
    /// Of every layer.
    pub(super) layers: Vec<Vec<Command>>,
    /// For the sampled method.
    pub(super) grid: Option<GridStep>,
}

/// What the grid stage is told, changed from pass to pass.
pub(super) struct GridStep {
    pub(super) buffer: Buffer,
    pub(super) step: Step,
}

/// Whose number the third dimension of a dispatch is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Over {
    Networks,
    Paths,
}

/// One thing for the device to do.
pub(super) enum Command {
    Clear(Buffer),
    Run { stage: Stage, bind: BindGroup, groups: [u32; 2], over: Over, work: f64 },
}

impl Command {
    /// Floating-point operations on a full batch.
    pub(super) fn work(&self) -> f64 {
        match self {
            Self::Clear(_) => 0.0,
            Self::Run { work, .. } => *work,
        }
    }

    /// Adds it to what is sent to the device, for all networks and paths of `inputs`.
    pub(super) fn encode(&self, device: &Device, encoder: &mut CommandEncoder, inputs: &Inputs) {
        match self {
            Self::Clear(buffer) => encoder.clear_buffer(buffer, 0, None),
            Self::Run { stage, bind, groups: [x, y], over, .. } => {
                let z = match over {
                    Over::Networks => inputs.draws.len(),
                    Over::Paths => inputs.paths.len(),
                };
                dispatch(encoder, device.pipeline(*stage), bind, [*x, *y, z as u32]);
            }
        }
    }
}

/// The activations of a layer and of its inputs.
struct Activations<'a> {
    own: &'a Buffer,
    before: &'a Buffer,
    n_breakpoints_before: usize,
}

/// Puts the commands of a batch together.
pub(super) struct Builder<'a> {
    device: &'a Device,
    plan: &'a Plan,
    job: &'a Job<'a>,
    buffers: &'a Buffers,
    identity: Buffer,
}

impl<'a> Builder<'a> {
    pub(super) fn new(device: &'a Device, plan: &'a Plan, job: &'a Job<'a>, buffers: &'a Buffers) -> Self {
        Self { device, plan, job, buffers, identity: pieces_buffer(device, &Activation::identity()) }
    }

    pub(super) fn build(self) -> Program {
        let tables = match self.job.weights() {
            Weights::Device(network) => Some((network, Tables::new(self.device, network))),
            Weights::Host => None,
        };
        let layers = self.job.architecture().layers();
        let pieces: Vec<Buffer> = layers.iter().map(|l| pieces_buffer(self.device, &l.activation)).collect();
        let mut program = Program { layers: Vec::new(), grid: None };
        let mut side_base = 0;
        for (layer, own) in pieces.iter().enumerate() {
            let mut commands = Vec::new();
            if let Some((network, tables)) = &tables {
                self.draw(&mut commands, network, tables, layer);
            }
            let activations = Activations {
                own,
                before: layer.checked_sub(1).map_or(&self.identity, |l| &pieces[l]),
                n_breakpoints_before: layer.checked_sub(1).map_or(0, |l| self.plan.shape.layers[l].n_breakpoints),
            };
            if self.plan.shape.grid.is_some() {
                let grid = self.sampled_layer(&mut commands, layer, &activations, side_base);
                program.grid = program.grid.or(grid);
            } else {
                self.exact_layer(&mut commands, layer, &activations);
            }
            let shape = &self.plan.shape.layers[layer];
            side_base += (shape.units * shape.n_breakpoints) as u32;
            program.layers.push(commands);
        }
        program
    }

    fn step(&self, layer: usize) -> Step {
        let shape = &self.plan.shape;
        Step {
            paths_per_network: self.plan.paths as u32,
            rows_in: shape.rows_in(layer) as u32,
            rows_out: shape.rows_out(layer) as u32,
            inputs: shape.layers[layer].inputs as u32,
            units: shape.layers[layer].units as u32,
            n_breakpoints: shape.layers[layer].n_breakpoints as u32,
            layer: layer as u32,
            n_layers: shape.layers.len() as u32,
            n_sides: shape.n_sides() as u32,
            keeps_rows: u32::from(shape.grid.is_some() || layer + 1 < shape.layers.len()),
            ..Step::default()
        }
    }

    /// Adds one stage over `n` groups of every path.
    fn run(&self, commands: &mut Vec<Command>, stage: Stage, step: &Step, n: usize, buffers: &[&Buffer]) {
        let uniform = self.device.uniform(stage.name(), step);
        self.run_with(commands, stage, &uniform, n, buffers);
    }

    fn run_with(&self, commands: &mut Vec<Command>, stage: Stage, step: &Buffer, n: usize, buffers: &[&Buffer]) {
        let all: Vec<&Buffer> = std::iter::once(step).chain(buffers.iter().copied()).collect();
        let groups = plan::groups(n, self.plan.max_groups);
        let bind = self.device.bind(stage, &all);
        commands.push(Command::Run { stage, bind, groups, over: Over::Paths, work: 0.0 });
    }

    fn draw(&self, commands: &mut Vec<Command>, network: &RandomNetwork, tables: &Tables, layer: usize) {
        let affine = network.architecture().affine_map(layer);
        let (inputs, units) = (affine.inputs(), affine.units());
        let stride = ((inputs + 1) * units) as u32;
        let seed = [network.seed() as u32, (network.seed() >> 32) as u32];
        for (tensor, n_elements, base, (table, scale)) in [
            (2 * layer, inputs * units, 0, tables.weights(network, layer)),
            (2 * layer + 1, units, inputs * units, tables.bias(network, layer)),
        ] {
            let draw = Draw {
                seed,
                tensor: tensor as u32,
                n_elements: n_elements as u32,
                stride,
                base: base as u32,
                scale,
                padding: 0,
            };
            let uniform = self.device.uniform("draw", &draw);
            let bind = self.device.bind(Stage::Draw, &[&uniform, table, &self.buffers.draws, &self.buffers.weights]);
            let groups = plan::groups(n_elements.div_ceil(4 * LANES), self.plan.max_groups);
            commands.push(Command::Run { stage: Stage::Draw, bind, groups, over: Over::Networks, work: 0.0 });
        }
    }

    /// Adds the affine stage from `from` to `to`, in parts where it is long.
    fn affine(&self, commands: &mut Vec<Command>, layer: usize, activations: &Activations, from: &Buffer, to: &Buffer) {
        let Activations { before, n_breakpoints_before, .. } = *activations;
        let shape = &self.plan.shape.layers[layer];
        let level = if self.plan.shape.grid.is_some() { layer.min(1) } else { layer };
        for (input_base, input_end) in plan::input_parts(shape.inputs, n_breakpoints_before) {
            let per_row = 2.0 * (input_end - input_base) as f64 * shape.units as f64 * self.plan.n_paths() as f64;
            for (row_base, tiles) in plan::row_parts(self.plan.shape.rows_in(layer), per_row, SUBMISSION) {
                let step = Step {
                    n_breakpoints: n_breakpoints_before as u32,
                    row_base: row_base as u32,
                    input_base: input_base as u32,
                    input_end: input_end as u32,
                    ..self.step(layer)
                };
                let uniform = self.device.uniform("affine", &step);
                let buffers = [&uniform, before, from, &self.buffers.weights, &self.buffers.n_rows[level], to];
                commands.push(Command::Run {
                    stage: Stage::Affine,
                    bind: self.device.bind(Stage::Affine, &buffers),
                    groups: [shape.units.div_ceil(TILE) as u32, tiles as u32],
                    over: Over::Paths,
                    work: per_row * (tiles * TILE) as f64,
                });
            }
        }
    }

    fn exact_layer(&self, commands: &mut Vec<Command>, layer: usize, activations: &Activations) {
        let Buffers { x, z, n_rows, intervals, entries, n_entries, sources, flags, results, points, .. } = self.buffers;
        let pieces = activations.own;
        let step = self.step(layer);
        let (rows_in, rows_out) = (step.rows_in as usize, step.rows_out as usize);
        let (flags, flags_out) = (&flags[layer % 2], &flags[(layer + 1) % 2]);
        let (n_rows, n_rows_out) = (&n_rows[layer], &n_rows[layer + 1]);
        if layer == 0 {
            commands.extend([Command::Clear(results.clone()), Command::Clear(flags.clone())]);
        }
        commands.push(Command::Clear(n_entries.clone()));
        self.affine(commands, layer, activations, if layer == 0 { points } else { x }, z);
        let buffers = [pieces, z, n_rows, intervals, entries, n_entries, flags, results];
        self.run(commands, Stage::Crossings, &step, rows_in, &buffers);
        let lists = rows_out.div_ceil(LANES);
        self.run(commands, Stage::Rank, &step, lists, &[n_entries, intervals, entries]);
        self.run(commands, Stage::Scan, &step, 1, &[n_rows, n_entries, intervals, sources, n_rows_out, results]);
        self.run(commands, Stage::Place, &step, lists, &[n_entries, intervals, entries, sources]);
        self.run(commands, Stage::Insert, &step, rows_out, &[pieces, z, sources, n_rows_out, flags, flags_out, x]);
        if layer + 1 == self.plan.shape.layers.len() {
            let step = Step { rows_in: step.rows_out, ..step };
            self.run(commands, Stage::Tally, &step, lists, &[n_rows_out, flags_out, results]);
        }
    }

    /// Adds a layer of the sampled method; the first also gives what its grid stage is told.
    fn sampled_layer(
        &self,
        commands: &mut Vec<Command>,
        layer: usize,
        activations: &Activations,
        side_base: u32,
    ) -> Option<GridStep> {
        let Buffers { x, z, points, n_rows, vertices, sources, flags, sides, results, .. } = self.buffers;
        let pieces = activations.own;
        let step = Step { side_base, ..self.step(layer) };
        let grid_rows = step.rows_out as usize;
        let mut grid = None;
        let found = if layer == 0 {
            // It is affine along every edge: pre-activations are computed at the vertices and interpolated.
            commands.push(Command::Clear(results.clone()));
            self.affine(commands, layer, activations, points, z);
            let buffer = self.device.uniform("grid", &step);
            let buffers = [&n_rows[0], vertices, sources, &n_rows[1]];
            self.run_with(commands, Stage::Grid, &buffer, grid_rows.div_ceil(LANES), &buffers);
            let buffers = [pieces, z, sources, &n_rows[1], &flags[0], &flags[1], x];
            self.run(commands, Stage::Insert, &step, grid_rows, &buffers);
            grid = Some(GridStep { buffer, step });
            x
        } else {
            let (from, to) = if layer % 2 == 1 { (x, z) } else { (z, x) };
            self.affine(commands, layer, activations, from, to);
            to
        };
        let step = Step { rows_in: step.rows_out, ..step };
        let buffers = [pieces, found, &n_rows[1], sides, &flags[0], results];
        self.run(commands, Stage::Flips, &step, grid_rows, &buffers);
        let per_path = (step.units * step.n_breakpoints) as usize;
        self.run(commands, Stage::Sides, &step, per_path.div_ceil(LANES), &[pieces, found, &n_rows[1], sides]);
        grid
    }
}

/// The quantile tables of a random network, on the device.
struct Tables {
    weights: Buffer,
    bias: Buffer,
}

impl Tables {
    fn new(device: &Device, network: &RandomNetwork) -> Self {
        let buffer = |table: &QuantileTable| {
            let words: Vec<[u32; 2]> = table.entries().iter().map(|&e| [e as u32, (e >> 32) as u32]).collect();
            device.filled("table", &words)
        };
        Self {
            weights: buffer(network.weight_table()),
            bias: buffer(network.bias_table().unwrap_or(network.weight_table())),
        }
    }

    fn weights(&self, network: &RandomNetwork, layer: usize) -> (&Buffer, f32) {
        let std = network.weights().variance(network.architecture().affine_map(layer)).sqrt();
        (&self.weights, network.weight_table().scale(std))
    }

    /// Biases that are all zero have scale 0.
    fn bias(&self, network: &RandomNetwork, layer: usize) -> (&Buffer, f32) {
        let std = network.bias().std(network.architecture().affine_map(layer));
        (&self.bias, network.bias_table().map_or(0.0, |table| table.scale(std)))
    }
}

/// An activation as the stages read it.
pub(super) fn piece_values(activation: &Activation) -> Vec<f32> {
    let Pieces { breakpoints, slopes, intercepts } = activation.pieces().map(|v| v as f32);
    [breakpoints, slopes, intercepts].concat()
}

fn pieces_buffer(device: &Device, activation: &Activation) -> Buffer {
    device.filled("pieces", &piece_values(activation))
}
