//! The sizes of hidden layers, and how long the loops of the stages are on them.

use super::flags::Flags;
use super::kinks;
use super::maps::tiles_across;
use super::plan::{LANES, MAX_ITERATIONS};
use crate::error::{Error, Result};
use crate::network::{ActivationKind, Architecture, Layer};

/// Workgroups in one dimension that every device takes.
const MAX_ACROSS: usize = 65_535;

/// One hidden layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LayerShape {
    pub(super) inputs: usize,
    /// Pre-activations.
    pub(super) units: usize,
    pub(super) kind: UnitKind,
    /// From one pre-activation of a unit to the next.
    pub(super) group_stride: usize,
    /// Weights and biases, see [`Parameters`].
    pub(super) n_parameters: usize,
    /// Multiplications of these with the values of one row.
    pub(super) n_products: usize,
    /// Values from before its inputs that it or later layers add.
    pub(super) kept: usize,
    /// Bits that say at which positions a channel of a group of a convolution's has a kink, of its map with the most.
    pub(super) joined: usize,
    /// Words of bits of the values kept.
    pub(super) kept_kinks: usize,
}

/// Where the tensors of a layer are among its parameters: the weights of its map, its biases, the weights of every skip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) bias: usize,
    pub(super) skips: Vec<usize>,
    /// How many there are.
    pub(super) len: usize,
}

impl Parameters {
    pub(super) fn of(layer: &Layer) -> Self {
        let bias = layer.affine.n_weights() as usize;
        let mut len = bias + layer.affine.n_biases();
        let skips = layer.skips.iter().map(|skip| {
            let n = skip.map.map_or(0, |map| map.n_weights() as usize);
            let base = len;
            len += n;
            base
        });
        let skips = skips.collect();
        Self { bias, skips, len }
    }
}

/// What pre-activations make together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitKind {
    /// Units of one each.
    Scalar { n_breakpoints: usize },
    /// Units of one each, with two outputs.
    Crelu,
    /// Maxout units.
    Maxout { rank: usize },
    /// Sorted groups.
    Sorted { size: usize },
}

impl LayerShape {
    fn new(architecture: &Architecture, ix: usize) -> Self {
        let layer = &architecture.layers()[ix];
        let kind = match layer.activation.kind() {
            ActivationKind::Scalar(pieces) => UnitKind::Scalar { n_breakpoints: pieces.breakpoints.len() },
            ActivationKind::Crelu(_) => UnitKind::Crelu,
            ActivationKind::Maxout { rank } => UnitKind::Maxout { rank: *rank },
            ActivationKind::GroupSort { size } => UnitKind::Sorted { size: *size },
        };
        let units = layer.affine.units();
        let added = layer.skips.iter().map(|skip| skip.map.map_or(units as u128, |map| map.n_products()));
        Self {
            inputs: layer.affine.inputs(),
            units,
            kind,
            group_stride: layer.grouping().stride,
            n_parameters: Parameters::of(layer).len,
            n_products: usize::try_from(layer.affine.n_products() + added.sum::<u128>()).unwrap_or(usize::MAX),
            kept: architecture.kept_len(ix),
            joined: layer.maps().map(kinks::joined).max().unwrap_or(0),
            kept_kinks: kinks::kept_words(architecture, ix),
        }
    }

    /// All hidden layers of an architecture.
    pub(super) fn of(architecture: &Architecture) -> Vec<Self> {
        (0..architecture.depth()).map(|ix| Self::new(architecture, ix)).collect()
    }

