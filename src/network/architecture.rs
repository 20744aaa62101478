//! The shape of a network: a list of affine layers and their activations, and the linear read-out.

use std::fmt;
use std::sync::Arc;

use super::{Activation, ActivationKind};
use crate::error::{Error, Result};
use crate::random::Stream;

/// An affine map between layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Affine {
    /// Every input is connected to every unit.
    Dense {
        /// Number of inputs.
        inputs: usize,
        /// Number of pre-activations.
        units: usize,
    },
}

impl Affine {
    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        let Self::Dense { inputs, .. } = *self;
        inputs
    }

    /// Number of pre-activations, each a unit of the map; an activation may join several of them, see [`Layer`].
    pub fn units(&self) -> usize {
        let Self::Dense { units, .. } = *self;
        units
    }

    /// Number of free weights, biases apart.
    pub fn n_weights(&self) -> u128 {
        self.inputs() as u128 * self.units() as u128
    }
}

/// A hidden layer: an affine map and the activation of its units.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The affine map.
    pub affine: Affine,
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
}

/// A feed-forward network's shape: hidden layers and a linear read-out.
///
/// Written `2-64x3` (2 inputs, three hidden layers of 64 units) or `784-512-256-128`. Widths are numbers of outputs: a maxout
/// layer of width 8 and rank 3 has 24 pre-activations, and the next layer 8 inputs.
#[derive(Clone, Debug)]
pub struct Architecture {
    input_dim: usize,
    layers: Vec<Layer>,
    outputs: usize,
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
        if layers.is_empty() {
            return Err(Error::usage("an architecture needs a hidden layer: for example 2-64x3"));
        }
        if outputs == 0 {
            return Err(Error::usage("the read-out needs at least 1 output"));
        }
        if input_dim == 0 {
            return Err(Error::usage("the input dimension is 0: give at least 1"));
        }
        if let Some(ix) = layers.iter().position(|&(units, _)| units == 0) {
            return Err(Error::usage(format!("hidden layer {} has width 0: give at least 1", ix + 1)));
        }
        let mut inputs = input_dim;
        let layer = |(ix, (width, activation)): (usize, (usize, Arc<Activation>))| {
            let units = activation.pre_activations(width).ok_or_else(|| {
                let size = activation.group_size();
                Error::usage(match activation.kind() {
                    ActivationKind::GroupSort { .. } => {
                        format!(
                            "hidden layer {} has width {width}, no multiple of the group size {size} of {activation}",
                            ix + 1
                        )
                    }
                    _ => format!("hidden layer {}: {width} units of {size} pre-activations each are too many", ix + 1),
                })
            })?;
            Ok(Layer { affine: Affine::Dense { inputs: std::mem::replace(&mut inputs, width), units }, activation })
        };
        let layers = layers.into_iter().enumerate().map(layer).collect::<Result<Vec<Layer>>>()?;
        let built = Self { input_dim, layers, outputs };
        if let Some(ix) = built.affine_maps().position(|a| a.n_weights() > u128::from(Stream::LEN)) {
            return Err(Error::usage(format!("layer {}: more than 2^34 weights", ix + 1)));
        }
        Ok(built)
    }

    /// Reads `2-64x3` or `784-512-256-128`: the input dimension, then hidden widths, `WxN` for N layers of width W.
    ///
    /// # Errors
    /// Says which part of the text is wrong.
    pub fn parse(text: &str, activation: Activation, outputs: usize) -> Result<Self> {
        const MAX_DEPTH: usize = 1_000_000;
        let bad = |part: &str| {
            Error::usage(format!("'{part}' in architecture '{text}': write for example 2-64x3 or 784-512-256-128"))
        };
        let number = |part: &str| part.parse::<usize>().map_err(|_| bad(part));
        let mut parts = text.split('-');
        let input_dim = number(parts.next().unwrap_or_default())?;
        let mut widths = Vec::new();
        for part in parts {
            let (width, depth) = part.split_once('x').map_or((part, "1"), |(w, n)| (w, n));
            let (width, depth) = (number(width).map_err(|_| bad(part))?, number(depth).map_err(|_| bad(part))?);
            if depth == 0 {
                return Err(bad(part));
            }
            if depth > MAX_DEPTH - widths.len() {
                return Err(Error::usage(format!("architecture '{text}' has more than {MAX_DEPTH} layers")));
            }
            widths.extend(std::iter::repeat_n(width, depth));
        }
        Self::dense(input_dim, &widths, activation, outputs).map_err(|e| e.at(format!("architecture '{text}'")))
    }

    /// Number of inputs of the network.
    pub fn input_dim(&self) -> usize {
        self.input_dim
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

    /// The first activation that joins several pre-activations, if there is one.
    pub fn grouped(&self) -> Option<&Activation> {
        self.layers.iter().map(|layer| layer.activation.as_ref()).find(|activation| activation.scalar().is_none())
    }

    /// Refuses activations that join several pre-activations.
    ///
    /// # Errors
    /// Says that `what` takes activations of one pre-activation only.
    pub fn check_scalar(&self, what: &str) -> Result<()> {
        match self.grouped() {
            None => Ok(()),
            Some(activation) => {
                Err(Error::usage(format!("{what} takes activations of one pre-activation so far, not {activation}")))
            }
        }
    }

    /// Every affine map in order: one per hidden layer, then the read-out.
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
        self.layers.iter().map(|layer| layer.affine.n_weights() + layer.affine.units() as u128).sum()
    }

    /// The activation that all layers share, or of the first layer.
    pub fn activation(&self) -> &Activation {
        &self.layers[0].activation
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.input_dim)?;
        for run in self.layers.chunk_by(|a, b| a.outputs() == b.outputs()) {
            write!(f, "-{}", run[0].outputs())?;
            if run.len() > 1 {
                write!(f, "x{}", run.len())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Architecture> {
        Architecture::parse(text, Activation::relu(), 1)
    }

    #[test]
    fn text_round_trips_in_its_shortest_form() {
        for (text, shortest) in
            [("2-64x3", "2-64x3"), ("784-512-256-128", "784-512-256-128"), ("1-3-3-5x1-5", "1-3x2-5x2")]
        {
            assert_eq!(parse(text).unwrap().to_string(), shortest);
        }
    }

    #[test]
    fn bad_shapes_are_refused_with_their_place() {
        for (text, place) in [
            ("", "''"),
            ("2", "hidden layer"),
            ("2-0x3", "hidden layer 1 has width 0"),
            ("0-3", "input dimension"),
            ("2-64x0", "'64x0'"),
            ("2--3", "''"),
            ("2-3x", "'3x'"),
            ("2-a", "'a'"),
            ("-2-3", "''"),
            ("2-3x99999999", "more than"),
            ("1-99999999999999999999", "'99999999999999999999'"),
            ("1-200000x2", "2^34"),
        ] {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains(place), "{text}: {message}");
        }
    }

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
            ("2-8-6", "group-sort:4", "hidden layer 2 has width 6"),
            ("2-5", "max-min", "group size 2 of max-min"),
            ("2-18446744073709551615", "maxout:2", "too many"),
        ] {
            let error = shape(text, activation).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        maxout.check_scalar("it").unwrap_err();
        parse("2-8").unwrap().check_scalar("it").unwrap();
    }
}
