//! Floating-point numbers as whole numbers times a power of two, so that signs can be computed exactly.

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

/// Mantissa and exponent of a finite number: it is `mantissa * 2^exponent`, and the mantissa is odd or zero.
fn decode(x: f64) -> (i64, i32) {
    let bits = x.to_bits();
    let (exponent, fraction) = (((bits >> 52) & 0x7ff) as i32, (bits & ((1 << 52) - 1)) as i64);
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    if mantissa == 0 {
        return (0, 0);
    }
    let zeros = mantissa.trailing_zeros();
    let signed = if x < 0.0 { -mantissa } else { mantissa };
    (signed >> zeros, exponent.max(1) - 1075 + zeros as i32)
}

/// Binary digits after the point that all of these need.
pub(super) fn fraction_bits(values: impl IntoIterator<Item = f64>) -> u64 {
    let bits = |x| u64::try_from(-decode(x).1).unwrap_or(0);
    values.into_iter().map(bits).max().unwrap_or(0)
}

/// `x * 2^bits`, a whole number where `bits` are enough digits for `x`.
pub(super) fn scaled(x: f64, bits: u64) -> BigInt {
    let (mantissa, exponent) = decode(x);
    BigInt::from(mantissa) << (i64::from(exponent) + bits as i64).max(0) as u64
}

/// The numbers times one power of two that makes them whole.
pub(super) fn integers<const N: usize>(values: [f64; N]) -> [BigInt; N] {
    let bits = fraction_bits(values);
    values.map(|x| scaled(x, bits))
}

/// The line through two points, or the point on two lines, in homogeneous coordinates.
pub(super) fn cross(a: &[BigInt; 3], b: &[BigInt; 3]) -> [BigInt; 3] {
    let minor = |i: usize, j: usize| &a[i] * &b[j] - &a[j] * &b[i];
    [minor(1, 2), minor(2, 0), minor(0, 1)]
}

/// `n / d` for `d > 0` within one unit in the last place.
pub(super) fn ratio(n: &BigInt, d: &BigInt) -> f64 {
    if n.is_zero() {
        return 0.0;
    }
    // So that the quotient has at least 64 binary digits.
    let shift = 65 + d.bits() as i64 - n.bits() as i64;
    let magnitude = n.abs();
    let quotient = if shift >= 0 { (magnitude << shift as u64) / d } else { magnitude / (d << shift.unsigned_abs()) };
    let value = libm::scalbn(quotient.to_f64().unwrap_or(f64::INFINITY), i32::try_from(-shift).unwrap_or(0));
    if n.is_negative() { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_multiples_of_a_power_of_two() {
        for x in [0.0, -0.0, 1.0, -3.25, 0.1, 5e-324, -1e-310, f64::MAX, f64::MIN_POSITIVE] {
            let bits = fraction_bits([x]);
            let whole = scaled(x, bits + 3);
            assert_eq!(ratio(&whole, &(BigInt::from(1) << (bits + 3))), x, "{x}");
        }
        assert_eq!(integers([0.5, -3.0, 0.75]), [2, -12, 3].map(BigInt::from));
    }

    #[test]
    fn ratios_are_accurate() {
        for (n, d) in [(1i64, 3i64), (-7, 11), (i64::MAX, 3), (1, i64::MAX), (0, 5)] {
            let value = ratio(&BigInt::from(n), &BigInt::from(d));
            assert!((value - n as f64 / d as f64).abs() <= 2e-16 * value.abs(), "{n} / {d}");
        }
    }
}
