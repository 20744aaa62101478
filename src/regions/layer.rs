//! A hidden layer prepared for counting: where its units change piece, and what comes out of it on a piece.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use num_traits::Zero;

use crate::error::{Error, Result};
use crate::network::{self, ActivationKind, AffineWeights, Pieces, pair_index, pairs};

/// What a layer takes from one source.
#[derive(Debug)]
pub(crate) struct Term {
    /// The network's input (0) or the outputs of the l-th hidden layer.
    pub(crate) source: usize,
    pub(crate) n_inputs: usize,
    /// Row-major: the weight from input `i` to row `r` is element `r * n_inputs + i`. None adds values as they are.
    weight: Option<Vec<f64>>,
}

impl Term {
    /// The number of the first input of a row, and the weights from there on.
    pub(crate) fn row(&self, row: usize) -> (usize, &[f64]) {
        match &self.weight {
            Some(weight) => (0, &weight[row * self.n_inputs..][..self.n_inputs]),
            None => (row, &[1.0]),
        }
    }

    /// The inputs of a row with weights that are not zero.
    pub(crate) fn inputs(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let (first, weights) = self.row(row);
        weights.iter().enumerate().filter(|(_, w)| **w != 0.0).map(move |(ix, &w)| (first + ix, w))
    }
}

/// One output of a layer on a piece: one row of its pre-activations through one affine form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) row: usize,
    /// Place of slope and intercept in the layer's.
    pub(crate) form: usize,
}

/// A function of pre-activations that changes sign where a unit changes piece: `z[plus] - z[minus] - tau`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switch {
    pub(crate) plus: usize,
    pub(crate) minus: Option<usize>,
    /// Number of the breakpoint; none where two rows are compared.
    pub(crate) breakpoint: Option<usize>,
}

/// One hidden layer: rows of pre-activations `z`, each the sum of its terms and a bias, then the activation of every unit, which is one row
/// or a group of consecutive ones.
///
/// A pattern has one field for each unit, its piece or, for maxout, the first of its largest rows; for sorted groups it has one for each
/// pair of rows (i, j), i < j: whether j is above i.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) terms: Vec<Term>,
    pub(crate) bias: Vec<f64>,
    kind: ActivationKind,
    pub(crate) breakpoints: Vec<f64>,
    /// The affine forms through which rows go.
    pub(crate) slopes: Vec<f64>,
    pub(crate) intercepts: Vec<f64>,
    /// The pairs of rows of a group.
    pairs: Vec<(usize, usize)>,
    /// The first row with the same weights and bias: they are equal everywhere.
    same_row: Vec<usize>,
    /// The first unit with the same rows: both are always on the same piece.
    pub(crate) twin: Vec<usize>,
    /// Rows that no input changes.
    is_constant: Vec<bool>,
}

impl Layer {
    /// A dense layer. `before` are the layers before it.
    ///
    /// # Errors
    /// A set `stop`.
    pub(crate) fn new(
        shape: &network::Layer,
        weights: &AffineWeights<f64>,
        before: &[Self],
        stop: &AtomicBool,
    ) -> Result<Self> {
        let n_rows = shape.affine.units();
        let n_inputs = shape.affine.inputs();
        let weight = Some(row_major(&weights.weight, n_rows, stop)?);
        let mut terms = vec![Term { source: before.len(), n_inputs, weight }];
        for (skip, weight) in shape.skips.iter().zip(&weights.skips) {
            let weight = skip.map.map(|_| row_major(weight, n_rows, stop)).transpose()?;
            let n_inputs = skip.map.map_or(n_rows, |map| map.inputs());
            terms.push(Term { source: skip.source, n_inputs, weight });
        }
        let kind = shape.activation.kind().clone();
        let through = Pieces { breakpoints: Vec::new(), slopes: vec![1.0], intercepts: vec![0.0] };
        let (Pieces { breakpoints, mut slopes, mut intercepts }, size) = match &kind {
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => (pieces.clone(), 1),
            ActivationKind::Maxout { rank: size } | ActivationKind::GroupSort { size } => (through, *size),
        };
        if let ActivationKind::Crelu(_) = kind {
            // max(-z, 0) below the breakpoint and above.
            slopes.extend([-1.0, 0.0]);
            intercepts.extend([0.0, 0.0]);
        }
        let mut layer = Self {
            terms,
            bias: weights.bias.clone(),
            kind,
            breakpoints,
            slopes,
            intercepts,
            pairs: pairs(size).collect(),
            same_row: Vec::new(),
            twin: Vec::new(),
            is_constant: Vec::new(),
        };
        layer.same_row = layer.equal_rows(stop)?;
        let mut first = HashMap::new();
        let twin = (0..layer.n_units()).map(|u| {
            let rows = &layer.same_row[u * size..(u + 1) * size];
            *first.entry(rows).or_insert(u)
        });
        layer.twin = twin.collect();
        let fixed: Vec<Vec<bool>> = before.iter().map(Self::fixed_outputs).collect();
        let is_fixed = |source: usize, input: usize| source.checked_sub(1).is_some_and(|l| fixed[l][input]);
        let is_constant =
            |row: usize| layer.terms.iter().all(|term| term.inputs(row).all(|(input, _)| is_fixed(term.source, input)));
        layer.is_constant = (0..n_rows).map(is_constant).collect();
        Ok(layer)
    }

