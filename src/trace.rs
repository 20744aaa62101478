//! The f64 reference: every boundary of one network along one path, straight from the definitions.
//!
//! It shares no code with the engines, so that they can be checked against it, and does everything in the plainest way:
//! layer by layer, all vertices at once, one multiplication after the other.

use crate::error::{Error, Result};
use crate::network::Network;
use crate::path::Path;

/// A unit changes piece at a point of the path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossing {
    /// Arc length from the start of the path.
    pub position: f64,
    /// Hidden layer, from 0.
    pub layer: usize,
    /// Unit of the layer, from 0.
    pub unit: usize,
    /// Which breakpoint of the activation is crossed, from 0: the unit changes between pieces k and k + 1.
    pub breakpoint: usize,
    /// Whether the pre-activation rises through the breakpoint.
    pub rising: bool,
}

/// A point of the path at which the activation pattern changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// Arc length from the start of the path.
    pub position: f64,
    /// Number of crossings that coincide there.
    pub n_crossings: usize,
    /// Whether the slope of the network's output changes there.
    pub is_knot: bool,
}

/// Every crossing and boundary of one network along one path.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Length of the path.
    pub length: f64,
    /// Sorted by position, then layer, then unit.
    pub crossings: Vec<Crossing>,
    /// Sorted by position; their crossings are consecutive in `crossings`.
    pub boundaries: Vec<Boundary>,
}

impl Trace {
    /// Traces a network in f64 with the reference algorithm.
    ///
    /// # Errors
    /// A path of the wrong dimension, and pre-activations beyond the range of f64.
    pub fn reference(network: &Network, path: &Path) -> Result<Self> {
        check_dimension(network, path)?;
        Ok(Self::from_crossings(network, path, reference_crossings(network, path)?))
    }

    /// Joins crossings to boundaries and decides which of these are knots.
    pub fn from_crossings(network: &Network, path: &Path, mut crossings: Vec<Crossing>) -> Self {
        crossings.sort_by(|a, b| {
            a.position.total_cmp(&b.position).then((a.layer, a.unit, a.breakpoint).cmp(&(
                b.layer,
                b.unit,
                b.breakpoint,
            )))
        });
        let mut slopes = SlopeWalk::new(network, path, crossings.first().map_or(path.length(), |c| c.position));
        let boundaries = crossings
            .chunk_by(|a, b| a.position == b.position)
            .map(|group| Boundary {
                position: group[0].position,
                n_crossings: group.len(),
                is_knot: slopes.step(group[0].position, group),
            })
            .collect();
        Self { length: path.length(), crossings, boundaries }
    }

    /// Number of crossings of one layer.
    pub fn crossings_of_layer(&self, layer: usize) -> usize {
        self.crossings.iter().filter(|c| c.layer == layer).count()
    }

    /// Number of knots.
    pub fn n_knots(&self) -> usize {
        self.boundaries.iter().filter(|b| b.is_knot).count()
    }
}

/// Refuses a path whose points are no inputs of the network.
pub(crate) fn check_dimension(network: &Network, path: &Path) -> Result<()> {
    let inputs = network.architecture().input_dim();
    if path.dim() != inputs {
        return Err(Error::usage(format!(
            "the path has points of dimension {}, but the network has {inputs} inputs",
            path.dim()
        )));
    }
    Ok(())
}

struct Vertex {
    position: f64,
    /// Input of the layer at hand.
    h: Vec<f64>,
}

fn reference_crossings(network: &Network, path: &Path) -> Result<Vec<Crossing>> {
    let vertex = |ix: usize| Vertex { position: path.positions()[ix], h: path.vertex(ix).to_vec() };
    let mut vertices: Vec<Vertex> = (0..path.n_vertices()).map(vertex).collect();
    let mut crossings = Vec::new();
    for (layer, (shape, weights)) in network.architecture().layers().iter().zip(network.affine()).enumerate() {
        let pieces = shape.activation.pieces();
        let pre_activations: Vec<Vec<f64>> = vertices.iter().map(|v| weights.apply(&v.h)).collect();
        // Differences of two of them must be finite, too.
        if !pre_activations.iter().flatten().all(|z| z.abs() < 0.25 * f64::MAX) {
            return Err(Error::failed(format!("layer {}: a pre-activation exceeds the range of f64", layer + 1)));
        }
        // New vertices of interval i: (fraction of the interval, unit, breakpoint).
        let mut inside: Vec<Vec<(f64, usize, usize)>> = vertices.iter().map(|_| Vec::new()).collect();
        let units = 0..weights.bias.len();
        for (unit, breakpoint) in units.flat_map(|u| (0..pieces.breakpoints.len()).map(move |k| (u, k))) {
            let tau = pieces.breakpoints[breakpoint];
            let z: Vec<f64> = pre_activations.iter().map(|z| z[unit]).collect();
            let crossing = |position, rising| Crossing { position, layer, unit, breakpoint, rising };
            for (i, ends) in z.windows(2).enumerate() {
                let (a, b) = (ends[0], ends[1]);
                if (a < tau && b > tau) || (a > tau && b < tau) {
                    let fraction = (tau - a) / (b - a);
                    crossings.push(crossing(between(&vertices[i], &vertices[i + 1], fraction), b > tau));
                    inside[i].push((fraction, unit, breakpoint));
                }
            }
            for (i, around) in z.windows(3).enumerate() {
                // On the breakpoint at a vertex: the unit changes piece if it is above on one side only.
                if around[1] == tau && (around[0] > tau) != (around[2] > tau) {
                    crossings.push(crossing(vertices[i + 1].position, around[2] > tau));
                }
            }
        }
        let mut refined = Vec::new();
        for (i, vertex) in vertices.iter().enumerate() {
            let activated = |z: &[f64]| z.iter().map(|&z| pieces.value(z)).collect();
            refined.push(Vertex { position: vertex.position, h: activated(&pre_activations[i]) });
            inside[i].sort_by(|a, b| a.0.total_cmp(&b.0));
            for group in inside[i].chunk_by(|a, b| a.0 == b.0) {
                let fraction = group[0].0;
                let ends = pre_activations[i].iter().zip(&pre_activations[i + 1]);
                let mut z: Vec<f64> = ends.map(|(a, b)| (1.0 - fraction) * a + fraction * b).collect();
                for &(_, unit, breakpoint) in group {
                    z[unit] = pieces.breakpoints[breakpoint];
                }
                let position = between(vertex, &vertices[i + 1], fraction);
                refined.push(Vertex { position, h: activated(&z) });
            }
        }
        vertices = refined;
    }
    Ok(crossings)
}

