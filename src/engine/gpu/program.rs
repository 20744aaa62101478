//! The commands that count on a batch.

use wgpu::Buffer;

use super::buffers::Buffers;
use super::commands::{Command, Commands, Tables, pieces_buffer};
use super::device::Device;
use super::flags::Flags;
use super::inputs::Job;
use super::kinks::{Bits, Reached, kept_words, kept_words_at, words};
use super::layer::{LayerShape, UnitKind};
use super::maps::{Target, Values};
use super::plan::{LANES, Plan};
use super::stages::Stage;
use super::step::{Step, Way};
use crate::network::{Activation, Affine};

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

/// The two buffers that rows are in, in turn.
struct Rows<'a> {
    sides: [&'a Buffer; 2],
    at: usize,
}

impl<'a> Rows<'a> {
    /// Where the latest are.
    fn here(&self) -> &'a Buffer {
        self.sides[self.at]
    }

    fn other(&self) -> &'a Buffer {
        self.sides[1 - self.at]
    }

    fn turn(&mut self) {
        self.at = 1 - self.at;
    }
}

/// Puts the commands of a batch together.
pub(super) struct Builder<'a> {
    device: &'a Device,
    plan: &'a Plan,
    job: &'a Job<'a>,
    buffers: &'a Buffers,
    identity: Buffer,
    /// Of the activation of every layer.
    pieces: Vec<Buffer>,
    flags: Flags,
}

impl<'a> Builder<'a> {
    pub(super) fn new(device: &'a Device, plan: &'a Plan, job: &'a Job<'a>, buffers: &'a Buffers) -> Self {
        let identity = pieces_buffer(device, &Activation::identity());
        let layers = job.architecture().layers();
        let pieces = layers.iter().map(|layer| pieces_buffer(device, &layer.activation)).collect();
        Self { device, plan, job, buffers, identity, pieces, flags: Flags::of(job.architecture()) }
    }

    pub(super) fn build(self) -> Program {
        let tables = Tables::of(self.device, self.job);
        let mut program = Program { layers: Vec::new(), grid: None };
        let mut rows = Rows { sides: [&self.buffers.x, &self.buffers.z], at: 0 };
        let mut side_base = 0;
        for layer in 0..self.plan.shape.layers.len() {
            let mut commands = Commands::new(self.device, self.plan.max_groups);
            if let Some(tables) = &tables {
                commands.draw(tables, layer, &self.buffers.draws, &self.buffers.weights);
            }
            if self.plan.shape.grid.is_some() {
                let grid = self.sampled_layer(&mut commands, layer, side_base, &mut rows);
                program.grid = program.grid.or(grid);
            } else {
                self.exact_layer(&mut commands, layer, &rows);
            }
            self.outputs(&mut commands, layer, &mut rows);
            side_base += self.plan.shape.layers[layer].n_sides() as u32;
            program.layers.push(commands.into_list());
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
            n_breakpoints: shape.layers[layer].n_breakpoints() as u32,
            layer: layer as u32,
            n_layers: shape.layers.len() as u32,
            n_sides: shape.n_sides() as u32,
            keeps_rows: u32::from(shape.grid.is_some() || layer + 1 < shape.layers.len()),
            group_size: shape.layers[layer].group_size() as u32,
            group_stride: shape.layers[layer].group_stride as u32,
            outputs: shape.layers[layer].outputs() as u32,
            bit: if shape.grid.is_some() { 1 } else { self.flags.bit(layer) },
            ..Step::default()
        }
    }

    /// The inputs of a layer, the path's vertices or what is in `rows`.
    fn inputs<'b>(&'b self, layer: usize, rows: &Rows<'b>) -> Values<'b> {
        let stride = self.plan.shape.layers[layer].inputs;
        let none = Values { rows: rows.here(), stride, base: 0, pieces: &self.identity, n_breakpoints: 0 };
        match layer.checked_sub(1).map(|before| (before, self.plan.shape.layers[before])) {
            None => Values { rows: &self.buffers.points, ..none },
            Some((_, before)) if before.makes_outputs() => none,
            Some((ix, before)) => Values { pieces: &self.pieces[ix], n_breakpoints: before.n_breakpoints(), ..none },
        }
    }

