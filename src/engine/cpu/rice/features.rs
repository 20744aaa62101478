//! The Rice estimator without weights: at one point of a path, the pre-activations of a dense layer of normal weights and their derivatives
//! are pairs of normal variables, independent from unit to unit, whose law depends on the features before alone.

use std::sync::atomic::AtomicBool;

use pulp::{Simd, WithSimd};

use super::super::activate::Activate;
use super::super::drawn::{Drawn, RandomLayer};
use super::super::halt::{Halt, check};
use super::super::real::{AllFinite, Real};
use super::inputs::{ProcessLaw, Processes, at_point};
use super::sources::Sources;
use super::{Failure, from_pre_activations};
use crate::engine::{Estimator, PathCounts};
use crate::ensemble::Ensemble;
use crate::network::{self, Architecture, BiasDensity};
use crate::rice::{PointSampler, Points, RateLaw};
use crate::theory::rice::Switches;

/// Bytes that a thread takes.
pub(in crate::engine::cpu) fn bytes<T>(architecture: &Architecture) -> u128 {
    let layers = architecture.layers();
    let widest = layers.iter().map(|layer| layer.affine.units().max(layer.outputs())).max().unwrap_or(0) as u128;
    let inputs = architecture.input_dim() as u128;
    let kept = (0..=architecture.depth()).map(|ix| architecture.kept_len(ix)).max().unwrap_or(0) as u128;
    let (number, drawn) = (size_of::<T>() as u128, size_of::<f32>() as u128);
    // The sources, the pre-activations, what these are made of, and the point; a vector grows to twice what it needs.
    2 * (number * (2 * (kept + widest.max(inputs)) + 3 * widest) + 3 * drawn * widest + 4 * 8 * inputs)
        + 8 * layers.len() as u128
        + layers.iter().map(Processes::bytes).sum::<u128>()
}

/// One thread's memory, reused from network to network.
pub(in crate::engine::cpu) struct Worker<'a, T> {
    ensemble: &'a Ensemble,
    unit: f64,
    sampler: PointSampler<'a>,
    points: Points,
    layers: Vec<Layer<T>>,
    /// Layers whose features are needed, the first so many.
    n_drawn: usize,
    /// Biases that are not normal.
    drawn: Drawn<T>,
    normals: Vec<f32>,
    sources: Sources<T>,
    /// The pre-activations of a layer, and their derivatives.
    z: Vec<T>,
    /// Of every layer.
    rates: Vec<f64>,
}

struct Layer<T> {
    processes: Processes,
    /// What biases that are not normal are drawn from, and the levels that are crossed by them.
    bias: Option<(BiasDensity, Vec<f64>)>,
    activation: Activate<T>,
    units: usize,
    outputs: usize,
}

impl<T: Real> Layer<T> {
    fn new(ix: usize, layer: &network::Layer, law: RateLaw, variance: impl Fn(network::Affine) -> f64) -> Self {
        let switches = Switches::of_layer(layer);
        let (bias, bias_variance) = match law {
            RateLaw::PreActivations(density) => (Some((density, switches.levels.clone())), 0.0),
            RateLaw::Inputs { bias_variance, .. } => (None, bias_variance),
            RateLaw::Pool => unreachable!("layers are dense"),
        };
        Self {
            processes: Processes::new(ix, layer, switches, variance, bias_variance),
            bias,
            activation: Activate::new(layer),
            units: layer.affine.units(),
            outputs: layer.outputs(),
        }
    }
}

impl<'a, T: Real> Worker<'a, T> {
    /// A worker for an ensemble that [`check_features`](crate::rice::check_features) admits.
    pub(in crate::engine::cpu) fn new(ensemble: &'a Ensemble) -> Self {
        let network = &ensemble.network;
        let laws = RateLaw::of_network(network);
        let variance = |map| network.weights().variance(map);
        let shapes = network.architecture().layers();
        let of_layer = |(ix, law): (usize, &Option<RateLaw>)| {
            Layer::new(ix, &shapes[ix], law.expect("dense layers have rates"), variance)
        };
        Self {
            ensemble,
            unit: Estimator::RiceFeatures.unit(ensemble),
            sampler: PointSampler::new(ensemble, 1),
            points: Points::default(),
            layers: laws.iter().enumerate().map(of_layer).collect(),
            n_drawn: RateLaw::n_drawn(&laws),
            drawn: Drawn::default(),
            normals: Vec::new(),
            sources: Sources::new(shapes.len()),
            z: Vec::new(),
            rates: vec![0.0; shapes.len()],
        }
    }