fn between(a: &Vertex, b: &Vertex, fraction: f64) -> f64 {
    (a.position + fraction * (b.position - a.position)).min(b.position)
}

/// Walks along the path with the activation pattern and decides at every boundary whether the output changes slope.
///
/// What changes at a boundary is followed as a difference through the layers, so that it is zero exactly when it dies: where a later
/// layer is flat, where weights are zero, or where it cancels.
struct SlopeWalk<'a> {
    network: &'a Network,
    path: &'a Path,
    /// Piece of every unit of every layer before the next boundary.
    pattern: Vec<Vec<usize>>,
    /// The edge of the path that `slopes` are of.
    edge: usize,
    /// Derivative of every pre-activation of every layer along that edge, with that pattern.
    slopes: Vec<Vec<f64>>,
}

impl<'a> SlopeWalk<'a> {
    /// Starts with the pattern between the start of the path and its first boundary.
    fn new(network: &'a Network, path: &'a Path, first_boundary: f64) -> Self {
        let mut walk = Self { network, path, pattern: Vec::new(), edge: 0, slopes: Vec::new() };
        let mut h = path.vertex(0).to_vec();
        if path.n_vertices() > 1 {
            let middle = 0.5 * first_boundary;
            walk.edge = path.positions().partition_point(|&p| p <= middle).clamp(1, path.n_vertices() - 1) - 1;
            path.point_on_edge(walk.edge, middle, &mut h);
        }
        for (shape, weights) in network.architecture().layers().iter().zip(network.affine()) {
            let pieces = shape.activation.pieces();
            let z = weights.apply(&h);
            walk.pattern.push(z.iter().map(|&z| pieces.lower_piece(z)).collect());
            h = z.iter().map(|&z| pieces.value(z)).collect();
        }
        if path.n_vertices() > 1 {
            walk.turn(walk.edge);
        }
        walk
    }

    /// Takes the derivatives along an edge.
    fn turn(&mut self, edge: usize) {
        let mut h = self.path.direction(edge);
        self.edge = edge;
        self.slopes.clear();
        let layers = self.network.architecture().layers();
        for ((shape, weights), pattern) in layers.iter().zip(self.network.affine()).zip(&self.pattern) {
            let z = weights.linear(&h);
            h = z.iter().zip(pattern).map(|(z, &piece)| z * shape.activation.pieces().slopes[piece]).collect();
            self.slopes.push(z);
        }
    }

    /// Passes a boundary; says whether it is a knot.
    fn step(&mut self, position: f64, crossings: &[Crossing]) -> bool {
        let last_edge = self.path.n_vertices() - 2;
        let after = (self.path.positions().partition_point(|&p| p <= position).max(1) - 1).min(last_edge);
        let before = (self.path.positions().partition_point(|&p| p < position).max(1) - 1).min(last_edge);
        if before != self.edge {
            self.turn(before);
        }
        let mut change = vec![0.0; self.path.dim()];
        if after != before {
            let directions = self.path.direction(after).into_iter().zip(self.path.direction(before));
            change = directions.map(|(after, before)| after - before).collect();
        }
        let layers = self.network.architecture().layers();
        for (layer, (shape, weights)) in layers.iter().zip(self.network.affine()).enumerate() {
            let piece_slopes = &shape.activation.pieces().slopes;
            change = weights.linear(&change);
            let (slopes, pattern) = (&mut self.slopes[layer], &mut self.pattern[layer]);
            let mut passed: Vec<(usize, f64)> = Vec::new();
            for crossing in crossings.iter().filter(|c| c.layer == layer) {
                // By steps, since a unit may pass several breakpoints at one rounded position.
                let piece = &mut pattern[crossing.unit];
                let old = piece_slopes[*piece];
                *piece =
                    if crossing.rising { (*piece + 1).min(piece_slopes.len() - 1) } else { piece.saturating_sub(1) };
                passed.push((crossing.unit, (piece_slopes[*piece] - old) * slopes[crossing.unit]));
            }
            for ((change, slope), &piece) in change.iter_mut().zip(slopes).zip(&*pattern) {
                *slope += *change;
                *change *= piece_slopes[piece];
            }
            passed.into_iter().for_each(|(unit, bend)| change[unit] += bend);
        }
        self.edge = after;
        self.network.affine()[layers.len()].linear(&change).iter().any(|&c| c != 0.0)
    }
}
