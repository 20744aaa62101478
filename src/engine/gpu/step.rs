//! What the host tells the stages: structs with the layout of those in `shaders/`.

use bytemuck::{Pod, Zeroable};

use crate::network::{self, BiasDensity, Convolution};

/// One step of the pipeline, see `shaders/shared/step.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Step {
    pub(super) paths_per_network: u32,
    pub(super) rows_in: u32,
    pub(super) rows_out: u32,
    pub(super) inputs: u32,
    pub(super) units: u32,
    pub(super) n_breakpoints: u32,
    pub(super) layer: u32,
    pub(super) n_layers: u32,
    pub(super) row_base: u32,
    pub(super) input_base: u32,
    pub(super) input_end: u32,
    pub(super) grid_base: u32,
    pub(super) grid_points: u32,
    pub(super) side_base: u32,
    pub(super) n_sides: u32,
    pub(super) keeps_rows: u32,
    pub(super) pairs: u32,
    pub(super) lanes: u32,
    pub(super) group_size: u32,
    pub(super) group_stride: u32,
    pub(super) from_stride: u32,
    pub(super) from_base: u32,
    pub(super) to_stride: u32,
    pub(super) to_base: u32,
    pub(super) weights_stride: u32,
    pub(super) weights_base: u32,
    pub(super) bias_base: u32,
    pub(super) adds: u32,
    pub(super) n_laws: u32,
    pub(super) bit: u32,
    pub(super) n_ways: u32,
    pub(super) outputs: u32,
    pub(super) selects: u32,
}

/// Windows on an image, see `shaders/shared/windows.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Windows {
    pub(super) input: [u32; 2],
    pub(super) kernel: [u32; 2],
    pub(super) stride: [u32; 2],
    pub(super) padding: [u32; 2],
    pub(super) output: [u32; 2],
    pub(super) channels: u32,
    pub(super) filters: u32,
    pub(super) area: u32,
    pub(super) share: f32,
}

impl Windows {
    /// Those of a pool.
    pub(super) fn of_pool(windows: &network::Windows) -> Self {
        let words = |sizes: [usize; 2]| sizes.map(|n| n as u32);
        Self {
            input: words(windows.input),
            kernel: words(windows.kernel),
            stride: words(windows.stride),
            padding: words(windows.padding.map(|[before, _]| before)),
            output: words(windows.output()),
            channels: 1,
            filters: 1,
            area: windows.area() as u32,
            share: (1.0 / windows.area() as f64) as f32,
        }
    }

    /// Those of a convolution.
    pub(super) fn of_convolution(convolution: &Convolution) -> Self {
        let channels = convolution.channels_per_group() as u32;
        let filters = (convolution.filters / convolution.groups) as u32;
        Self { channels, filters, ..Self::of_pool(&convolution.windows) }
    }
}

/// What a layer with a flag of its own takes in, see `shaders/tally.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub(super) struct Way {
    pub(super) layers: u32,
    pub(super) from_input: u32,
}

/// One tensor to draw, see `shaders/draw.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Draw {
    pub(super) seed: [u32; 2],
    pub(super) tensor: u32,
    pub(super) n_elements: u32,
    pub(super) stride: u32,
    pub(super) base: u32,
    pub(super) scale: f32,
    pub(super) padding: u32,
}

/// The crossings between a row and the next, see `shaders/shared/rows.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub(super) struct Interval {
    pub(super) first_entry: u32,
    pub(super) n_entries: u32,
    pub(super) n_new: u32,
    pub(super) new_row: u32,
}

/// One crossing, see `shaders/shared/rows.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Entry {
    pub(super) fraction: f32,
    pub(super) row: u32,
    pub(super) crossing: u32,
    pub(super) leads: u32,
}

/// Where a row comes from, see `shaders/shared/rows.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Source {
    pub(super) row: u32,
    pub(super) fraction: f32,
    pub(super) crossing: u32,
}

/// A vertex of a path in units of the grid's step, see `shaders/grid.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct GridVertex {
    pub(super) whole: u32,
    pub(super) part: f32,
    pub(super) length: f32,
}

/// Normal weights and biases of a layer, see `shaders/shared/kac_rice.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct NormalLaw {
    pub(super) scale: f32,
    pub(super) weight_variance: f32,
    pub(super) bias_variance: f32,
    pub(super) multiplicity: f32,
}

impl NormalLaw {
    /// For each of the maps of a layer, which have weights of these variances.
    pub(super) fn of_maps(weight_variances: &[f64], bias_variance: f64, multiplicity: f64) -> Vec<Self> {
        let unit = weight_variances.iter().copied().fold(bias_variance, f64::max);
        let of_map = |weight_variance: &f64| Self {
            scale: unit.sqrt() as f32,
            weight_variance: (weight_variance / unit) as f32,
            bias_variance: (bias_variance / unit) as f32,
            multiplicity: multiplicity as f32,
        };
        weight_variances.iter().map(of_map).collect()
    }
}

/// The density of a layer's biases, see `shaders/given_weights.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Density {
    pub(super) width: f32,
    pub(super) peak: f32,
    pub(super) is_uniform: u32,
}

impl From<BiasDensity> for Density {
    fn from(density: BiasDensity) -> Self {
        let (width, is_uniform) = match density {
            BiasDensity::Normal { std } => (std, 0),
            BiasDensity::Uniform { half_width } => (half_width, 1),
        };
        Self { width: width as f32, peak: density.at(0.0) as f32, is_uniform }
    }
}

/// Flags of a row: layers of which a unit changes piece there.
#[cfg(test)]
pub(super) const CROSSED: u32 = (1 << CONSTANT_SHIFT) - 1;
/// Flags of a row: layers that are constant between the row before and this one.
#[cfg(test)]
pub(super) const CONSTANT: u32 = CROSSED << CONSTANT_SHIFT;
/// How far these are from those, and how many of each there are.
pub(super) const CONSTANT_SHIFT: usize = 15;
/// Flag of a row: it is at the same point as the row before.
#[cfg(test)]
pub(super) const COINCIDENT: u32 = 1 << 31;

/// In [`Entry::crossing`]: the pre-activation rises.
pub(super) const RISING: u32 = 1 << 31;
/// In [`Source::row`]: a fraction of the interval after the row.
pub(super) const NEW: u32 = 1 << 31;
/// [`Source::crossing`] of rows that no crossing made.
#[cfg(test)]
pub(super) const NO_CROSSING: u32 = u32::MAX;

/// Words of a path's results before the crossings of its layers.
pub(super) const RESULT_HEAD: usize = 4;
/// Which of these says how many layers, from the first that failed to the last, are without result.
pub(super) const FAILED: usize = 0;
/// Rows that there was no room for.
pub(super) const NEEDED: usize = 1;
/// Boundaries.
pub(super) const BOUNDARIES: usize = 2;
/// Knots.
pub(super) const KNOTS: usize = 3;
