//! The units of a layer: where they change piece, and what comes out of them on a pattern.

use std::cmp::Ordering;

use num_traits::Zero;

use crate::network::{Activation, ActivationKind, Pieces, pair_index, pairs};

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

/// The units of a layer, each one row of pre-activations or a group of consecutive ones.
///
/// A pattern has one field for each unit, its piece or, for maxout, the first of its largest rows; for sorted groups it has one for each
/// pair of rows (i, j), i < j: whether j is above i.
#[derive(Clone, Debug)]
pub(crate) struct Units {
    n_rows: usize,
    kind: ActivationKind,
    pub(crate) breakpoints: Vec<f64>,
    /// The affine forms through which rows go.
    pub(crate) slopes: Vec<f64>,
    pub(crate) intercepts: Vec<f64>,
    /// The pairs of rows of a group.
    pairs: Vec<(usize, usize)>,
}

impl Units {
    pub(crate) fn new(activation: &Activation, n_rows: usize) -> Self {
        let kind = activation.kind().clone();
        let through = Pieces { breakpoints: Vec::new(), slopes: vec![1.0], intercepts: vec![0.0] };
        let Pieces { breakpoints, mut slopes, mut intercepts } = match &kind {
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => pieces.clone(),
            ActivationKind::Maxout { .. } | ActivationKind::GroupSort { .. } => through,
        };
        if let ActivationKind::Crelu(_) = kind {
            // max(-z, 0) below the breakpoint and above.
            slopes.extend([-1.0, 0.0]);
            intercepts.extend([0.0, 0.0]);
        }
        Self { n_rows, kind, breakpoints, slopes, intercepts, pairs: pairs(activation.group_size()).collect() }
    }

    /// Pre-activations.
    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
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

    pub(crate) fn kind(&self) -> &ActivationKind {
        &self.kind
    }

    /// The rows of a unit.
    pub(crate) fn rows_of(&self, unit: usize) -> std::ops::Range<usize> {
        unit * self.group_size()..(unit + 1) * self.group_size()
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

    /// Number of fields of a pattern.
    pub(crate) fn n_fields(&self) -> usize {
        self.n_units() * self.fields_per_unit()
    }

    /// The unit that a field is of.
    pub(crate) fn unit_of(&self, field: usize) -> usize {
        field / self.fields_per_unit()
    }

    pub(crate) fn fields_per_unit(&self) -> usize {
        if matches!(self.kind, ActivationKind::GroupSort { .. }) { self.pairs.len() } else { 1 }
    }

    /// The field of a switch of a unit.
    pub(crate) fn field(&self, unit: usize, switch: usize) -> usize {
        let within = if matches!(self.kind, ActivationKind::GroupSort { .. }) { switch } else { 0 };
        unit * self.fields_per_unit() + within
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

    /// What comes out of one unit with these fields: the numbers of its outputs, and what they are.
    pub(crate) fn outputs_of(&self, unit: usize, fields: &[usize]) -> Vec<(usize, Selected)> {
        let first = self.rows_of(unit).start;
        match &self.kind {
            ActivationKind::Scalar(_) => vec![(unit, Selected { row: unit, form: fields[0] })],
            ActivationKind::Crelu(pieces) => [0, 1]
                .map(|k| (unit + k * self.n_rows, Selected { row: unit, form: fields[0] + k * pieces.slopes.len() }))
                .to_vec(),
            ActivationKind::Maxout { .. } => vec![(unit, Selected { row: first + fields[0], form: 0 })],
            ActivationKind::GroupSort { .. } => {
                let order = self.order(fields).into_iter().enumerate();
                order.map(|(place, member)| (first + place, Selected { row: first + member, form: 0 })).collect()
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

    /// How much an output rises where a unit crosses one of its switches from one form to another, for as much as the switch's
    /// function does.
    pub(crate) fn jump(&self, old: Selected, new: Selected) -> f64 {
        match new.row.cmp(&old.row) {
            Ordering::Equal => self.slopes[new.form] - self.slopes[old.form],
            Ordering::Greater => 1.0,
            Ordering::Less => -1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On every pattern the outputs are those of the activation.
    #[test]
    fn outputs_are_those_of_the_activation() {
        for (name, z) in [
            ("hard-tanh", &[-3.0, 0.5, 2.0][..]),
            ("crelu", &[-3.0, 0.5]),
            ("maxout:3", &[1.0, -2.0, 3.0, 3.0, 3.0, -1.0]),
            ("group-sort:4", &[1.0, -2.0, 1.0, 3.0, 0.5, 0.25, -1.0, 2.0]),
        ] {
            let units = Units::new(&name.parse().unwrap(), z.len());
            let mut pattern = vec![0; units.n_fields()];
            for unit in 0..units.n_units() {
                let value = |row: usize| z[units.rows_of(unit).start + row];
                for switch in 0..units.n_switches() {
                    let at = units.switch(unit, switch);
                    let tau = at.breakpoint.map_or(0.0, |breakpoint| units.breakpoints[breakpoint]);
                    let is_above = z[at.plus] - at.minus.map_or(0.0, |minus| z[minus]) > tau;
                    let field = &mut pattern[units.field(unit, switch)];
                    match units.kind() {
                        ActivationKind::Maxout { rank } => {
                            *field = (1..*rank).fold(0, |top, row| if value(row) > value(top) { row } else { top });
                        }
                        _ if is_above => *field = units.field_beyond(switch, false),
                        _ => {}
                    }
                }
            }
            let n = units.fields_per_unit();
            let mut by_unit: Vec<(usize, Selected)> =
                (0..units.n_units()).flat_map(|unit| units.outputs_of(unit, &pattern[unit * n..][..n])).collect();
            by_unit.sort_by_key(|(output, _)| *output);
            assert!(by_unit.into_iter().eq(units.outputs(&pattern).into_iter().enumerate()), "{name}");
            let outputs = units.outputs(&pattern).into_iter();
            let outputs: Vec<f64> =
                outputs.map(|Selected { row, form }| units.slopes[form] * z[row] + units.intercepts[form]).collect();
            let expected = name.parse::<Activation>().unwrap().apply(z);
            assert_eq!(outputs, expected, "{name}");
            assert_eq!(outputs.len(), units.n_outputs());
        }
    }
}
