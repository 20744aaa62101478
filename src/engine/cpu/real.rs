//! The floating-point types the CPU engine computes in.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Sub};

use pulp::{Simd, WithSimd};

/// `f32` or `f64`.
pub(super) trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + MulAssign
    + 'static
{
    const ONE: Self;

    fn from_f64(value: f64) -> Self;
    fn to_f64(self) -> f64;
    /// Moves drawn values over; `drawn` keeps memory to draw into again.
    fn take(drawn: &mut Vec<f32>, values: &mut Vec<Self>);
    /// Whether no value is NaN or larger than a quarter of what the type holds, so that differences are finite; in a form that
    /// compiles to vector instructions.
    fn all_finite(values: &[Self]) -> bool;
}

/// [`Real::all_finite`], compiled to vector instructions.
pub(super) struct AllFinite<'a, T>(pub &'a [T]);

impl<T: Real> WithSimd for AllFinite<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        T::all_finite(self.0)
    }
}

impl Real for f32 {
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value as Self
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn take(drawn: &mut Vec<f32>, values: &mut Vec<Self>) {
        std::mem::swap(drawn, values);
    }

    #[inline(always)]
    fn all_finite(values: &[Self]) -> bool {
        values.iter().fold(0, |largest: u32, v| largest.max(v.to_bits() & 0x7FFF_FFFF)) < (0.25 * Self::MAX).to_bits()
    }
}

impl Real for f64 {
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn take(drawn: &mut Vec<f32>, values: &mut Vec<Self>) {
        values.clear();
        values.extend(drawn.iter().map(|&v| Self::from(v)));
    }

    #[inline(always)]
    fn all_finite(values: &[Self]) -> bool {
        values.iter().fold(0, |largest: u64, v| largest.max(v.to_bits() & (u64::MAX >> 1)))
            < (0.25 * Self::MAX).to_bits()
    }
}
