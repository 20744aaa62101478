//! Inverses of matrices of whole numbers.

use num_bigint::BigInt;
use num_traits::{One, Signed, Zero};

/// The inverse of a square matrix times the absolute value of its determinant, and that; `None` of a singular one. By elimination without
/// fractions (Bareiss 1968).
pub(super) fn inverse(mut matrix: Vec<Vec<BigInt>>) -> Option<(Vec<Vec<BigInt>>, BigInt)> {
    let n = matrix.len();
    for (i, line) in matrix.iter_mut().enumerate() {
        line.extend((0..n).map(|j| BigInt::from(u8::from(i == j))));
    }
    let mut denominator = BigInt::one();
    for step in 0..n {
        let found = (step..n).find(|&line| !matrix[line][step].is_zero())?;
        matrix.swap(step, found);
        let pivot_line = matrix[step].clone();
        let pivot = &pivot_line[step];
        for (i, line) in matrix.iter_mut().enumerate().filter(|&(i, _)| i != step) {
            let factor = std::mem::take(&mut line[step]);
            // Columns of earlier steps are zero but in their own line, which is the old pivot.
            for (j, entry) in line.iter_mut().enumerate().filter(|&(j, _)| j > step || j == i) {
                *entry = (&*entry * pivot - &factor * &pivot_line[j]) / &denominator;
            }
        }
        denominator = pivot.clone();
    }
    let sign = if denominator.is_negative() { -1 } else { 1 };
    let right = |line: Vec<BigInt>| line.into_iter().skip(n).map(|entry| entry * sign).collect();
    Some((matrix.into_iter().map(right).collect(), denominator.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverses_are_exact() {
        let whole = |lines: &[[i64; 3]]| lines.iter().map(|l| l.map(BigInt::from).to_vec()).collect::<Vec<_>>();
        // Determinant -2, with a zero where the first pivot would be.
        let (found, determinant) = inverse(whole(&[[0, 1, 1], [1, 0, 1], [2, 1, 1]])).unwrap();
        assert_eq!((found, determinant), (whole(&[[-1, 0, 1], [1, -2, 1], [1, 2, -1]]), 2.into()));
        assert!(inverse(whole(&[[1, 2, 3], [4, 5, 6], [7, 8, 9]])).is_none());
    }
}