    /// The values of a source that a layer adds or that are kept before it.
    fn source<'b>(&'b self, layer: usize, source: usize, inputs: &Values<'b>) -> Values<'b> {
        if source == layer { *inputs } else { self.kept(layer, source) }
    }

    /// Where the values of a source are kept before a layer.
    fn kept(&self, layer: usize, source: usize) -> Values<'_> {
        let architecture = self.job.architecture();
        Values {
            rows: &self.buffers.kept[layer % 2],
            stride: architecture.kept_len(layer),
            base: architecture.kept_at(layer, source),
            pieces: &self.identity,
            n_breakpoints: 0,
        }
    }

    /// Adds the stages that make the pre-activations of a layer.
    fn pre_activations(&self, commands: &mut Commands, layer: usize, inputs: &Values, z: &Buffer) {
        let shape = &self.job.architecture().layers()[layer];
        let level = if self.plan.shape.grid.is_some() { layer.min(1) } else { layer };
        let (weights, n_rows) = (&self.buffers.weights, &self.buffers.n_rows[level]);
        let target = Target { n_paths: self.plan.n_paths(), weights, n_rows, z };
        let sources: Vec<Values> = shape.skips.iter().map(|skip| self.source(layer, skip.source, inputs)).collect();
        commands.pre_activations(shape, &self.step(layer), inputs, &sources, &target);
    }

    /// Adds the stages that keep what layers after the next add, at the rows after insertion; the inputs are still there.
    fn keep(&self, commands: &mut Commands, layer: usize, inputs: &Values) {
        let architecture = self.job.architecture();
        let step = self.step(layer);
        let Buffers { sources, n_rows, .. } = self.buffers;
        let is_sampled = self.plan.shape.grid.is_some();
        for &source in architecture.kept(layer + 1) {
            let (values, kept) = (self.source(layer, source, inputs), self.kept(layer + 1, source));
            let len = architecture.source_len(source);
            if is_sampled && layer > 0 {
                commands.copy(&step, len, &values, &n_rows[1], &kept);
            } else {
                commands.keep(&step, len, &values, [sources, &n_rows[layer + 1]], &kept);
            }
        }
    }

    /// Adds the stages that tell which outputs of a layer have kinks at the rows after insertion, and which values that later layers add;
    /// `z` are its pre-activations before.
    fn kinks(&self, commands: &mut Commands, layer: usize, z: &Buffer) {
        let architecture = self.job.architecture();
        let shape = &architecture.layers()[layer];
        let Buffers { n_rows, intervals, entries, sources, flags, kinks, joined, reached, .. } = self.buffers;
        let step = self.step(layer);
        // Those of a source; the path's vertices have none.
        let bits = |level: usize, source: usize| {
            let (here, there) = (&self.buffers.kinks[level % 2], &self.buffers.kept_kinks[level % 2]);
            match source {
                0 => None,
                _ if source == level => {
                    Some(Bits { words: here, stride: words(architecture.source_len(source)), base: 0 })
                }
                _ => Some(Bits {
                    words: there,
                    stride: kept_words(architecture, level),
                    base: kept_words_at(architecture, level, source),
                }),
            }
        };
        let target = Reached { flags: &flags[layer % 2], n_rows: &n_rows[layer], joined, reached };
        let mut adds = 0;
        let skips = shape.skips.iter().map(|skip| (skip.map.as_ref(), skip.source));
        for (map, source) in [(Some(&shape.affine), layer)].into_iter().chain(skips) {
            if let Some(values) = bits(layer, source) {
                commands.reach(map, &Step { adds, ..step }, &values, &target);
                adds = 1;
            }
        }
        if adds == 0 {
            commands.clear(reached);
        }
        let step = Step { from_stride: words(step.units as usize) as u32, ..step };
        let found = [z, sources, &n_rows[layer + 1], intervals, entries, reached, &kinks[(layer + 1) % 2]];
        commands.kinks(shape, &step, &found);
        for &source in architecture.kept(layer + 1).iter().filter(|&&source| source > 0) {
            let to = bits(layer + 1, source).expect("it is kept");
            let from = bits(layer, source).expect("it is kept");
            let len = architecture.source_len(source);
            commands.keep_kinks(&step, len, &from, [sources, &n_rows[layer + 1]], &to);
        }
    }

    /// Adds the stages that tell at which rows after the last layer the read-out has a kink, a word of each.
    fn kinks_of_output(&self, commands: &mut Commands, layer: usize) {
        let Buffers { n_rows, flags, kinks, joined, reached, .. } = self.buffers;
        let outputs = self.plan.shape.layers[layer].outputs();
        let step = self.step(layer);
        let step = Step { rows_in: step.rows_out, units: 1, ..step };
        let after = (layer + 1) % 2;
        let values = Bits { words: &kinks[after], stride: words(outputs), base: 0 };
        let target = Reached { flags: &flags[after], n_rows: &n_rows[layer + 1], joined, reached };
        commands.reach(Some(&Affine::Dense { inputs: outputs, units: 1 }), &step, &values, &target);
    }

    fn exact_layer<'b>(&'b self, commands: &mut Commands, layer: usize, rows: &Rows<'b>) {
        let Buffers { n_rows, intervals, entries, n_entries, sources, flags, results, .. } = self.buffers;
        let pieces = &self.pieces[layer];
        let step = self.step(layer);
        let (rows_in, rows_out) = (step.rows_in as usize, step.rows_out as usize);
        let (flags, flags_out) = (&flags[layer % 2], &flags[(layer + 1) % 2]);
        let (n_rows, n_rows_out) = (&n_rows[layer], &n_rows[layer + 1]);
        if layer == 0 {
            commands.clear(results);
            commands.clear(flags);
        }
        commands.clear(n_entries);
        let (x, z) = (rows.here(), rows.other());
        let inputs = self.inputs(layer, rows);
        self.pre_activations(commands, layer, &inputs, z);
        let found = [z, n_rows, intervals, entries, n_entries, flags, results];
        let inserted = [z, sources, n_rows_out, flags, flags_out, x];
        let (crossings, insert, applied) = match self.plan.shape.layers[layer].kind {
            UnitKind::Scalar { .. } | UnitKind::Crelu => (Stage::Crossings, Stage::Insert, Some(pieces)),
            UnitKind::Maxout { .. } => (Stage::MaxoutCrossings, Stage::MaxoutInsert, None),
            UnitKind::Sorted { .. } => (Stage::SortCrossings, Stage::SortInsert, None),
        };
        let with_pieces =
            |buffers: &[&'b Buffer]| applied.into_iter().chain(buffers.iter().copied()).collect::<Vec<_>>();
        commands.run(crossings, &step, rows_in, &with_pieces(&found));
        let lists = rows_out.div_ceil(LANES);
        commands.run(Stage::Rank, &step, lists, &[n_entries, intervals, entries]);
        commands.run(Stage::Scan, &step, 1, &[n_rows, n_entries, intervals, sources, n_rows_out, results]);
        commands.run(Stage::Place, &step, lists, &[n_entries, intervals, entries, sources]);
        self.keep(commands, layer, &inputs);
        if self.plan.shape.has_kinks {
            self.kinks(commands, layer, z);
        }
        commands.run(insert, &step, rows_out, &with_pieces(&inserted));
        if layer + 1 == self.plan.shape.layers.len() {
            // An empty buffer cannot be bound.
            let ways = if self.flags.ways.is_empty() { &[Way::default()][..] } else { &self.flags.ways };
            let ways = self.device.filled("ways", ways);
            let step = Step { rows_in: step.rows_out, n_ways: self.flags.ways.len() as u32, ..step };
            if self.plan.shape.has_kinks {
                self.kinks_of_output(commands, layer);
            }
            commands.run(Stage::Tally, &step, lists, &[n_rows_out, flags_out, &ways, results, &self.buffers.reached]);
        }
    }

    /// Adds a layer of the sampled method; the first also gives what its grid stage is told.
    fn sampled_layer<'b>(
        &'b self,
        commands: &mut Commands,
        layer: usize,
        side_base: u32,
        rows: &mut Rows<'b>,
    ) -> Option<GridStep> {
        let Buffers { n_rows, vertices, sources, flags, sides, results, .. } = self.buffers;
        let pieces = &self.pieces[layer];
        let inputs = self.inputs(layer, rows);
        let step = Step { side_base, ..self.step(layer) };
        let grid_rows = step.rows_out as usize;
        let mut grid = None;
        if layer == 0 {
            // It is affine along every edge: pre-activations are computed at the vertices and interpolated.
            let (x, z) = (rows.here(), rows.other());
            commands.clear(results);
            self.pre_activations(commands, layer, &inputs, z);
            let buffer = self.device.uniform("grid", &step);
            let buffers = [&n_rows[0], vertices, sources, &n_rows[1]];
            commands.run_with(Stage::Grid, &buffer, grid_rows.div_ceil(LANES), &buffers);
            let buffers = [pieces, z, sources, &n_rows[1], &flags[0], &flags[1], x];
            self.keep(commands, layer, &inputs);
            commands.run(Stage::Insert, &step, grid_rows, &buffers);
            grid = Some(GridStep { buffer, step });
        } else {
            self.pre_activations(commands, layer, &inputs, rows.other());
            self.keep(commands, layer, &inputs);
            rows.turn();
        }
        let shape = &self.plan.shape.layers[layer];
        let step = Step { rows_in: step.rows_out, ..step };
        let (flips, remember, per_path, applied) = match shape.kind {
            UnitKind::Scalar { .. } | UnitKind::Crelu => (Stage::Flips, Stage::Sides, shape.n_sides(), Some(pieces)),
            UnitKind::Maxout { .. } => (Stage::MaxoutFlips, Stage::MaxoutSides, shape.n_sides(), None),
            UnitKind::Sorted { .. } => (Stage::SortFlips, Stage::SortSides, shape.units, None),
        };
        let with_pieces =
            |buffers: &[&'b Buffer]| applied.into_iter().chain(buffers.iter().copied()).collect::<Vec<_>>();
        let found = rows.here();
        commands.run(flips, &step, grid_rows, &with_pieces(&[found, &n_rows[1], sides, &flags[0], results]));
        commands.run(remember, &step, per_path.div_ceil(LANES), &with_pieces(&[found, &n_rows[1], sides]));
        grid
    }

    /// Adds the outputs that a stage makes, where a layer reads them.
    fn outputs<'b>(&'b self, commands: &mut Commands, layer: usize, rows: &mut Rows<'b>) {
        let shape = &self.plan.shape;
        let LayerShape { kind, units, .. } = shape.layers[layer];
        // Each invocation makes one output, or both of a pre-activation.
        let (stage, per_row) = match kind {
            UnitKind::Crelu => (Stage::Crelu, units),
            UnitKind::Maxout { .. } => (Stage::Maxout, shape.layers[layer].outputs()),
            UnitKind::Sorted { .. } => (Stage::Sort, units),
            UnitKind::Scalar { .. } => return,
        };
        if layer + 1 == shape.layers.len() {
            return;
        }
        let step = Step { rows_in: shape.rows_out(layer) as u32, ..self.step(layer) };
        let n_rows = &self.buffers.n_rows[if shape.grid.is_some() { 1 } else { layer + 1 }];
        let n = shape.rows_out(layer) * per_row;
        commands.run(stage, &step, n.div_ceil(LANES), &[rows.here(), n_rows, rows.other()]);
        rows.turn();
    }
}
