//! The Rice estimator: values and derivatives along the path are two rows of the same matrix products.

use std::sync::atomic::AtomicBool;

use pulp::{Simd, WithSimd};

use super::activate::{Activate, activate};
use super::halt::{Halt, check};
use super::product;
use super::real::{AllFinite, Real};
use super::worker::block_rows;
use crate::engine::{Estimator, PathCounts};
use crate::ensemble::Ensemble;
use crate::error::Error;
use crate::network::{AffineWeights, Architecture, BiasDensity, Pieces};
use crate::rice::{PointSampler, Points, RateLaw};
use crate::theory::rice::Switches;

/// Values that go through all pieces of the activation together.
const ROW: usize = 256;

/// Values summed side by side.
const LANES: usize = 16;

/// Paths with so many points each whose values and derivatives make a block.
fn block_paths(architecture: &Architecture, per_path: usize) -> usize {
    (block_rows(architecture) / 2 / per_path).max(1)
}

/// Bytes of a thread's blocks, with numbers of so many bytes.
pub(super) fn block_bytes(architecture: &Architecture, per_path: usize, size: u128) -> u128 {
    let points = block_paths(architecture, per_path) as u128 * per_path as u128;
    let hidden = architecture.layers().iter().map(|layer| layer.affine.units());
    let widest = hidden.chain([architecture.input_dim()]).max().unwrap_or(1) as u128;
    let values = 2 * size * 2 * widest + 8 * 2 * architecture.input_dim() as u128;
    // A vector grows to twice what it needs.
    2 * points * (values + 8 * (architecture.depth() as u128 + 1))
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
    layers: Vec<Layer>,
    activations: Vec<Activate<T>>,
    weights: Vec<AffineWeights<T>>,
    drawn: AffineWeights<f32>,
    /// The inputs of a layer: values of all points, then derivatives; and its pre-activations.
    h: Vec<T>,
    z: Vec<T>,
    /// Of every layer at every point.
    rates: Vec<f64>,
}

/// What the rate of a layer depends on.
struct Layer {
    law: RateLaw,
    /// Number of pre-activations, and of outputs.
    width: usize,
    outputs: usize,
    switches: Switches,
}

impl<'a, T: Real> Worker<'a, T> {
    pub(super) fn new(ensemble: &'a Ensemble, per_path: usize) -> Self {
        let network = &ensemble.network;
        let architecture = network.architecture();
        let laws = RateLaw::of_network(network);
        let n_drawn = laws[0].n_drawn(laws.len());
        let layers = architecture.layers().iter().zip(laws).map(|(layer, law)| Layer {
            law,
            width: layer.affine.units(),
            outputs: layer.outputs(),
            switches: Switches::of_layer(layer),
        });
        Self {
            ensemble,
            unit: Estimator::Rice { points: per_path }.unit(ensemble),
            sampler: PointSampler::new(ensemble, per_path),
            points: Points::default(),
            paths_per_block: block_paths(architecture, per_path) as u64,
            layers: layers.collect(),
            activations: architecture
                .layers()
                .iter()
                .map(|layer| Activate::new(&layer.activation, layer.affine.units()))
                .collect(),
            weights: vec![AffineWeights::default(); n_drawn],
            drawn: AffineWeights::default(),
            h: Vec::new(),
            z: Vec::new(),
            rates: Vec::new(),
        }
    }

    /// The expected crossings on all paths of network `draw`.
    pub(super) fn expect(&mut self, draw: u64, stop: &AtomicBool) -> Result<Vec<PathCounts>, Failure> {
        for (layer, weights) in self.weights.iter_mut().enumerate() {
            self.ensemble.network.draw_layer(draw, layer, &mut self.drawn);
            T::take(&mut self.drawn.weight, &mut weights.weight);
            T::take(&mut self.drawn.bias, &mut weights.bias);
        }
        let n_paths = self.ensemble.paths_per_network;
        let mut counts = Vec::new();
        let mut first = 0;
        while first < n_paths {
            check(stop)?;
            let end = n_paths.min(first.saturating_add(self.paths_per_block));
            self.sampler.fill(draw, first..end, &mut self.points).map_err(Failure::Error)?;
            self.set_rates()?;
            counts.extend(self.points.counts(&self.rates, self.unit));
            first = end;
        }
        Ok(counts)
    }

