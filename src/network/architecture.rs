//! The shape of a network: a list of affine layers and their activations, and the linear read-out.

use std::sync::Arc;

use super::{Activation, ActivationKind, Affine, AffineWeights, Convolution, Grouping, Windows};
use crate::error::{Error, Result};
use crate::random::Stream;

/// The most that a layer may add from further back.
pub(super) const MAX_SKIPS: usize = 64;

/// What a layer adds to its pre-activations from further back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Where from: 0 is the network's input, l the outputs of the l-th hidden layer.
    pub source: usize,
    /// The map, without a bias of its own; `None` adds values as they are.
    pub map: Option<Affine>,
}

/// A hidden layer: an affine map of the outputs before it, what it adds from further back, and the activation of its units.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The affine map.
    pub affine: Affine,
    /// What is added to its pre-activations.
    pub skips: Vec<Skip>,
    /// The activation of every unit of the layer.
    pub activation: Arc<Activation>,
}

impl Layer {
    /// Number of outputs, the inputs of the next layer and the width of the layer in an architecture's text: for maxout the number of
    /// units, of which each has several pre-activations.
    pub fn outputs(&self) -> usize {
        self.activation.outputs(self.affine.units()).expect("an architecture has whole groups")
    }

    /// Number of units, maxout units or sorted groups: what a crossing's `unit` counts.
    pub fn groups(&self) -> usize {
        self.affine.units() / self.activation.group_size()
    }

    /// The windows of which it takes the largest value, if that is what it does.
    pub(crate) fn max_pool(&self) -> Option<&Windows> {
        match &self.affine {
            Affine::WindowValues(windows) if self.activation.n_switches() > 0 => Some(windows),
            _ => None,
        }
    }

    /// What errors call its activation.
    pub(crate) fn name(&self) -> String {
        match self.affine {
            Affine::WindowValues(_) => "max-pooling".to_owned(),
            _ => self.activation.to_string(),
        }
    }

    /// Where the pre-activations of units and groups are.
    pub fn grouping(&self) -> Grouping {
        let stride = match &self.affine {
            Affine::Convolution(Convolution { windows, .. }) | Affine::AveragePool(windows) => windows.positions(),
            Affine::Dense { .. } | Affine::WindowValues(_) => 1,
        };
        Grouping { size: self.activation.group_size(), stride }
    }

    /// The layer's outputs, from its pre-activations.
    pub fn activate(&self, z: &[f64]) -> Vec<f64> {
        let h = self.activation.apply(self.grouping().gather(z, &mut Vec::new()));
        match self.activation.kind() {
            ActivationKind::GroupSort { .. } => self.grouping().scatter(h),
            ActivationKind::Scalar(_) | ActivationKind::Crelu(_) | ActivationKind::Maxout { .. } => h,
        }
    }

    /// Every map of the layer that has weights of its own: the main one, then those of its skips.
    pub fn maps(&self) -> impl Iterator<Item = &Affine> {
        [&self.affine].into_iter().chain(self.skips.iter().filter_map(|skip| skip.map.as_ref()))
    }

    /// The pre-activations, in plain f64, from the outputs before the layer and from those of the sources that it adds.
    pub fn pre_activations<'a>(
        &self,
        weights: &AffineWeights<f64>,
        h: &[f64],
        source: impl Fn(usize) -> &'a [f64],
    ) -> Vec<f64> {
        let mut z = vec![0.0; self.affine.units()];
        self.affine.add_bias(&weights.bias, &mut z);
        self.add_products(weights, h, source, &mut z);
        z
    }

    /// The derivatives of the pre-activations, from those of what they are made of.
    pub fn derivatives<'a>(
        &self,
        weights: &AffineWeights<f64>,
        dh: &[f64],
        source: impl Fn(usize) -> &'a [f64],
    ) -> Vec<f64> {
        let mut dz = vec![0.0; self.affine.units()];
        self.add_products(weights, dh, source, &mut dz);
        dz
    }

    fn add_products<'a>(
        &self,
        weights: &AffineWeights<f64>,
        h: &[f64],
        source: impl Fn(usize) -> &'a [f64],
        z: &mut [f64],
    ) {
        self.affine.add_product(&weights.weight, h, z);
        for (skip, weight) in self.skips.iter().zip(&weights.skips) {
            match &skip.map {
                Some(map) => map.add_product(weight, source(skip.source), z),
                None => z.iter_mut().zip(source(skip.source)).for_each(|(z, h)| *z += h),
            }
        }
    }
}

