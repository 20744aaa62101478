//! Bounds on the maximal number of regions, in exact integers.

pub mod arrangement;
pub mod conv;
pub mod dense;
pub mod piecewise;
mod sums;

use std::fmt;

use num_bigint::BigUint;

/// Why a bound says nothing about a network: the hypothesis that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inapplicable(pub String);

impl fmt::Display for Inapplicable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A bound, where its hypotheses hold.
pub type Bound = Result<BigUint, Inapplicable>;
