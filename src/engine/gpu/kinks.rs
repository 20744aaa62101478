//! The stages that follow kinks from unit to unit, and the bits of rows that they read and write.

use wgpu::Buffer;

use super::commands::Commands;
use super::plan::LANES;
use super::stages::Stage;
use super::step::{Step, Windows};
use crate::network::{ActivationKind, Affine, Architecture, Convolution, Layer};

/// Words of so many bits.
pub(super) fn words(bits: usize) -> usize {
    bits.div_ceil(32)
}

/// Bits that are made on the way through a map: for every group of a convolution with several channels, its positions.
pub(super) fn joined(map: &Affine) -> usize {
    match map {
        Affine::Convolution(map) if map.channels_per_group() > 1 => map.groups * map.windows.plane(),
        _ => 0,
    }
}

/// The sources kept before a layer of which values may have kinks: not the input.
fn kept(architecture: &Architecture, layer: usize) -> impl Iterator<Item = usize> {
    architecture.kept(layer).iter().copied().filter(|&source| source > 0)
}

/// Words of the bits of all sources kept before a layer.
pub(super) fn kept_words(architecture: &Architecture, layer: usize) -> usize {
    kept(architecture, layer).map(|source| words(architecture.source_len(source))).sum()
}

/// Where those of a source begin among them.
pub(super) fn kept_words_at(architecture: &Architecture, layer: usize, source: usize) -> usize {
    let before = kept(architecture, layer).take_while(|&kept| kept < source);
    before.map(|source| words(architecture.source_len(source))).sum()
}

/// Which values of rows have kinks.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    pub(super) words: &'a Buffer,
    /// Words from row to row, and before the first of them.
    pub(super) stride: usize,
    pub(super) base: usize,
}

/// Where it goes which pre-activations have kinks, and which rows are boundaries.
#[derive(Clone, Copy)]
pub(super) struct Reached<'a> {
    pub(super) flags: &'a Buffer,
    pub(super) n_rows: &'a Buffer,
    pub(super) joined: &'a Buffer,
    pub(super) reached: &'a Buffer,
}

/// How values are connected to pre-activations.
pub(super) struct Connections {
    /// The windows of values that pre-activations see.
    pub(super) windows: Windows,
    /// Whether each of these sees one value of its window.
    pub(super) selects: u32,
    /// Where windows see several channels: the windows that join these, and how many bits come of it, of which `windows` are then.
    pub(super) join: Option<(Windows, usize)>,
}

impl Connections {
    /// Those of a map, or of so many values to themselves.
    pub(super) fn of(map: Option<&Affine>, units: usize) -> Self {
        let (windows, selects) = match map {
            None => (Windows { kernel: [1, 1], output: [1, units as u32], ..all(units) }, 0),
            Some(Affine::Dense { inputs, .. }) => (Windows { filters: units as u32, ..all(*inputs) }, 0),
            Some(Affine::AveragePool(windows)) => (Windows::of_pool(windows), 0),
            Some(Affine::WindowValues(windows)) => (Windows::of_pool(windows), 1),
            Some(Affine::Convolution(map)) => (Windows::of_convolution(map), 0),
        };
        let join = match map {
            Some(map @ Affine::Convolution(convolution)) => {
                (joined(map) > 0).then(|| (channels(convolution), joined(map)))
            }
            _ => None,
        };
        Self { windows, selects, join }
    }
}

/// One window, all of so many values.
fn all(values: usize) -> Windows {
    let sizes = [1, values as u32];
    Windows {
        input: sizes,
        kernel: sizes,
        stride: [1, 1],
        output: [1, 1],
        channels: 1,
        filters: 1,
        ..Windows::default()
    }
}

/// A window for every position of an image, all channels of a group, which are the rows of the windows' own image.
fn channels(convolution: &Convolution) -> Windows {
    let [channels, plane] = [convolution.channels_per_group(), convolution.windows.plane()];
    let [rows, columns] = [channels as u32, plane as u32];
    match plane {
        // As one row.
        1 => all(channels),
        _ => Windows { input: [rows, columns], kernel: [rows, 1], output: [1, columns], ..all(plane) },
    }
}

impl Commands<'_> {
    /// Adds the stages that tell which pre-activations have a kink by a map of these values, or by the values themselves.
    pub(super) fn reach(&mut self, map: Option<&Affine>, step: &Step, values: &Bits, target: &Reached) {
        let Connections { windows, selects, join } = Connections::of(map, step.units as usize);
        let Some((channels, n)) = join else {
            return self.reach_windows(windows, &Step { selects, ..*step }, values, target, target.reached);
        };
        let join = Step { units: n as u32, adds: 0, ..*step };
        self.reach_windows(channels, &join, values, target, target.joined);
        let joined = Bits { words: target.joined, stride: words(n), base: 0 };
        self.reach_windows(windows, step, &joined, target, target.reached);
    }

    fn reach_windows(&mut self, windows: Windows, step: &Step, values: &Bits, target: &Reached, to: &Buffer) {
        let step = Step {
            from_stride: values.stride as u32,
            from_base: values.base as u32,
            to_stride: words(step.units as usize) as u32,
            ..*step
        };
        let windows = self.device.filled("windows", &[windows]);
        let n = step.rows_in as usize * (step.units as usize).div_ceil(LANES);
        self.run(Stage::Reach, &step, n, &[target.flags, values.words, target.n_rows, to, &windows]);
    }

    /// Adds the stage that tells which outputs of a layer have kinks; `buffers` are those of `shaders/shared/kinks.wgsl`.
    pub(super) fn kinks(&mut self, layer: &Layer, step: &Step, buffers: &[&Buffer]) {
        let step = Step { to_stride: words(step.outputs as usize) as u32, ..*step };
        let n = step.rows_out as usize * (step.outputs as usize).div_ceil(LANES);
        match layer.activation.kind() {
            ActivationKind::Maxout { .. } => self.run(Stage::MaxoutKinks, &step, n, buffers),
            ActivationKind::GroupSort { .. } => self.run(Stage::SortKinks, &step, n, buffers),
            ActivationKind::Scalar(_) | ActivationKind::Crelu(_) => {
                let functions = self.device.filled("functions", &functions(layer.activation.kind()));
                self.run(Stage::Kinks, &step, n, &[buffers, &[&functions]].concat());
            }
        }
    }

    /// Adds the stage that keeps the kinks of `len` values at the rows after insertion.
    pub(super) fn keep_kinks(&mut self, step: &Step, len: usize, from: &Bits, inserted: [&Buffer; 2], to: &Bits) {
        let step = Step {
            units: words(len) as u32,
            from_stride: from.stride as u32,
            from_base: from.base as u32,
            to_stride: to.stride as u32,
            to_base: to.base as u32,
            ..*step
        };
        let [sources, n_rows_out] = inserted;
        self.run(Stage::KeepKinks, &step, step.rows_out as usize, &[sources, n_rows_out, from.words, to.words]);
    }
}

/// An activation of one pre-activation as the stage reads it that follows kinks: breakpoints, then the slopes of every output.
pub(super) fn functions(activation: &ActivationKind) -> Vec<f32> {
    let (pieces, below) = match activation {
        ActivationKind::Scalar(pieces) => (pieces, vec![]),
        ActivationKind::Crelu(pieces) => (pieces, vec![-1.0, 0.0]),
        ActivationKind::Maxout { .. } | ActivationKind::GroupSort { .. } => unreachable!("units of one pre-activation"),
    };
    let values = pieces.breakpoints.iter().chain(&pieces.slopes).chain(&below);
    values.map(|&value| value as f32).collect()
}
