//! Activations of many units at once.

use super::real::Real;
use crate::network::Pieces;

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