    /// Breakpoints of an activation of one pre-activation.
    pub(super) fn n_breakpoints(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { n_breakpoints } => n_breakpoints,
            UnitKind::Crelu => 1,
            UnitKind::Maxout { .. } | UnitKind::Sorted { .. } => 0,
        }
    }

    /// Whether a stage of its own makes outputs of the pre-activations.
    pub(super) fn makes_outputs(&self) -> bool {
        !matches!(self.kind, UnitKind::Scalar { .. })
    }

    /// Pre-activations of a unit or group.
    pub(super) fn group_size(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { .. } | UnitKind::Crelu => 1,
            UnitKind::Maxout { rank: size } | UnitKind::Sorted { size } => size,
        }
    }

    /// Whether units have several pre-activations.
    pub(super) fn is_grouped(&self) -> bool {
        self.group_size() > 1
    }

    fn groups(&self) -> usize {
        self.units / self.group_size()
    }

    /// The inputs of the next layer.
    pub(super) fn outputs(&self) -> usize {
        match self.kind {
            UnitKind::Crelu => 2 * self.units,
            UnitKind::Maxout { .. } => self.groups(),
            UnitKind::Scalar { .. } | UnitKind::Sorted { .. } => self.units,
        }
    }

    /// The most crossings between two vertices.
    pub(super) fn most_crossings(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { .. } | UnitKind::Crelu => self.units * self.n_breakpoints(),
            // The largest of lines is convex.
            UnitKind::Maxout { rank } => self.groups() * (rank - 1),
            UnitKind::Sorted { size } => self.groups() * (size * (size - 1) / 2),
        }
    }

    /// What the sampled method remembers: sides of breakpoints, largest rows, orders of pairs.
    pub(super) fn n_sides(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { .. } | UnitKind::Crelu => self.units * self.n_breakpoints(),
            UnitKind::Maxout { .. } => self.groups(),
            UnitKind::Sorted { size } => self.groups() * (size * (size - 1) / 2),
        }
    }

    /// Comparisons of one pre-activation with others of its group.
    pub(super) fn comparisons(&self) -> usize {
        if self.is_grouped() { self.group_size() } else { 0 }
    }

    /// Comparisons of crossings of groups in the same interval, of which the first layer, with half of the most, has by far the most.
    pub(super) fn ordering(&self, layer: usize) -> f64 {
        if self.is_grouped() && layer == 0 { (0.5 * self.most_crossings() as f64).powi(2) } else { 0.0 }
    }

    /// Iterations of an invocation that looks for crossings at one row, or inserts one.
    fn search(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { .. } | UnitKind::Crelu => self.units.div_ceil(LANES) * (3 * self.n_breakpoints() + 1),
            // Twice: the walk past all rows from each, and what else compares all.
            UnitKind::Maxout { rank } => self.groups().div_ceil(LANES) * 2 * (rank + 1) * (rank + 5),
            UnitKind::Sorted { size } => self.units.div_ceil(LANES) * 2 * (size + 1),
        }
    }

    /// Iterations of an invocation that tells whether an output of a sorted group has a kink: comparisons of all its rows before and after.
    fn ranking(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { .. } | UnitKind::Crelu | UnitKind::Maxout { .. } => 0,
            UnitKind::Sorted { size } => 2 * size * (size + 1),
        }
    }

    /// Iterations for each row that an invocation of the sampled method looks back.
    pub(super) fn look_back(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { .. } | UnitKind::Crelu => self.units.div_ceil(LANES) * (self.n_breakpoints() + 1),
            UnitKind::Maxout { rank } => self.groups().div_ceil(LANES) * (rank + 2),
            UnitKind::Sorted { size } => self.units.div_ceil(LANES) * (size + 1),
        }
    }
}

/// Whether a map of a layer has more tiles side by side than devices take.
pub(super) fn is_too_wide(layer: &Layer) -> bool {
    layer.maps().any(|map| tiles_across(map) > MAX_ACROSS)
}

/// What is said of such a layer.
pub(super) const TOO_WIDE: &str = "its filters are in more groups than the GPU engine takes";