    /// For every row the first that is equal to it.
    fn equal_rows(&self, stop: &AtomicBool) -> Result<Vec<usize>> {
        // Zero of either sign is the same weight.
        let bits = |row: usize| {
            let weights = self.terms.iter().flat_map(move |term| term.row(row).1);
            weights.chain([&self.bias[row]]).map(|w| (w + 0.0).to_bits())
        };
        // A row added as it is differs from all others.
        if self.terms.iter().any(|term| term.weight.is_none()) {
            return Ok((0..self.n_rows()).collect());
        }
        let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut equal = Vec::with_capacity(self.n_rows());
        for row in 0..self.n_rows() {
            check_stop(stop)?;
            let digest = bits(row).fold(0u64, |sum, w| (sum.rotate_left(5) ^ w).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let rows = known.entry(digest).or_default();
            let first = rows.iter().copied().find(|&other| bits(other).eq(bits(row)));
            if first.is_none() {
                rows.push(row);
            }
            equal.push(first.unwrap_or(row));
        }
        Ok(equal)
    }

    /// Which outputs are the same on all inputs.
    fn fixed_outputs(&self) -> Vec<bool> {
        let of_group = |unit: usize| self.rows_of(unit).all(|row| self.is_constant[row]);
        match self.kind {
            ActivationKind::Scalar(_) => self.is_constant.clone(),
            ActivationKind::Crelu(_) => self.is_constant.repeat(2),
            ActivationKind::Maxout { .. } => (0..self.n_units()).map(of_group).collect(),
            ActivationKind::GroupSort { size } => (0..self.n_rows()).map(|row| of_group(row / size)).collect(),
        }
    }

    /// Pre-activations.
    pub(crate) fn n_rows(&self) -> usize {
        self.bias.len()
    }

    pub(crate) fn n_units(&self) -> usize {
        self.n_rows() / self.group_size()
    }

    fn group_size(&self) -> usize {
        match self.kind {
            ActivationKind::Scalar(_) | ActivationKind::Crelu(_) => 1,
            ActivationKind::Maxout { rank: size } | ActivationKind::GroupSort { size } => size,
        }
    }

    pub(crate) fn n_outputs(&self) -> usize {
        match self.kind {
            ActivationKind::Scalar(_) | ActivationKind::GroupSort { .. } => self.n_rows(),
            ActivationKind::Crelu(_) => 2 * self.n_rows(),
            ActivationKind::Maxout { .. } => self.n_units(),
        }
    }

    /// Inputs of all terms.
    pub(crate) fn n_inputs(&self) -> usize {
        self.terms.iter().map(|term| term.n_inputs).sum()
    }

    pub(crate) fn kind(&self) -> &ActivationKind {
        &self.kind
    }

    /// The rows of a unit.
    pub(crate) fn rows_of(&self, unit: usize) -> std::ops::Range<usize> {
        unit * self.group_size()..(unit + 1) * self.group_size()
    }

    /// The rows of a maxout unit, from 0, without copies of earlier ones, which are never the first of the largest.
    pub(crate) fn members(&self, unit: usize) -> impl Iterator<Item = usize> + '_ {
        let rows = self.rows_of(unit);
        (0..rows.len()).filter(move |&member| {
            !rows.clone().take(member).any(|other| self.same_row[other] == self.same_row[rows.start + member])
        })
    }