/// A feed-forward network's shape: hidden layers and a linear read-out.
///
/// Its text is what [`Architecture::parse`] reads. Widths are numbers of outputs: a maxout layer of width 8 and rank 3 has 24
/// pre-activations, and the next layer 8 inputs.
#[derive(Clone, Debug)]
pub struct Architecture {
    input: Vec<usize>,
    layers: Vec<Layer>,
    outputs: usize,
    /// See [`Architecture::kept`].
    kept: Vec<Vec<usize>>,
}

impl Architecture {
    /// A dense network with the given hidden widths, the same activation everywhere, and `outputs` linear read-outs.
    ///
    /// # Errors
    /// No hidden layer, a width that is zero or no multiple of a sorted group, and a tensor of more than 2^34 weights are refused.
    pub fn dense(input_dim: usize, widths: &[usize], activation: Activation, outputs: usize) -> Result<Self> {
        let activation = Arc::new(activation);
        Self::new(input_dim, widths.iter().map(|&units| (units, Arc::clone(&activation))).collect(), outputs)
    }

    /// A dense network of hidden layers with so many outputs and an activation each, and `outputs` linear read-outs.
    ///
    /// # Errors
    /// Those of [`Architecture::dense`].
    pub fn new(input_dim: usize, layers: Vec<(usize, Arc<Activation>)>, outputs: usize) -> Result<Self> {
        let mut inputs = input_dim;
        let layer = |(ix, (width, activation)): (usize, (usize, Arc<Activation>))| {
            let units = pre_activations(&activation, width).map_err(|e| e.at(format!("hidden layer {}", ix + 1)))?;
            let affine = Affine::Dense { inputs: std::mem::replace(&mut inputs, width), units };
            Ok(Layer { affine, skips: Vec::new(), activation })
        };
        let layers = layers.into_iter().enumerate().map(layer).collect::<Result<_>>()?;
        Self::of_layers(vec![input_dim], layers, outputs)
    }

    /// A network of any layers. The input is one number, channels and length, or channels, height and width.
    ///
    /// # Errors
    /// Says which layer is empty, too large, or does not fit what comes before it.
    pub fn of_layers(input: Vec<usize>, layers: Vec<Layer>, outputs: usize) -> Result<Self> {
        if layers.is_empty() {
            return Err(Error::usage("an architecture needs a hidden layer: for example 2-64x3"));
        }
        if outputs == 0 {
            return Err(Error::usage("the read-out needs at least 1 output"));
        }
        if input.contains(&0) {
            return Err(Error::usage("the input dimension is 0: give at least 1"));
        }
        let mut built = Self { input, layers, outputs, kept: Vec::new() };
        for (ix, layer) in built.layers.iter().enumerate() {
            built.check_layer(ix, layer).map_err(|e| e.at(format!("hidden layer {}", ix + 1)))?;
        }
        let readout = built.affine_map(built.depth());
        if readout.n_weights() > u128::from(Stream::LEN) {
            return Err(Error::usage("the read-out has more than 2^34 weights"));
        }
        built.kept = built.sources_kept();
        Ok(built)
    }

    fn sources_kept(&self) -> Vec<Vec<usize>> {
        let mut last_use = vec![0; self.depth() + 1];
        for (ix, layer) in self.layers.iter().enumerate() {
            layer.skips.iter().for_each(|skip| last_use[skip.source] = ix);
        }
        let mut kept: Vec<Vec<usize>> = vec![Vec::new()];
        for ix in 1..=self.depth() {
            let before = kept[ix - 1].iter().copied().chain([ix - 1]);
            kept.push(before.filter(|&source| last_use[source] >= ix).collect());
        }
        kept
    }

    fn check_layer(&self, ix: usize, layer: &Layer) -> Result<()> {
        let (inputs, units, before) = (layer.affine.inputs(), layer.affine.units(), self.source_len(ix));
        if units == 0 {
            return Err(Error::usage("has width 0: give at least 1"));
        }
        if inputs != before {
            return Err(Error::usage(format!("takes {inputs} inputs, but {before} values come before it")));
        }
        if layer.activation.outputs(units).is_none() {
            return Err(Error::usage(format!("{units} pre-activations are no whole groups of {}", layer.activation)));
        }
        if let Affine::Convolution(Convolution { filters, groups, .. }) = layer.affine
            && !(filters / groups).is_multiple_of(layer.activation.group_size())
        {
            return Err(Error::usage(format!(
                "{filters} filters in {groups} groups are no whole units or groups of {}",
                layer.activation
            )));
        }
        if layer.skips.len() > MAX_SKIPS {
            return Err(Error::usage(format!("{} skips: the most are {MAX_SKIPS}", layer.skips.len())));
        }
        for &Skip { source, map } in &layer.skips {
            if source > ix {
                return Err(Error::usage(format!("adds the outputs of hidden layer {source}, which is not before it")));
            }
            let values = self.source_len(source);
            let (from, to) = map.map_or((values, values), |map| (map.inputs(), map.units()));
            if (from, to) != (values, units) {
                return Err(Error::usage(format!(
                    "has {units} pre-activations, to which {to} values made of {from} out of {values} cannot be added"
                )));
            }
        }
        match layer.maps().any(|map| map.n_weights() > u128::from(Stream::LEN)) {
            true => Err(Error::usage("more than 2^34 weights")),
            false => Ok(()),
        }
    }

