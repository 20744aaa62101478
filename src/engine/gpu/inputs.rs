//! What a batch is about: its paths on the host, and the weights that the device cannot draw by itself.

use std::ops::Range;

use rayon::prelude::*;

use super::commands::Extent;
use super::step::GridVertex;
use crate::engine::{Estimator, Method};
use crate::ensemble::Ensemble;
use crate::error::{Error, Result};
use crate::network::{AffineWeights, Architecture, Network, RandomNetwork, WeightLaw};
use crate::path::Path;
use crate::trace::check_dimension;

/// Networks and paths to count on.
#[derive(Clone, Copy)]
pub(super) enum Job<'a> {
    /// Draws of an ensemble.
    Ensemble(&'a Ensemble),
    /// One given network (draw 0) with given paths.
    Given(&'a Network, &'a [&'a Path]),
}

/// Where a network's weights come from.
pub(super) enum Weights<'a> {
    /// The device draws them.
    Device(&'a RandomNetwork),
    /// The host sends them.
    Host,
}

impl<'a> Job<'a> {
    pub(super) fn architecture(&self) -> &'a Architecture {
        match self {
            Self::Ensemble(ensemble) => ensemble.network.architecture(),
            Self::Given(network, _) => network.architecture(),
        }
    }

    /// Paths of each network.
    pub(super) fn paths_per_network(&self) -> usize {
        match self {
            Self::Ensemble(ensemble) => ensemble.paths_per_network as usize,
            Self::Given(_, paths) => paths.len(),
        }
    }

    pub(super) fn weights(&self) -> Weights<'a> {
        match self {
            // An orthogonal matrix is no function of a few of its elements.
            Self::Ensemble(ensemble) if ensemble.network.weights() != WeightLaw::Orthogonal => {
                Weights::Device(&ensemble.network)
            }
            _ => Weights::Host,
        }
    }

    /// The parameters of one layer of every draw, in the order of [`Parameters`](super::layer::Parameters).
    pub(super) fn layer_weights(&self, draws: &[u64], layer: usize) -> Vec<f32> {
        match self {
            Self::Ensemble(ensemble) => {
                let draw = |&draw: &u64| {
                    let mut weights = AffineWeights::default();
                    ensemble.network.draw_layer(draw, layer, &mut weights);
                    let AffineWeights { weight, bias, skips } = weights;
                    weight.into_iter().chain(bias).chain(skips.into_iter().flatten())
                };
                draws.par_iter().flat_map_iter(draw).collect()
            }
            Self::Given(network, _) => {
                let AffineWeights { weight, bias, skips } = &network.affine()[layer];
                weight.iter().chain(bias).chain(skips.iter().flatten()).map(|&w| w as f32).collect()
            }
        }
    }

    fn path(&self, draw: u64, path_ix: u64) -> Result<Path> {
        match self {
            Self::Ensemble(ensemble) => ensemble.path.draw(draw, path_ix, ensemble.paths_per_network),
            Self::Given(network, paths) => {
                let path = paths[path_ix as usize];
                check_dimension(network, path).map(|()| path.clone())
            }
        }
    }

    /// What distinguishes it from other jobs of other sizes.
    pub(super) fn name(&self, estimator: Estimator) -> String {
        let architecture = self.architecture();
        let what = match self {
            Self::Ensemble(ensemble) => {
                let Ensemble { network, path, paths_per_network } = ensemble;
                let (weights, bias, seed) = (network.weights(), network.bias(), network.seed());
                format!("{weights} {bias} {seed} {} {paths_per_network}", path.law())
            }
            Self::Given(_, paths) => format!("given {}", paths.len()),
        };
        // Layers with one activation after the other are named once.
        let mut activations: Vec<_> = architecture.layers().iter().map(|layer| layer.activation.kind()).collect();
        activations.dedup();
        format!("{architecture} {activations:?} {estimator:?} {what}")
    }

    /// The distance from the origin within which the first layer with weights crosses its breakpoints: the ratio of the root mean square of
    /// the breakpoint nearest to zero less the bias to that of the weights; 1 for pools alone.
    pub(super) fn crossing_scale(&self) -> f64 {
        let architecture = self.architecture();
        let Some(first) = architecture.layers().iter().position(|layer| layer.affine.n_weights() > 0) else {
            return 1.0;
        };
        let nearest_breakpoint = architecture.activation().nearest_breakpoint();
        let (bias, weight) = match self {
            Self::Ensemble(ensemble) => {
                let affine = architecture.affine_map(first);
                (ensemble.network.bias().std(affine).powi(2), ensemble.network.weights().variance(affine))
            }
            Self::Given(network, _) => {
                let mean_square = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
                (mean_square(&network.affine()[first].bias), mean_square(&network.affine()[first].weight))
            }
        };
        ((bias + nearest_breakpoint.powi(2)) / weight).sqrt()
    }

    /// How an error names a path.
    fn place(&self, draw: u64, path_ix: u64) -> String {
        match self {
            Self::Ensemble(_) => format!("architecture {}, draw {draw}", self.architecture()),
            Self::Given(..) => format!("path {path_ix}"),
        }
    }

    /// What is said of a path that leaves the range of f32.
    pub(super) fn beyond_f32(&self, draw: u64, path_ix: u64) -> Error {
        let place = self.place(draw, path_ix);
        Error::failed(format!(
            "{place}: a point of its path exceeds the range of f32: use --engine cpu --precision f64"
        ))
    }

    /// What is said of a layer whose values leave the range of f32.
    pub(super) fn overflow(&self, draw: u64, path_ix: u64, layer: usize) -> Error {
        let place = self.place(draw, path_ix);
        Error::failed(format!(
            "{place}, layer {}: a pre-activation exceeds the range of f32: try --engine cpu --precision f64, or smaller weights or \
             inputs",
            layer + 1
        ))
    }

    /// Draws the paths of a batch.
    ///
    /// # Errors
    /// A path that is too long or has the wrong dimension.
    pub(super) fn inputs(&self, draws: &[u64], path_ix: Range<u64>, method: Method) -> Result<Inputs> {
        let scale = self.crossing_scale();
        let per_network = (path_ix.end - path_ix.start) as usize;
        let path = |ix: usize| {
            let path = self.path(draws[ix / per_network], path_ix.start + (ix % per_network) as u64)?;
            let graded = path.graded(|| scale).into_owned();
            let in_range = |v: usize| graded.vertex(v).iter().all(|x| x.abs() < f64::from(f32::MAX));
            match (0..graded.n_vertices()).all(in_range) {
                true => Ok(graded),
                false => Err(self.beyond_f32(draws[ix / per_network], path_ix.start + (ix % per_network) as u64)),
            }
        };
        let paths = (0..draws.len() * per_network).into_par_iter().map(path).collect::<Result<Vec<Path>>>()?;
        let grid = match method {
            Method::Exact => None,
            Method::Sampled { grid } => Some(grid),
        };
        Ok(Inputs { draws: draws.to_vec(), paths, grid })
    }
}

