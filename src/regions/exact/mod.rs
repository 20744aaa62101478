//! Exact arithmetic for the close calls: whole numbers of any size, without denominators.
//!
//! Weights, biases, breakpoints and ends of boxes are 64-bit floating-point numbers, that is whole numbers over a power of two. So
//! are all affine maps made of them, and their signs do not change when the power is dropped.

mod inverse;
mod map;
mod program;

use num_bigint::BigInt;
use num_traits::{Float, Zero};

pub(super) use map::{ExactMap, ExactModel};
pub(super) use program::{Basis, ExactRow, has_interior};

/// Whole numbers `n` with `value = n / 2^exponent`, one exponent for all.
fn whole_numbers(values: &[f64]) -> (Vec<BigInt>, usize) {
    let parts: Vec<(u64, i16, i8)> = values
        .iter()
        .map(|v| {
            let (mantissa, exponent, sign) = v.integer_decode();
            let zeros = if mantissa == 0 { 0 } else { mantissa.trailing_zeros() };
            (mantissa >> zeros, exponent + zeros as i16, sign)
        })
        .collect();
    let lowest = parts.iter().filter(|p| p.0 != 0).map(|p| p.1).min().unwrap_or(0).min(0);
    let whole = |&(mantissa, exponent, sign): &(u64, i16, i8)| match mantissa {
        0 => BigInt::zero(),
        _ => BigInt::from(i128::from(mantissa) * i128::from(sign)) << (exponent - lowest) as usize,
    };
    (parts.iter().map(whole).collect(), usize::from(lowest.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floating_point_numbers_become_whole() {
        let (whole, exponent) = whole_numbers(&[0.5, -3.0, 0.0, 1024.0, 0.375]);
        assert_eq!(exponent, 3);
        assert_eq!(whole, [4, -24, 0, 8192, 3].map(BigInt::from));
        let (whole, exponent) = whole_numbers(&[f64::from_bits(1), 1.0]);
        assert_eq!((exponent, whole[0].clone(), whole[1].bits()), (1074, BigInt::from(1), 1075));
        assert_eq!(whole_numbers(&[0.0]), (vec![BigInt::zero()], 0));
    }
}
