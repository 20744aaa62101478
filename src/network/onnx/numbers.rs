//! One number for every coordinate, kept once for neighbours that share it.

use super::check_size;
use crate::error::Result;

/// Every value stands for so many coordinates in a row: what has one number per channel takes no more memory for large images.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Numbers {
    values: Vec<f64>,
    repeat: usize,
}

impl Numbers {
    /// Values of which each is that of `repeat` coordinates in a row.
    pub(super) fn repeated(values: Vec<f64>, repeat: usize) -> Self {
        Self { values, repeat }
    }

    /// Whether all coordinates of every block of so many have one number.
    pub(super) fn is_per(&self, block: usize) -> bool {
        self.repeat.is_multiple_of(block)
    }

    /// One number for every block of so many coordinates, for which [`Numbers::is_per`] holds.
    pub(super) fn per(&self, block: usize) -> Result<Vec<f64>> {
        let times = self.repeat / block;
        check_size(self.values.len() as u128 * times as u128)?;
        Ok(self.values.iter().flat_map(|&value| std::iter::repeat_n(value, times)).collect())
    }

    /// An operation with numbers for the same coordinates.
    pub(super) fn with(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Result<Self> {
        let repeat = greatest_common_divisor(self.repeat, other.repeat);
        let values = self.per(repeat)?.into_iter().zip(other.per(repeat)?).map(|(a, b)| f(a, b)).collect();
        Ok(Self { values, repeat })
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_meet_on_common_blocks() {
        let (a, b) = (Numbers::repeated(vec![1.0, 2.0], 6), Numbers::repeated(vec![10.0, 20.0, 30.0], 4));
        let sum = a.with(&b, |a, b| a + b).unwrap();
        assert_eq!(sum, Numbers::repeated(vec![11.0, 11.0, 21.0, 22.0, 32.0, 32.0], 2));
        assert!(a.is_per(3) && !a.is_per(4) && sum.is_per(1));
        assert_eq!(a.per(3).unwrap(), [1.0, 1.0, 2.0, 2.0]);
        let huge = Numbers::repeated(vec![1.0], 1 << 40);
        assert!(huge.per(1).unwrap_err().to_string().contains("2^34"));
    }
}
