//! What a network is: its shape ([`Architecture`], a list of affine layers and activations), the laws that draw it
//! ([`WeightLaw`], [`BiasLaw`], [`RandomNetwork`]) and its concrete weights ([`Network`]), which files hold ([`Network::read`]).

mod activation;
mod architecture;
mod files;
mod laws;
mod onnx;
mod random;

pub(crate) use activation::pair_index;
pub use activation::{Activation, ActivationKind, Pieces, pairs};
pub use architecture::{Affine, Architecture, Layer};
pub(crate) use files::natural_key;
pub(crate) use laws::name_and_numbers;
pub use laws::{BiasDensity, BiasLaw, WeightLaw};
pub use random::RandomNetwork;

use crate::error::{Error, Result};

/// The weights and biases of one affine map `z = W h + b`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AffineWeights<T> {
    /// Input-major: the weight from input `i` to unit `u` is element `i * units + u`.
    pub weight: Vec<T>,
    /// One bias per unit.
    pub bias: Vec<T>,
}

impl AffineWeights<f64> {
    /// `W h + b`.
    pub fn apply(&self, h: &[f64]) -> Vec<f64> {
        self.add_to(self.bias.clone(), h)
    }

    /// `W h`.
    pub fn linear(&self, h: &[f64]) -> Vec<f64> {
        self.add_to(vec![0.0; self.bias.len()], h)
    }

    /// `z + W h`, one multiplication after the other.
    fn add_to(&self, mut z: Vec<f64>, h: &[f64]) -> Vec<f64> {
        for (row, &h) in self.weight.chunks_exact(z.len()).zip(h).filter(|(_, h)| **h != 0.0) {
            for (z, &w) in z.iter_mut().zip(row) {
                *z += w * h;
            }
        }
        z
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
            let sizes =
                [("weight", &weights.weight, shape.n_weights()), ("bias", &weights.bias, shape.units() as u128)];
            for (name, values, n) in sizes {
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
        let mut h = input.to_vec();
        for (layer, weights) in self.architecture.layers().iter().zip(&self.affine) {
            h = layer.activation.apply(&weights.apply(&h));
        }
        self.affine[self.architecture.depth()].apply(&h)
    }

    /// The hidden layers' weights in order, then the read-out's.
    pub fn affine(&self) -> &[AffineWeights<f64>] {
        &self.affine
    }
}
