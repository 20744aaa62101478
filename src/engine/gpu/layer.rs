//! The sizes of hidden layers, and how long the loops of the stages are on them.

use super::plan::{LANES, MAX_ITERATIONS};
use crate::error::{Error, Result};
use crate::network::{ActivationKind, Architecture, Layer};

/// One hidden layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LayerShape {
    pub(super) inputs: usize,
    /// Pre-activations.
    pub(super) units: usize,
    pub(super) kind: UnitKind,
}

/// What pre-activations make together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitKind {
    /// Units of one each.
    Scalar { n_breakpoints: usize },
    /// Maxout units.
    Maxout { rank: usize },
    /// Sorted groups.
    Sorted { size: usize },
}

impl LayerShape {
    fn new(layer: &Layer) -> Self {
        let kind = match layer.activation.kind() {
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => {
                UnitKind::Scalar { n_breakpoints: pieces.breakpoints.len() }
            }
            ActivationKind::Maxout { rank } => UnitKind::Maxout { rank: *rank },
            ActivationKind::GroupSort { size } => UnitKind::Sorted { size: *size },
        };
        Self { inputs: layer.affine.inputs(), units: layer.affine.units(), kind }
    }

    /// All hidden layers of an architecture.
    pub(super) fn of(architecture: &Architecture) -> Vec<Self> {
        architecture.layers().iter().map(Self::new).collect()
    }

    /// Breakpoints of an activation of one pre-activation.
    pub(super) fn n_breakpoints(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { n_breakpoints } => n_breakpoints,
            UnitKind::Maxout { .. } | UnitKind::Sorted { .. } => 0,
        }
    }

    /// Pre-activations of a unit or group.
    pub(super) fn group_size(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { .. } => 1,
            UnitKind::Maxout { rank: size } | UnitKind::Sorted { size } => size,
        }
    }

    /// Whether units have several pre-activations.
    pub(super) fn is_grouped(&self) -> bool {
        !matches!(self.kind, UnitKind::Scalar { .. })
    }

    fn groups(&self) -> usize {
        self.units / self.group_size()
    }

    /// The inputs of the next layer.
    pub(super) fn outputs(&self) -> usize {
        match self.kind {
            UnitKind::Maxout { .. } => self.groups(),
            UnitKind::Scalar { .. } | UnitKind::Sorted { .. } => self.units,
        }
    }

    /// The most crossings between two vertices.
    pub(super) fn most_crossings(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { n_breakpoints } => self.units * n_breakpoints,
            // The largest of lines is convex.
            UnitKind::Maxout { rank } => self.groups() * (rank - 1),
            UnitKind::Sorted { size } => self.groups() * (size * (size - 1) / 2),
        }
    }

    /// What the sampled method remembers: sides of breakpoints, largest rows, orders of pairs.
    pub(super) fn n_sides(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { n_breakpoints } => self.units * n_breakpoints,
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
            UnitKind::Scalar { n_breakpoints } => self.units.div_ceil(LANES) * (3 * n_breakpoints + 1),
            // Twice: the walk past all rows from each, and what else compares all.
            UnitKind::Maxout { rank } => self.groups().div_ceil(LANES) * 2 * (rank + 1) * (rank + 5),
            UnitKind::Sorted { size } => self.units.div_ceil(LANES) * 2 * (size + 1),
        }
    }

    /// Iterations for each row that an invocation of the sampled method looks back.
    pub(super) fn look_back(&self) -> usize {
        match self.kind {
            UnitKind::Scalar { n_breakpoints } => self.units.div_ceil(LANES) * (n_breakpoints + 1),
            UnitKind::Maxout { rank } => self.groups().div_ceil(LANES) * (rank + 2),
            UnitKind::Sorted { size } => self.units.div_ceil(LANES) * (size + 1),
        }
    }
}

/// Refuses layers and activations that no stage computes.
///
/// # Errors
/// Names what is refused.
pub(super) fn check_kinds(architecture: &Architecture) -> Result<()> {
    architecture.check_dense_chain("the GPU engine")?;
    let is_crelu = |layer: &&Layer| matches!(layer.activation.kind(), ActivationKind::Crelu(_));
    match architecture.layers().iter().find(is_crelu) {
        Some(layer) => {
            Err(Error::usage(format!("the GPU engine does not take {} so far: use --engine cpu", layer.activation)))
        }
        None => Ok(()),
    }
}

/// Refuses networks with layers that the stages that count cannot handle in one go.
///
/// # Errors
/// Names the layer and what is too many of it.
pub fn check(architecture: &Architecture) -> Result<()> {
    check_kinds(architecture)?;
    for (l, layer) in LayerShape::of(architecture).iter().enumerate() {
        let together = layer.most_crossings();
        if together <= MAX_ITERATIONS && layer.search() <= MAX_ITERATIONS {
            continue;
        }
        let groups = layer.groups();
        let what = match layer.kind {
            UnitKind::Scalar { .. } => {
                format!("its units have {together} breakpoints together, the GPU engine takes {MAX_ITERATIONS}")
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
        ] {
            let shape = shape(text, activation);
            assert_eq!((shape.inputs, shape.units, shape.outputs()), (3, units, outputs), "{activation}");
            assert_eq!((shape.most_crossings(), shape.n_sides()), (most_crossings, n_sides), "{activation}");
            assert_eq!(shape.is_grouped(), activation != "hard-tanh");
        }
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
        ] {
            check(&architecture(text, activation)).unwrap();
        }
        for (text, activation, message) in [
            ("1-60000", "relu", "60000 breakpoints"),
            ("2-3-1024", "maxout:64", "layer 2: 1024 maxout units of rank 64"),
            ("2-1000", "group-sort:1000", "1 sorted groups of 1000"),
            ("2-2048", "group-sort:64", "32 sorted groups of 64"),
        ] {
            let activation = if text == "2-3-1024" { "maxout:64" } else { activation };
            let error = check(&architecture(text, activation)).unwrap_err().to_string();
            assert!(error.contains(message) && error.contains("--engine cpu"), "{error}");
        }
    }
}
