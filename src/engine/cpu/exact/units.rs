//! The units of a layer.

use super::groups::Groups;
use crate::engine::cpu::activate::Activate;
use crate::engine::cpu::real::Real;
use crate::network::{Layer, Pieces};

/// How the units of a layer change piece, and what they put out.
pub(super) enum Units<T> {
    /// Units of one pre-activation each.
    Scalar {
        pieces: Pieces<T>,
        /// The activation at every breakpoint.
        at_breakpoints: Vec<T>,
        /// How much larger its slope is above every breakpoint.
        bends: Vec<T>,
    },
    /// Units of one pre-activation and several outputs each.
    Several(Activate<T>),
    /// Units of several pre-activations each.
    Grouped { groups: Groups<T>, activation: Activate<T> },
}

impl<T: Real> Units<T> {
    pub(super) fn new(layer: &Layer) -> Self {
        let outputs = || Activate::new(layer);
        match (Groups::new(layer), layer.activation.scalar()) {
            (Some(groups), _) => Self::Grouped { groups, activation: outputs() },
            (None, None) => Self::Several(outputs()),
            (None, Some(exact)) => Self::Scalar {
                pieces: exact.map(T::from_f64),
                at_breakpoints: exact.breakpoints.iter().map(|&tau| T::from_f64(exact.value(tau))).collect(),
                bends: exact.slopes.windows(2).map(|slopes| T::from_f64(slopes[1] - slopes[0])).collect(),
            },
        }
    }
}
