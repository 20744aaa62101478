//! The maps that make pre-activations of values, and what carries values past them.

use wgpu::Buffer;

use super::commands::{Commands, Over, SUBMISSION};
use super::layer::Parameters;
use super::plan::{self, CONVOLUTION_TILE, DENSE_TILE, LANES};
use super::stages::Stage;
use super::step::{Step, Windows};
use crate::network::{self, Affine, Convolution, Layer};

/// Values of rows, and what is applied to them where they are read.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    pub(super) rows: &'a Buffer,
    /// Values from row to row, and before the first of them.
    pub(super) stride: usize,
    pub(super) base: usize,
    pub(super) pieces: &'a Buffer,
    pub(super) n_breakpoints: usize,
}

impl Values<'_> {
    pub(super) fn of_step(&self, step: &Step) -> Step {
        Step {
            from_stride: self.stride as u32,
            from_base: self.base as u32,
            n_breakpoints: self.n_breakpoints as u32,
            ..*step
        }
    }
}

/// Where pre-activations are made.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    /// Paths of a full batch.
    pub(super) n_paths: usize,
    pub(super) weights: &'a Buffer,
    pub(super) n_rows: &'a Buffer,
    pub(super) z: &'a Buffer,
}

/// A map that is computed in tiles.
struct Tiled {
    stage: Stage,
    /// Rows and columns of a tile.
    tile: [usize; 2],
    /// Rows of a path, tiles and columns side by side, and values that are summed.
    rows: usize,
    across: usize,
    columns: usize,
    inputs: usize,
}

/// Tiles of a map side by side.
pub(super) fn tiles_across(map: &Affine) -> usize {
    match map {
        Affine::Dense { units, .. } => units.div_ceil(DENSE_TILE[1]),
        Affine::Convolution(Convolution { filters, groups, .. }) => {
            groups * (filters / groups).div_ceil(CONVOLUTION_TILE[1])
        }
        Affine::AveragePool(_) | Affine::WindowValues(_) => 0,
    }
}

