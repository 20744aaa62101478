//! The f64 reference, straight from the definitions.
//!
//! It shares no code with the engines, so that they can be checked against it, and does everything in the plainest way:
//! layer by layer, all vertices at once, one multiplication after the other. Units that come within rounding of a breakpoint at a
//! vertex are [looked at](super::exact) in whole numbers, so that what coincides is one boundary.

use std::cmp::Ordering;
use std::rc::Rc;

use super::Crossing;
use super::exact::{Meets, Place, settle};
use crate::error::{Error, Result};
use crate::network::{ActivationKind, Grouping, Network, Pieces, pair_index, pairs};
use crate::path::Path;

/// What may be at the same fraction of the way between two vertices; fractions differ from exact ones by less.
const NEAR_FRACTION: f64 = 1e-9;

struct Vertex {
    position: f64,
    place: Rc<Place>,
    /// Input of the layer at hand.
    h: Vec<f64>,
    /// The sources that it or a later layer adds, in order of their numbers.
    kept: Vec<Vec<f64>>,
}

impl Vertex {
    /// What is to be kept behind the layer at hand: its input (`None`), or one of the sources kept so far.
    fn keep(&self, places: &[Option<usize>]) -> Vec<Vec<f64>> {
        places.iter().map(|place| place.map_or(&self.h, |ix| &self.kept[ix]).clone()).collect()
    }
}

pub(super) fn reference_crossings(network: &Network, path: &Path) -> Result<Vec<Crossing>> {
    let vertex = |ix: usize| Vertex {
        position: path.positions()[ix],
        place: Rc::new(Place::on_edge(ix, 0.0)),
        h: path.vertex(ix).to_vec(),
        kept: Vec::new(),
    };
    let mut vertices: Vec<Vertex> = (0..path.n_vertices()).map(vertex).collect();
    let mut crossings = Vec::new();
    for (layer, (shape, weights)) in network.architecture().layers().iter().zip(network.affine()).enumerate() {
        let kept = network.architecture().kept(layer);
        let place = |source: usize| (source < layer).then(|| kept.binary_search(&source).expect("a source in use"));
        let places: Vec<Option<usize>> =
            network.architecture().kept(layer + 1).iter().map(|&source| place(source)).collect();
        let pre_activations =
            |v: &Vertex| shape.pre_activations(weights, &v.h, |source| place(source).map_or(&v.h, |ix| &v.kept[ix]));
        let mut z: Vec<Vec<f64>> = vertices.iter().map(pre_activations).collect();
        // Differences of two of them must be finite, too.
        if !z.iter().flatten().all(|z| z.abs() < 0.25 * f64::MAX) {
            return Err(Error::failed(format!("layer {}: a pre-activation exceeds the range of f64", layer + 1)));
        }
        let is_met = |place: &Place, meets: Meets| place.has(network, path, layer, meets);
        let all: Vec<&Place> = vertices.iter().map(|vertex| &*vertex.place).collect();
        settle(network, path, layer, &all, &mut z);
        let mut switches = match shape.activation.kind() {
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => of_pieces(pieces, &z),
            ActivationKind::Maxout { .. } => of_maxima(shape.grouping(), &z),
            ActivationKind::GroupSort { .. } => of_orders(shape.grouping(), &z),
        };
        let place_of = |interval: usize, fraction: f64, meets: Meets| {
            vertices[interval].place.between(&vertices[interval + 1].place, fraction, layer, meets)
        };
        join(&mut switches, place_of, is_met);
        if let ActivationKind::Maxout { .. } = shape.activation.kind() {
            switches = shortened(shape.grouping(), &switches);
        }
        for &Switch { interval, fraction, unit, breakpoint, rising, .. } in &switches {
            let position = match fraction {
                Some(fraction) => between(&vertices[interval], &vertices[interval + 1], fraction),
                None => vertices[interval].position,
            };
            crossings.push(Crossing { position, layer, unit, breakpoint, rising });
        }
        switches.retain(|switch| switch.fraction.is_some());
        let mut new = switches.chunk_by(|a, b| (a.interval, a.fraction) == (b.interval, b.fraction)).peekable();
        let mut refined = Vec::new();
        for (i, vertex) in vertices.iter().enumerate() {
            let (h, kept) = (shape.activate(&z[i]), vertex.keep(&places));
            refined.push(Vertex { position: vertex.position, place: Rc::clone(&vertex.place), h, kept });
            while let Some(group) = new.next_if(|group| group[0].interval == i) {
                let fraction = group[0].fraction.expect("inside the interval");
                let mut z = mix(&z[i], &z[i + 1], fraction);
                group.iter().for_each(|switch| switch.meets.settle(&mut z));
                let next = &vertices[i + 1];
                let ends = vertex.keep(&places).into_iter().zip(next.keep(&places));
                let kept = ends.map(|(a, b)| mix(&a, &b, fraction)).collect();
                let position = between(vertex, next, fraction);
                let place = Rc::new(place_of(i, fraction, group[0].meets));
                refined.push(Vertex { position, place, h: shape.activate(&z), kept });
            }
        }
        vertices = refined;
    }
    Ok(crossings)
}

