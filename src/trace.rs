//! Every boundary of one network along one path, and the f64 reference that finds them.

mod exact;
mod reference;
mod slopes;

use self::reference::reference_crossings;
use self::slopes::SlopeWalk;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::path::Path;

/// A unit changes piece at a point of the path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossing {
    /// Arc length from the start of the path.
    pub position: f64,
    /// Hidden layer, from 0.
    pub layer: usize,
    /// Unit of the layer, from 0; the group where groups are sorted.
    pub unit: usize,
    /// Which breakpoint of the activation is crossed, from 0: the unit changes between pieces k and k + 1. For groups the pair (i, j) of
    /// rows, i < j, that change order, by its place in [`pairs`](crate::network::pairs).
    pub breakpoint: usize,
    /// Whether the pre-activation rises through the breakpoint; for groups, whether row j rises above row i.
    pub rising: bool,
}

/// A point of the path at which the activation pattern changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// Arc length from the start of the path.
    pub position: f64,
    /// Number of crossings that coincide there.
    pub n_crossings: usize,
    /// Whether the slope of the network's output changes there.
    pub is_knot: bool,
}

/// Every crossing and boundary of one network along one path.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Length of the path.
    pub length: f64,
    /// Sorted by position, then layer, then unit.
    pub crossings: Vec<Crossing>,
    /// Sorted by position; their crossings are consecutive in `crossings`.
    pub boundaries: Vec<Boundary>,
}

impl Trace {
    /// Traces a network in f64 with the reference algorithm.
    ///
    /// # Errors
    /// A path of the wrong dimension, and pre-activations beyond the range of f64.
    pub fn reference(network: &Network, path: &Path) -> Result<Self> {
        check_dimension(network, path)?;
        Ok(Self::from_crossings(network, path, reference_crossings(network, path)?))
    }

    /// Joins crossings to boundaries and decides which of these are knots.
    pub fn from_crossings(network: &Network, path: &Path, mut crossings: Vec<Crossing>) -> Self {
        crossings.sort_by(|a, b| {
            a.position.total_cmp(&b.position).then((a.layer, a.unit, a.breakpoint).cmp(&(
                b.layer,
                b.unit,
                b.breakpoint,
            )))
        });
        let mut slopes = SlopeWalk::new(network, path, crossings.first().map_or(path.length(), |c| c.position));
        let boundaries = crossings
            .chunk_by(|a, b| a.position == b.position)
            .map(|group| Boundary {
                position: group[0].position,
                n_crossings: group.len(),
                is_knot: slopes.step(group[0].position, group),
            })
            .collect();
        Self { length: path.length(), crossings, boundaries }
    }

    /// Number of crossings of one layer.
    pub fn crossings_of_layer(&self, layer: usize) -> usize {
        self.crossings.iter().filter(|c| c.layer == layer).count()
    }

    /// Number of knots.
    pub fn n_knots(&self) -> usize {
        self.boundaries.iter().filter(|b| b.is_knot).count()
    }
}

/// Refuses a path whose points are no inputs of the network.
pub(crate) fn check_dimension(network: &Network, path: &Path) -> Result<()> {
    let inputs = network.architecture().input_dim();
    if path.dim() != inputs {
        return Err(Error::usage(format!(
            "the path has points of dimension {}, but the network has {inputs} inputs",
            path.dim()
        )));
    }
    Ok(())
}
