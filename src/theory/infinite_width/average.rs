//! The average over a law of paths.

use super::Law;
use super::edges::IsotropicEdges;
use crate::ensemble::Ensemble;
use crate::error::Result;
use crate::path::{EvenPaths, Path, PathLaw, StartLaw};

/// Numbers drawn to average over a path law.
const COORDINATES: u128 = 1 << 17;
const MAX_PATHS: u128 = 1 << 16;

/// Cost of a path by quadrature, as a multiple of that by closed form.
const QUADRATURE_COST: u128 = 16;

/// The infinite-width density of each layer's crossings, averaged over an ensemble's path law; `None` where it does not apply.
/// Its sum over layers is also that of boundaries and knots.
///
/// For dense layers and paths through normal points the average is an integral over what the rates depend on, the distance of a line to the
/// origin and the place on it, with a relative error below 1e-6. Otherwise it is over [fixed paths](EvenPaths::centred) of
/// the law, so that it does not depend on how many networks are drawn, with an error of about 0.1 % in two dimensions, up to 1 % for
/// activations without a closed form along lines, more where the paths reach much farther than the biases matter. Given paths are all taken.
///
/// # Errors
/// A path too long for a 64-bit number.
pub fn density(ensemble: &Ensemble) -> Result<Option<Vec<f64>>> {
    let (network, paths) = (&ensemble.network, &ensemble.path);
    let Some(law) = Law::of_network(network) else { return Ok(None) };
    if let (Law::Chain(law), Some(edges)) = (&law, IsotropicEdges::of_law(paths.law(), paths.dim())) {
        return Ok(law.mean_density(&edges));
    }
    let n = paths.n_given().unwrap_or_else(|| n_paths(&law, ensemble));
    let mut crossings = vec![0.0; network.architecture().depth()];
    let mut length = 0.0;
    let (mut even, mut path) = (EvenPaths::centred(paths), Path::at_origin(paths.dim()));
    for ix in 0..n {
        even.path(ix, n, &mut path)?;
        if !law.add_crossings(&path, &mut crossings) {
            return Ok(None);
        }
        length += path.length();
    }
    Ok((length > 0.0).then(|| crossings.iter().map(|c| c / length).collect()))
}

/// As many paths as a moment allows; one where all are alike.
fn n_paths(law: &Law, ensemble: &Ensemble) -> u64 {
    let paths = &ensemble.path;
    let (closed_form, is_closed) = match (law, paths.law()) {
        (Law::Chain(_), PathLaw::ThroughOrigin { .. } | PathLaw::Segment { start: StartLaw::Origin, .. }) => return 1,
        (Law::Chain(law), _) => {
            let depth = ensemble.network.architecture().depth().div_ceil(16) as u128;
            (paths.n_coordinates() * depth, law.is_homogeneous())
        }
        (Law::Spatial(law), _) => (paths.n_coordinates() + law.work() as u128 / 4, law.is_homogeneous()),
    };
    let cost = closed_form * if is_closed { 1 } else { QUADRATURE_COST };
    (COORDINATES / cost).clamp(1, MAX_PATHS) as u64
}