/// A unit of a layer changes piece.
struct Switch {
    /// The vertex at which it does, or before it.
    interval: usize,
    /// Where between two vertices; `None` at the vertex.
    fraction: Option<f64>,
    unit: usize,
    breakpoint: usize,
    rising: bool,
    meets: Meets,
}

impl Switch {
    fn compare(&self, other: &Self) -> Ordering {
        let fractions = self.fraction.partial_cmp(&other.fraction).expect("numbers");
        self.interval.cmp(&other.interval).then(fractions).then(self.unit.cmp(&other.unit))
    }

    /// A maxout unit's largest row changes.
    fn of_rows(grouping: Grouping, (interval, fraction): (usize, Option<f64>), unit: usize, rows: [usize; 2]) -> Self {
        let [before, after] = rows;
        let (i, j) = (usize::min(before, after), usize::max(before, after));
        Self {
            interval,
            fraction,
            unit,
            breakpoint: pair_index(grouping.size, i, j),
            rising: after == j,
            meets: Meets::Rows(grouping.place(unit, i), grouping.place(unit, j)),
        }
    }

    /// The rows of [`Switch::of_rows`].
    fn rows(&self, grouping: Grouping) -> [usize; 2] {
        let (i, j) = pairs(grouping.size).nth(self.breakpoint).expect("a pair of the unit");
        if self.rising { [i, j] } else { [j, i] }
    }
}

/// Sorts switches, and gives those that are at one place but for rounding the same fraction.
fn join(
    switches: &mut [Switch],
    place_of: impl Fn(usize, f64, Meets) -> Place,
    is_met: impl Fn(&Place, Meets) -> bool,
) {
    switches.sort_by(Switch::compare);
    for ix in 1..switches.len() {
        let (before, after) = switches.split_at_mut(ix);
        let Switch { interval, fraction: Some(fraction), meets, .. } = after[0] else { continue };
        let nearby = before.iter().rev().map_while(|switch| {
            let other =
                switch.fraction.filter(|other| switch.interval == interval && fraction - other <= NEAR_FRACTION)?;
            Some((other, switch.meets))
        });
        let mut others =
            nearby.filter(|&(other, at)| other == fraction || is_met(&place_of(interval, other, at), meets));
        if let Some((other, _)) = others.next() {
            after[0].fraction = Some(other);
        }
    }
    switches.sort_by(Switch::compare);
}

/// Of rows of a maxout unit that are largest one after the other at one place, the first and the last: rounding tells the others apart.
fn shortened(grouping: Grouping, switches: &[Switch]) -> Vec<Switch> {
    let of_place = |group: &[Switch]| {
        let (first, last) = (&group[0], &group[group.len() - 1]);
        let rows = [first.rows(grouping)[0], last.rows(grouping)[1]];
        (rows[0] != rows[1]).then(|| Switch::of_rows(grouping, (first.interval, first.fraction), first.unit, rows))
    };
    switches.chunk_by(|a, b| a.compare(b).is_eq()).filter_map(of_place).collect()
}

