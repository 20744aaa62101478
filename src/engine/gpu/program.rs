//! The commands that count on a batch.

use wgpu::Buffer;

use super::buffers::Buffers;
use super::commands::{Command, Commands, Tables, pieces_buffer};
use super::device::Device;
use super::inputs::Job;
use super::layer::UnitKind;
use super::plan::{LANES, Plan};
use super::stages::Stage;
use super::step::Step;
use crate::network::Activation;

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

/// The activations of a layer and of its inputs.
struct Activations<'a> {
    own: &'a Buffer,
    before: &'a Buffer,
    n_breakpoints_before: usize,
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
}

impl<'a> Builder<'a> {
    pub(super) fn new(device: &'a Device, plan: &'a Plan, job: &'a Job<'a>, buffers: &'a Buffers) -> Self {
        Self { device, plan, job, buffers, identity: pieces_buffer(device, &Activation::identity()) }
    }

    pub(super) fn build(self) -> Program {
        let tables = Tables::of(self.device, self.job);
        let layers = self.job.architecture().layers();
        let pieces: Vec<Buffer> = layers.iter().map(|l| pieces_buffer(self.device, &l.activation)).collect();
        let mut program = Program { layers: Vec::new(), grid: None };
        let mut rows = Rows { sides: [&self.buffers.x, &self.buffers.z], at: 0 };
        let mut side_base = 0;
        for (layer, own) in pieces.iter().enumerate() {
            let mut commands = Commands::new(self.device, self.plan.max_groups);
            if let Some(tables) = &tables {
                commands.draw(tables, layer, &self.buffers.draws, &self.buffers.weights);
            }
            let activations = Activations {
                own,
                before: layer.checked_sub(1).map_or(&self.identity, |l| &pieces[l]),
                n_breakpoints_before: layer.checked_sub(1).map_or(0, |l| self.plan.shape.layers[l].n_breakpoints()),
            };
            if self.plan.shape.grid.is_some() {
                let grid = self.sampled_layer(&mut commands, layer, &activations, side_base, &mut rows);
                program.grid = program.grid.or(grid);
            } else {
                self.exact_layer(&mut commands, layer, &activations, &mut rows);
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
            ..Step::default()
        }
    }

    /// Adds the affine stage from `from` to `to`.
    fn affine(&self, commands: &mut Commands, layer: usize, activations: &Activations, from: &Buffer, to: &Buffer) {
        let level = if self.plan.shape.grid.is_some() { layer.min(1) } else { layer };
        let step = Step { n_breakpoints: activations.n_breakpoints_before as u32, ..self.step(layer) };
        let buffers = [activations.before, from, &self.buffers.weights, &self.buffers.n_rows[level], to];
        commands.affine(&step, self.plan.n_paths(), buffers);
    }

    fn exact_layer<'b>(
        &'b self,
        commands: &mut Commands,
        layer: usize,
        activations: &Activations,
        rows: &mut Rows<'b>,
    ) {
        let Buffers { n_rows, intervals, entries, n_entries, sources, flags, results, points, .. } = self.buffers;
        let pieces = activations.own;
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
        self.affine(commands, layer, activations, if layer == 0 { points } else { x }, z);
        let found = [z, n_rows, intervals, entries, n_entries, flags, results];
        let inserted = [z, sources, n_rows_out, flags, flags_out, x];
        let (crossings, insert, applied) = match self.plan.shape.layers[layer].kind {
            UnitKind::Scalar { .. } => (Stage::Crossings, Stage::Insert, Some(pieces)),
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
        commands.run(insert, &step, rows_out, &with_pieces(&inserted));
        if layer + 1 == self.plan.shape.layers.len() {
            let step = Step { rows_in: step.rows_out, ..step };
            commands.run(Stage::Tally, &step, lists, &[n_rows_out, flags_out, results]);
        }
    }

    /// Adds a layer of the sampled method; the first also gives what its grid stage is told.
    fn sampled_layer<'b>(
        &'b self,
        commands: &mut Commands,
        layer: usize,
        activations: &Activations,
        side_base: u32,
        rows: &mut Rows<'b>,
    ) -> Option<GridStep> {
        let Buffers { points, n_rows, vertices, sources, flags, sides, results, .. } = self.buffers;
        let pieces = activations.own;
        let step = Step { side_base, ..self.step(layer) };
        let grid_rows = step.rows_out as usize;
        let mut grid = None;
        if layer == 0 {
            // It is affine along every edge: pre-activations are computed at the vertices and interpolated.
            let (x, z) = (rows.here(), rows.other());
            commands.clear(results);
            self.affine(commands, layer, activations, points, z);
            let buffer = self.device.uniform("grid", &step);
            let buffers = [&n_rows[0], vertices, sources, &n_rows[1]];
            commands.run_with(Stage::Grid, &buffer, grid_rows.div_ceil(LANES), &buffers);
            let buffers = [pieces, z, sources, &n_rows[1], &flags[0], &flags[1], x];
            commands.run(Stage::Insert, &step, grid_rows, &buffers);
            grid = Some(GridStep { buffer, step });
        } else {
            self.affine(commands, layer, activations, rows.here(), rows.other());
            rows.turn();
        }
        let shape = &self.plan.shape.layers[layer];
        let step = Step { rows_in: step.rows_out, ..step };
        let (flips, remember, per_path, applied) = match shape.kind {
            UnitKind::Scalar { .. } => (Stage::Flips, Stage::Sides, shape.n_sides(), Some(pieces)),
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

    /// Adds the outputs of units of several pre-activations, where a layer reads them.
    fn outputs<'b>(&'b self, commands: &mut Commands, layer: usize, rows: &mut Rows<'b>) {
        let shape = &self.plan.shape;
        let stage = match shape.layers[layer].kind {
            UnitKind::Maxout { .. } => Stage::Maxout,
            UnitKind::Sorted { .. } => Stage::Sort,
            UnitKind::Scalar { .. } => return,
        };
        if layer + 1 == shape.layers.len() {
            return;
        }
        let step = Step { rows_in: shape.rows_out(layer) as u32, ..self.step(layer) };
        let n_rows = &self.buffers.n_rows[if shape.grid.is_some() { 1 } else { layer + 1 }];
        let n = shape.rows_out(layer) * shape.layers[layer].outputs();
        commands.run(stage, &step, n.div_ceil(LANES), &[rows.here(), n_rows, rows.other()]);
        rows.turn();
    }
}
