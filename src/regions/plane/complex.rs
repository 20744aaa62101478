//! The complex of all cells: vertices, edges and convex polygons that share them.

use super::cut::{Cell, CutCell, CutEdge, Part};
use super::filter::{Filter, Kept, Line, Point};
use crate::error::{Error, Result};

/// What made an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A side of the window, from its corner of that number to the next.
    Window {
        /// Side, from 0.
        side: u32,
    },
    /// A unit that passes a breakpoint there. Of several that do, the first in order of layers, units and breakpoints.
    Unit {
        /// Hidden layer, from 0.
        layer: u32,
        /// Unit of the layer, from 0; the group where groups are compared.
        unit: u32,
        /// Breakpoint of the activation, from 0. For groups the pair of rows that are equal, by its place in
        /// [`pairs`](crate::network::pairs).
        breakpoint: u32,
    },
}

impl Source {
    /// The layer of the unit; `None` for a side of the window.
    pub fn layer(self) -> Option<usize> {
        match self {
            Self::Window { .. } => None,
            Self::Unit { layer, .. } => Some(layer as usize),
        }
    }
}

/// A straight edge between two vertices, with nothing between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Its vertices.
    pub ends: [u32; 2],
    /// The cells on either side; the second is `None` on the rim of the window.
    pub cells: (u32, Option<u32>),
    /// What made it.
    pub source: Source,
}

/// A corner of a cell: a vertex, and the edge from there to the next corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Corner {
    pub vertex: u32,
    pub edge: u32,
}

/// Convex cells that cover the window.
#[derive(Debug)]
pub(super) struct Complex {
    pub vertices: Vec<Point>,
    pub edges: Vec<Edge>,
    /// The line of each edge.
    pub lines: Vec<Line>,
    /// Corners of all cells, counter-clockwise.
    pub corners: Vec<Corner>,
    /// Where the corners of each cell begin, and where the last ones end.
    pub starts: Vec<usize>,
    /// The patterns of all cells, one after the other.
    pub patterns: Vec<u64>,
    /// Words of one pattern.
    pub n_words: usize,
    /// What cells keep of the layers so far, or nothing.
    pub kept: Vec<Kept>,
    /// Cells x outputs, after the last layer.
    pub gradients: Vec<[f64; 2]>,
}

/// Bytes that a cell takes on average while a layer is added, its pattern apart: four corners, two edges and a vertex, twice, and
/// the parts they are made from.
pub(super) const CELL_BYTES: usize = 800;

impl Complex {
    /// A single cell.
    pub(super) fn of_polygon(polygon: &[[f64; 2]], filter: &Filter) -> Self {
        let n = polygon.len() as u32;
        let edge = |side: u32| Edge { ends: [side, (side + 1) % n], cells: (0, None), source: Source::Window { side } };
        Self {
            vertices: polygon.iter().map(|&at| Point { at, radius: 0.0 }).collect(),
            edges: (0..n).map(edge).collect(),
            lines: (0..n as usize).map(|ix| filter.side([polygon[ix], polygon[(ix + 1) % n as usize]])).collect(),
            corners: (0..n).map(|ix| Corner { vertex: ix, edge: ix }).collect(),
            starts: vec![0, polygon.len()],
            patterns: Vec::new(),
            n_words: 0,
            kept: Vec::new(),
            gradients: Vec::new(),
        }
    }

    pub(super) fn n_cells(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn corners(&self, cell: usize) -> &[Corner] {
        &self.corners[self.starts[cell]..self.starts[cell + 1]]
    }

    pub(super) fn pattern(&self, cell: usize) -> &[u64] {
        &self.patterns[cell * self.n_words..][..self.n_words]
    }

    pub(super) fn cell(&self, cell: usize) -> Cell<'_> {
        let corners = self.corners(cell);
        Cell {
            points: corners.iter().map(|c| self.vertices[c.vertex as usize]).collect(),
            sides: corners.iter().map(|c| c.edge as usize).map(|e| (self.edges[e].source, self.lines[e])).collect(),
            pattern: self.pattern(cell),
            kept: self.kept.get(cell),
        }
    }
}

/// Joins cut cells, which come in order, to the next complex: each new vertex and edge of a side is the same for both cells there.
#[derive(Debug)]
pub(super) struct Assembly<'a> {
    old: &'a Complex,
    new: Complex,
    /// For each old edge what it became, once its first cell was added.
    chains: Vec<Option<Chain>>,
    /// Cells added.
    n_added: usize,
}

/// Consecutive new vertices and edges on an old edge, in the direction of its first cell.
#[derive(Clone, Copy, Debug)]
struct Chain {
    first_vertex: u32,
    first_edge: u32,
    n_edges: u32,
}

