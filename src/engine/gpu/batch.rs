//! A batch on the device: its buffers, and the commands that fill them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use wgpu::{BindGroup, Buffer, CommandEncoder};

use super::device::{Device, Fault, dispatch};
use super::inputs::{Inputs, Job, Weights};
use super::plan::{self, LANES, Plan, TILE};
use super::stages::Stage;
use super::step::{BOUNDARIES, Draw, Entry, FAILED, KNOTS, NEEDED, RESULT_HEAD, Source, Step};
use crate::engine::{Method, PathCounts};
use crate::network::{Activation, Pieces, RandomNetwork};
use crate::random::QuantileTable;

/// Floating-point operations of one submission: far below what makes a desktop's driver reset a device.
const SUBMISSION: f64 = 2e10;

/// What the device says of one path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The first layer whose pre-activations left the range of f32.
    pub(super) failed_layer: Option<usize>,
    /// Rows that a layer had no room for.
    pub(super) needed: Option<usize>,
    pub(super) boundaries: u64,
    pub(super) knots: u64,
    /// Of each layer.
    pub(super) crossings: Vec<u64>,
    /// Rows before the first layer and after each.
    pub(super) rows: Vec<usize>,
}

/// Whose number the third dimension of a dispatch is.
#[derive(Clone, Copy, Debug)]
enum Over {
    Networks,
    Paths,
}

enum Command {
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

    fn encode(&self, device: &Device, encoder: &mut CommandEncoder, inputs: &Inputs) {
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

/// The time that one stage of one layer took on a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageTime {
    /// The stage's name, that of its file in `shaders/`.
    pub stage: &'static str,
    /// The layer, from 0.
    pub layer: usize,
    /// Seconds, from sending to the end; some microseconds of each are overhead.
    pub seconds: f64,
}

/// Buffers and commands for up to as many networks and paths as its plan has.
pub(super) struct Batch {
    pub(super) plan: Plan,
    /// What it was made for.
    job: String,
    draws: Buffer,
    weights: Buffer,
    points: Buffer,
    vertices: Buffer,
    sides: Buffer,
    results: Buffer,
    /// Rows of every path before the first layer and after each.
    n_rows: Vec<Buffer>,
    n_entries: Buffer,
    entries: Buffer,
    sources: Buffer,
    staging: Buffer,
    /// What the grid stage is told, changed from pass to pass.
    grid_step: Option<(Buffer, Step)>,
    layers: Vec<Vec<Command>>,
}

impl Batch {
    /// Makes room for a plan of the job of this name.
    pub(super) fn new(device: &Device, plan: Plan, job: &Job, name: &str) -> Result<Self, Fault> {
        device.scoped(|| Builder::new(device, &plan, job, name).build())
    }

    /// What it was made for.
    pub(super) fn job(&self) -> &str {
        &self.job
    }

    /// Counts on all paths of `inputs`, at most as many as planned. `None` if asked to stop.
    pub(super) fn count(
        &mut self,
        device: &Device,
        job: &Job,
        inputs: &Inputs,
        stop: &AtomicBool,
    ) -> Result<Option<Vec<Outcome>>, Fault> {
        self.load(device, inputs)?;
        let mut total: Vec<Outcome> = vec![Outcome::default(); inputs.paths.len()];
        for pass in self.passes() {
            self.set_pass(device, pass);
            for layer in 0..self.layers.len() {
                if stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                self.run_layer(device, job, inputs, layer)?;
            }
            let outcomes = self.outcomes(device, inputs.paths.len())?;
            total.iter_mut().zip(outcomes).for_each(|(total, outcome)| total.add(outcome));
        }
        Ok(Some(total))
    }