/// Refuses networks with layers that the stages that count cannot handle in one go.
///
/// # Errors
/// Names the layer and what is too many of it.
pub fn check(architecture: &Architecture) -> Result<()> {
    let has_kinks = Flags::of(architecture).follow_units();
    for (l, layer) in LayerShape::of(architecture).iter().enumerate() {
        let together = layer.most_crossings();
        let is_too_wide = is_too_wide(&architecture.layers()[l]);
        let search = layer.search().max(if has_kinks { layer.ranking() } else { 0 });
        if together <= MAX_ITERATIONS && search <= MAX_ITERATIONS && !is_too_wide {
            continue;
        }
        let groups = layer.groups();
        let what = match layer.kind {
            _ if is_too_wide => TOO_WIDE.to_owned(),
            UnitKind::Scalar { .. } | UnitKind::Crelu if together > MAX_ITERATIONS => {
                format!("its units have {together} breakpoints together, the GPU engine takes {MAX_ITERATIONS}")
            }
            UnitKind::Scalar { .. } | UnitKind::Crelu => {
                format!("{} units are more than the GPU engine takes", layer.units)
            }
            UnitKind::Maxout { rank } => {
                format!("{groups} maxout units of rank {rank} are more than the GPU engine takes")
            }
            UnitKind::Sorted { size } => {
                format!("{groups} sorted groups of {size} are more than the GPU engine takes")
            }
        };
        return Err(Error::usage(format!("architecture {architecture}, layer {}: {what}: use --engine cpu", l + 1)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn architecture(text: &str, activation: &str) -> Architecture {
        Architecture::parse(text, activation.parse().unwrap(), 1).unwrap()
    }

    fn shape(text: &str, activation: &str) -> LayerShape {
        LayerShape::of(&architecture(text, activation))[0]
    }

    #[test]
    fn sizes_follow_from_the_activation() {
        for (text, activation, units, outputs, most_crossings, n_sides) in [
            ("3-7", "hard-tanh", 7, 7, 14, 14),
            ("3-7", "maxout:5", 35, 7, 28, 7),
            ("3-8", "group-sort:4", 8, 8, 12, 12),
            ("3-6", "max-min", 6, 6, 3, 3),
            ("3-6", "crelu", 3, 6, 3, 3),
        ] {
            let shape = shape(text, activation);
            assert_eq!((shape.inputs, shape.units, shape.outputs()), (3, units, outputs), "{activation}");
            assert_eq!((shape.n_parameters, shape.n_products, shape.kept), (4 * units, 3 * units, 0), "{activation}");
            assert_eq!((shape.most_crossings(), shape.n_sides()), (most_crossings, n_sides), "{activation}");
            assert_eq!(shape.is_grouped(), shape.group_size() > 1);
            assert_eq!(shape.makes_outputs(), activation != "hard-tanh");
        }
    }

    #[test]
    fn parameters_are_those_of_all_maps() {
        let shapes = LayerShape::of(&architecture("2x6-c4k3-[c4k3p1g2-c5k3p1]-avg2-7+", "relu"));
        let sizes: Vec<[usize; 3]> = shapes.iter().map(|s| [s.n_parameters, s.n_products, s.kept]).collect();
        // Four windows of three values; the way past the block is a matrix of 4 x 5, that of the input one of 12 x 7.
        let expected = [
            [28, 16 * 6, 0],
            [28, 16 * 6, 12],
            [12 * 5 + 5 + 20, 20 * 12 + 20 * 4, 12 + 16],
            [0, 10 * 2, 12],
            [77 + 12 * 7, 70 + 12 * 7, 12],
        ];
        assert_eq!(sizes, expected);
        let layer = &architecture("3-4-4+-4+1", "relu").layers()[1].clone();
        assert_eq!(Parameters::of(layer), Parameters { bias: 16, skips: vec![20], len: 32 });
    }

    #[test]
    fn layers_with_too_long_loops_are_refused() {
        for (text, activation) in [
            ("2-4096x3", "relu"),
            ("2-4096", "max-min"),
            ("2-8192", "maxout:2"),
            ("2-64", "maxout:150"),
            ("2-1024", "maxout:32"),
            ("2-300", "group-sort:300"),
            ("2-1024", "group-sort:64"),
            ("1x34-c64k3", "group-sort:32"),
            ("3x32x32-c32k3p1-max2-[c64k3p1-c64k3p1]-avg-100", "relu"),
        ] {
            check(&architecture(text, activation)).unwrap();
        }
        for (text, activation, message) in [
            ("1-60000", "relu", "60000 breakpoints"),
            ("2-3-1024", "maxout:64", "layer 2: 1024 maxout units of rank 64"),
            ("2-1000", "group-sort:1000", "1 sorted groups of 1000"),
            ("2-2048", "group-sort:64", "32 sorted groups of 64"),
            ("1x130-c32k3", "group-sort:32", "128 sorted groups of 32"),
            ("70000x1-c70000k1g70000", "identity", "in more groups than"),
            ("2x200x200-c2k1", "relu", "80000 breakpoints"),
            ("1x4096x4096-c1k1", "identity", "16777216 units"),
            ("1x3-c200k3", "group-sort:200", "1 sorted groups of 200"),
        ] {
            let activation = if text == "2-3-1024" { "maxout:64" } else { activation };
            let error = check(&architecture(text, activation)).unwrap_err().to_string();
            assert!(error.contains(message) && error.contains("--engine cpu"), "{error}");
        }
    }
}