    /// The expected crossings on the path of network `draw`.
    pub(in crate::engine::cpu) fn expect(&mut self, draw: u64, stop: &AtomicBool) -> Result<PathCounts, Failure> {
        self.sampler.fill(draw, 0..1, &mut self.points).map_err(Failure::Error)?;
        self.set_rates(draw, stop)?;
        Ok(self.points.counts(&self.rates, &[], self.unit).next().expect("a path"))
    }

    /// The rates of all layers of network `draw` at the point at hand.
    fn set_rates(&mut self, draw: u64, stop: &AtomicBool) -> Result<(), Halt> {
        self.rates.fill(0.0);
        self.sources.start(&self.points)?;
        for (ix, (layer, rate)) in self.layers.iter_mut().zip(&mut self.rates).enumerate() {
            check(stop)?;
            let sources = self.sources.rows();
            let law = LawAndRate { processes: &mut layer.processes, sources };
            let Some((law, of_inputs)) = pulp::Arch::new().dispatch(law) else {
                return Err(Halt::Overflow { layer: ix });
            };
            *rate = of_inputs;
            if ix == self.n_drawn {
                // Nothing behind crosses.
                return Ok(());
            }
            let network = &self.ensemble.network;
            self.normals.resize(2 * layer.units, 0.0);
            network.draw_normals(draw, ix, &mut self.normals);
            self.z.resize(2 * layer.units, T::default());
            let bias = match layer.bias {
                Some(_) => self.drawn.draw_bias(RandomLayer { network, draw, ix }),
                None => &[],
            };
            let means = layer.processes.means();
            let z = &mut self.z;
            pulp::Arch::new().dispatch(PreActivations { law, normals: &self.normals, bias, means, sources, z });
            if !pulp::Arch::new().dispatch(AllFinite(&self.z)) {
                return Err(Halt::Overflow { layer: ix });
            }
            if let Some((density, levels)) = &layer.bias {
                from_pre_activations(levels, *density, bias, &self.z, 1, std::iter::once(rate));
            }
            let kept = network.architecture().kept(ix + 1);
            self.sources.activate(ix, &layer.activation, &self.z, 2 * layer.outputs, kept);
        }
        Ok(())
    }
}

struct LawAndRate<'a, T> {
    processes: &'a mut Processes,
    sources: &'a [Vec<T>],
}

impl<T: Real> WithSimd for LawAndRate<'_, T> {
    type Output = Option<(ProcessLaw, f64)>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        self.processes.law_and_rate(|source| at_point(&self.sources[source], 1, 0))
    }
}

/// Makes the pre-activations of a layer and their derivatives.
struct PreActivations<'a, T> {
    law: ProcessLaw,
    /// Of every unit, then again of every unit.
    normals: &'a [f32],
    /// None where the law has them.
    bias: &'a [T],
    /// The sources that are added as they are.
    means: &'a [usize],
    sources: &'a [Vec<T>],
    z: &'a mut [T],
}

impl<T: Real> WithSimd for PreActivations<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { law: ProcessLaw { variance, drift, remainder }, normals, bias, means, sources, z } = self;
        let [std, drift, rest] = [variance.sqrt(), drift, remainder.max(0.0).sqrt()].map(T::from_f64);
        let (values, derivatives) = z.split_at_mut(z.len() / 2);
        let (first, second) = normals.split_at(normals.len() / 2);
        let units = values.iter_mut().zip(derivatives.iter_mut());
        for ((z, dz), (&first, &second)) in units.zip(first.iter().zip(second)) {
            *z = std * T::from_f64(f64::from(first));
            *dz = drift * *z + rest * T::from_f64(f64::from(second));
        }
        for &source in means {
            let (h, dh) = at_point(&sources[source], 1, 0);
            values.iter_mut().zip(h).for_each(|(z, &h)| *z += h);
            derivatives.iter_mut().zip(dh).for_each(|(dz, &dh)| *dz += dh);
        }
        values.iter_mut().zip(bias).for_each(|(z, &bias)| *z += bias);
    }
}
