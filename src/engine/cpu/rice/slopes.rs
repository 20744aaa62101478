//! Activations of values, and their derivatives.

use pulp::{Simd, WithSimd};

use crate::engine::cpu::activate::{Activate, activate};
use crate::engine::cpu::real::Real;
use crate::network::{Grouping, Pieces};

/// Values that go through all pieces of the activation together.
const ROW: usize = 256;

/// Activations of the values, and derivatives by the chain rule.
pub(super) struct Differentiate<'a, T> {
    pub(super) activation: &'a Activate<T>,
    pub(super) z: &'a [T],
    pub(super) h: &'a mut [T],
}

impl<T: Real> WithSimd for Differentiate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { activation, z, h } = self;
        let (z, dz) = z.split_at(z.len() / 2);
        let (h, dh) = h.split_at_mut(h.len() / 2);
        match activation {
            Activate::Scalar(pieces) => {
                // A row at a time stays in the fastest memory through all pieces.
                let rows = z.chunks(ROW).zip(dz.chunks(ROW)).zip(h.chunks_mut(ROW)).zip(dh.chunks_mut(ROW));
                for (((z, dz), h), dh) in rows {
                    activate(pieces, z.iter().copied(), h);
                    chain(pieces, z, dz, dh);
                }
            }
            Activate::Crelu { units } => {
                activation.apply(z, h);
                let rows = z.chunks_exact(*units).zip(dz.chunks_exact(*units));
                for ((z, dz), dh) in rows.zip(dh.chunks_exact_mut(2 * units)) {
                    let (above, below) = dh.split_at_mut(*units);
                    let zero = T::default();
                    for ((&z, &dz), (above, below)) in z.iter().zip(dz).zip(above.iter_mut().zip(below)) {
                        (*above, *below) = if z > zero { (dz, zero) } else { (zero, zero - dz) };
                    }
                }
            }
            Activate::Maxout(Grouping { size, stride }) => {
                let units = z.chunks_exact(size * stride).zip(dz.chunks_exact(size * stride));
                for ((z, dz), (h, dh)) in units.zip(h.chunks_exact_mut(*stride).zip(dh.chunks_exact_mut(*stride))) {
                    for (first, (h, dh)) in h.iter_mut().zip(dh).enumerate() {
                        (*h, *dh) = (z[first], dz[first]);
                        for (&z, &dz) in z[first..].iter().zip(&dz[first..]).step_by(*stride) {
                            (*h, *dh) = if z > *h { (z, dz) } else { (*h, *dh) };
                        }
                    }
                }
            }
            Activate::GroupSort(Grouping { size, stride }) => {
                let groups = z.chunks_exact(size * stride).zip(dz.chunks_exact(size * stride));
                let sorted = h.chunks_exact_mut(size * stride).zip(dh.chunks_exact_mut(size * stride));
                let mut pairs: Vec<(T, T)> = Vec::with_capacity(*size);
                for ((z, dz), (h, dh)) in groups.zip(sorted) {
                    for first in 0..*stride {
                        pairs.clear();
                        let rows = z[first..].iter().zip(&dz[first..]).step_by(*stride);
                        pairs.extend(rows.map(|(&z, &dz)| (z, dz)));
                        pairs.sort_by(|a, b| b.0.partial_cmp(&a.0).expect("finite pre-activations"));
                        let rows = h[first..].iter_mut().zip(&mut dh[first..]).step_by(*stride);
                        for ((h, dh), &pair) in rows.zip(&pairs) {
                            (*h, *dh) = pair;
                        }
                    }
                }
            }
        }
    }
}

/// Derivatives of activations: the slope of the piece times that of the pre-activation.
#[inline(always)]
fn chain<T: Real>(pieces: &Pieces<T>, z: &[T], dz: &[T], dh: &mut [T]) {
    let slope = pieces.slopes[0];
    for (dh, &dz) in dh.iter_mut().zip(dz) {
        *dh = slope * dz;
    }
    for (&tau, &slope) in pieces.breakpoints.iter().zip(&pieces.slopes[1..]) {
        for ((dh, &z), &dz) in dh.iter_mut().zip(z).zip(dz) {
            *dh = if z > tau { slope * dz } else { *dh };
        }
    }
}
