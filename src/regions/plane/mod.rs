//! The exact subdivision of a window of a plane into the activation regions and linear regions of one network.
//!
//! The plane is any two-dimensional affine plane of the input space ([`Plane`]), the window a convex polygon in it
//! ([`Window`]). Its cells are cut layer by layer: on every cell all pre-activations of the next layer are affine, so that a
//! unit that passes a breakpoint inside, or a pair of a sorted group's rows that changes order, cuts it along a straight line; a maxout unit
//! cuts it into a convex part for every row that is largest somewhere. What remains after the last layer are convex polygons,
//! the activation regions ([`Subdivision`]).
//!
//! # Certainty
//!
//! Weights, breakpoints, plane and window are 64-bit floating-point numbers and as such exact rationals, so the subdivision
//! is a definite combinatorial object. Every decision is a sign: of a pre-activation less a breakpoint at a vertex. It is
//! computed in f64 with a bound on its rounding error, and where the bound does not settle it, in whole numbers of any size
//! (such a *close call* is counted). Hence lines that coincide, three lines through one point, a breakpoint that is touched
//! but not passed, and layers that are dead come out as they are; there is no tolerance.
//! Vertices are rounded to f64: by construction within 1e-6 of the window's size, in practice within a few units in its last place.
//! So are areas and gradients.
//!
//! # Example
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use linregions::network::{Activation, AffineWeights, Architecture, Network};
//! use linregions::regions::plane::{Plane, Subdivision, Window};
//!
//! # fn main() -> linregions::Result<()> {
//! // |u| + |v| by four units.
//! let shape = Architecture::dense(2, &[4], Activation::relu(), 1)?;
//! let hidden = AffineWeights::new(vec![1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0], vec![0.0; 4]);
//! let readout = AffineWeights::new(vec![1.0; 4], vec![0.0]);
//! let network = Network::new(shape, vec![hidden, readout])?;
//! let window = Window::rectangle([-1.0, 1.0], [-1.0, 1.0])?;
//! let regions = Subdivision::new(&network, &Plane::of_inputs(), &window, &AtomicBool::new(false))?;
//! assert_eq!((regions.n_activation_regions(), regions.n_linear_regions()), (4, 4));
//! assert_eq!(regions.cell(0).area(), 1.0);
//! # Ok(())
//! # }
//! ```

mod affine_plane;
mod colouring;
mod complex;
mod cut;
mod exact;
mod filter;
mod forms;
mod knots;
mod measure;
mod merge;
mod pattern;
mod subdivision;
mod terms;
mod whole;

pub use affine_plane::{Plane, Window};
pub use complex::{Edge, Source};
pub use measure::{AreaSummary, LayerEdges};
pub use subdivision::{Cell, Subdivision};

use std::sync::atomic::AtomicBool;

use super::{Count, Domain, Method, Work};
use crate::error::{Error, Result};
use crate::network::Network;

/// Counts the regions of a network of two inputs in a box.
///
/// # Errors
/// Another number of inputs, all of R^2, regions that there is no memory for, and a set `stop`.
pub fn count(network: &Network, domain: &Domain, stop: &AtomicBool) -> Result<Count> {
    let dim = network.architecture().input_dim();
    if dim != 2 {
        return Err(Error::usage(format!(
            "--method plane is about 2 inputs, the network has {dim}: use --method tree"
        )));
    }
    let Domain::Box { lower, upper } = domain else {
        return Err(Error::usage("--method plane needs a box: give --box or use --method tree"));
    };
    let window = Window::rectangle([lower[0], upper[0]], [lower[1], upper[1]])?;
    let regions = Subdivision::new(network, &Plane::of_inputs(), &window, stop)?;
    Ok(Count {
        method: Method::Plane,
        activation_regions: regions.n_activation_regions() as u64,
        linear_regions: Some(regions.n_linear_regions() as u64),
        is_complete: true,
        confidence: None,
        work: Work { close_calls: regions.close_calls(), ..Work::default() },
    })
}
