//! One thread's work: a network in memory, and counting along one path after another.

use std::sync::atomic::AtomicBool;

use super::affine::LayerMap;
use super::exact::{self, Block};
use super::halt::{Halt, check};
use super::real::Real;
use super::sampled;
use crate::engine::{Method, PathCounts};
use crate::ensemble::Ensemble;
use crate::network::{Affine, AffineWeights, Architecture, Layer, Network, RandomNetwork};
use crate::path::Path;
use crate::trace::Crossing;

/// Rows of a block: enough to feed the matrix product, few enough to stay in the cache.
fn block_rows(architecture: &Architecture) -> usize {
    const ELEMENTS: usize = 1 << 17;
    let hidden = architecture.layers().iter().map(|layer| layer.affine.units());
    let widest = hidden.chain([architecture.input_dim()]).max().unwrap_or(1);
    // Convolutions go row by row, and their layers are wide.
    let least = if architecture.is_dense_chain() { 32 } else { 4 };
    (ELEMENTS / widest).clamp(least, 512)
}

/// Bytes that a thread takes.
pub(super) fn bytes<T: Real>(architecture: &Architecture) -> u128 {
    let (size, rows) = (size_of::<T>() as u128, block_rows(architecture) as u128 + 3);
    let of_layer = |(ix, layer): (usize, &Layer)| {
        let values = (layer.affine.units() + layer.outputs() + 2 * architecture.kept_len(ix + 1)) as u128 * rows * size;
        let pairs = if layer.activation.group_size() == 1 { 0 } else { layer.activation.n_switches() };
        // What is known of every row, of the stage and of what it puts out, with a bend, and the stage itself.
        let known = (2 * 24 + 16 + 24 + 8) * rows + (1 << 10);
        values
            + known
            + LayerMap::<T>::bytes(layer, rows)
            + exact::bytes_for_kinks(architecture, ix, rows)
            + (16 + 2 * size) * layer.affine.units() as u128
            + (16 + layer.groups() as u128) * pairs as u128
    };
    let layers: u128 = architecture.layers().iter().enumerate().map(of_layer).sum();
    let inputs = 2 * architecture.input_dim() as u128 * rows * size;
    // Layers are drawn one by one into 32-bit numbers, which become the weights where these have as many bits.
    let of_weights = |layer: &Layer| layer.maps().map(Affine::n_weights).sum::<u128>();
    let widest = architecture.layers().iter().map(of_weights).max().unwrap_or(0);
    let drawn = if size_of::<T>() == size_of::<f32>() { 0 } else { size_of::<f32>() as u128 * widest };
    architecture.n_hidden_parameters() * size + drawn + layers + inputs
}

/// One thread's memory, reused from network to network.
pub(super) struct Worker<T> {
    weights: Vec<AffineWeights<T>>,
    drawn: AffineWeights<f32>,
    /// The smallest magnitude of a breakpoint of the first layer.
    nearest_breakpoint: f64,
    pipeline: Pipeline<T>,
}

enum Pipeline<T> {
    Exact { input: Box<Block<T>>, pipeline: exact::Pipeline<T> },
    Sampled { grid: usize, points: Vec<T>, changed: Vec<bool>, stages: Vec<sampled::Stage<T>> },
}

impl<T: Real> Worker<T> {
    pub(super) fn new(architecture: &Architecture, method: Method) -> Self {
        let rows = block_rows(architecture);
        let layers = architecture.layers().iter().enumerate();
        let pipeline = match method {
            Method::Exact => Pipeline::Exact {
                input: Box::new(Block::new([architecture.input_dim(), 0], [0; 2], rows)),
                pipeline: exact::Pipeline::new(architecture, rows),
            },
            Method::Sampled { grid } => Pipeline::Sampled {
                grid,
                points: vec![T::default(); rows * architecture.input_dim()],
                changed: vec![false; rows],
                stages: layers.map(|(l, layer)| sampled::Stage::new(l, layer, rows)).collect(),
            },
        };
        let weights = vec![AffineWeights::default(); architecture.depth()];
        let nearest_breakpoint = architecture.activation().nearest_breakpoint();
        Self { weights, drawn: AffineWeights::default(), nearest_breakpoint, pipeline }
    }

    pub(super) fn draw(&mut self, ensemble: &Ensemble, draw: u64) {
        for (layer, weights) in self.weights.iter_mut().enumerate() {
            draw_layer(&ensemble.network, draw, layer, &mut self.drawn, weights);
        }
    }

    pub(super) fn load(&mut self, network: &Network) {
        let convert = |values: &[f64]| values.iter().map(|&v| T::from_f64(v)).collect();
        for (weights, given) in self.weights.iter_mut().zip(network.affine()) {
            let skips = given.skips.iter().map(|weight| convert(weight)).collect();
            *weights = AffineWeights { weight: convert(&given.weight), bias: convert(&given.bias), skips };
        }
    }

