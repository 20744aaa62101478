//! Activations of many pre-activations at once.

use super::real::Real;
use crate::network::{Activation, ActivationKind, Pieces};

/// An activation in one number type.
pub(super) enum Activate<T> {
    Scalar(Pieces<T>),
    /// Of so many units.
    Crelu {
        units: usize,
    },
    Maxout {
        rank: usize,
    },
    GroupSort {
        size: usize,
    },
}

impl<T: Real> Activate<T> {
    /// For a layer of so many pre-activations.
    pub(super) fn new(activation: &Activation, pre_activations: usize) -> Self {
        match activation.kind() {
            ActivationKind::Scalar(pieces) => Self::Scalar(pieces.map(T::from_f64)),
            ActivationKind::Crelu(_) => Self::Crelu { units: pre_activations },
            ActivationKind::Maxout { rank } => Self::Maxout { rank: *rank },
            ActivationKind::GroupSort { size } => Self::GroupSort { size: *size },
        }
    }

    /// Writes the activation of `z`, whole rows of the layer, to `h`.
    #[inline(always)]
    pub(super) fn apply(&self, z: &[T], h: &mut [T]) {
        match self {
            Self::Scalar(pieces) => activate(pieces, z, h),
            Self::Crelu { units } => {
                let zero = T::default();
                for (h, z) in h.chunks_exact_mut(2 * units).zip(z.chunks_exact(*units)) {
                    let (above, below) = h.split_at_mut(*units);
                    for ((above, below), &z) in above.iter_mut().zip(below).zip(z) {
                        (*above, *below) = if z > zero { (z, zero) } else { (zero, zero - z) };
                    }
                }
            }
            Self::Maxout { rank } => {
                for (h, unit) in h.iter_mut().zip(z.chunks_exact(*rank)) {
                    *h = unit.iter().fold(unit[0], |largest, &z| if z > largest { z } else { largest });
                }
            }
            Self::GroupSort { size } => {
                h.copy_from_slice(z);
                for group in h.chunks_exact_mut(*size) {
                    group.sort_unstable_by(|a, b| b.partial_cmp(a).expect("finite pre-activations"));
                }
            }
        }
    }
}

/// Writes the activation of `z` to `h`.
#[inline(always)]
pub(super) fn activate<T: Real>(pieces: &Pieces<T>, z: &[T], h: &mut [T]) {
    let (slope, intercept) = (pieces.slopes[0], pieces.intercepts[0]);
    for (h, &z) in h.iter_mut().zip(z) {
        *h = slope * z + intercept;
    }
    for (k, &tau) in pieces.breakpoints.iter().enumerate() {
        let (slope, intercept) = (pieces.slopes[k + 1], pieces.intercepts[k + 1]);
        for (h, &z) in h.iter_mut().zip(z) {
            let above = slope * z + intercept;
            *h = if z > tau { above } else { *h };
        }
    }
}
