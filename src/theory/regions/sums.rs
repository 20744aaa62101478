//! Sums of binomial coefficients and truncated products of polynomials, in exact integers.

use num_bigint::BigUint;
use num_traits::{One, Zero};

/// C(n, 0), C(n, 1), ..., C(n, n).
pub(super) fn binomials(n: usize) -> impl Iterator<Item = BigUint> {
    let mut next = BigUint::one();
    (0..=n).map(move |k| {
        let following = &next * (n - k) / (k + 1);
        std::mem::replace(&mut next, following)
    })
}

/// The sum of C(n, j) over j up to `d`.
pub(super) fn binomial_sum(n: usize, d: usize) -> BigUint {
    binomials(n).take(d.saturating_add(1)).sum()
}

/// A polynomial with coefficients of rising degree, known up to a degree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Polynomial {
    coefficients: Vec<BigUint>,
}

impl Polynomial {
    /// (1 + a t)^n up to degree `d`.
    pub(super) fn power(a: usize, n: usize, d: usize) -> Self {
        let mut scale = BigUint::one();
        let coefficients = binomials(n).take(d.saturating_add(1)).map(|binomial| {
            let coefficient = binomial * &scale;
            scale *= a;
            coefficient
        });
        Self { coefficients: coefficients.collect() }
    }

    /// The product up to degree `d`.
    pub(super) fn times(&self, other: &Self, d: usize) -> Self {
        let degree = (self.coefficients.len() + other.coefficients.len() - 2).min(d);
        let mut coefficients = vec![BigUint::zero(); degree + 1];
        for (i, a) in self.coefficients.iter().enumerate().take(degree + 1) {
            for (j, b) in other.coefficients.iter().enumerate().take(degree + 1 - i) {
                coefficients[i + j] += a * b;
            }
        }
        Self { coefficients }
    }

    /// The `n`-th power up to degree `d`, by squaring.
    pub(super) fn to_the(&self, mut n: usize, d: usize) -> Self {
        let mut result = Self { coefficients: vec![BigUint::one()] };
        let mut square = self.clone();
        while n > 0 {
            if n % 2 == 1 {
                result = result.times(&square, d);
            }
            n /= 2;
            if n > 0 {
                square = square.times(&square, d);
            }
        }
        result
    }

    /// The sum of the coefficients up to degree `d`.
    pub(super) fn sum(&self, d: usize) -> BigUint {
        self.coefficients.iter().take(d.saturating_add(1)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(n: u64) -> BigUint {
        BigUint::from(n)
    }

    #[test]
    fn binomials_are_pascals() {
        assert_eq!(binomials(0).collect::<Vec<_>>(), [big(1)]);
        assert_eq!(binomials(6).collect::<Vec<_>>(), [1, 6, 15, 20, 15, 6, 1].map(big));
        for n in 0..40 {
            assert_eq!(binomials(n).sum::<BigUint>(), big(1) << n);
            assert_eq!(binomial_sum(n, usize::MAX), big(1) << n);
        }
        assert_eq!(binomial_sum(5, 2), big(16));
    }

    #[test]
    fn powers_equal_repeated_products() {
        let unit = Polynomial::power(3, 1, 9);
        let mut product = Polynomial::power(3, 0, 9);
        for n in 0..12 {
            assert_eq!(unit.to_the(n, 9), product, "{n}");
            assert_eq!(Polynomial::power(3, n, 9), product, "{n}");
            product = product.times(&unit, 9);
        }
        assert_eq!(Polynomial::power(2, 5, 5).sum(5), big(243));
        assert_eq!(Polynomial::power(2, 5, 5).sum(1), big(11));
    }
}
