//! Which boundaries are knots.

use super::Crossing;
use super::exact::{Place, settle};
use crate::network::{Activation, ActivationKind, Layer, Network, pairs};
use crate::path::Path;

/// The pieces that the units of a layer are on.
enum Pattern<'a> {
    /// Of every unit its piece.
    Pieces { slopes: &'a [f64], pieces: Vec<usize> },
    /// Of every unit with two outputs whether it is positive.
    Signs(Vec<bool>),
    /// Of every maxout unit the row that is largest.
    Largest { rank: usize, rows: Vec<usize> },
    /// Of every sorted group and pair of rows (i, j), i < j, whether row j is above row i.
    Above { size: usize, above: Vec<Vec<bool>> },
}

impl<'a> Pattern<'a> {
    /// The pattern at pre-activations `z`, unit after unit; the lower piece of two.
    fn at(activation: &'a Activation, z: &[f64]) -> Self {
        match activation.kind() {
            ActivationKind::Scalar(pieces) => {
                Self::Pieces { slopes: &pieces.slopes, pieces: z.iter().map(|&z| pieces.lower_piece(z)).collect() }
            }
            ActivationKind::Crelu(_) => Self::Signs(z.iter().map(|&z| z > 0.0).collect()),
            ActivationKind::Maxout { rank } => {
                let largest =
                    |unit: &[f64]| (1..*rank).fold(0, |top, row| if unit[row] > unit[top] { row } else { top });
                Self::Largest { rank: *rank, rows: z.chunks_exact(*rank).map(largest).collect() }
            }
            ActivationKind::GroupSort { size } => {
                let above = |group: &[f64]| pairs(*size).map(|(i, j)| group[j] > group[i]).collect();
                Self::Above { size: *size, above: z.chunks_exact(*size).map(above).collect() }
            }
        }
    }

    /// The derivatives of the layer's outputs, from those of its pre-activations, both in the layer's own order.
    fn outputs_of(&self, layer: &Layer, dz: &[f64]) -> Vec<f64> {
        let outputs = self.outputs(layer.grouping().gather(dz, &mut Vec::new()));
        match self {
            Self::Above { .. } => layer.grouping().scatter(outputs),
            Self::Pieces { .. } | Self::Signs(_) | Self::Largest { .. } => outputs,
        }
    }

    /// As [`Pattern::pass`], but in the layer's own order.
    fn pass_in(&mut self, layer: &Layer, crossings: &[&Crossing], dz: &[f64]) -> Vec<(usize, f64)> {
        let mut bends = self.pass(crossings, layer.grouping().gather(dz, &mut Vec::new()));
        if let Self::Above { size, .. } = self {
            let place = |row: usize| layer.grouping().place(row / *size, row % *size);
            bends.iter_mut().for_each(|(output, _)| *output = place(*output));
        }
        bends
    }

    /// The derivatives of the layer's outputs, from those of its pre-activations, unit after unit.
    fn outputs(&self, dz: &[f64]) -> Vec<f64> {
        match self {
            Self::Pieces { slopes, pieces } => dz.iter().zip(pieces).map(|(dz, &piece)| dz * slopes[piece]).collect(),
            Self::Signs(positive) => {
                let half = |sign: bool| {
                    let units = dz.iter().zip(positive);
                    units.map(move |(dz, positive)| if *positive == sign { if sign { *dz } else { -dz } } else { 0.0 })
                };
                half(true).chain(half(false)).collect()
            }
            Self::Largest { rank, rows } => dz.chunks_exact(*rank).zip(rows).map(|(unit, &row)| unit[row]).collect(),
            Self::Above { size, above } => {
                dz.chunks_exact(*size).zip(above).flat_map(|(group, above)| sorted(group, above)).collect()
            }
        }
    }

