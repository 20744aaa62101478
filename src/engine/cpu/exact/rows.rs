//! Comparing rows, in chunks without a branch for each value.

use crate::engine::cpu::real::Real;

/// Values compared at a time.
const SCAN: usize = 32;

/// Finds the units that are above a breakpoint in one of two rows and not in the other.
#[inline(always)]
pub(super) fn find_changed<T: Real>(a: &[T], b: &[T], tau: T, changed: &mut Vec<usize>) {
    let has_changed = |(a, b): (&T, &T)| (*a > tau) != (*b > tau);
    let (a_chunks, a_rest) = a.as_chunks::<SCAN>();
    let (b_chunks, b_rest) = b.as_chunks::<SCAN>();
    for (chunk, (a, b)) in a_chunks.iter().zip(b_chunks).enumerate() {
        if a.iter().zip(b).fold(false, |any, pair| any | has_changed(pair)) {
            // The bits all at once, without a branch for each.
            let mut bits = [0; SCAN];
            bits.iter_mut()
                .zip(a.iter().zip(b))
                .zip(0..)
                .for_each(|((bit, pair), ix)| *bit = u32::from(has_changed(pair)) << ix);
            let mut bits = bits.iter().fold(0, |bits, bit| bits | bit);
            while bits != 0 {
                changed.push(chunk * SCAN + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }
    let rest = a_rest.iter().zip(b_rest).enumerate().filter(|(_, pair)| has_changed(*pair));
    changed.extend(rest.map(|(ix, _)| a_chunks.len() * SCAN + ix));
}

/// Whether two rows are equal.
#[inline(always)]
pub(super) fn are_equal<T: Real>(a: &[T], b: &[T]) -> bool {
    let equal = |a: &[T], b: &[T]| a.iter().zip(b).fold(true, |equal, (a, b)| equal & (a == b));
    let (a_chunks, a_rest) = a.as_chunks::<SCAN>();
    let (b_chunks, b_rest) = b.as_chunks::<SCAN>();
    a_chunks.iter().zip(b_chunks).all(|(a, b)| equal(a, b)) && equal(a_rest, b_rest)
}
