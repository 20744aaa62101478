//! What a network is: its shape ([`Architecture`], a list of affine layers and activations), the laws that draw it
//! ([`WeightLaw`], [`BiasLaw`], [`RandomNetwork`]) and its concrete weights ([`Network`]), which files hold ([`Network::read`]).

mod activation;
mod affine;
mod architecture;
mod connections;
mod dense;
mod files;
mod grammar;
mod grouping;
mod laws;
mod onnx;
mod random;
mod windows;

pub(crate) use activation::pair_index;
pub use activation::{Activation, ActivationKind, Pieces, pairs};
pub use affine::{Affine, Convolution};
pub use architecture::{Architecture, Layer, Skip};
pub(crate) use connections::{Connection, SparseRows};
pub use files::ReadOptions;
pub(crate) use files::natural_key;
pub use grouping::Grouping;
pub(crate) use laws::name_and_numbers;
pub use laws::{BiasDensity, BiasLaw, WeightLaw};
pub(crate) use random::RandomMatrix;
pub use random::RandomNetwork;
pub use windows::Windows;

use crate::error::{Error, Result};

/// The weights and biases of the affine part of one layer, `z = W h + b` and what it adds from further back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AffineWeights<T> {
    /// Input-major, see [`Affine`]: in a dense layer the weight from input `i` to unit `u` is element `i * units + u`.
    pub weight: Vec<T>,
    /// One bias per unit or filter.
    pub bias: Vec<T>,
    /// The weights of every [`Skip`] of the layer; none where it has no map.
    pub skips: Vec<Vec<T>>,
}

impl<T> AffineWeights<T> {
    /// The weights of a layer without skips.
    pub fn new(weight: Vec<T>, bias: Vec<T>) -> Self {
        Self { weight, bias, skips: Vec::new() }
    }
}

/// One concrete network: an architecture with the weights of its hidden layers and of its linear read-out.
#[derive(Clone, Debug)]
pub struct Network {
    architecture: Architecture,
    affine: Vec<AffineWeights<f64>>,
}

impl Network {
    /// A network from its weights: one [`AffineWeights`] per hidden layer, then the read-out's.
    ///
    /// # Errors
    /// A tensor whose size does not match the architecture, or one with a NaN or infinite value, is refused by name.
    pub fn new(architecture: Architecture, affine: Vec<AffineWeights<f64>>) -> Result<Self> {
        let shapes: Vec<Affine> = architecture.affine_maps().collect();
        if affine.len() != shapes.len() {
            return Err(Error::usage(format!(
                "architecture {architecture} has {} affine layers with its read-out, but {} were given",
                shapes.len(),
                affine.len()
            )));
        }
        for (ix, (shape, weights)) in shapes.iter().zip(&affine).enumerate() {
            let skips = architecture.layers().get(ix).map_or(&[][..], |layer| &layer.skips);
            if weights.skips.len() != skips.len() {
                return Err(Error::usage(format!(
                    "layer {}: weights of {} skips, but {architecture} has {}",
                    ix + 1,
                    weights.skips.len(),
                    skips.len()
                )));
            }
            let skips = skips.iter().zip(&weights.skips);
            let skips = skips.map(|(skip, values)| ("skip", values, skip.map.map_or(0, |map| map.n_weights())));
            let own =
                [("weight", &weights.weight, shape.n_weights()), ("bias", &weights.bias, shape.n_biases() as u128)];
            for (name, values, n) in own.into_iter().chain(skips) {
                if values.len() as u128 != n {
                    return Err(Error::usage(format!(
                        "layer {}: {name} has {} values, but {architecture} needs {n}",
                        ix + 1,
                        values.len()
                    )));
                }
                if let Some(at) = values.iter().position(|v| !v.is_finite()) {
                    return Err(Error::usage(format!("layer {}: {name} element {at} is {}", ix + 1, values[at])));
                }
            }
        }
        Ok(Self { architecture, affine })
    }

    /// The network's shape.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The network's outputs at one input point, in plain f64.
    ///
    /// # Panics
    /// If the point has another dimension than the network has inputs.
    pub fn outputs(&self, input: &[f64]) -> Vec<f64> {
        assert_eq!(input.len(), self.architecture.input_dim(), "the point's dimension");
        let mut values = vec![input.to_vec()];
        for (layer, weights) in self.architecture.layers().iter().zip(&self.affine) {
            let z = layer.pre_activations(weights, &values[values.len() - 1], |source| &values[source]);
            values.push(layer.activate(&z));
        }
        self.read_out(&values[self.architecture.depth()], true)
    }

    /// The read-out of the last layer's outputs, or without the bias that of derivatives.
    pub(crate) fn read_out(&self, h: &[f64], with_bias: bool) -> Vec<f64> {
        let depth = self.architecture.depth();
        let (map, weights) = (self.architecture.affine_map(depth), &self.affine[depth]);
        let mut outputs = vec![0.0; map.units()];
        if with_bias {
            map.add_bias(&weights.bias, &mut outputs);
        }
        map.add_product(&weights.weight, h, &mut outputs);
        outputs
    }

    /// The hidden layers' weights in order, then the read-out's.
    pub fn affine(&self) -> &[AffineWeights<f64>] {
        &self.affine
    }
}
