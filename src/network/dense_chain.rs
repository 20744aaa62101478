//! Convolutions and pooling as dense layers.

use std::borrow::Cow;

use super::{Affine, AffineWeights, Architecture, Layer, Network};
use crate::error::{Error, Result};
use crate::memory;

impl Network {
    /// The same function as dense layers one after the other: every convolution, average pooling and selection of windows becomes a
    /// matrix, with zeros where nothing is connected.
    ///
    /// Layers, units and activations are as before and in the same order, so that activation patterns are the same; average pooling is a
    /// layer without breakpoints. Weights are copied, not rounded. A network that is dense already is lent as it is.
    ///
    /// # Errors
    /// Skips and convolutions of maxout units and sorted groups, by the layer that has them; matrices of more than 2^34 weights or more memory than there is.
    pub fn to_dense_chain(&self) -> Result<Cow<'_, Self>> {
        if self.architecture.is_dense_chain() {
            return Ok(Cow::Borrowed(self));
        }
        let layers: Vec<Layer> =
            self.architecture.layers().iter().enumerate().map(|(ix, layer)| dense(ix, layer)).collect::<Result<_>>()?;
        let matrices = layers.iter().map(|layer| layer.affine.n_weights() + layer.affine.units() as u128).sum::<u128>();
        let readout = self.architecture.affine_map(self.architecture.depth()).n_weights();
        // Besides them one input and what is made of it at a time.
        let widest = self.architecture.affine_maps().map(|map| map.inputs().max(map.units())).max().unwrap_or(0);
        let needed = 8 * (matrices + readout + 4 * widest as u128);
        memory::check(
            &format!("{} as dense layers", self.architecture),
            needed,
            "a smaller input or fewer filters need less",
        )?;
        let input = vec![self.architecture.input_dim()];
        let architecture = Architecture::of_layers(input, layers, self.architecture.outputs())?;
        let affine = self.architecture.affine_maps().zip(&self.affine).map(|(map, weights)| matrix(&map, weights));
        Ok(Cow::Owned(Self { affine: affine.collect(), architecture }))
    }
}

/// The layer with a matrix in place of what connects it.
fn dense(ix: usize, layer: &Layer) -> Result<Layer> {
    if !layer.skips.is_empty() {
        return Err(Error::usage(format!(
            "hidden layer {}: adds what is further back than the layer before it: skips cannot be written as dense \
             layers one after the other so far",
            ix + 1
        )));
    }
    if layer.activation.group_size() > 1 && matches!(layer.affine, Affine::Convolution(_)) {
        return Err(Error::usage(format!(
            "hidden layer {}: {} joins filters at one position, which cannot be written as consecutive rows of a dense layer so far",
            ix + 1,
            layer.activation
        )));
    }
    let affine = Affine::Dense { inputs: layer.affine.inputs(), units: layer.affine.units() };
    Ok(Layer { affine, ..layer.clone() })
}

/// The weight of every input and unit, and the bias of every unit.
fn matrix(map: &Affine, weights: &AffineWeights<f64>) -> AffineWeights<f64> {
    if let Affine::Dense { .. } = map {
        return weights.clone();
    }
    let (inputs, units) = (map.inputs(), map.units());
    let mut bias = vec![0.0; units];
    map.add_bias(&weights.bias, &mut bias);
    let mut weight = vec![0.0; inputs * units];
    let mut input = vec![0.0; inputs];
    for (ix, row) in weight.chunks_exact_mut(units).enumerate() {
        input[ix] = 1.0;
        map.add_product(&weights.weight, &input, row);
        input[ix] = 0.0;
    }
    AffineWeights::new(weight, bias)
}