    /// The rates of all layers at the points at hand.
    fn set_rates(&mut self) -> Result<(), Halt> {
        let (n, depth) = (self.points.len(), self.layers.len());
        self.rates.clear();
        self.rates.resize(n * depth, 0.0);
        self.h.clear();
        self.h.extend(self.points.x.iter().chain(&self.points.direction).map(|&x| T::from_f64(x)));
        if !pulp::Arch::new().dispatch(AllFinite(&self.h)) {
            return Err(Halt::Overflow { layer: 0 });
        }
        for (ix, layer) in self.layers.iter().enumerate() {
            let rates = &mut self.rates[ix..];
            if let RateLaw::Inputs { weight_variance, bias_variance } = layer.law {
                let law = FromInputs { layer, weight_variance, bias_variance, h: &self.h, n, depth, rates };
                if !pulp::Arch::new().dispatch(law) {
                    return Err(Halt::Overflow { layer: ix });
                }
            }
            let Some(weights) = self.weights.get(ix) else { continue };
            self.z.resize(2 * n * layer.width, T::default());
            product::affine_and_linear(&self.h, weights, &mut self.z);
            if !pulp::Arch::new().dispatch(AllFinite(&self.z)) {
                return Err(Halt::Overflow { layer: ix });
            }
            if let RateLaw::PreActivations(density) = layer.law {
                from_pre_activations(layer, density, &weights.bias, &self.z, depth, &mut self.rates[ix..]);
            }
            self.h.resize(2 * n * layer.outputs, T::default());
            pulp::Arch::new().dispatch(Differentiate { activation: &self.activations[ix], z: &self.z, h: &mut self.h });
        }
        Ok(())
    }
}

/// Rates from a layer's inputs; `false` where their squares leave the range of the number type.
struct FromInputs<'a, T> {
    layer: &'a Layer,
    weight_variance: f64,
    bias_variance: f64,
    h: &'a [T],
    n: usize,
    depth: usize,
    rates: &'a mut [f64],
}

impl<T: Real> WithSimd for FromInputs<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let Self { layer, weight_variance, bias_variance, h, n, depth, rates } = self;
        let inputs = h.len() / (2 * n);
        let (values, derivatives) = h.split_at(h.len() / 2);
        let rows = values.chunks_exact(inputs).zip(derivatives.chunks_exact(inputs));
        let mut finite = true;
        for ((h, dh), rate) in rows.zip(rates.iter_mut().step_by(depth)) {
            let (hh, hd) = squares_and_products(h, dh);
            let variance = weight_variance * hh + bias_variance;
            // All units before are silent and there is no bias: nothing moves.
            if variance <= 0.0 {
                continue;
            }
            let drift = weight_variance * hd / variance;
            // As a sum of squares, because the difference E z'^2 - (E z z')^2 / E z^2 cancels far from the origin.
            let rest = squared_rest(h, dh, T::from_f64(drift));
            let remainder = weight_variance * rest + drift * drift * bias_variance;
            finite &= variance.is_finite() && remainder.is_finite();
            *rate = layer.switches.rate(variance, drift, remainder);
        }
        finite
    }
}

/// The sums of h^2 and of h h'.
#[inline(always)]
fn squares_and_products<T: Real>(h: &[T], dh: &[T]) -> (f64, f64) {
    let (mut squares, mut products) = ([T::default(); LANES], [T::default(); LANES]);
    let (rows, derivatives) = (h.chunks_exact(LANES), dh.chunks_exact(LANES));
    for (ix, (&h, &dh)) in rows.remainder().iter().zip(derivatives.remainder()).enumerate() {
        (squares[ix], products[ix]) = (h * h, h * dh);
    }
    for (h, dh) in rows.zip(derivatives) {
        for lane in 0..LANES {
            squares[lane] += h[lane] * h[lane];
            products[lane] += h[lane] * dh[lane];
        }
    }
    (total(&squares), total(&products))
}

/// The sum of (h' - c h)^2.
#[inline(always)]
fn squared_rest<T: Real>(h: &[T], dh: &[T], c: T) -> f64 {
    let mut squares = [T::default(); LANES];
    let (rows, derivatives) = (h.chunks_exact(LANES), dh.chunks_exact(LANES));
    let square = |h: T, dh: T| {
        let rest = dh - c * h;
        rest * rest
    };
    for (ix, (&h, &dh)) in rows.remainder().iter().zip(derivatives.remainder()).enumerate() {
        squares[ix] = square(h, dh);
    }
    for (h, dh) in rows.zip(derivatives) {
        for lane in 0..LANES {
            squares[lane] += square(h[lane], dh[lane]);
        }
    }
    total(&squares)
}

