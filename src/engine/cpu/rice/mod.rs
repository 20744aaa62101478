//! The Rice estimator: values and derivatives along the path are two rows of the same matrix products.

pub(super) mod features;
mod inputs;
mod pool;
mod slopes;
mod sources;

use std::sync::atomic::AtomicBool;

use self::inputs::{FromInputs, Processes, at_point};
use self::pool::Pool;
use self::sources::Sources;
use super::activate::Activate;
use super::affine::{LayerMap, Rows};
use super::drawn::{Drawn, RandomLayer};
use super::halt::{Halt, check};
use super::real::{AllFinite, Real};
use crate::engine::{Estimator, PathCounts};
use crate::ensemble::Ensemble;
use crate::error::Error;
use crate::network::{self, Architecture, BiasDensity, RandomNetwork};
use crate::rice::{PointSampler, Points, RateLaw};
use crate::theory::rice::Switches;

/// Paths with so many points each whose values and derivatives make a block. Weights are drawn again for every block, so there are few.
fn block_paths(architecture: &Architecture, per_path: usize) -> usize {
    const ELEMENTS: usize = 1 << 20;
    let hidden = architecture.layers().iter().map(|layer| layer.affine.units());
    let widest = hidden.chain([architecture.input_dim()]).max().unwrap_or(1);
    // A weight of a convolution is used so often that drawing it does not count.
    let least = if architecture.is_dense_chain() { 64 } else { 4 };
    let rows = (ELEMENTS / widest).clamp(least, 1024);
    (rows / 2 / per_path).max(1)
}

/// Bytes that a thread takes.
pub(super) fn bytes<T: Real>(network: &RandomNetwork, per_path: usize) -> u128 {
    let (architecture, size) = (network.architecture(), size_of::<T>() as u128);
    let points = block_paths(architecture, per_path) as u128 * per_path as u128;
    let hidden = architecture.layers().iter().map(|layer| layer.affine.units().max(layer.outputs()));
    let widest = hidden.chain([architecture.input_dim()]).max().unwrap_or(1) as u128;
    // The inputs and pre-activations of a layer, its inputs once more, and what is kept for later ones.
    let kept = (0..=architecture.depth()).map(|layer| architecture.kept(layer).len()).max().unwrap_or(0) as u128;
    let values = 2 * size * (3 + kept) * widest + 8 * 2 * architecture.input_dim() as u128;
    let layers = architecture.layers();
    let of_layers: u128 = layers.iter().map(|layer| LayerMap::<T>::bytes(layer, 0) + Processes::bytes(layer)).sum();
    let of_pools: u128 = layers.windows(2).filter_map(|pair| Some(Pool::bytes(pair[1].max_pool()?, &pair[0]))).sum();
    let drawn = layers.iter().map(|layer| Drawn::<T>::bytes(layer, network.weights())).max().unwrap_or(0);
    // A vector grows to twice what it needs.
    2 * points * (values + 8 * (architecture.depth() as u128 + 2)) + of_layers + of_pools + drawn
}

/// Why a network has no result.
pub(super) enum Failure {
    Halt(Halt),
    Error(Error),
}

impl From<Halt> for Failure {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

/// One thread's memory, reused from network to network.
pub(super) struct Worker<'a, T> {
    ensemble: &'a Ensemble,
    unit: f64,
    sampler: PointSampler<'a>,
    points: Points,
    paths_per_block: u64,
    layers: Vec<Layer<T>>,
    /// Layers whose weights are needed, the first so many.
    n_drawn: usize,
    drawn: Drawn<T>,
    sources: Sources<T>,
    /// The pre-activations of a layer.
    z: Vec<T>,
    /// Of every layer at every point.
    rates: Vec<f64>,
    /// Of crossings of max-pools at boundaries of other layers, at every point; empty without max-pools.
    coinciding: Vec<f64>,
}

/// A layer, and what its rate depends on.
struct Layer<T> {
    map: LayerMap<T>,
    /// The sources of its skips.
    skips: Vec<usize>,
    activation: Activate<T>,
    /// Number of pre-activations, and of outputs.
    width: usize,
    outputs: usize,
    rate: Rate,
    /// The max-pool behind it.
    pool: Option<Pool>,
}

enum Rate {
    /// Nothing crosses, or the layer before says what does.
    Zero,
    Inputs(Processes),
    PreActivations {
        levels: Vec<f64>,
        density: BiasDensity,
    },
}

impl<T: Real> Layer<T> {
    fn new(ix: usize, layer: &network::Layer, law: Option<RateLaw>, variance: impl Fn(network::Affine) -> f64) -> Self {
        let switches = Switches::of_layer(layer);
        let rate = match law {
            None | Some(RateLaw::Pool) => Rate::Zero,
            Some(RateLaw::Inputs { bias_variance, .. }) => {
                Rate::Inputs(Processes::new(ix, layer, switches, variance, bias_variance))
            }
            Some(RateLaw::PreActivations(density)) => Rate::PreActivations { levels: switches.levels, density },
        };
        Self {
            map: LayerMap::new(layer),
            skips: layer.skips.iter().map(|skip| skip.source).collect(),
            activation: Activate::new(layer),
            width: layer.affine.units(),
            outputs: layer.outputs(),
            pool: None,
            rate,
        }
    }
}