impl Commands<'_> {
    /// Adds the stages that make the pre-activations of a layer of these inputs, and of the source of each of its skips.
    pub(super) fn pre_activations(
        &mut self,
        layer: &Layer,
        step: &Step,
        inputs: &Values,
        sources: &[Values],
        target: &Target,
    ) {
        let parameters = Parameters::of(layer);
        let step = Step { weights_stride: parameters.len as u32, bias_base: parameters.bias as u32, ..*step };
        self.map(&layer.affine, &step, inputs, target);
        for ((skip, &base), values) in layer.skips.iter().zip(&parameters.skips).zip(sources) {
            let step = Step { weights_base: base as u32, adds: 1, ..step };
            match &skip.map {
                Some(map) => self.map(map, &step, values, target),
                None => self.add(&step, values, target),
            }
        }
    }

    /// Adds the stage of a map of these values.
    fn map(&mut self, map: &Affine, step: &Step, values: &Values, target: &Target) {
        let step = Step { inputs: map.inputs() as u32, ..values.of_step(step) };
        let Target { weights, n_rows, z, .. } = *target;
        let rows = [values.pieces, values.rows, n_rows, z];
        match map {
            Affine::Dense { inputs, units } => {
                let (rows_in, tile) = (step.rows_in as usize, DENSE_TILE);
                let (stage, across) = (Stage::Affine, tiles_across(map));
                let tiled = Tiled { stage, tile, rows: rows_in, across, columns: *units, inputs: *inputs };
                self.tiles(&tiled, &step, target.n_paths, &[&rows[..], &[weights]].concat());
            }
            Affine::Convolution(convolution) => {
                let tiled = Tiled {
                    stage: Stage::Convolution,
                    tile: CONVOLUTION_TILE,
                    rows: step.rows_in as usize * convolution.windows.positions(),
                    across: tiles_across(map),
                    columns: convolution.filters,
                    inputs: convolution.patch(),
                };
                let windows = self.windows(Windows::of_convolution(convolution));
                self.tiles(&tiled, &step, target.n_paths, &[&rows[..], &[&windows, weights]].concat());
            }
            Affine::AveragePool(windows) => {
                let parts = plan::window_parts(windows.area(), values.n_breakpoints);
                self.pool(Stage::AveragePool, &step, windows, parts, rows);
            }
            Affine::WindowValues(windows) => self.pool(Stage::WindowValues, &step, windows, vec![(0, 1)], rows),
        }
    }

    /// Adds the stage that adds these values to pre-activations as they are.
    pub(super) fn add(&mut self, step: &Step, values: &Values, target: &Target) {
        let step = Step { adds: 1, to_stride: step.units, ..values.of_step(step) };
        let Target { n_rows, z, .. } = *target;
        self.each(Stage::Add, &step, &[values.pieces, values.rows, n_rows, z]);
    }

    /// Adds the stage that copies `len` of these values to `base` among the `stride` of every row of `kept`.
    pub(super) fn copy(&mut self, step: &Step, len: usize, values: &Values, n_rows: &Buffer, kept: &Values) {
        let step = Self::to_kept(&values.of_step(step), len, kept);
        self.each(Stage::Add, &step, &[values.pieces, values.rows, n_rows, kept.rows]);
    }

    /// The same with the rows after insertion.
    pub(super) fn keep(&mut self, step: &Step, len: usize, values: &Values, inserted: [&Buffer; 2], kept: &Values) {
        let step = Self::to_kept(&values.of_step(step), len, kept);
        let [sources, n_rows_out] = inserted;
        let buffers = [values.pieces, values.rows, sources, n_rows_out, kept.rows];
        self.run(Stage::Keep, &step, step.rows_out as usize, &buffers);
    }

    fn to_kept(step: &Step, len: usize, kept: &Values) -> Step {
        Step { units: len as u32, to_stride: kept.stride as u32, to_base: kept.base as u32, adds: 0, ..*step }
    }

    fn windows(&self, windows: Windows) -> Buffer {
        self.device.filled("windows", &[windows])
    }

    fn pool(
        &mut self,
        stage: Stage,
        step: &Step,
        windows: &network::Windows,
        parts: Vec<(usize, usize)>,
        rows: [&Buffer; 4],
    ) {
        let windows = self.windows(Windows::of_pool(windows));
        for (base, end) in parts {
            let adds = if base > 0 { 1 } else { step.adds };
            let step = Step { input_base: base as u32, input_end: end as u32, adds, ..*step };
            self.each(stage, &step, &[&rows[..], &[&windows]].concat());
        }
    }

    /// Adds a stage with one invocation for every value of a row.
    fn each(&mut self, stage: Stage, step: &Step, buffers: &[&Buffer]) {
        let n = step.rows_in as usize * step.units as usize;
        self.run(stage, step, n.div_ceil(LANES), buffers);
    }

    /// Adds a map in tiles, in parts where it is long.
    fn tiles(&mut self, tiled: &Tiled, step: &Step, n_paths: usize, buffers: &[&Buffer]) {
        let Tiled { stage, tile: [tile_rows, _], rows, across, columns, inputs } = *tiled;
        for (base, end) in plan::input_parts(inputs, tile_rows, step.n_breakpoints as usize) {
            let per_row = 2.0 * ((end - base) * columns) as f64 * n_paths as f64;
            for (row_base, n_tiles) in plan::row_parts(rows, tile_rows, per_row, SUBMISSION) {
                let step = Step {
                    row_base: row_base as u32,
                    input_base: base as u32,
                    input_end: end as u32,
                    adds: if base > 0 { 1 } else { step.adds },
                    ..*step
                };
                let uniform = self.device.uniform(stage.name(), &step);
                let groups = [across as u32, n_tiles as u32];
                self.push(stage, &uniform, buffers, groups, Over::Paths, per_row * (n_tiles * tile_rows) as f64);
            }
        }
    }
}
