//! What an estimate costs, in nanoseconds of one core of a recent processor.

use super::Plan;
use crate::engine::{Estimator, Method};
use crate::ensemble::Ensemble;
use crate::rice::RateLaw;

/// Drawing a weight, and a random coordinate of a path.
const WEIGHT: f64 = 1.1;
const COORDINATE: f64 = 6.0;

/// A multiply-add in a matrix product.
const MULTIPLY_ADD: f64 = 0.022;

/// One activation in a loop over units, and one row of one layer.
const ACTIVATION: f64 = 0.4;
const ROW: f64 = 40.0;

/// A network, a path or a point, however small.
const NETWORK: f64 = 1000.0;
const PATH: f64 = 60.0;
const POINT: f64 = 80.0;

/// One coordinate of a vertex, and the vertex.
const VERTEX_COORDINATE: f64 = 3.0;
const VERTEX: f64 = 60.0;

/// About how many seconds a plan takes on so many threads of a recent processor; `None` where it ends by its error.
pub fn expected_seconds(plan: &Plan, threads: u64) -> Option<f64> {
    let costs = Costs::guess(&plan.ensemble, plan.estimator);
    // What is left open costs about as much for paths as for the network.
    let paths = plan.ensemble.paths_per_network as f64 * costs.path(plan.estimator);
    let network = costs.network + if plan.open.paths { paths.max(costs.network) } else { paths };
    plan.target_error.is_none().then(|| 1e-9 * plan.networks as f64 * network / threads as f64)
}

/// Costs of the parts of an estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Costs {
    /// A network without its paths.
    pub(super) network: f64,
    /// A path without its points; with them where there are none to choose.
    pub(super) per_path: f64,
    /// A point.
    pub(super) per_point: f64,
}

impl Costs {
    /// Costs as far as they are known before anything is counted.
    pub(super) fn guess(ensemble: &Ensemble, estimator: Estimator) -> Self {
        let layers = ensemble.network.architecture().layers();
        let guess: Vec<f64> = layers.iter().map(|layer| 0.2 * layer.affine.units() as f64).collect();
        Self::of(ensemble, estimator, &guess)
    }

    /// Cost of a path with its points.
    pub(super) fn path(&self, estimator: Estimator) -> f64 {
        match estimator {
            Estimator::Rice { points } => self.per_path + points as f64 * self.per_point,
            Estimator::Count(_) | Estimator::RiceFeatures => self.per_path,
        }
    }

    /// Costs with so many crossings of every layer on a path.
    pub(super) fn of(ensemble: &Ensemble, estimator: Estimator, crossings: &[f64]) -> Self {
        let architecture = ensemble.network.architecture();
        let n_drawn = match estimator.is_rice() {
            true => RateLaw::n_drawn(&RateLaw::of_network(&ensemble.network)),
            false => architecture.depth(),
        };
        // A row of every layer: its product, its activations.
        let row = |layer: usize, is_drawn: bool| {
            let affine = architecture.layers()[layer].affine;
            let product = if is_drawn { affine.n_products() as f64 * MULTIPLY_ADD } else { 0.0 };
            product + affine.units().max(affine.inputs()) as f64 * ACTIVATION + ROW
        };
        let weights: f64 = (0..n_drawn).map(|l| architecture.affine_map(l).n_weights() as f64).sum();
        let network = NETWORK + weights * WEIGHT;
        let path = PATH
            + ensemble.path.n_words() as f64 * COORDINATE
            + ensemble.path.n_vertices() as f64 * (VERTEX + ensemble.path.dim() as f64 * VERTEX_COORDINATE);
        match estimator {
            Estimator::Rice { .. } => {
                let rows: f64 = (0..architecture.depth()).map(|l| 2.0 * row(l, l < n_drawn)).sum();
                Self { network, per_path: path, per_point: POINT + rows }
            }
            Estimator::RiceFeatures => {
                let normals: usize = (0..n_drawn).map(|l| 2 * architecture.affine_map(l).units()).sum();
                let rows: f64 = (0..architecture.depth()).map(|l| 2.0 * row(l, false)).sum();
                Self { network: NETWORK, per_path: path + POINT + normals as f64 * WEIGHT + rows, per_point: 0.0 }
            }
            Estimator::Count(method) => {
                let mut rows = match method {
                    Method::Exact => 2.0,
                    Method::Sampled { grid } => grid as f64,
                };
                let mut per_path = path;
                for (layer, crossings) in crossings.iter().enumerate() {
                    per_path += rows * row(layer, true);
                    rows += if method == Method::Exact { *crossings } else { 0.0 };
                }
                Self { network, per_path, per_point: 0.0 }
            }
        }
    }
}