impl<'a, T: Real> Worker<'a, T> {
    pub(super) fn new(ensemble: &'a Ensemble, per_path: usize) -> Self {
        let network = &ensemble.network;
        let architecture = network.architecture();
        let laws = RateLaw::of_network(network);
        let variance = |map| network.weights().variance(map);
        let shapes = architecture.layers();
        let of_layer = |ix: usize| Layer::new(ix, &shapes[ix], laws[ix], variance);
        let mut layers: Vec<Layer<T>> = (0..shapes.len()).map(of_layer).collect();
        for (layer, pair) in layers.iter_mut().zip(shapes.windows(2)) {
            if let (Rate::Inputs(processes), Some(windows)) = (&layer.rate, pair[1].max_pool()) {
                layer.pool = Some(Pool::new(windows, &pair[0], processes));
            }
        }
        Self {
            ensemble,
            unit: Estimator::Rice { points: per_path }.unit(ensemble),
            sampler: PointSampler::new(ensemble, per_path),
            points: Points::default(),
            paths_per_block: block_paths(architecture, per_path) as u64,
            layers,
            n_drawn: RateLaw::n_drawn(&laws),
            drawn: Drawn::default(),
            sources: Sources::new(architecture.depth()),
            z: Vec::new(),
            rates: Vec::new(),
            coinciding: Vec::new(),
        }
    }

    /// The expected crossings on all paths of network `draw`.
    pub(super) fn expect(&mut self, draw: u64, stop: &AtomicBool) -> Result<Vec<PathCounts>, Failure> {
        let n_paths = self.ensemble.paths_per_network;
        let mut counts = Vec::new();
        let mut first = 0;
        while first < n_paths {
            check(stop)?;
            let end = n_paths.min(first.saturating_add(self.paths_per_block));
            self.sampler.fill(draw, first..end, &mut self.points).map_err(Failure::Error)?;
            self.set_rates(draw, stop)?;
            counts.extend(self.points.counts(&self.rates, &self.coinciding, self.unit));
            first = end;
        }
        Ok(counts)
    }

    /// The rates of all layers of network `draw` at the points at hand.
    fn set_rates(&mut self, draw: u64, stop: &AtomicBool) -> Result<(), Halt> {
        let (n, depth) = (self.points.len(), self.layers.len());
        self.rates.clear();
        self.rates.resize(n * depth, 0.0);
        self.coinciding.clear();
        self.sources.start(&self.points)?;
        for ix in 0..depth {
            check(stop)?;
            let (layer, rates, sources) = (&mut self.layers[ix], &mut self.rates[ix..], self.sources.rows());
            if let Rate::Inputs(processes) = &mut layer.rate {
                let law = FromInputs { processes, sources, n, depth, rates };
                if !pulp::Arch::new().dispatch(law) {
                    return Err(Halt::Overflow { layer: ix });
                }
            }
            if ix == self.n_drawn {
                // Nothing behind crosses.
                return Ok(());
            }
            self.z.resize(2 * n * layer.width, T::default());
            let rows = |source: usize| Rows {
                values: &sources[source],
                stride: sources[source].len() / (2 * n),
                picked: None,
            };
            let random = RandomLayer { network: &self.ensemble.network, draw, ix };
            let skips = layer.skips.iter().map(|&skip| rows(skip));
            layer.map.differentiate(random, &mut self.drawn, rows(ix), skips, &mut self.z, stop)?;
            if !pulp::Arch::new().dispatch(AllFinite(&self.z)) {
                return Err(Halt::Overflow { layer: ix });
            }
            if let Rate::PreActivations { levels, density } = &layer.rate {
                from_pre_activations(levels, *density, self.drawn.bias(), &self.z, n, rates.iter_mut().step_by(depth));
            }
            if let Some(pool) = &mut layer.pool {
                self.coinciding.resize(n, 0.0);
                for (point, coinciding) in self.coinciding.iter_mut().enumerate() {
                    let at = pool.rates(|source| at_point(&sources[source], n, point), at_point(&self.z, n, point));
                    rates[point * depth + 1] = at.crossings;
                    *coinciding += at.coinciding;
                }
            }
            let kept = self.ensemble.network.architecture().kept(ix + 1);
            self.sources.activate(ix, &layer.activation, &self.z, 2 * n * layer.outputs, kept);
        }
        Ok(())
    }
}

/// Rates from a layer's pre-activations: of every unit and breakpoint, the speed times the density of the bias that puts it there.
fn from_pre_activations<'a, T: Real>(
    levels: &[f64],
    density: BiasDensity,
    bias: &[T],
    z: &[T],
    n: usize,
    rates: impl Iterator<Item = &'a mut f64>,
) {
    let (width, positions) = (z.len() / (2 * n), z.len() / (2 * n * bias.len()));
    let (values, derivatives) = z.split_at(z.len() / 2);
    for ((z, dz), rate) in values.chunks_exact(width).zip(derivatives.chunks_exact(width)).zip(rates) {
        let of_unit = |bias: f64, (z, dz): (&T, &T)| {
            let without_bias = z.to_f64() - bias;
            let there: f64 = levels.iter().map(|tau| density.at(tau - without_bias)).sum();
            dz.to_f64().abs() * there
        };
        let filters = z.chunks_exact(positions).zip(dz.chunks_exact(positions)).zip(bias);
        let of_filter = |((z, dz), bias): ((&'_ [T], &'_ [T]), &T)| {
            let bias = bias.to_f64();
            z.iter().zip(dz).map(move |unit| of_unit(bias, unit)).sum::<f64>()
        };
        *rate = filters.map(of_filter).sum();
    }
}