    /// The units that are on the same piece as `unit` everywhere, itself first.
    pub(crate) fn twins(&self, unit: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        (unit..self.n_units()).filter(move |&u| self.twin[u] == unit)
    }

    /// Number of switches of a unit: breakpoints, or pairs of rows.
    pub(crate) fn n_switches(&self) -> usize {
        if self.group_size() > 1 { self.pairs.len() } else { self.breakpoints.len() }
    }

    /// The rows (i, j), i < j, that a switch of a group compares, from 0 in the group.
    pub(crate) fn pair(&self, switch: usize) -> (usize, usize) {
        self.pairs[switch]
    }

    /// The switch of two rows of a group, and whether it is above where row `a` is above row `b`.
    pub(crate) fn comparison(&self, a: usize, b: usize) -> (usize, bool) {
        (pair_index(self.group_size(), a.min(b), a.max(b)), a > b)
    }

    /// A switch of a unit.
    pub(crate) fn switch(&self, unit: usize, switch: usize) -> Switch {
        match self.kind {
            ActivationKind::Scalar(_) | ActivationKind::Crelu(_) => {
                Switch { plus: unit, minus: None, breakpoint: Some(switch) }
            }
            ActivationKind::Maxout { .. } | ActivationKind::GroupSort { .. } => {
                let (first, (i, j)) = (self.rows_of(unit).start, self.pairs[switch]);
                Switch { plus: first + j, minus: Some(first + i), breakpoint: None }
            }
        }
    }

    /// Whether a switch is zero everywhere, or the same on all inputs.
    pub(crate) fn is_fixed(&self, unit: usize, switch: usize) -> bool {
        let Switch { plus, minus, .. } = self.switch(unit, switch);
        match minus {
            None => self.is_constant[plus],
            Some(minus) => {
                self.same_row[plus] == self.same_row[minus] || self.is_constant[plus] && self.is_constant[minus]
            }
        }
    }

    /// Whether the two rows of a switch are copies: the second is never above.
    pub(crate) fn compares_copies(&self, unit: usize, switch: usize) -> bool {
        let Switch { plus, minus, .. } = self.switch(unit, switch);
        minus.is_some_and(|minus| self.same_row[plus] == self.same_row[minus])
    }

    /// Number of fields of a pattern.
    pub(crate) fn n_fields(&self) -> usize {
        self.n_units() * self.fields_per_unit()
    }

    fn fields_per_unit(&self) -> usize {
        if matches!(self.kind, ActivationKind::GroupSort { .. }) { self.pairs.len() } else { 1 }
    }

    /// The field of a switch of a unit.
    pub(crate) fn field(&self, unit: usize, switch: usize) -> usize {
        let within = if matches!(self.kind, ActivationKind::GroupSort { .. }) { switch } else { 0 };
        unit * self.fields_per_unit() + within
    }

    /// Gives every unit that is a copy of another the pattern of that one.
    pub(crate) fn copy_twins(&self, pattern: &mut [usize]) {
        let n = self.fields_per_unit();
        for (unit, &twin) in self.twin.iter().enumerate().filter(|(unit, twin)| unit != *twin) {
            pattern.copy_within(twin * n..(twin + 1) * n, unit * n);
        }
    }

    /// Number of bits that hold a field.
    pub(crate) fn bits(&self) -> u32 {
        let n_values = match self.kind {
            ActivationKind::Scalar(_) | ActivationKind::Crelu(_) => self.breakpoints.len() + 1,
            ActivationKind::Maxout { rank } => rank,
            ActivationKind::GroupSort { .. } => 2,
        };
        usize::BITS - (n_values - 1).leading_zeros()
    }

