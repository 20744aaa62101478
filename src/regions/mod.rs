//! Exact numbers of regions of one given network.
//!
//! An **activation region** is a set of inputs with one activation pattern that has an interior; a **linear region** is a connected
//! component of the interior of a set on which the network's output is one affine function. Activation regions that meet in a facet
//! at which the output does not change belong to one linear region. Sets without interior do not count: a unit that stays on its
//! breakpoint is on the lower piece, a hyperplane that only touches a polytope does not cut it.
//!
//! [`tree`] counts on any number of inputs. Decisions are made in f64 and certified: a point shows that a region is there by
//! evaluating every constraint with a bound on the rounding error, a combination of constraints shows that none is. What
//! cannot be certified is decided in whole numbers of any size, which the weights are up to powers of two.
//!
//! [`plane`] has the regions of a two-dimensional slice with their shapes.
//!
//! [`milp`] counts small networks by another formulation, as a check, and [`xor`] finds a probable lower bound where there are too many
//! regions to count.
//!
//! That the output does not change at a facet is an equation between weights; it is decided in the same way, so that it holds exactly, or not.

mod centre;
mod domain;
mod exact;
mod frame;
mod layer;
mod lp;
pub mod milp;
mod model;
mod panel;
pub mod plane;
mod quadratic;
pub mod tree;
mod units;
mod vector;
pub mod xor;

pub use domain::Domain;

/// How regions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// Depth first over the units, see [`tree`].
    Tree,
    /// Patterns of a mixed-integer program, see [`milp`].
    Milp,
    /// A lower bound by random parity constraints, see [`xor`].
    Xor,
    /// The subdivision of the plane of two inputs, see [`plane`].
    Plane,
}

impl Method {
    /// The name of the method on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Milp => "milp",
            Self::Xor => "xor",
            Self::Plane => "plane",
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// How.
    pub method: Method,
    /// Activation regions; a lower bound unless `is_complete`.
    pub activation_regions: u64,
    /// Linear regions, where they were counted.
    pub linear_regions: Option<u64>,
    /// Whether these are all.
    pub is_complete: bool,
    /// The probability with which a lower bound holds, where that is not certain.
    pub confidence: Option<f64>,
    /// What it took.
    pub work: Work,
}

impl Count {
    /// What is found when nothing was counted.
    fn nothing(method: Method) -> Self {
        Self {
            method,
            activation_regions: 0,
            linear_regions: None,
            is_complete: false,
            confidence: None,
            work: Work::default(),
        }
    }
}

/// The work of a count. It may differ between machines with different vector instructions; counts do not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Linear programs.
    pub programs: u64,
    /// Pivots in them.
    pub pivots: u64,
    /// Decisions that could not be certified in f64: linear programs in whole numbers.
    pub close_calls: u64,
}

impl Work {
    fn add(&mut self, other: &Self) {
        self.programs += other.programs;
        self.pivots += other.pivots;
        self.close_calls += other.close_calls;
    }
}
