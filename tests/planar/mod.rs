//! A plain counter of regions on two inputs, in exact rational arithmetic and straight from the definitions: polygons are cut by every
//! unit, and those that share a piece of an edge are joined where the output is the same affine function.

use linregions::network::{ActivationKind, Network};
use num_rational::BigRational;
use num_traits::{Signed, Zero};

use crate::common::connections::{Connection, connections, members};

type Q = BigRational;
type Point = [Q; 2];
/// Coefficients of both inputs, and a constant.
type Affine = [Q; 3];

fn rational(x: f64) -> Q {
    Q::from_float(x).expect("a finite number")
}

struct Cell {
    /// Corners of a convex polygon, in order.
    polygon: Vec<Point>,
    /// The input, and the outputs of layer after layer.
    sources: Vec<Vec<Affine>>,
}

fn value(f: &Affine, p: &Point) -> Q {
    &f[0] * &p[0] + &f[1] * &p[1] + &f[2]
}

/// The part of a polygon where a function is at least zero.
fn clip(polygon: &[Point], f: &Affine) -> Vec<Point> {
    let mut clipped: Vec<Point> = Vec::new();
    for (ix, p) in polygon.iter().enumerate() {
        let q = &polygon[(ix + 1) % polygon.len()];
        let (a, b) = (value(f, p), value(f, q));
        if !a.is_negative() {
            clipped.push(p.clone());
        }
        if (a.is_negative() && b.is_positive()) || (a.is_positive() && b.is_negative()) {
            let t = &a / (&a - &b);
            clipped.push([0, 1].map(|i| &p[i] + &t * (&q[i] - &p[i])));
        }
    }
    clipped
}

fn cross(a: &Point, b: &Point, c: &Point) -> Q {
    (&b[0] - &a[0]) * (&c[1] - &a[1]) - (&b[1] - &a[1]) * (&c[0] - &a[0])
}

fn has_area(polygon: &[Point]) -> bool {
    polygon.len() > 2 && (1..polygon.len() - 1).any(|i| !cross(&polygon[0], &polygon[i], &polygon[i + 1]).is_zero())
}

/// The parts of a polygon on which a unit is on one piece, with what comes out of it there, from the functions of its rows.
fn parts(kind: &ActivationKind, polygon: &[Point], rows: &[Affine]) -> Vec<(Vec<Point>, Vec<Affine>)> {
    match kind {
        ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => {
            let (pieces, z) = (pieces.map(rational), &rows[0]);
            let is_constant = z[0].is_zero() && z[1].is_zero();
            let home = pieces.breakpoints.iter().filter(|tau| **tau < z[2]).count();
            let mut cut = Vec::new();
            for piece in (0..pieces.slopes.len()).filter(|&p| !is_constant || p == home) {
                let mut part = polygon.to_vec();
                if !is_constant && piece > 0 {
                    let tau = &pieces.breakpoints[piece - 1];
                    part = clip(&part, &[z[0].clone(), z[1].clone(), &z[2] - tau]);
                }
                if !is_constant && piece + 1 < pieces.slopes.len() {
                    let tau = &pieces.breakpoints[piece];
                    part = clip(&part, &[-&z[0], -&z[1], tau - &z[2]]);
                }
                if has_area(&part) {
                    let (a, c) = (&pieces.slopes[piece], &pieces.intercepts[piece]);
                    let mut outputs: Vec<Affine> = vec![[a * &z[0], a * &z[1], a * &z[2] + c]];
                    if let ActivationKind::Crelu(_) = kind {
                        // max(-z, 0) = max(z, 0) - z.
                        outputs.push([0, 1, 2].map(|k| &outputs[0][k] - &z[k]));
                    }
                    cut.push((part, outputs));
                }
            }
            cut
        }
        ActivationKind::Maxout { .. } => (0..rows.len())
            .filter_map(|top| Some((of_largest(polygon, rows, &(0..rows.len()).collect::<Vec<_>>(), top)?, top)))
            .map(|(part, top)| (part, vec![rows[top].clone()]))
            .collect(),
        ActivationKind::GroupSort { .. } => {
            // The largest row first, then the largest of the others.
            let mut open = vec![(polygon.to_vec(), Vec::new(), (0..rows.len()).collect::<Vec<usize>>())];
            for _ in 0..rows.len() {
                let mut next = Vec::new();
                for (part, sorted, rest) in &open {
                    for &top in rest {
                        if let Some(part) = of_largest(part, rows, rest, top) {
                            let sorted = sorted.iter().cloned().chain([rows[top].clone()]).collect();
                            next.push((part, sorted, rest.iter().copied().filter(|&row| row != top).collect()));
                        }
                    }
                }
                open = next;
            }
            open.into_iter().map(|(part, sorted, _)| (part, sorted)).collect()
        }
        _ => panic!("a new kind of activation"),
    }
}

/// The part of a polygon on which row `top` is the largest of `members`, and the first of equal ones.
fn of_largest(polygon: &[Point], rows: &[Affine], members: &[usize], top: usize) -> Option<Vec<Point>> {
    let mut part = polygon.to_vec();
    for &other in members.iter().filter(|&&other| other != top) {
        if rows[other] == rows[top] {
            if other < top {
                return None;
            }
            continue;
        }
        part = clip(&part, &[0, 1, 2].map(|k| &rows[top][k] - &rows[other][k]));
    }
    has_area(&part).then_some(part)
}

