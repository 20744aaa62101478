//! The affine map of a block of rows: a safe face of the matrix-product crate. The crate's only `unsafe` code.

use super::real::Real;
use crate::network::AffineWeights;

/// Computes `z = h W + b` row by row: `h` is row-major (rows x inputs), `z` row-major (rows x units).
///
/// # Panics
/// If the lengths do not fit together.
pub(super) fn affine<T: Real>(h: &[T], weights: &AffineWeights<T>, z: &mut [T]) {
    let units = weights.bias.len();
    for row in z.chunks_exact_mut(units) {
        row.copy_from_slice(&weights.bias);
    }
    add(h, weights, z);
}

/// Computes `z = h W + b` for the first half of the rows and `z = h W` for the others, derivatives along which biases are constant.
pub(super) fn affine_and_linear<T: Real>(h: &[T], weights: &AffineWeights<T>, z: &mut [T]) {
    let (values, derivatives) = z.split_at_mut(z.len() / 2);
    values.chunks_exact_mut(weights.bias.len()).for_each(|row| row.copy_from_slice(&weights.bias));
    derivatives.fill(T::default());
    add(h, weights, z);
}

/// Adds `h W` to `z`.
#[allow(unsafe_code)]
fn add<T: Real>(h: &[T], weights: &AffineWeights<T>, z: &mut [T]) {
    let units = weights.bias.len();
    let (inputs, rows) = (weights.weight.len() / units, z.len() / units);
    assert_eq!(weights.weight.len(), inputs * units);
    assert_eq!(z.len(), rows * units);
    assert_eq!(h.len(), rows * inputs);
    if rows == 0 || inputs == 0 {
        return;
    }
    // SAFETY: the strides below stay inside the three slices, whose lengths are asserted above; `z` is borrowed mutably, so
    // it overlaps neither input.
    unsafe {
        gemm::gemm(
            units,
            rows,
            inputs,
            z.as_mut_ptr(),
            units as isize,
            1,
            true,
            weights.weight.as_ptr(),
            units as isize,
            1,
            h.as_ptr(),
            inputs as isize,
            1,
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
            let (h, bias) = (fill(rows * inputs, 1), fill(units, 2));
            let weights = AffineWeights { weight: fill(inputs * units, 3), bias };
            let mut z = vec![f32::NAN; rows * units];
            affine(&h, &weights, &mut z);
            for r in 0..rows {
                for u in 0..units {
                    let dot: f32 = (0..inputs).map(|i| h[r * inputs + i] * weights.weight[i * units + u]).sum();
                    assert_eq!(z[r * units + u], dot + weights.bias[u], "{rows}x{inputs}x{units}");
                }
            }
            let mut both = vec![f32::NAN; 2 * rows * units];
            affine_and_linear(&[h.as_slice(), &h].concat(), &weights, &mut both);
            let (values, derivatives) = both.split_at(rows * units);
            assert_eq!(values, z);
            let bias = weights.bias.iter().cycle();
            assert!(z.iter().zip(derivatives).zip(bias).all(|((z, linear), bias)| *z == linear + bias));
        }
    }
}
