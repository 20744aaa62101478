//! Affine functions of what layers give: what a tensor is before it becomes a layer of its own.

use super::check_size;
use super::numbers::Numbers;
use crate::error::Result;
use crate::network::{Affine, Convolution, Windows};

/// A sum of linear maps of sources, with a shift.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub terms: Vec<Term>,
    /// Nothing is zero.
    pub shift: Option<Numbers>,
}

/// A linear map of one source.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// 0 is the network's input, l the outputs of the l-th layer.
    pub source: usize,
    pub map: Map,
}

/// A linear map.
#[derive(Clone, Debug)]
pub(super) enum Map {
    Identity,
    /// Every coordinate by itself.
    Diagonal(Numbers),
    /// With its weights, as in [`AffineWeights`](crate::network::AffineWeights).
    Linear(Affine, Vec<f64>),
}

impl Form {
    /// What a layer gives, or the input.
    pub(super) fn of_source(source: usize) -> Self {
        Self { terms: vec![Term { source, map: Map::Identity }], shift: None }
    }

    /// Whether it is what a layer gives, or the input.
    pub(super) fn is_source(&self) -> bool {
        self.is_one_term(|map| matches!(map, Map::Identity)) && self.shift.is_none()
    }

    fn is_one_term(&self, is_right: impl Fn(&Map) -> bool) -> bool {
        matches!(self.terms.as_slice(), [term] if is_right(&term.map))
    }

    /// Whether its coordinates can be multiplied by such numbers without a layer of their own.
    pub(super) fn can_scale(&self, factors: &Numbers) -> bool {
        self.terms.iter().all(|term| match &term.map {
            Map::Identity | Map::Diagonal(_) => true,
            Map::Linear(affine, _) => factors.is_per(positions(affine)),
        })
    }

    /// Multiplies every coordinate by a number for which [`Form::can_scale`] holds.
    pub(super) fn scaled(mut self, factors: &Numbers) -> Result<Self> {
        for term in &mut self.terms {
            term.map = match std::mem::replace(&mut term.map, Map::Identity) {
                Map::Identity => Map::Diagonal(factors.clone()),
                Map::Diagonal(scale) => Map::Diagonal(scale.with(factors, |a, b| a * b)?),
                Map::Linear(affine, weight) => {
                    let (affine, mut weight) = with_weights(affine, weight)?;
                    let factors = factors.per(positions(&affine))?;
                    for row in weight.chunks_exact_mut(factors.len()) {
                        row.iter_mut().zip(&factors).for_each(|(w, c)| *w *= c);
                    }
                    Map::Linear(affine, weight)
                }
            };
        }
        self.shift = self.shift.map(|shift| shift.with(factors, |a, b| a * b)).transpose()?;
        Ok(self)
    }

    /// Adds a number to every coordinate.
    pub(super) fn shifted(mut self, terms: Numbers) -> Result<Self> {
        self.shift = Some(match self.shift {
            None => terms,
            Some(shift) => shift.with(&terms, |a, b| a + b)?,
        });
        Ok(self)
    }

    /// Adds another form of as many coordinates.
    pub(super) fn plus(mut self, other: Self) -> Result<Self> {
        self.terms.extend(other.terms);
        match other.shift {
            None => Ok(self),
            Some(shift) => self.shifted(shift),
        }
    }

    /// Whether it can be multiplied by a matrix without a layer of its own.
    pub(super) fn can_multiply(&self) -> bool {
        self.is_one_term(|map| !matches!(map, Map::Linear(affine, _) if !matches!(affine, Affine::Dense { .. })))
    }

