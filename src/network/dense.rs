//! Convolutions and pooling as dense layers.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use super::connections::Connection;
use super::{Affine, AffineWeights, Architecture, Layer, Network, Skip};
use crate::error::Result;
use crate::memory;

impl Network {
    /// The same function as dense layers: every convolution, average pooling and selection of windows, those of skips too, becomes a
    /// matrix, with zeros where nothing is connected. Skips without a map stay as they are, unless the order of values changes.
    ///
    /// Layers, units and activations are as before and in the same order, so that activation patterns are the same; the rows of a
    /// maxout unit or a sorted group of a convolution come together, average pooling is a layer without breakpoints, max-pooling one of
    /// maxout units. What comes out of sorted groups of filters is group after group, and what takes it has its weights in that order.
    /// Weights are copied, not rounded. A network that is dense already is lent as it is.
    ///
    /// # Errors
    /// Matrices of more than 2^34 weights or more memory than there is, and a set `stop`.
    pub fn to_dense(&self, stop: &AtomicBool) -> Result<Cow<'_, Self>> {
        if self.architecture.is_dense() {
            return Ok(Cow::Borrowed(self));
        }
        let layers: Vec<Layer> = (0..self.architecture.depth()).map(|ix| self.dense(ix)).collect();
        let of_layer = |layer: &Layer| layer.maps().map(Affine::n_weights).sum::<u128>() + layer.affine.units() as u128;
        let matrices = layers.iter().map(of_layer).sum::<u128>();
        let readout = self.architecture.affine_map(self.architecture.depth()).n_weights();
        memory::check(
            &format!("{} as dense layers", self.architecture),
            8 * (matrices + readout),
            "a smaller input or fewer filters need less",
        )?;
        let input = vec![self.architecture.input_dim()];
        let architecture = Architecture::of_layers(input, layers, self.architecture.outputs())?;
        let weights = |layer: usize| -> Result<AffineWeights<f64>> {
            let matrix = |connection: Connection| match connection.is_identity() {
                true => Ok(Vec::new()),
                false => Ok(connection.matrix(stop)?.into_owned()),
            };
            let mut matrices = self.connections(layer).map(matrix).collect::<Result<Vec<_>>>()?.into_iter();
            let weight = matrices.next().expect("every layer has its main map");
            Ok(AffineWeights { weight, bias: self.biases(layer), skips: matrices.collect() })
        };
        let affine = (0..=self.architecture.depth()).map(weights).collect::<Result<_>>()?;
        Ok(Cow::Owned(Self { affine, architecture }))
    }

    /// A hidden layer with matrices in place of what connects it.
    fn dense(&self, ix: usize) -> Layer {
        let layer = &self.architecture.layers()[ix];
        let units = layer.affine.units();
        let matrix = |connection: Connection| Affine::Dense { inputs: connection.n_inputs(), units };
        let skip = |connection: Connection| Skip {
            source: connection.source,
            map: (!connection.is_identity()).then(|| matrix(connection)),
        };
        Layer {
            affine: Affine::Dense { inputs: layer.affine.inputs(), units },
            skips: self.connections(ix).skip(1).map(skip).collect(),
            activation: layer.activation.clone(),
        }
    }
}