    /// Sends what a batch is about.
    fn load(&self, device: &Device, inputs: &Inputs) -> Result<(), Fault> {
        let rows = self.plan.shape.rows[0];
        let halves: Vec<[u32; 2]> = inputs.draws.iter().map(|&d| [d as u32, (d >> 32) as u32]).collect();
        device.scoped(|| {
            let write = |buffer: &Buffer, bytes: &[u8]| device.queue().write_buffer(buffer, 0, bytes);
            write(&self.draws, bytemuck::cast_slice(&halves));
            write(&self.points, bytemuck::cast_slice(&inputs.points(rows)));
            write(&self.n_rows[0], bytemuck::cast_slice(&inputs.n_vertices()));
            write(&self.vertices, bytemuck::cast_slice(&inputs.grid_vertices(rows)));
        })?;
        let mut encoder = device.encoder();
        encoder.clear_buffer(&self.sides, 0, None);
        device.submit(encoder)
    }

    /// The grid points of every pass; the exact method has one.
    fn passes(&self) -> Vec<Range<usize>> {
        let Some(grid) = self.plan.shape.grid else { return vec![0..0] };
        let pass = self.plan.shape.rows[1];
        (0..grid).step_by(pass).map(|base| base..grid.min(base + pass)).collect()
    }

    fn set_pass(&mut self, device: &Device, pass: Range<usize>) {
        if let Some((buffer, step)) = &mut self.grid_step {
            step.grid_base = pass.start as u32;
            step.grid_points = (pass.end - pass.start) as u32;
            device.queue().write_buffer(buffer, 0, bytemuck::bytes_of(step));
        }
    }

    /// Sends a layer's weights where the device does not draw them.
    fn send_weights(&self, device: &Device, job: &Job, inputs: &Inputs, layer: usize) -> Result<(), Fault> {
        if let Weights::Host = job.weights() {
            let values = job.layer_weights(&inputs.draws, layer);
            device.scoped(|| device.queue().write_buffer(&self.weights, 0, bytemuck::cast_slice(&values)))?;
        }
        Ok(())
    }

    /// Sends the commands of one layer, in several submissions where there is much to do.
    fn run_layer(&self, device: &Device, job: &Job, inputs: &Inputs, layer: usize) -> Result<(), Fault> {
        self.send_weights(device, job, inputs, layer)?;
        let mut encoder = device.encoder();
        let mut work = 0.0;
        let share = inputs.paths.len() as f64 / self.plan.n_paths() as f64;
        for command in &self.layers[layer] {
            let more = command.work() * share;
            if work > 0.0 && work + more > SUBMISSION {
                device.submit(std::mem::replace(&mut encoder, device.encoder()))?;
                work = 0.0;
            }
            work += more;
            command.encode(device, &mut encoder, inputs);
        }
        device.submit(encoder)
    }

    /// Counts on all paths of `inputs` with one submission after the other, and takes the time of each.
    pub(super) fn profile(&mut self, device: &Device, job: &Job, inputs: &Inputs) -> Result<Vec<StageTime>, Fault> {
        self.load(device, inputs)?;
        self.set_pass(device, self.passes().swap_remove(0));
        let mut times = Vec::new();
        for layer in 0..self.layers.len() {
            self.send_weights(device, job, inputs, layer)?;
            for command in &self.layers[layer] {
                let mut encoder = device.encoder();
                command.encode(device, &mut encoder, inputs);
                device.finish()?;
                let start = Instant::now();
                device.submit(encoder)?;
                device.finish()?;
                if let Command::Run { stage, .. } = command {
                    times.push(StageTime { stage: stage.name(), layer, seconds: start.elapsed().as_secs_f64() });
                }
            }
        }
        Ok(times)
    }

