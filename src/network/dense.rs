//! Convolutions and pooling as dense layers.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{ActivationKind, Affine, AffineWeights, Architecture, Grouping, Layer, Network, Skip};
use crate::error::{Error, Result};
use crate::memory;

impl Network {
    /// The same function as dense layers: every convolution, average pooling and selection of windows, those of skips too, becomes a
    /// matrix, with zeros where nothing is connected. Skips without a map stay as they are.
    ///
    /// Layers, units and activations are as before and in the same order, so that activation patterns are the same; the rows of a maxout unit
    /// of a convolution come together, average pooling is a layer without breakpoints, max-pooling one of maxout units. Weights are
    /// copied, not rounded. A network that is dense already is lent as it is.
    ///
    /// # Errors
    /// Sorted groups of filters, whose outputs are not in the order of groups; matrices of more than 2^34 weights or more memory than there is, and a set `stop`.
    pub fn to_dense(&self, stop: &AtomicBool) -> Result<Cow<'_, Self>> {
        if self.architecture.is_dense() {
            return Ok(Cow::Borrowed(self));
        }
        for (ix, layer) in self.architecture.layers().iter().enumerate() {
            check_order(layer).map_err(|e| e.at(format!("hidden layer {}", ix + 1)))?;
        }
        let layers: Vec<Layer> = self.architecture.layers().iter().map(dense).collect();
        let of_layer = |layer: &Layer| layer.maps().map(Affine::n_weights).sum::<u128>() + layer.affine.units() as u128;
        let matrices = layers.iter().map(of_layer).sum::<u128>();
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
        let maps = self.architecture.affine_maps().zip(&self.affine).enumerate();
        let weights = |(ix, (map, weights)): (usize, (Affine, &AffineWeights<f64>))| -> Result<AffineWeights<f64>> {
            let layer = self.architecture.layers().get(ix);
            let skips = layer.map_or(&[][..], |layer| &layer.skips);
            let grouping = layer.map_or(Grouping { size: 1, stride: 1 }, Layer::grouping);
            let matrix = |map: &Affine, weight: &[f64]| matrix(map, weight, grouping, stop);
            let mut bias = vec![0.0; map.units()];
            map.add_bias(&weights.bias, &mut bias);
            let skips = skips.iter().zip(&weights.skips);
            let skips = skips.map(|(skip, weight)| match &skip.map {
                Some(map) => matrix(map, weight),
                None => Ok(Vec::new()),
            });
            Ok(AffineWeights {
                weight: matrix(&map, &weights.weight)?,
                bias: grouping.gather(&bias, &mut Vec::new()).to_vec(),
                skips: skips.collect::<Result<_>>()?,
            })
        };
        let affine = maps.map(weights).collect::<Result<_>>()?;
        Ok(Cow::Owned(Self { affine, architecture }))
    }
}

/// The layer with matrices in place of what connects it.
fn dense(layer: &Layer) -> Layer {
    let matrix = |map: &Affine| Affine::Dense { inputs: map.inputs(), units: map.units() };
    let skip = |skip: &Skip| Skip { map: skip.map.as_ref().map(matrix), ..*skip };
    Layer {
        affine: matrix(&layer.affine),
        skips: layer.skips.iter().map(skip).collect(),
        activation: layer.activation.clone(),
    }
}

/// Refuses layers that change the order of values when their rows come together.
fn check_order(layer: &Layer) -> Result<()> {
    let sorts = matches!(layer.activation.kind(), ActivationKind::GroupSort { .. });
    let adds = layer.skips.iter().any(|skip| skip.map.is_none());
    if layer.grouping().is_consecutive() || !(sorts || adds) {
        return Ok(());
    }
    let what = if sorts { "" } else { " to which a skip adds values" };
    Err(Error::usage(format!("{} of filters{what} cannot be written as dense layers so far", layer.activation)))
}

/// The weight of every input and unit, the rows of a unit together.
fn matrix(map: &Affine, weight: &[f64], grouping: Grouping, stop: &AtomicBool) -> Result<Vec<f64>> {
    if let Affine::Dense { .. } = map {
        return Ok(weight.to_vec());
    }
    let (inputs, units) = (map.inputs(), map.units());
    let mut matrix = vec![0.0; inputs * units];
    let (mut input, mut column, mut room) = (vec![0.0; inputs], vec![0.0; units], Vec::new());
    for (ix, row) in matrix.chunks_exact_mut(units).enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::interrupted("interrupted: nothing was counted"));
        }
        input[ix] = 1.0;
        map.add_product(weight, &input, &mut column);
        row.copy_from_slice(grouping.gather(&column, &mut room));
        column.fill(0.0);
        input[ix] = 0.0;
    }
    Ok(matrix)
}
