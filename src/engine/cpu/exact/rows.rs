//! Comparing rows, in chunks without a branch for each value.

use crate::engine::cpu::real::Real;

/// Values compared at a time.
pub(super) const SCAN: usize = 32;

/// Finds which values are above a breakpoint in one of two rows and not in the other, among their first [`SCAN`] or all if there are less:
/// their bits.
#[inline(always)]
pub(super) fn find_changed<T: Real>(a: &[T], b: &[T], tau: T) -> u32 {
    let has_changed = |(a, b): (&T, &T)| (*a > tau) != (*b > tau);
    let bits = |a: &[T], b: &[T]| {
        if !a.iter().zip(b).fold(false, |any, pair| any | has_changed(pair)) {
            return 0;
        }
        a.iter().zip(b).zip(0..).fold(0, |bits, (pair, ix)| bits | u32::from(has_changed(pair)) << ix)
    };
    match (a.first_chunk::<SCAN>(), b.first_chunk::<SCAN>()) {
        (Some(a), Some(b)) => bits(a, b),
        _ => bits(a, b),
    }
}

/// Whether two rows are equal.
#[inline(always)]
pub(super) fn are_equal<T: Real>(a: &[T], b: &[T]) -> bool {
    let equal = |a: &[T], b: &[T]| a.iter().zip(b).fold(true, |equal, (a, b)| equal & (a == b));
    let (a_chunks, a_rest) = a.as_chunks::<SCAN>();
    let (b_chunks, b_rest) = b.as_chunks::<SCAN>();
    a_chunks.iter().zip(b_chunks).all(|(a, b)| equal(a, b)) && equal(a_rest, b_rest)
}
