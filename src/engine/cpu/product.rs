//! Matrix products: a safe face of the matrix-product crate. The crate's only `unsafe` code.

use super::real::Real;

/// Adds the product of two matrices to a third, for sizes (rows, inner, columns). Of the factors the strides of rows and columns are
/// given, of the sum that of rows, whose elements are consecutive.
///
/// # Panics
/// If an element is beyond the end of its slice, or if rows of the sum overlap.
#[allow(unsafe_code)]
pub(super) fn add_product<T: Real>(
    [rows, inner, columns]: [usize; 3],
    (left, left_strides): (&[T], [usize; 2]),
    (right, right_strides): (&[T], [usize; 2]),
    (sum, sum_stride): (&mut [T], usize),
) {
    if rows == 0 || inner == 0 || columns == 0 {
        return;
    }
    let last = |[m, n]: [usize; 2], [by_row, by_column]: [usize; 2]| (m - 1) * by_row + (n - 1) * by_column;
    assert!(last([rows, inner], left_strides) < left.len());
    assert!(last([inner, columns], right_strides) < right.len());
    assert!(last([rows, columns], [sum_stride, 1]) < sum.len());
    assert!(sum_stride >= columns || rows == 1);
    // SAFETY: the strides stay inside the three slices by the assertions above, and the elements of the sum are distinct; it is
    // borrowed mutably, so it overlaps neither factor. The product is computed transposed, as columns x rows.
    unsafe {
        gemm::gemm(
            columns,
            rows,
            inner,
            sum.as_mut_ptr(),
            sum_stride as isize,
            1,
            true,
            right.as_ptr(),
            right_strides[0] as isize,
            right_strides[1] as isize,
            left.as_ptr(),
            left_strides[0] as isize,
            left_strides[1] as isize,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_plain_sum_at_odd_sizes() {
        for (rows, inputs, units) in [(1, 1, 1), (3, 2, 5), (17, 31, 33), (65, 64, 66), (2, 130, 1), (0, 3, 3)] {
            // Small whole numbers: every order of summation is exact.
            let fill = |n: usize, salt: usize| (0..n).map(|i| ((i * 7 + salt) % 11) as f32 - 5.0).collect::<Vec<f32>>();
            let (h, weight, before) = (fill(rows * inputs, 1), fill(inputs * units, 3), fill(rows * units, 2));
            let mut z = before.clone();
            add_product([rows, inputs, units], (&h, [inputs, 1]), (&weight, [units, 1]), (&mut z, units));
            for r in 0..rows {
                for u in 0..units {
                    let dot: f32 = (0..inputs).map(|i| h[r * inputs + i] * weight[i * units + u]).sum();
                    assert_eq!(z[r * units + u], before[r * units + u] + dot, "{rows}x{inputs}x{units}");
                }
            }
        }
    }
}