    /// The value of a field on the other side of a switch; `is_above` says on which side it is.
    pub(crate) fn field_beyond(&self, switch: usize, is_above: bool) -> usize {
        match self.kind {
            ActivationKind::Scalar(_) | ActivationKind::Crelu(_) => switch + usize::from(!is_above),
            ActivationKind::Maxout { .. } => {
                let (i, j) = self.pairs[switch];
                if is_above { i } else { j }
            }
            ActivationKind::GroupSort { .. } => usize::from(!is_above),
        }
    }

    /// What comes out on a pattern.
    pub(crate) fn outputs(&self, pattern: &[usize]) -> Vec<Selected> {
        let mut outputs = Vec::with_capacity(self.n_outputs());
        self.select(pattern, &mut outputs);
        outputs
    }

    /// Writes what comes out on a pattern.
    pub(crate) fn select(&self, pattern: &[usize], outputs: &mut Vec<Selected>) {
        outputs.clear();
        let fields = pattern.iter().copied().enumerate();
        match &self.kind {
            ActivationKind::Scalar(_) => outputs.extend(fields.map(|(row, form)| Selected { row, form })),
            ActivationKind::Crelu(pieces) => {
                outputs.extend(fields.clone().map(|(row, form)| Selected { row, form }));
                outputs.extend(fields.map(|(row, piece)| Selected { row, form: pieces.slopes.len() + piece }));
            }
            ActivationKind::Maxout { rank } => {
                outputs.extend(fields.map(|(unit, top)| Selected { row: unit * rank + top, form: 0 }));
            }
            ActivationKind::GroupSort { size } => {
                for (group, above) in pattern.chunks_exact(self.pairs.len()).enumerate() {
                    let order = self.order(above).into_iter();
                    outputs.extend(order.map(|member| Selected { row: group * size + member, form: 0 }));
                }
            }
        }
    }

    /// Moves a unit across switches that are all zero on one facet; `there(r)` tells how fast row `r` rises beyond it.
    pub(crate) fn cross<T: PartialOrd + Zero>(
        &self,
        pattern: &mut [usize],
        unit: usize,
        switches: &[usize],
        there: impl Fn(usize) -> T,
    ) {
        let rows = self.rows_of(unit);
        match self.kind {
            ActivationKind::Scalar(_) | ActivationKind::Crelu(_) => {
                switches.iter().for_each(|switch| pattern[unit] = switch + usize::from(there(unit) > T::zero()));
            }
            ActivationKind::Maxout { .. } => {
                let mut tied: Vec<usize> =
                    switches.iter().flat_map(|&switch| <[usize; 2]>::from(self.pairs[switch])).collect();
                tied.sort_unstable();
                let slope = |member: usize| there(rows.start + member);
                let top = tied.into_iter().reduce(|top, next| if slope(next) > slope(top) { next } else { top });
                pattern[unit] = top.unwrap_or(pattern[unit]);
            }
            ActivationKind::GroupSort { .. } => {
                for &switch in switches {
                    let (i, j) = self.pairs[switch];
                    pattern[self.field(unit, switch)] = usize::from(there(rows.start + j) > there(rows.start + i));
                }
            }
        }
    }

    /// The rows of a sorted group from the highest to the lowest, by the fields of its pairs.
    pub(crate) fn order(&self, above: &[usize]) -> Vec<usize> {
        let size = self.group_size();
        let mut place = vec![0; size];
        for (&(i, j), &above) in self.pairs.iter().zip(above) {
            place[if above == 1 { i } else { j }] += 1;
        }
        let mut order = vec![0; size];
        place.iter().enumerate().for_each(|(member, &at)| order[at] = member);
        order
    }
}