/// The paths of a batch: all of its first network, then all of the next.
pub(super) struct Inputs {
    pub(super) draws: Vec<u64>,
    pub(super) paths: Vec<Path>,
    pub(super) grid: Option<usize>,
}

impl Inputs {
    pub(super) fn extent(&self) -> Extent {
        Extent { networks: self.draws.len(), paths: self.paths.len() }
    }

    /// The most vertices of a path.
    pub(super) fn most_vertices(&self) -> usize {
        self.paths.iter().map(Path::n_vertices).max().unwrap_or(1)
    }

    /// Vertices of every path.
    pub(super) fn n_vertices(&self) -> Vec<u32> {
        self.paths.iter().map(|p| p.n_vertices() as u32).collect()
    }

    /// The coordinates of all vertices, with room for `rows` vertices a path.
    pub(super) fn points(&self, rows: usize) -> Vec<f32> {
        let dim = self.paths.first().map_or(1, Path::dim);
        let mut points = vec![0.0; self.paths.len() * rows * dim];
        points.par_chunks_exact_mut(rows * dim).zip(&self.paths).for_each(|(points, path)| {
            for (v, point) in points.chunks_exact_mut(dim).take(path.n_vertices()).enumerate() {
                point.iter_mut().zip(path.vertex(v)).for_each(|(x, &coordinate)| *x = coordinate as f32);
            }
        });
        points
    }

    /// Where vertices are among the grid points, with room for `rows` vertices a path.
    pub(super) fn grid_vertices(&self, rows: usize) -> Vec<GridVertex> {
        let Some(grid) = self.grid else { return Vec::new() };
        let mut vertices = vec![GridVertex::default(); self.paths.len() * rows];
        for (vertices, path) in vertices.chunks_exact_mut(rows).zip(&self.paths) {
            let at = |v: usize| path.positions()[v] / path.length() * (grid - 1) as f64;
            for (v, vertex) in vertices.iter_mut().take(path.n_vertices() - 1).enumerate() {
                let whole = at(v).floor();
                *vertex = GridVertex {
                    whole: whole as u32,
                    part: (at(v) - whole) as f32,
                    length: (at(v + 1) - at(v)) as f32,
                };
            }
        }
        vertices
    }
}