impl<'a> Assembly<'a> {
    /// `layer_words` is the number of words that the layer adds to patterns.
    pub(super) fn new(old: &'a Complex, layer_words: usize) -> Self {
        let new = Complex {
            vertices: old.vertices.clone(),
            edges: Vec::with_capacity(old.edges.len()),
            lines: Vec::with_capacity(old.edges.len()),
            corners: Vec::with_capacity(old.corners.len()),
            starts: vec![0],
            patterns: Vec::new(),
            n_words: old.n_words + layer_words,
            kept: Vec::new(),
            gradients: Vec::new(),
        };
        Self { old, new, chains: vec![None; old.edges.len()], n_added: 0 }
    }

    /// Adds the next cell.
    ///
    /// # Errors
    /// More vertices, edges or cells than can be numbered.
    pub(super) fn add(&mut self, cut: CutCell) -> Result<()> {
        let old_corners = self.old.corners(self.n_added);
        let mut vertices = vec![u32::MAX; cut.vertices.len()];
        let mut edges = vec![u32::MAX; cut.edges.len()];
        for (ix, corner) in old_corners.iter().enumerate() {
            vertices[ix] = corner.vertex;
        }
        for (corner, parts) in old_corners.iter().zip(&cut.chains) {
            let n_edges = parts.len() as u32;
            let inner = parts[1..].iter().map(|&part| cut.edges[part as usize].ends[0]);
            let known = self.chains[corner.edge as usize];
            let chain = match known {
                Some(chain) => chain,
                None => {
                    let chain = Chain {
                        first_vertex: number(&self.new.vertices)?,
                        first_edge: number(&self.new.edges)?,
                        n_edges,
                    };
                    self.new.vertices.extend(inner.clone().map(|v| cut.vertices[v as usize].point));
                    for &part in parts {
                        self.push_edge(&cut.edges[part as usize])?;
                    }
                    self.chains[corner.edge as usize] = Some(chain);
                    chain
                }
            };
            // Signs are exact, so that both cells find the same vertices in the same order.
            assert_eq!(chain.n_edges, n_edges, "both cells at an edge cut it alike");
            let place = |ix: u32, n: u32| if known.is_none() { ix } else { n - 1 - ix };
            for (ix, vertex) in (0..).zip(inner) {
                vertices[vertex as usize] = chain.first_vertex + place(ix, n_edges - 1);
            }
            for (ix, &part) in (0..).zip(parts) {
                edges[part as usize] = chain.first_edge + place(ix, n_edges);
            }
        }
        for part in &cut.parts {
            self.push_part(part, &cut, &mut vertices, &mut edges)?;
        }
        self.new.kept.extend(cut.kept);
        self.new.gradients.extend(cut.gradients);
        self.n_added += 1;
        Ok(())
    }

    fn push_part(&mut self, part: &Part, cut: &CutCell, vertices: &mut [u32], edges: &mut [u32]) -> Result<()> {
        let cell = number(&self.new.starts)? - 1;
        for corner in &part.corners {
            let (vertex, edge) = (&mut vertices[corner.vertex as usize], &mut edges[corner.edge as usize]);
            if *vertex == u32::MAX {
                *vertex = number(&self.new.vertices)?;
                self.new.vertices.push(cut.vertices[corner.vertex as usize].point);
            }
            if *edge == u32::MAX {
                *edge = self.push_edge(&cut.edges[corner.edge as usize])?;
            }
            self.new.corners.push(Corner { vertex: *vertex, edge: *edge });
        }
        let start = self.new.starts[cell as usize];
        let corners = &self.new.corners[start..];
        for (ix, corner) in corners.iter().enumerate() {
            let edge = &mut self.new.edges[corner.edge as usize];
            if edge.cells.0 == u32::MAX {
                edge.cells.0 = cell;
                edge.ends = [corner.vertex, corners[(ix + 1) % corners.len()].vertex];
            } else {
                edge.cells.1 = Some(cell);
            }
        }
        self.new.starts.push(self.new.corners.len());
        self.new.patterns.extend_from_slice(self.old.pattern(self.n_added));
        self.new.patterns.extend_from_slice(&part.pattern);
        Ok(())
    }

    fn push_edge(&mut self, cut: &CutEdge) -> Result<u32> {
        let edge = number(&self.new.edges)?;
        self.new.edges.push(Edge { ends: [u32::MAX; 2], cells: (u32::MAX, None), source: cut.source });
        self.new.lines.push(cut.line);
        Ok(edge)
    }

    /// The complex, when every cell was added.
    pub(super) fn finish(self) -> Complex {
        self.new
    }
}

/// The number of the next element.
fn number<T>(elements: &[T]) -> Result<u32> {
    let n = u32::try_from(elements.len()).ok().filter(|&n| n < u32::MAX - 1);
    n.ok_or_else(|| Error::failed("more than 4 billion vertices, edges or regions: choose a smaller window"))
}