/// Weights, input-major, row by row.
fn row_major(weight: &[f64], n_rows: usize, stop: &AtomicBool) -> Result<Vec<f64>> {
    /// Rows that are written together: what is read is one line of the cache.
    const TOGETHER: usize = 8;
    let n_inputs = weight.len() / n_rows;
    let mut rows = vec![0.0; weight.len()];
    for (block, rows) in rows.chunks_mut(TOGETHER * n_inputs).enumerate() {
        check_stop(stop)?;
        for (input, weights) in weight.chunks_exact(n_rows).enumerate() {
            let weights = weights[block * TOGETHER..].iter().take(TOGETHER);
            weights.enumerate().for_each(|(row, &w)| rows[row * n_inputs + input] = w);
        }
    }
    Ok(rows)
}

/// Ends a preparation that was asked to stop.
pub(crate) fn check_stop(stop: &AtomicBool) -> Result<()> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Error::interrupted("interrupted: nothing was counted")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Architecture};

    fn layer(activation: &str, rows: &[[f64; 3]]) -> Layer {
        let activation: Activation = activation.parse().unwrap();
        let width = activation.outputs(rows.len()).unwrap();
        let shape = Architecture::dense(2, &[width], activation, 1).unwrap();
        let weight = (0..2).flat_map(|input| rows.iter().map(move |row| row[input])).collect();
        let weights = AffineWeights::new(weight, rows.iter().map(|row| row[2]).collect());
        Layer::new(&shape.layers()[0], &weights, &[], &AtomicBool::new(false)).unwrap()
    }

    /// On every pattern the outputs are those of the activation.
    #[test]
    fn outputs_are_those_of_the_activation() {
        for (name, z) in [
            ("hard-tanh", &[-3.0, 0.5, 2.0][..]),
            ("crelu", &[-3.0, 0.5]),
            ("maxout:3", &[1.0, -2.0, 3.0, 3.0, 3.0, -1.0]),
            ("group-sort:4", &[1.0, -2.0, 1.0, 3.0, 0.5, 0.25, -1.0, 2.0]),
        ] {
            let rows: Vec<[f64; 3]> = (0..z.len()).map(|row| [row as f64, 1.0, 0.0]).collect();
            let layer = layer(name, &rows);
            let mut pattern = vec![0; layer.n_fields()];
            for unit in 0..layer.n_units() {
                let value = |row: usize| z[layer.rows_of(unit).start + row];
                for switch in 0..layer.n_switches() {
                    let at = layer.switch(unit, switch);
                    let tau = at.breakpoint.map_or(0.0, |breakpoint| layer.breakpoints[breakpoint]);
                    let is_above = z[at.plus] - at.minus.map_or(0.0, |minus| z[minus]) > tau;
                    let field = &mut pattern[layer.field(unit, switch)];
                    match layer.kind() {
                        ActivationKind::Maxout { rank } => {
                            *field = (1..*rank).fold(0, |top, row| if value(row) > value(top) { row } else { top });
                        }
                        _ if is_above => *field = layer.field_beyond(switch, false),
                        _ => {}
                    }
                }
            }
            let outputs = layer.outputs(&pattern).into_iter();
            let outputs: Vec<f64> =
                outputs.map(|Selected { row, form }| layer.slopes[form] * z[row] + layer.intercepts[form]).collect();
            let expected = name.parse::<Activation>().unwrap().apply(z);
            assert_eq!(outputs, expected, "{name}");
            assert_eq!(outputs.len(), layer.n_outputs());
        }
    }

    #[test]
    fn copies_are_found() {
        let (a, b) = ([1.0, 2.0, 0.5], [1.0, 2.0, -0.5]);
        let pooled = layer("maxout:3", &[a, b, a, b, b, a, a, b, [1.0, 2.0, 0.5]]);
        assert_eq!(pooled.members(0).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(pooled.members(1).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(pooled.twin, [0, 1, 0]);
        assert_eq!(pooled.twins(0).collect::<Vec<_>>(), [0, 2]);
        let (switch, is_above) = pooled.comparison(2, 0);
        assert!(pooled.compares_copies(0, switch) && is_above);
        assert_eq!(layer("relu", &[a, b, [1.0, 2.0, 0.5], [0.0, 0.0, 1.0], [-0.0, 0.0, 1.0]]).twin, [0, 1, 0, 3, 3]);
    }
}
