//! Parts of a cell with one pattern become one.

use std::collections::HashMap;

use super::complex::Corner;
use super::cut::{CutCell, CutEdge, Part};

/// Joins the parts with one pattern, whose unions are convex, and leaves out vertices at which nothing meets any more. The first
/// `n_corners` vertices are those of the cell, which stay.
pub(super) fn merge(cut: &mut CutCell, n_corners: usize) {
    if cut.parts.len() == 1 {
        return;
    }
    let mut groups: Vec<Vec<Part>> = Vec::new();
    let mut known: HashMap<Vec<u64>, usize> = HashMap::new();
    let n_parts = cut.parts.len();
    for part in cut.parts.drain(..) {
        let group = *known.entry(part.pattern.clone()).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(part);
    }
    let is_joined = groups.len() < n_parts;
    cut.parts.extend(groups.into_iter().map(union));
    if is_joined {
        leave_out(cut, n_corners);
    }
}

/// The union of parts: what is left of their edges without those that two of them share, in order.
fn union(mut parts: Vec<Part>) -> Part {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let mut n_uses: HashMap<u32, usize> = HashMap::new();
    parts.iter().flat_map(|part| &part.corners).for_each(|corner| *n_uses.entry(corner.edge).or_default() += 1);
    let rim = parts.iter().flat_map(|part| &part.corners).filter(|corner| n_uses[&corner.edge] == 1);
    // From each vertex one edge goes on, to the vertex that is next in the part that has it.
    let mut next: HashMap<u32, u32> = HashMap::new();
    for part in &parts {
        let n = part.corners.len();
        next.extend(
            (0..n).map(|ix| (part.corners[ix].edge, part.corners[(ix + 1) % n].vertex)).filter(|(e, _)| n_uses[e] == 1),
        );
    }
    let from: HashMap<u32, u32> = rim.clone().map(|corner| (corner.vertex, corner.edge)).collect();
    let first = rim.clone().next().expect("a polygon has a rim").vertex;
    let mut corners = Vec::with_capacity(from.len());
    let mut vertex = first;
    loop {
        let edge = from[&vertex];
        corners.push(Corner { vertex, edge });
        vertex = next[&edge];
        if vertex == first {
            break;
        }
    }
    Part { corners, pattern: parts.swap_remove(0).pattern }
}

/// Leaves out vertices on sides of the cell with a single part, and inside with two: the way is straight there, and the edges become one.
fn leave_out(cut: &mut CutCell, n_corners: usize) {
    let mut n_parts = vec![0; cut.vertices.len()];
    cut.parts.iter().flat_map(|part| &part.corners).for_each(|corner| n_parts[corner.vertex as usize] += 1);
    let mut is_on_side = vec![false; cut.vertices.len()];
    for &edge in cut.chains.iter().flatten() {
        cut.edges[edge as usize].ends.iter().for_each(|&vertex| is_on_side[vertex as usize] = true);
    }
    let is_needless = |vertex: u32| {
        let vertex = vertex as usize;
        vertex >= n_corners && n_parts[vertex] == if is_on_side[vertex] { 1 } else { 2 }
    };
    let mut became: HashMap<u32, u32> = HashMap::new();
    for part in &mut cut.parts {
        let first = part.corners.iter().position(|corner| !is_needless(corner.vertex));
        part.corners.rotate_left(first.expect("a polygon has corners"));
        let runs = part.corners.chunk_by(|_, next| is_needless(next.vertex));
        let ends: Vec<u32> = runs.clone().skip(1).map(|run| run[0].vertex).chain([part.corners[0].vertex]).collect();
        let mut corners = Vec::with_capacity(ends.len());
        for (run, end) in runs.zip(ends) {
            let Corner { vertex, edge } = run[0];
            // The other part at these edges may have come first.
            let edge = match (run.len(), became.get(&edge)) {
                (1, _) => edge,
                (_, Some(&joined)) => joined,
                (_, None) => {
                    let joined = cut.edges.len() as u32;
                    cut.edges.push(CutEdge { ends: [vertex, end], split: None, ..cut.edges[edge as usize] });
                    became.extend(run.iter().map(|corner| (corner.edge, joined)));
                    joined
                }
            };
            corners.push(Corner { vertex, edge });
        }
        part.corners = corners;
    }
    for chain in &mut cut.chains {
        chain.iter_mut().for_each(|edge| *edge = became.get(edge).copied().unwrap_or(*edge));
        chain.dedup();
    }
}
