//! Layers of a network, as they are found on the way from its input to its output.

use std::sync::Arc;

use super::check_size;
use super::form::{Form, Map, Term, positions, with_weights};
use super::numbers::Numbers;
use super::step::Step;
use crate::error::{Error, Result};
use crate::network::{Activation, Affine, AffineWeights, Architecture, Convolution, Layer, Network, Skip, Windows};

/// The layers so far. What activations and windows are applied to becomes a layer; where affine maps do not become one map, the
/// first is a layer with the identity as its activation.
pub(super) struct Layers {
    input_dim: usize,
    /// Whether tensors with channels are images, which dense layers alone do not need.
    has_images: bool,
    /// Whether images have rows, too.
    has_rows: bool,
    layers: Vec<Layer>,
    weights: Vec<AffineWeights<f64>>,
}

impl Layers {
    /// Those of a network with so many inputs, before any.
    pub(super) fn new(input_dim: usize, has_images: bool) -> Self {
        Self { input_dim, has_images, has_rows: false, layers: Vec::new(), weights: Vec::new() }
    }

    /// What a step makes of a tensor of this shape.
    pub(super) fn apply(&mut self, step: Step, form: Form, shape: &[usize]) -> Result<Form> {
        self.has_rows |= step.has_windows() && shape.len() > 3;
        match step {
            Step::Product { matrix, inputs, units, units_first } => {
                let form = if form.can_multiply() { form } else { self.settled_but_for_shift(form, shape)? };
                let values = if units_first { transposed(&matrix.values, inputs) } else { matrix.values.clone() };
                form.multiplied(values, units)
            }
            Step::Scale(operand) => {
                let factors = operand.numbers()?;
                let form = if form.can_scale(&factors) { form } else { self.settled_but_for_shift(form, shape)? };
                form.scaled(&factors)
            }
            Step::Shift(operand) => form.shifted(operand.numbers()?),
            Step::Convolve { convolution, kernel, dilation } => {
                let form = if form.can_convolve(&convolution.windows) { form } else { self.settled(form, shape)? };
                form.convolved(convolution, dilated(&kernel.values, &convolution, dilation)?)
            }
            Step::AveragePool(windows) => {
                let mut form = self.settled(form, shape)?;
                form.terms[0].map = Map::Linear(Affine::AveragePool(windows), Vec::new());
                Ok(form)
            }
            Step::MaxPool(windows) => {
                let mut form = self.settled(form, shape)?;
                form.terms[0].map = Map::Linear(Affine::WindowValues(windows), Vec::new());
                self.layer(form, Activation::largest_of(windows.area())?, shape)
            }
            Step::Activate(activation) => self.layer(form, activation, shape),
        }
    }

    /// The same tensor as what a layer gives: several nodes may take it.
    pub(super) fn settled(&mut self, form: Form, shape: &[usize]) -> Result<Form> {
        if form.is_source() { Ok(form) } else { self.layer(form, Activation::identity(), shape) }
    }

    /// What a layer gives, with the shift that the next map can take as its own.
    fn settled_but_for_shift(&mut self, mut form: Form, shape: &[usize]) -> Result<Form> {
        let shift = form.shift.take();
        let settled = self.settled(form, shape)?;
        match shift {
            None => Ok(settled),
            Some(shift) => settled.shifted(shift),
        }
    }

    /// Adds a layer; `shape` is that of its pre-activations, where they are not those of a map with weights.
    fn layer(&mut self, mut form: Form, activation: Activation, shape: &[usize]) -> Result<Form> {
        let main = self.main_term(&mut form.terms)?;
        let (affine, weight) = match main.map {
            Map::Linear(affine @ Affine::AveragePool(_), weight) if form.shift.is_some() => {
                with_weights(affine, weight)?
            }
            Map::Linear(affine, weight) => (affine, weight),
            map => self.diagonal(main.source, map, form.shift.as_ref(), shape)?,
        };
        let block = positions(&affine);
        // A shift that is not the same for all of a filter's outputs is a map of its own, behind the layer.
        let (shift, later) = match form.shift {
            Some(shift) if !shift.is_per(block) => (None, Some(shift)),
            shift => (shift, None),
        };
        let bias = match shift {
            Some(shift) => shift.per(block)?,
            None => vec![0.0; affine.n_biases()],
        };
        let (mut skips, mut skip_weights) = (Vec::new(), Vec::new());
        for Term { source, map } in form.terms {
            let map = match map {
                Map::Identity => None,
                Map::Linear(affine, weight) => Some(with_weights(affine, weight)?),
                map => Some(self.diagonal(source, map, None, shape)?),
            };
            skips.push(Skip { source, map: map.as_ref().map(|(affine, _)| *affine) });
            skip_weights.push(map.map_or_else(Vec::new, |(_, weight)| weight));
        }
        let is_last = later.is_none();
        let activation_here = if is_last { activation.clone() } else { Activation::identity() };
        self.layers.push(Layer { affine, skips, activation: Arc::new(activation_here) });
        self.weights.push(AffineWeights { weight, bias, skips: skip_weights });
        let given = Form::of_source(self.layers.len());
        match later {
            None => Ok(given),
            Some(shift) => self.layer(given.shifted(shift)?, activation, &[]),
        }
    }