    /// Number of inputs of the network.
    pub fn input_dim(&self) -> usize {
        self.input.iter().product()
    }

    /// The shape of an input: one number, channels and length, or channels, height and width.
    pub fn input(&self) -> &[usize] {
        &self.input
    }

    /// The hidden layers, first to last.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Number of hidden layers.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// Number of linear read-outs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of hidden units: the outputs of all hidden layers.
    pub fn n_units(&self) -> u128 {
        self.layers.iter().map(|layer| layer.outputs() as u128).sum()
    }

    /// Number of values of a source of [skips](Skip): of the input (0), or of the outputs of the l-th hidden layer.
    pub fn source_len(&self, source: usize) -> usize {
        source.checked_sub(1).map_or_else(|| self.input_dim(), |layer| self.layers[layer].outputs())
    }

    /// The sources from before the inputs of hidden layer `ix` (from 0) that it or a later layer adds, first to last.
    pub fn kept(&self, ix: usize) -> &[usize] {
        &self.kept[ix]
    }

    /// Whether every map is dense, those of skips too.
    pub fn is_dense(&self) -> bool {
        self.layers.iter().flat_map(Layer::maps).all(|map| matches!(map, Affine::Dense { .. }))
    }

    /// Refuses convolutions and pooling.
    ///
    /// # Errors
    /// Says that `what` takes none as they are.
    pub(crate) fn check_dense(&self, what: &str) -> Result<()> {
        match self.is_dense() {
            true => Ok(()),
            false => Err(Error::usage(format!("{what} takes dense layers, not {self}: make it dense first"))),
        }
    }

    /// Refuses activations of groups of pre-activations.
    ///
    /// # Errors
    /// Says which layer has one, that `what` takes none, and the remedy.
    pub(crate) fn check_ungrouped(&self, what: &str, remedy: &str) -> Result<()> {
        let grouped = self.layers.iter().position(|layer| layer.activation.group_size() > 1);
        let Some(ix) = grouped else { return Ok(()) };
        let name = self.layers[ix].name();
        Err(Error::usage(format!(
            "{what} takes no groups of pre-activations, but hidden layer {} has {name}: {remedy}",
            ix + 1
        )))
    }

    /// Number of values of all sources [kept](Architecture::kept) at hidden layer `ix`.
    pub(crate) fn kept_len(&self, ix: usize) -> usize {
        self.kept[ix].iter().map(|&source| self.source_len(source)).sum()
    }

    /// Where the values of a source begin among those of all kept at hidden layer `ix`.
    pub(crate) fn kept_at(&self, ix: usize, source: usize) -> usize {
        self.kept[ix].iter().take_while(|&&kept| kept < source).map(|&kept| self.source_len(kept)).sum()
    }

    /// The first activation that does not make one output of every pre-activation, if there is one.
    pub fn grouped(&self) -> Option<&Activation> {
        self.layers.iter().map(|layer| layer.activation.as_ref()).find(|activation| activation.scalar().is_none())
    }

    /// Whether every layer is dense and takes nothing but the outputs before it.
    pub fn is_dense_chain(&self) -> bool {
        self.layers.iter().all(|layer| matches!(layer.affine, Affine::Dense { .. }) && layer.skips.is_empty())
    }