    /// Its product with a matrix, inputs x units, where [`Form::can_multiply`] holds.
    pub(super) fn multiplied(mut self, mut matrix: Vec<f64>, units: usize) -> Result<Self> {
        let shift = self.shift.take().map(|shift| Ok(Numbers::repeated(product(&shift.per(1)?, &matrix, units), 1)));
        let inputs = matrix.len() / units;
        let term = &mut self.terms[0];
        term.map = match std::mem::replace(&mut term.map, Map::Identity) {
            Map::Identity => Map::Linear(Affine::Dense { inputs, units }, matrix),
            Map::Diagonal(scale) => {
                for (row, c) in matrix.chunks_exact_mut(units).zip(scale.per(1)?) {
                    row.iter_mut().for_each(|w| *w *= c);
                }
                Map::Linear(Affine::Dense { inputs, units }, matrix)
            }
            Map::Linear(first, weight) => {
                check_size(first.inputs() as u128 * units as u128)?;
                let composed = weight.chunks_exact(inputs).flat_map(|row| product(row, &matrix, units)).collect();
                Map::Linear(Affine::Dense { inputs: first.inputs(), units }, composed)
            }
        };
        self.shift = shift.transpose()?;
        Ok(self)
    }

    /// Whether it can be convolved so without a layer of its own: beyond the edge of an image are zeros, whatever was added to it.
    pub(super) fn can_convolve(&self, windows: &Windows) -> bool {
        let is_per_channel = |numbers: &Numbers| numbers.is_per(windows.plane());
        self.is_one_term(|map| match map {
            Map::Identity => true,
            Map::Diagonal(scale) => is_per_channel(scale),
            Map::Linear(..) => false,
        }) && self.shift.as_ref().is_none_or(|shift| windows.padding == [[0; 2]; 2] && is_per_channel(shift))
    }

    /// Its convolution, where [`Form::can_convolve`] holds.
    pub(super) fn convolved(mut self, convolution: Convolution, mut weight: Vec<f64>) -> Result<Self> {
        let Convolution { windows, filters, groups } = convolution;
        let channel = |at: usize| {
            let (element, filter) = (at / filters, at % filters);
            filter / (filters / groups) * convolution.channels_per_group() + element / windows.area()
        };
        if let Some(shift) = self.shift.take() {
            let (shift, mut bias) = (shift.per(windows.plane())?, vec![0.0; filters]);
            weight.iter().enumerate().for_each(|(at, w)| bias[at % filters] += w * shift[channel(at)]);
            self.shift = Some(Numbers::repeated(bias, windows.positions()));
        }
        let term = &mut self.terms[0];
        if let Map::Diagonal(scale) = &term.map {
            let scale = scale.per(windows.plane())?;
            weight.iter_mut().enumerate().for_each(|(at, w)| *w *= scale[channel(at)]);
        }
        term.map = Map::Linear(Affine::Convolution(convolution), weight);
        Ok(self)
    }
}

/// Coordinates in a row that share a column of the weights.
pub(super) fn positions(affine: &Affine) -> usize {
    match affine {
        Affine::Convolution(convolution) => convolution.windows.positions(),
        Affine::AveragePool(windows) | Affine::WindowValues(windows) => windows.positions(),
        _ => 1,
    }
}

/// The same map with weights that can change: means are a convolution of every channel by itself.
pub(super) fn with_weights(affine: Affine, weight: Vec<f64>) -> Result<(Affine, Vec<f64>)> {
    let Affine::AveragePool(windows) = affine else { return Ok((affine, weight)) };
    check_size(windows.area() as u128 * windows.channels as u128)?;
    let means = Convolution { windows, filters: windows.channels, groups: windows.channels };
    Ok((Affine::Convolution(means), vec![1.0 / windows.area() as f64; windows.area() * windows.channels]))
}

/// A row times a matrix with `units` columns.
fn product(row: &[f64], matrix: &[f64], units: usize) -> Vec<f64> {
    let mut sums = vec![0.0; units];
    for (x, weights) in row.iter().zip(matrix.chunks_exact(units)) {
        sums.iter_mut().zip(weights).for_each(|(sum, w)| *sum += x * w);
    }
    sums
}