    /// Reads the results of the first `n_paths` paths.
    pub(super) fn outcomes(&self, device: &Device, n_paths: usize) -> Result<Vec<Outcome>, Fault> {
        let stride = RESULT_HEAD + self.plan.shape.layers.len();
        let parts: Vec<(&Buffer, usize)> = std::iter::once((&self.results, n_paths * stride))
            .chain(self.n_rows.iter().map(|buffer| (buffer, n_paths)))
            .collect();
        let words = self.read(device, &parts)?;
        let (results, rows) = words.split_at(n_paths * stride);
        let outcome = |(path, result): (usize, &[u32])| Outcome {
            failed_layer: (result[FAILED] > 0).then(|| self.plan.shape.layers.len() - result[FAILED] as usize),
            needed: (result[NEEDED] > 0).then_some(result[NEEDED] as usize),
            boundaries: u64::from(result[BOUNDARIES]),
            knots: u64::from(result[KNOTS]),
            crossings: result[RESULT_HEAD..].iter().map(|&n| u64::from(n)).collect(),
            rows: rows.iter().skip(path).step_by(n_paths).map(|&n| n as usize).collect(),
        };
        Ok(results.chunks_exact(stride).enumerate().map(outcome).collect())
    }

    /// Reads the first words of several buffers, one after the other.
    fn read(&self, device: &Device, parts: &[(&Buffer, usize)]) -> Result<Vec<u32>, Fault> {
        let words: usize = parts.iter().map(|(_, words)| words).sum();
        let staging = if 4 * words as u64 <= self.staging.size() {
            self.staging.clone()
        } else {
            device.scoped(|| device.staging(4 * words as u64))?
        };
        let mut encoder = device.encoder();
        let mut offset = 0;
        for (buffer, words) in parts {
            copy(&mut encoder, buffer, &staging, offset, *words);
            offset += 4 * *words as u64;
        }
        device.submit(encoder)?;
        device.read(&staging, words)
    }

    /// Counts on one path, and keeps what every layer did. `None` if asked to stop.
    pub(super) fn log(
        &self,
        device: &Device,
        job: &Job,
        inputs: &Inputs,
        stop: &AtomicBool,
    ) -> Result<Option<(Outcome, Vec<LayerLog>)>, Fault> {
        self.load(device, inputs)?;
        let mut logs = Vec::new();
        for layer in 0..self.layers.len() {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            self.run_layer(device, job, inputs, layer)?;
            logs.push(self.layer_log(device, layer)?);
        }
        let outcome = self.outcomes(device, 1)?.swap_remove(0);
        Ok(Some((outcome, logs)))
    }

    /// What a layer found on the first path, and where its rows after insertion came from.
    fn layer_log(&self, device: &Device, layer: usize) -> Result<LayerLog, Fault> {
        let rows = self.plan.shape.rows_out(layer);
        let parts =
            [(&self.n_entries, 1), (&self.n_rows[layer + 1], 1), (&self.entries, 4 * rows), (&self.sources, 3 * rows)];
        let words = self.read(device, &parts)?;
        let (entries, sources) = words[2..].split_at(4 * rows);
        let n_entries = (words[0] as usize).min(rows);
        let n_sources = words[1] as usize;
        Ok(LayerLog {
            entries: bytemuck::cast_slice(&entries[..4 * n_entries]).to_vec(),
            sources: bytemuck::cast_slice(&sources[..3 * n_sources]).to_vec(),
        })
    }
}

/// What tests read of a batch.
#[cfg(test)]
impl Batch {
    /// The weights and biases of all draws, layer by layer, as they are on the device.
    pub(super) fn weights(&self, device: &Device, job: &Job, inputs: &Inputs) -> Result<Vec<Vec<f32>>, Fault> {
        self.load(device, inputs)?;
        let layer_weights = |layer: usize| {
            self.run_layer(device, job, inputs, layer)?;
            let shape = &self.plan.shape.layers[layer];
            let words = inputs.draws.len() * (shape.inputs + 1) * shape.units;
            Ok(bytemuck::cast_slice(&self.read(device, &[(&self.weights, words)])?).to_vec())
        };
        (0..self.layers.len()).map(layer_weights).collect()
    }
}

/// What one layer did on one path.
pub(super) struct LayerLog {
    pub(super) entries: Vec<Entry>,
    pub(super) sources: Vec<Source>,
}

impl Outcome {
    /// The counts of a path of this length.
    pub(super) fn counts(&self, length: f64, method: Method) -> PathCounts {
        let knots = match method {
            Method::Exact => Some(self.knots),
            Method::Sampled { .. } => None,
        };
        PathCounts { length, crossings: self.crossings.clone(), boundaries: self.boundaries, knots }
    }

