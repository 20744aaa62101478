//! The seam between what is computed and what computes it.

pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
mod knots;

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use crate::ensemble::Ensemble;
use crate::error::Result;
use crate::network::Network;
use crate::path::Path;
use crate::trace::Trace;

/// How crossings are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// Every crossing is located.
    Exact,
    /// The activation pattern is compared between equally spaced grid points: a lower bound.
    Sampled {
        /// Grid points per path, both ends included.
        grid: usize,
    },
}

/// How an ensemble's density is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Estimator {
    /// From counts.
    Count(Method),
    /// From expected crossings, see [`rice`](crate::rice).
    Rice {
        /// Points per path at which rates are evaluated.
        points: usize,
    },
    /// From expected crossings at one point on the one path of every network, given features that are drawn in place of weights, see
    /// [`rice`](crate::rice).
    RiceFeatures,
}

impl Estimator {
    /// Whether crossings are expected and not counted.
    pub fn is_rice(self) -> bool {
        self.points().is_some()
    }

    /// Points per path at which rates are evaluated; `None` where crossings are counted.
    pub fn points(self) -> Option<usize> {
        match self {
            Self::Count(_) => None,
            Self::Rice { points } => Some(points),
            Self::RiceFeatures => Some(1),
        }
    }

    /// What 1 in the numbers of [`PathCounts`] stands for: 1 where crossings are counted; a power of two below 1e-9 of a
    /// typical length where they are expected ones, so that sums of these are exact, too.
    pub fn unit(self, ensemble: &Ensemble) -> f64 {
        match self {
            Self::Count(_) => 1.0,
            Self::Rice { .. } | Self::RiceFeatures => {
                (ensemble.path.typical_length().clamp(1e-200, 1.0).log2().ceil() - 30.0).exp2()
            }
        }
    }
}

/// The floating-point type an engine computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// The counts of one path of one network, in units of [`Estimator::unit`].
#[derive(Clone, Debug, PartialEq)]
pub struct PathCounts {
    /// Arc length of the path.
    pub length: f64,
    /// Crossings of each hidden layer. Sampled: units that changed piece between neighbouring grid points (flips), of sorted
    /// groups pairs that changed order. Rice: expected crossings.
    pub crossings: Vec<u64>,
    /// Points at which the pattern changes. Sampled: intervals between grid points in which it changed. Rice: the expected
    /// crossings of all layers, which are at different points with probability 1.
    pub boundaries: u64,
    /// Boundaries at which the output changes slope; `None` where the method cannot tell.
    pub knots: Option<u64>,
}

/// What computed a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// `cpu`, for example.
    pub engine: String,
    /// The device.
    pub adapter: String,
    /// The device's driver, where it has one.
    pub driver: String,
    /// The type of floating-point numbers.
    pub precision: Precision,
}

/// Something that counts: the CPU, a GPU, or a test's script.
pub trait Engine: Send + Sync {
    /// What to write beside its results.
    fn provenance(&self) -> Provenance;

    /// The bytes of the host's memory that an estimate needs at its peak, besides what it returns.
    ///
    /// # Errors
    /// What the engine cannot do at all, with the size that is too large.
    fn memory_needed(&self, ensemble: &Ensemble, estimator: Estimator) -> Result<u128>;

    /// Networks that it takes at least to keep it busy.
    fn networks_at_once(&self) -> u64;

    /// Counts draws `networks` of an ensemble: all paths of the first network, then all of the next. Once `stop` is set, it
    /// returns soon with fewer networks, complete ones from the first on.
    ///
    /// # Errors
    /// Names the draw and layer at which a computation failed.
    fn count(
        &self,
        ensemble: &Ensemble,
        method: Method,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>>;

    /// The expected crossings of draws `networks` of an ensemble that [`rice::check`](crate::rice::check) admits, from rates at so many
    /// `points` on every path; otherwise like [`Engine::count`].
    ///
    /// # Errors
    /// Names the draw and layer at which a computation failed.
    fn expect(
        &self,
        ensemble: &Ensemble,
        points: usize,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>>;

    /// The expected crossings of draws `networks`, of which each has one path, given drawn features, of an ensemble that
    /// [`rice::check_features`](crate::rice::check_features) admits; otherwise like [`Engine::count`].
    ///
    /// # Errors
    /// Names the draw and layer at which a computation failed. An engine may refuse, as [`Engine::memory_needed`] does then.
    fn expect_from_features(
        &self,
        ensemble: &Ensemble,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>>;

    /// What an estimator needs to know of draws `networks`: [`Engine::count`], [`Engine::expect`] or [`Engine::expect_from_features`].
    ///
    /// # Errors
    /// Names the draw and layer at which a computation failed.
    fn observe(
        &self,
        ensemble: &Ensemble,
        estimator: Estimator,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        match estimator {
            Estimator::Count(method) => self.count(ensemble, method, networks, stop),
            Estimator::Rice { points } => self.expect(ensemble, points, networks, stop),
            Estimator::RiceFeatures => self.expect_from_features(ensemble, networks, stop),
        }
    }

    /// Counts on one given network. Knots are left open: zero weights and cancellations can hide a kink, see
    /// [`Engine::trace`].
    ///
    /// # Errors
    /// Names the path and layer at which a computation failed.
    fn count_given(&self, network: &Network, paths: &[&Path], method: Method) -> Result<Vec<PathCounts>>;

    /// Locates every crossing of one given network along given paths; along fewer, from the first on, once `stop` is set.
    ///
    /// # Errors
    /// Names the path and layer at which a computation failed.
    fn trace(&self, network: &Network, paths: &[&Path], stop: &AtomicBool) -> Result<Vec<Trace>>;
}
