//! A plain counter of regions on two inputs, in exact rational arithmetic and straight from the definitions: polygons are cut by every
//! unit, and those that share a piece of an edge are joined where the output is the same affine function.

use linregions::network::Network;
use num_rational::BigRational;
use num_traits::{Signed, Zero};

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
    outputs: Vec<Affine>,
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

fn affine(weights: &[Q], bias: &Q, inputs: &[Affine]) -> Affine {
    let mut sum = [Q::zero(), Q::zero(), bias.clone()];
    for (w, h) in weights.iter().zip(inputs) {
        (0..3).for_each(|i| sum[i] += w * &h[i]);
    }
    sum
}

/// Activation regions and linear regions of a network in `[lower, upper]`.
pub fn count(network: &Network, lower: [f64; 2], upper: [f64; 2]) -> (u64, u64) {
    let [x0, y0, x1, y1] = [lower[0], lower[1], upper[0], upper[1]].map(rational);
    let corner = |x: &Q, y: &Q| [x.clone(), y.clone()];
    let (one, zero) = (rational(1.0), Q::zero());
    let inputs = vec![[one.clone(), zero.clone(), zero.clone()], [zero.clone(), one, zero]];
    let polygon = vec![corner(&x0, &y0), corner(&x1, &y0), corner(&x1, &y1), corner(&x0, &y1)];
    let mut cells = vec![Cell { polygon, outputs: inputs }];
    for (l, weights) in network.affine().iter().enumerate() {
        let pieces = network.architecture().layers().get(l).map(|layer| layer.activation.pieces().map(rational));
        let units = weights.bias.len();
        let row = |u: usize| weights.weight.iter().skip(u).step_by(units).map(|&w| rational(w)).collect::<Vec<Q>>();
        let rows: Vec<(Vec<Q>, Q)> = (0..units).map(|u| (row(u), rational(weights.bias[u]))).collect();
        let mut next = Vec::new();
        for cell in cells {
            let mut parts = vec![(cell.polygon, Vec::new())];
            for (row, bias) in &rows {
                let z = affine(row, bias, &cell.outputs);
                let Some(pieces) = &pieces else {
                    parts.iter_mut().for_each(|(_, outputs)| outputs.push(z.clone()));
                    continue;
                };
                let is_constant = z[0].is_zero() && z[1].is_zero();
                let home = pieces.breakpoints.iter().filter(|tau| **tau < z[2]).count();
                let mut cut = Vec::new();
                for (polygon, outputs) in parts {
                    for piece in (0..pieces.slopes.len()).filter(|&p| !is_constant || p == home) {
                        let mut part = polygon.clone();
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
                            let mut outputs: Vec<Affine> = outputs.clone();
                            outputs.push([a * &z[0], a * &z[1], a * &z[2] + c]);
                            cut.push((part, outputs));
                        }
                    }
                }
                parts = cut;
            }
            next.extend(parts.into_iter().map(|(polygon, outputs)| Cell { polygon, outputs }));
        }
        cells = next;
    }
    (cells.len() as u64, components(&cells))
}

fn components(cells: &[Cell]) -> u64 {
    let mut component: Vec<usize> = (0..cells.len()).collect();
    for a in 0..cells.len() {
        for b in 0..a {
            if component[a] != component[b] && cells[a].outputs == cells[b].outputs && share_edge(&cells[a], &cells[b])
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
