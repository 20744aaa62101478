//! Activations of many pre-activations at once.

use super::real::Real;
use crate::network::{ActivationKind, Grouping, Layer, Pieces};

/// An activation in one number type.
pub(super) enum Activate<T> {
    Scalar(Pieces<T>),
    /// Of so many units.
    Crelu {
        units: usize,
    },
    Maxout(Grouping),
    GroupSort(Grouping),
}

impl<T: Real> Activate<T> {
    /// That of a layer.
    pub(super) fn new(layer: &Layer) -> Self {
        match layer.activation.kind() {
            ActivationKind::Scalar(pieces) => Self::Scalar(pieces.map(T::from_f64)),
            ActivationKind::Crelu(_) => Self::Crelu { units: layer.affine.units() },
            ActivationKind::Maxout { .. } => Self::Maxout(layer.grouping()),
            ActivationKind::GroupSort { .. } => Self::GroupSort(layer.grouping()),
        }
    }

    /// Writes the activation of `z`, whole rows of the layer, to `h`.
    #[inline(always)]
    pub(super) fn apply(&self, z: &[T], h: &mut [T]) {
        match self {
            Self::Scalar(pieces) => activate(pieces, z.iter().copied(), h),
            Self::Crelu { units } => {
                let zero = T::default();
                for (h, z) in h.chunks_exact_mut(2 * units).zip(z.chunks_exact(*units)) {
                    let (above, below) = h.split_at_mut(*units);
                    for ((above, below), &z) in above.iter_mut().zip(below).zip(z) {
                        (*above, *below) = if z > zero { (z, zero) } else { (zero, zero - z) };
                    }
                }
            }
            Self::Maxout(Grouping { size, stride }) => {
                let units = h.chunks_exact_mut(*stride).zip(z.chunks_exact(size * stride));
                for (h, z) in units {
                    for (first, h) in h.iter_mut().enumerate() {
                        let rows = z[first..].iter().step_by(*stride);
                        *h = rows.fold(z[first], |largest, &z| if z > largest { z } else { largest });
                    }
                }
            }
            Self::GroupSort(Grouping { size, stride }) => {
                let descending = |a: &T, b: &T| b.partial_cmp(a).expect("finite pre-activations");
                h.copy_from_slice(z);
                if *stride == 1 {
                    return h.chunks_exact_mut(*size).for_each(|group| group.sort_unstable_by(descending));
                }
                let mut group = Vec::with_capacity(*size);
                for h in h.chunks_exact_mut(size * stride) {
                    for first in 0..*stride {
                        group.clear();
                        group.extend(h[first..].iter().step_by(*stride));
                        group.sort_unstable_by(descending);
                        h[first..].iter_mut().step_by(*stride).zip(&group).for_each(|(h, &z)| *h = z);
                    }
                }
            }
        }
    }
}

/// Writes the activation of the values `z` to `h`.
#[inline(always)]
pub(super) fn activate<T: Real>(pieces: &Pieces<T>, z: impl Iterator<Item = T> + Clone, h: &mut [T]) {
    let piece = |k: usize| {
        let (slope, intercept) = (pieces.slopes[k], pieces.intercepts[k]);
        move |z: T| slope * z + intercept
    };
    let below = piece(0);
    // With one breakpoint in one pass.
    if let [tau] = pieces.breakpoints[..] {
        let above = piece(1);
        return h.iter_mut().zip(z).for_each(|(h, z)| *h = if z > tau { above(z) } else { below(z) });
    }
    h.iter_mut().zip(z.clone()).for_each(|(h, z)| *h = below(z));
    for (k, &tau) in pieces.breakpoints.iter().enumerate() {
        let above = piece(k + 1);
        for (h, z) in h.iter_mut().zip(z.clone()) {
            *h = if z > tau { above(z) } else { *h };
        }
    }
}