    /// Takes out the term that becomes a layer's main map: one of what the layer before gives, with weights if there is one.
    fn main_term(&self, terms: &mut Vec<Term>) -> Result<Term> {
        let rank = |term: &Term| match &term.map {
            Map::Linear(Affine::AveragePool(_), _) => 1,
            Map::Linear(..) => 2,
            Map::Identity | Map::Diagonal(_) => 0,
        };
        let candidates = terms.iter().enumerate().filter(|(_, term)| term.source == self.layers.len());
        match candidates.max_by_key(|(ix, term)| (rank(term), std::cmp::Reverse(*ix))) {
            Some((ix, _)) => Ok(terms.remove(ix)),
            None => Err(Error::usage(
                "goes on from a tensor that is not of the last layer before it: of branches side by side only one may have \
                 activations, pooling or maps in a row",
            )),
        }
    }

    /// A map of every coordinate by itself: of every channel by itself, where it does the same to all of it, or a dense one.
    fn diagonal(
        &self,
        source: usize,
        map: Map,
        shift: Option<&Numbers>,
        shape: &[usize],
    ) -> Result<(Affine, Vec<f64>)> {
        let n = self.source_len(source);
        let scale = match map {
            Map::Diagonal(scale) => scale,
            _ => Numbers::repeated(vec![1.0], n),
        };
        if let Some([channels, height, width]) = self.image(shape)
            && scale.is_per(height * width)
            && shift.is_none_or(|shift| shift.is_per(height * width))
        {
            let input = [height, width];
            let windows = Windows { channels, input, kernel: [1; 2], stride: [1; 2], padding: [[0; 2]; 2] };
            let each = Convolution { windows, filters: channels, groups: channels };
            return Ok((Affine::Convolution(each), scale.per(height * width)?));
        }
        check_size(n as u128 * n as u128)?;
        let mut weight = vec![0.0; n * n];
        weight.iter_mut().step_by(n + 1).zip(scale.per(1)?).for_each(|(w, c)| *w = c);
        Ok((Affine::Dense { inputs: n, units: n }, weight))
    }

    /// The channels, height and width of a tensor that is an image.
    fn image(&self, shape: &[usize]) -> Option<[usize; 3]> {
        match *shape {
            [1, channels, height, width] if self.has_images => Some([channels, height, width]),
            [1, channels, length] if self.has_images => Some([channels, 1, length]),
            _ => None,
        }
    }

    fn source_len(&self, source: usize) -> usize {
        source.checked_sub(1).map_or(self.input_dim, |layer| self.layers[layer].outputs())
    }

    /// The network with this output.
    pub(super) fn into_network(mut self, output: Form, shape: &[usize]) -> Result<Network> {
        let is_affine = |layer: &Layer| layer.activation.scalar().is_some_and(|pieces| pieces.breakpoints.is_empty());
        if self.layers.iter().all(is_affine) {
            return Err(Error::usage("the graph has no activation: an affine function has one linear region"));
        }
        let readout = self.readout(output, shape)?;
        let outputs = readout.bias.len();
        self.weights.push(readout);
        Network::new(Architecture::of_layers(self.input(), self.layers, outputs)?, self.weights)
    }

    fn readout(&mut self, mut output: Form, shape: &[usize]) -> Result<AffineWeights<f64>> {
        let is_dense = match output.terms.as_slice() {
            [Term { source, map: Map::Linear(affine, _) }] => *source == self.layers.len() && sees_all(affine),
            [_] => true,
            _ => false,
        };
        if !is_dense {
            output = self.settled(output, shape)?;
        }
        let main = self.main_term(&mut output.terms)?;
        let (affine, weight) = match main.map {
            Map::Linear(affine, weight) => (affine, weight),
            map => self.diagonal(main.source, map, None, &[])?,
        };
        let bias = output.shift.map_or_else(|| Ok(vec![0.0; affine.units()]), |shift| shift.per(1))?;
        Ok(AffineWeights::new(weight, bias))
    }

    /// The shape of the input: that of an image, where the first layer takes it as one.
    fn input(&self) -> Vec<usize> {
        match self.layers[0].affine {
            Affine::Convolution(Convolution { windows, .. })
            | Affine::AveragePool(windows)
            | Affine::WindowValues(windows) => {
                let [height, width] = windows.input;
                if self.has_rows { vec![windows.channels, height, width] } else { vec![windows.channels, width] }
            }
            Affine::Dense { inputs, .. } => vec![inputs],
        }
    }
}

/// Whether it is a dense map, or as good as one: filters over the whole image.
fn sees_all(affine: &Affine) -> bool {
    match affine {
        Affine::Dense { .. } => true,
        Affine::Convolution(Convolution { windows, groups, .. }) => {
            *groups == 1 && windows.kernel == windows.input && windows.padding == [[0; 2]; 2]
        }
        _ => false,
    }
}

/// A convolution's weights, input-major, from those of a kernel, filters x patch: a dilated kernel has zeros between its values.
fn dilated(kernel: &[f64], convolution: &Convolution, dilation: [usize; 2]) -> Result<Vec<f64>> {
    if dilation == [1; 2] {
        return Ok(transposed(kernel, convolution.patch()));
    }
    let [height, width] = convolution.windows.kernel;
    let sides = [(height - 1) / dilation[0] + 1, (width - 1) / dilation[1] + 1];
    let (n, filters) = (convolution.patch() as u128 * convolution.filters as u128, convolution.filters);
    check_size(n)?;
    let mut weight = vec![0.0; n as usize];
    for (at, &value) in kernel.iter().enumerate() {
        let (filter, element) = (at / (kernel.len() / filters), at % (kernel.len() / filters));
        let (channel, y, x) = (element / (sides[0] * sides[1]), element / sides[1] % sides[0], element % sides[1]);
        weight[((channel * height + y * dilation[0]) * width + x * dilation[1]) * filters + filter] = value;
    }
    Ok(weight)
}

/// The transpose of a matrix with `columns` columns.
fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns).copied()).collect()
}