    /// Joins what the passes over a grid found.
    fn add(&mut self, other: Self) {
        self.failed_layer = match (self.failed_layer, other.failed_layer) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.needed = self.needed.max(other.needed);
        self.boundaries += other.boundaries;
        self.knots += other.knots;
        self.crossings.resize(other.crossings.len(), 0);
        self.crossings.iter_mut().zip(other.crossings).for_each(|(sum, n)| *sum += n);
        self.rows = other.rows;
    }
}

fn copy(encoder: &mut CommandEncoder, from: &Buffer, to: &Buffer, offset: u64, words: usize) {
    if words > 0 {
        encoder.copy_buffer_to_buffer(from, 0, to, offset, 4 * words as u64);
    }
}

/// Puts the commands of a batch together.
struct Builder<'a> {
    device: &'a Device,
    plan: &'a Plan,
    job: &'a Job<'a>,
    batch: Batch,
    x: Buffer,
    z: Buffer,
    intervals: Buffer,
    flags: [Buffer; 2],
    identity: Buffer,
}

impl<'a> Builder<'a> {
    fn new(device: &'a Device, plan: &'a Plan, job: &'a Job<'a>, name: &str) -> Self {
        let sizes = plan.sizes();
        let shape = &plan.shape;
        let n_levels = shape.rows.len();
        let batch = Batch {
            plan: plan.clone(),
            job: name.to_owned(),
            draws: device.buffer("draws", sizes.draws),
            weights: device.buffer("weights", sizes.weights),
            points: device.buffer("points", sizes.points),
            vertices: device.buffer("vertices", sizes.vertices),
            sides: device.buffer("sides", sizes.sides),
            results: device.buffer("results", sizes.results),
            n_rows: (0..n_levels).map(|_| device.buffer("n_rows", sizes.n_rows)).collect(),
            n_entries: device.buffer("n_entries", sizes.n_rows),
            entries: device.buffer("entries", sizes.entries),
            sources: device.buffer("sources", sizes.sources),
            staging: device.staging(sizes.results + n_levels as u64 * sizes.n_rows),
            grid_step: None,
            layers: Vec::new(),
        };
        let flags = || device.buffer("flags", sizes.flags);
        Self {
            device,
            plan,
            job,
            batch,
            x: device.buffer("x", sizes.x),
            z: device.buffer("z", sizes.z),
            intervals: device.buffer("intervals", sizes.intervals),
            flags: [flags(), flags()],
            identity: pieces_buffer(device, &Activation::identity()),
        }
    }

    fn build(mut self) -> Batch {
        let tables = match self.job.weights() {
            Weights::Device(network) => Some((network, Tables::new(self.device, network))),
            Weights::Host => None,
        };
        let layers = self.job.architecture().layers();
        let pieces: Vec<Buffer> = layers.iter().map(|l| pieces_buffer(self.device, &l.activation)).collect();
        let mut side_base = 0;
        for (layer, kernel) in pieces.iter().enumerate() {
            let mut commands = Vec::new();
            if let Some((network, tables)) = &tables {
                self.draw(&mut commands, network, tables, layer);
            }
            let before = layer.checked_sub(1).map_or(&self.identity, |l| &pieces[l]).clone();
            let n_breakpoints_before = layer.checked_sub(1).map_or(0, |l| self.plan.shape.layers[l].n_breakpoints);
            if self.plan.shape.grid.is_some() {
                self.sampled_layer(&mut commands, layer, kernel, &before, n_breakpoints_before, side_base);
            } else {
                self.exact_layer(&mut commands, layer, kernel, &before, n_breakpoints_before);
            }
            let shape = &self.plan.shape.layers[layer];
            side_base += (shape.units * shape.n_breakpoints) as u32;
            self.batch.layers.push(commands);
        }
        self.batch
    }