    /// The main affine map of every layer in order, then the read-out's.
    pub fn affine_maps(&self) -> impl Iterator<Item = Affine> + '_ {
        (0..=self.depth()).map(|ix| self.affine_map(ix))
    }

    /// The affine map of hidden layer `ix`, or the read-out's after the last.
    pub fn affine_map(&self, ix: usize) -> Affine {
        match self.layers.get(ix) {
            Some(layer) => layer.affine,
            None => Affine::Dense { inputs: self.layers[self.depth() - 1].outputs(), units: self.outputs },
        }
    }

    /// Number of weights and biases of the hidden layers.
    pub fn n_hidden_parameters(&self) -> u128 {
        let of_layer =
            |layer: &Layer| layer.maps().map(Affine::n_weights).sum::<u128>() + layer.affine.n_biases() as u128;
        self.layers.iter().map(of_layer).sum()
    }

    /// The activation of the first layer that has weights, which mostly all share.
    pub fn activation(&self) -> &Activation {
        let layer = self.layers.iter().find(|layer| layer.affine.n_weights() > 0).unwrap_or(&self.layers[0]);
        &layer.activation
    }
}

/// Pre-activations of a layer of so many outputs.
pub(super) fn pre_activations(activation: &Activation, outputs: usize) -> Result<usize> {
    activation.pre_activations(outputs).ok_or_else(|| {
        let size = activation.group_size();
        Error::usage(match activation.kind() {
            ActivationKind::Crelu(_) => {
                format!("has width {outputs}, no multiple of the 2 outputs of a unit of {activation}")
            }
            ActivationKind::GroupSort { .. } => {
                format!("has width {outputs}, no multiple of the group size {size} of {activation}")
            }
            _ => format!("{outputs} units of {size} pre-activations each are too many"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_outputs() {
        let shape = |text, activation: &str| Architecture::parse(text, activation.parse().unwrap(), 1);
        let maxout = shape("2-8x2", "maxout:3").unwrap();
        let rows: Vec<(usize, usize)> = maxout.affine_maps().map(|a| (a.inputs(), a.units())).collect();
        assert_eq!(rows, [(2, 24), (8, 24), (8, 1)]);
        assert_eq!(maxout.to_string(), "2-8x2");
        assert_eq!(maxout.n_units(), 16);
        let sorted = shape("2-8-4", "group-sort:4").unwrap();
        assert_eq!(sorted.layers().iter().map(Layer::groups).collect::<Vec<_>>(), [2, 1]);
        for (text, activation, message) in [
            ("2-8-6", "group-sort:4", "hidden layer 2 '6': has width 6"),
            ("2-5", "max-min", "group size 2 of max-min"),
            ("2-18446744073709551615", "maxout:2", "too many"),
        ] {
            let error = shape(text, activation).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let error = maxout.check_ungrouped("it", "do so").unwrap_err().to_string();
        assert_eq!(error, "it takes no groups of pre-activations, but hidden layer 1 has maxout:3: do so");
        for name in ["relu", "crelu"] {
            shape("2-8", name).unwrap().check_ungrouped("it", "").unwrap();
        }
    }

    #[test]
    fn what_layers_add_later_is_kept_until_then() {
        let shape = Architecture::parse("5-5-5~1-7+x2-7~0", Activation::relu(), 1);
        shape.unwrap_err();
        let shape = Architecture::parse("5-5-5~1-7+x2-7~3", Activation::relu(), 1).unwrap();
        let kept: Vec<&[usize]> = (0..=shape.depth()).map(|l| shape.kept(l)).collect();
        assert_eq!(kept, [&[][..], &[0], &[0], &[0], &[3], &[]]);
        let two = Architecture::parse("5-3-5-5+1-5~0-3+1", Activation::relu(), 1).unwrap();
        assert_eq!((two.kept(3), two.kept_len(3), two.kept_at(3, 0), two.kept_at(3, 1)), (&[0, 1][..], 8, 0, 5));
        assert_eq!(shape.n_hidden_parameters(), 5 * 6 + 5 * 6 + 7 * 11 + 7 * 13 + 7 * 8);
        assert!(!shape.is_dense_chain());
    }

    #[test]
    fn layers_that_do_not_fit_are_refused() {
        let relu = Arc::new(Activation::relu());
        let dense = |inputs, units, skips: &[Skip]| Layer {
            affine: Affine::Dense { inputs, units },
            skips: skips.to_vec(),
            activation: Arc::clone(&relu),
        };
        let whole = |source| Skip { source, map: None };
        for (layers, message) in [
            (vec![dense(3, 4, &[]), dense(5, 2, &[])], "hidden layer 2: takes 5 inputs, but 4"),
            (vec![dense(3, 4, &[whole(0)])], "hidden layer 1: has 4 pre-activations, to which 3"),
            (vec![dense(3, 3, &[whole(1)]), dense(3, 3, &[])], "hidden layer 1: adds the outputs of hidden layer 1"),
        ] {
            let error = Architecture::of_layers(vec![3], layers, 1).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