    pub(super) fn count(&mut self, path: &Path, log: bool, stop: &AtomicBool) -> Result<PathCounts, Halt> {
        match &mut self.pipeline {
            Pipeline::Exact { input, pipeline } => {
                pipeline.reset(log);
                let path = path.graded(|| crossing_scale(&self.weights, self.nearest_breakpoint));
                input.clear();
                for (vertex, &position) in path.positions().iter().enumerate() {
                    if input.is_full() {
                        pipeline.advance(&self.weights, input, stop)?;
                        input.clear();
                    }
                    input.push_point(path.vertex(vertex), position);
                }
                pipeline.advance(&self.weights, input, stop)?;
                pipeline.finish(&self.weights, stop)?;
                let (crossings, boundaries, knots) = pipeline.counts();
                Ok(PathCounts { length: path.length(), crossings, boundaries, knots: Some(knots) })
            }
            Pipeline::Sampled { grid, points, changed, stages } => {
                stages.iter_mut().for_each(sampled::Stage::reset);
                let mut boundaries = 0;
                if path.n_vertices() > 1 {
                    let mut cursor = GridPoints::new(path, *grid);
                    loop {
                        let rows = cursor.fill(points, changed.len());
                        if rows == 0 {
                            break;
                        }
                        check(stop)?;
                        let points = &points[..rows * path.dim()];
                        boundaries += sampled::advance(stages, &self.weights, points, &mut changed[..rows])?;
                    }
                }
                Ok(PathCounts {
                    length: path.length(),
                    crossings: stages.iter().map(sampled::Stage::flips).collect(),
                    boundaries,
                    knots: None,
                })
            }
        }
    }

    pub(super) fn take_log(&mut self) -> Vec<Crossing> {
        match &mut self.pipeline {
            Pipeline::Exact { pipeline, .. } => pipeline.take_log(),
            Pipeline::Sampled { .. } => Vec::new(),
        }
    }
}

/// Draws the weights of a layer; `drawn` keeps memory to draw into again.
pub(super) fn draw_layer<T: Real>(
    network: &RandomNetwork,
    draw: u64,
    layer: usize,
    drawn: &mut AffineWeights<f32>,
    weights: &mut AffineWeights<T>,
) {
    network.draw_layer(draw, layer, drawn);
    T::take(&mut drawn.weight, &mut weights.weight);
    T::take(&mut drawn.bias, &mut weights.bias);
    weights.skips.resize_with(drawn.skips.len(), Vec::new);
    for (drawn, weight) in drawn.skips.iter_mut().zip(&mut weights.skips) {
        T::take(drawn, weight);
    }
}

/// The distance from the origin within which the first layer with weights crosses its breakpoints: the ratio of the root mean square of the
/// breakpoint nearest to zero less the bias to that of the weights; 1 for pools alone.
fn crossing_scale<T: Real>(weights: &[AffineWeights<T>], nearest_breakpoint: f64) -> f64 {
    let Some(weights) = weights.iter().find(|weights| !weights.weight.is_empty()) else { return 1.0 };
    let mean_square = |values: &[T]| values.iter().map(|v| v.to_f64().powi(2)).sum::<f64>() / values.len() as f64;
    ((mean_square(&weights.bias) + nearest_breakpoint.powi(2)) / mean_square(&weights.weight)).sqrt()
}

/// Equally spaced points of a path, both ends included.
struct GridPoints<'a> {
    path: &'a Path,
    grid: usize,
    next: usize,
    edge: usize,
    point: Vec<f64>,
}

impl<'a> GridPoints<'a> {
    fn new(path: &'a Path, grid: usize) -> Self {
        Self { path, grid, next: 0, edge: 0, point: vec![0.0; path.dim()] }
    }

    /// Writes up to `rows` more points; returns how many there were.
    fn fill<T: Real>(&mut self, points: &mut [T], rows: usize) -> usize {
        let n = rows.min(self.grid - self.next);
        let last_edge = self.path.n_vertices() - 2;
        for row in points.chunks_exact_mut(self.path.dim()).take(n) {
            // A product before the quotient: grids that contain each other share their points to the bit.
            let position = self.path.length() * self.next as f64 / (self.grid - 1) as f64;
            while self.edge < last_edge && self.path.positions()[self.edge + 1] <= position {
                self.edge += 1;
            }
            self.path.point_on_edge(self.edge, position, &mut self.point);
            row.iter_mut().zip(&self.point).for_each(|(x, &p)| *x = T::from_f64(p));
            self.next += 1;
        }
        n
    }
}