/// Activation regions and linear regions of a network in `[lower, upper]`.
pub fn count(network: &Network, lower: [f64; 2], upper: [f64; 2]) -> (u64, u64) {
    let [x0, y0, x1, y1] = [lower[0], lower[1], upper[0], upper[1]].map(rational);
    let corner = |x: &Q, y: &Q| [x.clone(), y.clone()];
    let (one, zero) = (rational(1.0), Q::zero());
    let inputs = vec![[one.clone(), zero.clone(), zero.clone()], [zero.clone(), one, zero]];
    let polygon = vec![corner(&x0, &y0), corner(&x1, &y0), corner(&x1, &y1), corner(&x0, &y1)];
    let mut cells = vec![Cell { polygon, sources: vec![inputs] }];
    for (l, layer) in network.architecture().layers().iter().enumerate() {
        let rows = connections(network, l);
        let size = layer.activation.group_size();
        let mut next = Vec::new();
        for cell in cells {
            let mut open = vec![(cell.polygon.clone(), Vec::new())];
            for unit in 0..rows.len() / size {
                let row = |member: usize| affine(&rows[member].0, rows[member].1, &cell.sources);
                let rows: Vec<Affine> = members(layer, unit).into_iter().map(row).collect();
                let cut = |(polygon, units): (Vec<Point>, Vec<Vec<Affine>>)| {
                    let parts = parts(layer.activation.kind(), &polygon, &rows).into_iter();
                    parts.map(move |(part, outputs)| (part, units.iter().cloned().chain([outputs]).collect()))
                };
                open = open.into_iter().flat_map(cut).collect();
            }
            for (polygon, units) in open {
                // All first outputs of CReLU come before all second ones.
                let outputs: Vec<Affine> = match layer.activation.kind() {
                    ActivationKind::Crelu(_) => [0, 1]
                        .into_iter()
                        .flat_map(|k| units.iter().map(move |unit: &Vec<Affine>| unit[k].clone()))
                        .collect(),
                    // Where the group's pre-activations are.
                    ActivationKind::GroupSort { .. } => {
                        let places = (0..units.len()).flat_map(|unit| members(layer, unit));
                        let mut sorted: Vec<(usize, Affine)> = places.zip(units.concat()).collect();
                        sorted.sort_by_key(|(place, _)| *place);
                        sorted.into_iter().map(|(_, f)| f).collect()
                    }
                    _ => units.concat(),
                };
                next.push(Cell { polygon, sources: cell.sources.iter().cloned().chain([outputs]).collect() });
            }
        }
        cells = next;
    }
    let depth = network.architecture().depth();
    let readout = &network.affine()[depth];
    for cell in &mut cells {
        let n = readout.bias.len();
        let of_output = |o: usize| {
            let made_of: Vec<Connection> = readout.weight[o..]
                .iter()
                .step_by(n)
                .enumerate()
                .map(|(place, &weight)| Connection { source: depth, place, weight })
                .collect();
            affine(&made_of, readout.bias[o], &cell.sources)
        };
        let outputs = (0..n).map(of_output).collect();
        cell.sources.push(outputs);
    }
    (cells.len() as u64, components(&cells))
}

fn affine(made_of: &[Connection], bias: f64, sources: &[Vec<Affine>]) -> Affine {
    let mut sum = [Q::zero(), Q::zero(), rational(bias)];
    for &Connection { source, place, weight } in made_of {
        (0..3).for_each(|i| sum[i] += rational(weight) * &sources[source][place][i]);
    }
    sum
}

fn components(cells: &[Cell]) -> u64 {
    let mut component: Vec<usize> = (0..cells.len()).collect();
    for a in 0..cells.len() {
        for b in 0..a {
            if component[a] != component[b]
                && cells[a].sources.last() == cells[b].sources.last()
                && share_edge(&cells[a], &cells[b])
            {
                let (from, to) = (component[a], component[b]);
                component.iter_mut().filter(|c| **c == from).for_each(|c| *c = to);
            }
        }
    }
    component.sort_unstable();
    component.dedup();
    component.len() as u64
}

fn share_edge(a: &Cell, b: &Cell) -> bool {
    let edges = |cell: &Cell| {
        let n = cell.polygon.len();
        (0..n).map(|i| [cell.polygon[i].clone(), cell.polygon[(i + 1) % n].clone()]).collect::<Vec<_>>()
    };
    edges(a).iter().any(|[p, q]| {
        edges(b).iter().any(|[r, s]| {
            if p == q || !cross(p, q, r).is_zero() || !cross(p, q, s).is_zero() {
                return false;
            }
            // Along the edge p q, which is the interval from 0 to |q - p|^2.
            let along = |x: &Point| (0..2).map(|i| (&x[i] - &p[i]) * (&q[i] - &p[i])).sum::<Q>();
            let (r, s) = (along(r), along(s));
            let (low, high) = if r < s { (r, s) } else { (s, r) };
            low.max(Q::zero()) < high.min(along(q))
        })
    })
}