/// Units of one pre-activation each, from the pre-activations at all vertices.
fn of_pieces(pieces: &Pieces<f64>, z: &[Vec<f64>]) -> Vec<Switch> {
    let mut switches = Vec::new();
    for unit in 0..z[0].len() {
        let z: Vec<f64> = z.iter().map(|z| z[unit]).collect();
        for (breakpoint, &tau) in pieces.breakpoints.iter().enumerate() {
            switches.extend(of_level(&z, tau, unit, breakpoint, Meets::Breakpoint(unit, tau)));
        }
    }
    switches
}

/// Sorted groups: the difference of two rows changes sign. A pair is on its lower piece where row j is not above row i < j.
fn of_orders(grouping: Grouping, z: &[Vec<f64>]) -> Vec<Switch> {
    let size = grouping.size;
    let mut switches = Vec::new();
    for unit in 0..z[0].len() / size {
        for (breakpoint, (i, j)) in pairs(size).enumerate() {
            let (i, j) = (grouping.place(unit, i), grouping.place(unit, j));
            let difference: Vec<f64> = z.iter().map(|z| z[j] - z[i]).collect();
            switches.extend(of_level(&difference, 0.0, unit, breakpoint, Meets::Rows(i, j)));
        }
    }
    switches
}

/// Where a function with these values at the vertices, linear between them, crosses a level.
fn of_level(z: &[f64], tau: f64, unit: usize, breakpoint: usize, meets: Meets) -> Vec<Switch> {
    let switch = |interval, fraction, rising| Switch { interval, fraction, unit, breakpoint, rising, meets };
    let mut switches = Vec::new();
    for (i, ends) in z.windows(2).enumerate() {
        let (a, b) = (ends[0], ends[1]);
        if (a < tau && b > tau) || (a > tau && b < tau) {
            switches.push(switch(i, Some((tau - a) / (b - a)), b > tau));
        }
    }
    for (i, around) in z.windows(3).enumerate() {
        // On the breakpoint at a vertex: the unit changes piece if it is above on one side only.
        if around[1] == tau && (around[0] > tau) != (around[2] > tau) {
            switches.push(switch(i + 1, None, around[2] > tau));
        }
    }
    switches
}

/// Maxout units: cut at every point where two rows meet, the path has one largest row between neighbouring cuts, the first of those that
/// are equal all along.
fn of_maxima(grouping: Grouping, z: &[Vec<f64>]) -> Vec<Switch> {
    let rank = grouping.size;
    let mut switches = Vec::new();
    for unit in 0..z[0].len() / rank {
        let mut last = None;
        for (interval, ends) in z.windows(2).enumerate() {
            let rows =
                |end: usize| (0..rank).map(move |row| ends[end][grouping.place(unit, row)]).collect::<Vec<f64>>();
            let (a, b) = (rows(0), rows(1));
            let meets = pairs(rank).filter_map(|(i, j)| {
                let (at_a, at_b) = (a[i] - a[j], b[j] - b[i]);
                ((at_a > 0.0 && at_b > 0.0) || (at_a < 0.0 && at_b < 0.0)).then(|| at_a / (at_a + at_b))
            });
            let mut cuts: Vec<f64> = meets.chain([0.0, 1.0]).collect();
            cuts.sort_by(f64::total_cmp);
            cuts.dedup();
            for cut in cuts.windows(2) {
                let middle = mix(&a, &b, 0.5 * (cut[0] + cut[1]));
                let now = (1..rank).fold(0, |top, row| if middle[row] > middle[top] { row } else { top });
                if let Some(before) = last.replace(now).filter(|&before| before != now) {
                    let at = (interval, (cut[0] > 0.0).then_some(cut[0]));
                    switches.push(Switch::of_rows(grouping, at, unit, [before, now]));
                }
            }
        }
    }
    switches
}

/// The points between `a` and `b` at a fraction of the way.
fn mix(a: &[f64], b: &[f64], fraction: f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| (1.0 - fraction) * a + fraction * b).collect()
}

fn between(a: &Vertex, b: &Vertex, fraction: f64) -> f64 {
    (a.position + fraction * (b.position - a.position)).min(b.position)
}