    /// Changes the pattern by the layer's crossings at one point. Returns outputs and what it changes of their derivatives, those of the
    /// pre-activations being `dz`.
    fn pass(&mut self, crossings: &[&Crossing], dz: &[f64]) -> Vec<(usize, f64)> {
        let mut bends = Vec::new();
        match self {
            // By steps, since a unit may pass several breakpoints at one rounded position.
            Self::Pieces { slopes, pieces } => {
                for crossing in crossings {
                    let piece = &mut pieces[crossing.unit];
                    let old = slopes[*piece];
                    *piece = if crossing.rising { (*piece + 1).min(slopes.len() - 1) } else { piece.saturating_sub(1) };
                    bends.push((crossing.unit, (slopes[*piece] - old) * dz[crossing.unit]));
                }
            }
            Self::Signs(positive) => {
                for crossing in crossings {
                    let bend = if crossing.rising { dz[crossing.unit] } else { -dz[crossing.unit] };
                    positive[crossing.unit] = crossing.rising;
                    bends.extend([(crossing.unit, bend), (positive.len() + crossing.unit, bend)]);
                }
            }
            Self::Largest { rank, rows } => {
                let all: Vec<(usize, usize)> = pairs(*rank).collect();
                let ends = |crossing: &Crossing| {
                    let (i, j) = all[crossing.breakpoint];
                    if crossing.rising { (i, j) } else { (j, i) }
                };
                for crossings in crossings.chunk_by(|a, b| a.unit == b.unit) {
                    let unit = crossings[0].unit;
                    // Where one row after the other comes up at one rounded position, the last stays.
                    let is_left = |row| crossings.iter().any(|crossing| ends(crossing).0 == row);
                    if let Some(row) = crossings.iter().map(|crossing| ends(crossing).1).find(|&row| !is_left(row)) {
                        let old = std::mem::replace(&mut rows[unit], row);
                        bends.push((unit, dz[unit * *rank + row] - dz[unit * *rank + old]));
                    }
                }
            }
            Self::Above { size, above } => {
                for crossings in crossings.chunk_by(|a, b| a.unit == b.unit) {
                    let unit = crossings[0].unit;
                    let group = &dz[unit * *size..][..*size];
                    let before = sorted(group, &above[unit]);
                    crossings.iter().for_each(|crossing| above[unit][crossing.breakpoint] = crossing.rising);
                    let changes =
                        sorted(group, &above[unit]).into_iter().zip(before).map(|(after, before)| after - before);
                    bends.extend(changes.enumerate().map(|(row, bend)| (unit * *size + row, bend)));
                }
            }
        }
        bends
    }
}

/// The values of a group's rows from the highest row to the lowest, `above` telling of every pair (i, j) whether row j is above row i.
fn sorted(values: &[f64], above: &[bool]) -> Vec<f64> {
    let mut n_above = vec![0; values.len()];
    for ((i, j), &is_above) in pairs(values.len()).zip(above) {
        n_above[if is_above { i } else { j }] += 1;
    }
    let mut rows: Vec<usize> = (0..values.len()).collect();
    rows.sort_by_key(|&row| n_above[row]);
    rows.into_iter().map(|row| values[row]).collect()
}

/// Walks along the path with the activation pattern and decides at every boundary whether the output changes slope.
///
/// What changes at a boundary is followed as a difference through the layers, so that it is zero exactly when it dies: where a later
/// layer is flat, where weights are zero, or where it cancels.
pub(super) struct SlopeWalk<'a> {
    network: &'a Network,
    path: &'a Path,
    /// Of every layer, before the next boundary.
    patterns: Vec<Pattern<'a>>,
    /// The edge of the path that `slopes` are of.
    edge: usize,
    /// Derivative of every pre-activation of every layer along that edge, with that pattern.
    slopes: Vec<Vec<f64>>,
    /// Whether these are sums of what changed since they were computed, with the rounding errors of all.
    are_sums: bool,
}

impl<'a> SlopeWalk<'a> {
    /// Starts with the pattern between the start of the path and its first boundary.
    pub(super) fn new(network: &'a Network, path: &'a Path, first_boundary: f64) -> Self {
        let mut walk = Self { network, path, patterns: Vec::new(), edge: 0, slopes: Vec::new(), are_sums: false };
        let mut point = path.vertex(0).to_vec();
        if path.n_vertices() > 1 {
            let middle = 0.5 * first_boundary;
            walk.edge = path.positions().partition_point(|&p| p <= middle).clamp(1, path.n_vertices() - 1) - 1;
            path.point_on_edge(walk.edge, middle, &mut point);
        }
        // Units may stay on a breakpoint there.
        let ends = &path.positions()[walk.edge..];
        let along = ends.get(1).map_or(0.0, |end| (0.5 * first_boundary - ends[0]) / (end - ends[0]));
        let place = Place::on_edge(walk.edge, along);
        let mut values = vec![point];
        for (layer, (shape, weights)) in network.architecture().layers().iter().zip(network.affine()).enumerate() {
            let mut z = [shape.pre_activations(weights, &values[layer], |source| &values[source])];
            settle(network, path, layer, &[&place], &mut z);
            let [z] = z;
            walk.patterns.push(Pattern::at(&shape.activation, shape.grouping().gather(&z, &mut Vec::new())));
            values.push(shape.activate(&z));
        }
        if path.n_vertices() > 1 {
            walk.turn(walk.edge);
        }
        walk
    }