#[inline(always)]
fn total<T: Real>(lanes: &[T; LANES]) -> f64 {
    lanes.iter().map(|x| x.to_f64()).sum()
}

/// Rates from a layer's pre-activations: of every unit and breakpoint, the speed times the density of the bias that puts it there.
fn from_pre_activations<T: Real>(
    layer: &Layer,
    density: BiasDensity,
    bias: &[T],
    z: &[T],
    depth: usize,
    rates: &mut [f64],
) {
    let (values, derivatives) = z.split_at(z.len() / 2);
    let rows = values.chunks_exact(layer.width).zip(derivatives.chunks_exact(layer.width));
    for ((z, dz), rate) in rows.zip(rates.iter_mut().step_by(depth)) {
        let of_unit = |((z, dz), bias): ((&T, &T), &T)| {
            let without_bias = z.to_f64() - bias.to_f64();
            let there: f64 = layer.switches.levels.iter().map(|tau| density.at(tau - without_bias)).sum();
            dz.to_f64().abs() * there
        };
        *rate = z.iter().zip(dz).zip(bias).map(of_unit).sum();
    }
}

/// Activations of the values, and derivatives by the chain rule.
struct Differentiate<'a, T> {
    activation: &'a Activate<T>,
    z: &'a [T],
    h: &'a mut [T],
}

impl<T: Real> WithSimd for Differentiate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { activation, z, h } = self;
        let (z, dz) = z.split_at(z.len() / 2);
        let (h, dh) = h.split_at_mut(h.len() / 2);
        match activation {
            Activate::Scalar(pieces) => {
                // A row at a time stays in the fastest memory through all pieces.
                let rows = z.chunks(ROW).zip(dz.chunks(ROW)).zip(h.chunks_mut(ROW)).zip(dh.chunks_mut(ROW));
                for (((z, dz), h), dh) in rows {
                    activate(pieces, z, h);
                    chain(pieces, z, dz, dh);
                }
            }
            Activate::Crelu { units } => {
                activation.apply(z, h);
                let rows = z.chunks_exact(*units).zip(dz.chunks_exact(*units));
                for ((z, dz), dh) in rows.zip(dh.chunks_exact_mut(2 * units)) {
                    let (above, below) = dh.split_at_mut(*units);
                    let zero = T::default();
                    for ((&z, &dz), (above, below)) in z.iter().zip(dz).zip(above.iter_mut().zip(below)) {
                        (*above, *below) = if z > zero { (dz, zero) } else { (zero, zero - dz) };
                    }
                }
            }
            Activate::Maxout { rank } => {
                let units = z.chunks_exact(*rank).zip(dz.chunks_exact(*rank));
                for ((z, dz), (h, dh)) in units.zip(h.iter_mut().zip(dh)) {
                    (*h, *dh) = (z[0], dz[0]);
                    for (&z, &dz) in z.iter().zip(dz) {
                        (*h, *dh) = if z > *h { (z, dz) } else { (*h, *dh) };
                    }
                }
            }
            Activate::GroupSort { size } => {
                let groups = z.chunks_exact(*size).zip(dz.chunks_exact(*size));
                let sorted = h.chunks_exact_mut(*size).zip(dh.chunks_exact_mut(*size));
                let mut pairs: Vec<(T, T)> = Vec::with_capacity(*size);
                for ((z, dz), (h, dh)) in groups.zip(sorted) {
                    pairs.clear();
                    pairs.extend(z.iter().copied().zip(dz.iter().copied()));
                    pairs.sort_by(|a, b| b.0.partial_cmp(&a.0).expect("finite pre-activations"));
                    for ((h, dh), &pair) in h.iter_mut().zip(dh).zip(&pairs) {
                        (*h, *dh) = pair;
                    }
                }
            }
        }
    }
}

/// Derivatives of activations: the slope of the piece times that of the pre-activation.
#[inline(always)]
fn chain<T: Real>(pieces: &Pieces<T>, z: &[T], dz: &[T], dh: &mut [T]) {
    let slope = pieces.slopes[0];
    for (dh, &dz) in dh.iter_mut().zip(dz) {
        *dh = slope * dz;
    }
    for (&tau, &slope) in pieces.breakpoints.iter().zip(&pieces.slopes[1..]) {
        for ((dh, &z), &dz) in dh.iter_mut().zip(z).zip(dz) {
            *dh = if z > tau { slope * dz } else { *dh };
        }
    }
}