    fn step(&self, layer: usize) -> Step {
        let shape = &self.plan.shape;
        Step {
            n_paths: self.plan.n_paths() as u32,
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
            let bind = self.device.bind(Stage::Draw, &[&uniform, table, &self.batch.draws, &self.batch.weights]);
            let groups = plan::groups(n_elements.div_ceil(4 * LANES), self.plan.max_groups);
            commands.push(Command::Run { stage: Stage::Draw, bind, groups, over: Over::Networks, work: 0.0 });
        }
    }

    /// Adds the affine stage from `from` to `to`, in parts where it is long.
    fn affine(
        &self,
        commands: &mut Vec<Command>,
        layer: usize,
        before: &Buffer,
        n_breakpoints_before: usize,
        from: &Buffer,
        to: &Buffer,
    ) {
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
                let buffers = [&uniform, before, from, &self.batch.weights, &self.batch.n_rows[level], to];
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

    fn exact_layer(
        &self,
        commands: &mut Vec<Command>,
        layer: usize,
        pieces: &Buffer,
        before: &Buffer,
        n_breakpoints_before: usize,
    ) {
        let Self { batch, x, z, intervals, .. } = self;
        let step = self.step(layer);
        let (rows_in, rows_out) = (step.rows_in as usize, step.rows_out as usize);
        let (flags, flags_out) = (&self.flags[layer % 2], &self.flags[(layer + 1) % 2]);
        let (n_rows, n_rows_out) = (&batch.n_rows[layer], &batch.n_rows[layer + 1]);
        let Batch { n_entries, entries, sources, results, .. } = batch;
        if layer == 0 {
            commands.extend([Command::Clear(results.clone()), Command::Clear(flags.clone())]);
        }
        commands.push(Command::Clear(n_entries.clone()));
        let from = if layer == 0 { &batch.points } else { x };
        self.affine(commands, layer, before, n_breakpoints_before, from, z);
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

    fn sampled_layer(
        &mut self,
        commands: &mut Vec<Command>,
        layer: usize,
        pieces: &Buffer,
        before: &Buffer,
        n_breakpoints_before: usize,
        side_base: u32,
    ) {
        let step = Step { side_base, ..self.step(layer) };
        let grid_rows = step.rows_out as usize;
        // The first layer is affine along every edge: its pre-activations are computed at the vertices and interpolated.
        let (from, to) = match layer {
            0 => (&self.batch.points, &self.z),
            l if l % 2 == 1 => (&self.x, &self.z),
            _ => (&self.z, &self.x),
        };
        self.affine(commands, layer, before, n_breakpoints_before, from, to);
        let mut found = to;
        if layer == 0 {
            commands.push(Command::Clear(self.batch.results.clone()));
            let Batch { n_rows, vertices, sources, .. } = &self.batch;
            let uniform = self.device.uniform("grid", &step);
            let buffers = [&n_rows[0], vertices, sources, &n_rows[1]];
            self.run_with(commands, Stage::Grid, &uniform, grid_rows.div_ceil(LANES), &buffers);
            let buffers = [pieces, &self.z, sources, &n_rows[1], &self.flags[0], &self.flags[1], &self.x];
            self.run(commands, Stage::Insert, &step, grid_rows, &buffers);
            self.batch.grid_step = Some((uniform, step));
            found = &self.x;
        }
        let step = Step { rows_in: step.rows_out, ..step };
        let Batch { n_rows, sides, results, .. } = &self.batch;
        let buffers = [pieces, found, &n_rows[1], sides, &self.flags[0], results];
        self.run(commands, Stage::Flips, &step, grid_rows, &buffers);
        let per_path = (step.units * step.n_breakpoints) as usize;
        self.run(commands, Stage::Sides, &step, per_path.div_ceil(LANES), &[pieces, found, &n_rows[1], sides]);
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