    /// Takes the derivatives along an edge.
    fn turn(&mut self, edge: usize) {
        let mut values = vec![self.path.direction(edge)];
        (self.edge, self.are_sums) = (edge, false);
        self.slopes.clear();
        let layers = self.network.architecture().layers().iter().zip(self.network.affine());
        for (layer, ((shape, weights), pattern)) in layers.zip(&self.patterns).enumerate() {
            let dz = shape.derivatives(weights, &values[layer], |source| &values[source]);
            values.push(pattern.outputs_of(shape, &dz));
            self.slopes.push(dz);
        }
    }

    /// Passes a boundary; says whether it is a knot.
    pub(super) fn step(&mut self, position: f64, crossings: &[Crossing]) -> bool {
        let last_edge = self.path.n_vertices() - 2;
        let after = (self.path.positions().partition_point(|&p| p <= position).max(1) - 1).min(last_edge);
        let before = (self.path.positions().partition_point(|&p| p < position).max(1) - 1).min(last_edge);
        // Rows of a unit may be constant and equal: rounding errors must not tell them apart.
        let compares = |c: &Crossing| self.network.architecture().layers()[c.layer].activation.group_size() > 1;
        if before != self.edge || (self.are_sums && crossings.iter().any(compares)) {
            self.turn(before);
        }
        let mut change = vec![0.0; self.path.dim()];
        if after != before {
            let directions = self.path.direction(after).into_iter().zip(self.path.direction(before));
            change = directions.map(|(after, before)| after - before).collect();
        }
        // Of the input and the outputs of every layer.
        let mut changes = vec![change];
        let layers = self.network.architecture().layers().iter().zip(self.network.affine());
        let layers = layers.zip(self.patterns.iter_mut().zip(&mut self.slopes)).enumerate();
        for (layer, ((shape, weights), (pattern, slopes))) in layers {
            let change = shape.derivatives(weights, &changes[layer], |source| &changes[source]);
            let passed: Vec<&Crossing> = crossings.iter().filter(|c| c.layer == layer).collect();
            let bends = pattern.pass_in(shape, &passed, slopes);
            slopes.iter_mut().zip(&change).for_each(|(slope, change)| *slope += change);
            let mut change = pattern.outputs_of(shape, &change);
            bends.into_iter().for_each(|(output, bend)| change[output] += bend);
            changes.push(change);
        }
        (self.edge, self.are_sums) = (after, true);
        self.network.read_out(&changes[self.patterns.len()], false).iter().any(|&c| c != 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;

    /// Two pairs of channels of three positions: the fifth unit is the second pair at the second position.
    #[test]
    fn channels_are_sorted_in_their_places() {
        let shape = Architecture::parse("1x3-c4k1", "max-min".parse().unwrap(), 1).unwrap();
        let (layer, dz) = (&shape.layers()[0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        let crossing = Crossing { position: 1.0, layer: 0, unit: 4, breakpoint: 0, rising: true };
        let mut above = Pattern::Above { size: 2, above: vec![vec![false]; 6] };
        assert_eq!(above.outputs_of(layer, &dz), dz);
        assert_eq!(above.pass_in(layer, &[&crossing], &dz), [(7, 3.0), (10, -3.0)]);
        let swapped = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 10.0, 8.0, 9.0, 7.0, 11.0];
        assert_eq!(above.outputs_of(layer, &dz), swapped);
    }

    /// Row 1 overtakes row 0, and row 2 row 1, at one rounded position; so do all three rows of a group.
    #[test]
    fn several_changes_at_one_position_end_with_the_last() {
        let crossing = |breakpoint| Crossing { position: 1.0, layer: 0, unit: 1, breakpoint, rising: true };
        let dz = [0.0, 0.0, 0.0, 1.0, 2.0, 5.0];
        let mut largest = Pattern::Largest { rank: 3, rows: vec![0, 0] };
        assert_eq!(largest.pass(&[&crossing(0), &crossing(2)], &dz), [(1, 4.0)]);
        assert_eq!(largest.outputs(&dz), [0.0, 5.0]);
        let mut above = Pattern::Above { size: 3, above: vec![vec![false; 3]; 2] };
        assert_eq!(above.outputs(&dz), dz);
        let bends = above.pass(&[&crossing(0), &crossing(1), &crossing(2)], &dz);
        assert_eq!(bends, [(3, 4.0), (4, 0.0), (5, -4.0)]);
        assert_eq!(above.outputs(&dz), [0.0, 0.0, 0.0, 5.0, 2.0, 1.0]);
    }
}
