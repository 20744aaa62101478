//! The subdivision of a window: made layer by layer, then asked for its cells, edges and sizes.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::affine_plane::{Plane, Window, polygon_area};
use super::complex::{Assembly, CELL_BYTES, Complex, Edge};
use super::cut::{CutCell, cut};
use super::exact::ExactNetwork;
use super::filter::{Filter, MAX_KEPT, Scratch};
use super::knots::{flips, knots, linear_regions};
use super::measure::{AreaSummary, LayerEdges};
use super::pattern::PatternLayout;
use super::terms::LayerTerms;
use crate::error::{Error, Result};
use crate::memory;
use crate::network::{ActivationKind, Layer, Network};
use crate::regions::units::Units;

/// Cells that are cut before they are joined to the complex.
const BLOCK: usize = 4096;
/// New regions between two looks at the memory that is left.
const MEMORY_STEP: usize = 1 << 16;

/// The exact subdivision of a window of a plane into the regions of a network.
///
/// Cells are the activation regions: convex polygons with disjoint interiors that cover the window, each with an activation
/// pattern of its own. They share vertices and edges. The linear regions are made of them: cells on both sides of
/// an edge belong to the same one where the output has the same gradient on both.
#[derive(Debug)]
pub struct Subdivision {
    layers: Vec<Units>,
    n_outputs: usize,
    layout: PatternLayout,
    window: Window,
    complex: Complex,
    is_knot: Vec<bool>,
    linear_regions: Vec<u32>,
    n_linear_regions: usize,
    close_calls: u64,
}

/// An activation region of a [`Subdivision`].
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    subdivision: &'a Subdivision,
    ix: usize,
}

impl Subdivision {
    /// Subdivides a window, on the threads of the current rayon pool. The result does not depend on their number.
    ///
    /// # Errors
    /// A plane of another dimension than the network's inputs, pre-activations beyond the range of f64, more regions than there is memory
    /// for, and a set `stop`.
    pub fn new(network: &Network, plane: &Plane, window: &Window, stop: &AtomicBool) -> Result<Self> {
        Self::watched(network, plane, window, &AtomicU64::new(0), stop)
    }

    /// The same, with the number of regions of the layers so far in `found` at any time.
    ///
    /// # Errors
    /// Those of [`Subdivision::new`].
    pub fn watched(
        network: &Network,
        plane: &Plane,
        window: &Window,
        found: &AtomicU64,
        stop: &AtomicBool,
    ) -> Result<Self> {
        let architecture = network.architecture();
        if plane.dim() != architecture.input_dim() {
            return Err(Error::usage(format!(
                "the plane is in a space of dimension {}, but the network has {} inputs",
                plane.dim(),
                architecture.input_dim()
            )));
        }
        let bytes = (0..=architecture.depth()).map(|layer| LayerTerms::bytes(network, layer)).sum();
        memory::check(&format!("{architecture} on a plane"), bytes, "fewer inputs or filters need less")?;
        let terms = (0..=architecture.depth()).map(|layer| LayerTerms::new(network, layer, stop));
        let terms = terms.collect::<Result<Vec<_>>>()?;
        let units = |layer: &Layer| Units::new(&layer.activation, layer.affine.units());
        let layers: Vec<Units> = architecture.layers().iter().map(units).collect();
        let layout = PatternLayout::new(&layers);
        let filter = Filter::new(architecture, &terms, &layers, &layout, plane, window)?;
        stop_here(stop)?;
        let exact = ExactNetwork::new(&terms, &layers, &layout, plane, window);
        let mut complex = Complex::of_polygon(window.corners(), &filter);
        let mut close_calls = 0;
        let n_outputs = architecture.outputs();
        for layer in 0..architecture.depth() {
            if layer + 1 == architecture.depth() {
                let gradient_bytes = complex.n_cells() as u128 * n_outputs as u128 * 16;
                memory::check("the gradients of all outputs", gradient_bytes, "choose a smaller window")?;
            }
            let step = Step { layer, layout: &layout, filter: &filter, exact: &exact, stop };
            complex = step.cut_all(&complex, &mut close_calls)?;
            found.store(complex.n_cells() as u64, Ordering::Relaxed);
        }
        let knots = knots(&layers, &layout, plane.directions(), &complex, &filter, &exact, stop);
        stop_here(stop)?;
        let (linear_regions, n_linear_regions) = linear_regions(&complex, &knots.is_knot);
        Ok(Self {
            n_outputs,
            window: window.clone(),
            is_knot: knots.is_knot,
            linear_regions,
            n_linear_regions,
            close_calls: close_calls + knots.close_calls,
            complex,
            layout,
            layers,
        })
    }

    /// Number of activation regions, those that have an area.
    pub fn n_activation_regions(&self) -> usize {
        self.complex.n_cells()
    }

    /// Number of linear regions: connected parts of the window, joined through edges, on which the output is affine.
    pub fn n_linear_regions(&self) -> usize {
        self.n_linear_regions
    }

    /// Decisions for which f64 was not enough.
    pub fn close_calls(&self) -> u64 {
        self.close_calls
    }

    /// The window.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Number of hidden layers.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// Number of outputs of the network.
    pub fn n_outputs(&self) -> usize {
        self.n_outputs
    }

    /// Plane coordinates of all vertices.
    pub fn vertices(&self) -> impl ExactSizeIterator<Item = [f64; 2]> + '_ {
        self.complex.vertices.iter().map(|vertex| vertex.at)
    }

    /// Plane coordinates of a vertex.
    pub fn vertex(&self, ix: u32) -> [f64; 2] {
        self.complex.vertices[ix as usize].at
    }

    /// All edges, those of the window's rim among them.
    pub fn edges(&self) -> &[Edge] {
        &self.complex.edges
    }

    /// Whether the output changes slope across an edge.
    pub fn is_knot(&self, edge: usize) -> bool {
        self.is_knot[edge]
    }

    /// The units or groups that are on different pieces on the two sides of an edge, as (layer, unit); none on the rim.
    pub fn flips(&self, edge: usize) -> Vec<(usize, usize)> {
        let (first, Some(second)) = self.complex.edges[edge].cells else { return Vec::new() };
        let patterns = [first, second].map(|cell| self.complex.pattern(cell as usize));
        let fields = flips(&self.layers, &self.layout, patterns).into_iter();
        let mut units: Vec<(usize, usize)> =
            fields.map(|flip| (flip.layer, self.layers[flip.layer].unit_of(flip.field))).collect();
        units.dedup();
        units
    }

    /// The edges that each layer made.
    pub fn edges_per_layer(&self) -> Vec<LayerEdges> {
        let mut layers = vec![LayerEdges::default(); self.depth()];
        for (edge, &is_knot) in self.complex.edges.iter().zip(&self.is_knot) {
            if let Some(layer) = edge.source.layer() {
                let [p, q] = edge.ends.map(|end| self.vertex(end));
                layers[layer].add((p[0] - q[0]).hypot(p[1] - q[1]), is_knot);
            }
        }
        layers
    }

    /// An activation region, by its number from 0.
    ///
    /// # Panics
    /// Where there is none of that number.
    pub fn cell(&self, ix: usize) -> Cell<'_> {
        assert!(ix < self.n_activation_regions(), "cell {ix} of {}", self.n_activation_regions());
        Cell { subdivision: self, ix }
    }

    /// All activation regions.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Cell<'_>> {
        (0..self.n_activation_regions()).map(|ix| Cell { subdivision: self, ix })
    }

    /// Areas of the activation regions.
    pub fn activation_region_areas(&self) -> AreaSummary {
        AreaSummary::new(self.cells().map(Cell::area).collect())
    }

    /// Areas of the linear regions.
    pub fn linear_region_areas(&self) -> AreaSummary {
        let mut areas = vec![0.0; self.n_linear_regions];
        for cell in self.cells() {
            areas[cell.linear_region()] += cell.area();
        }
        AreaSummary::new(areas)
    }
}

impl<'a> Cell<'a> {
    /// Its number, from 0.
    pub fn ix(self) -> usize {
        self.ix
    }

    /// Its vertices, counter-clockwise; none has a straight angle.
    pub fn vertices(self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.subdivision.complex.corners(self.ix).iter().map(|corner| corner.vertex)
    }

    /// Its edges: the first from its first vertex to the second, and so on.
    pub fn edges(self) -> impl ExactSizeIterator<Item = u32> + 'a {
        self.subdivision.complex.corners(self.ix).iter().map(|corner| corner.edge)
    }

    /// Plane coordinates of its vertices, counter-clockwise.
    pub fn polygon(self) -> impl ExactSizeIterator<Item = [f64; 2]> + 'a {
        self.vertices().map(|vertex| self.subdivision.vertex(vertex))
    }

    /// Its area in plane coordinates.
    pub fn area(self) -> f64 {
        polygon_area(self.polygon())
    }

    /// Gradients of the outputs in the plane, d output / d (u, v), one per output.
    pub fn gradients(self) -> &'a [[f64; 2]] {
        let n = self.subdivision.n_outputs;
        &self.subdivision.complex.gradients[self.ix * n..][..n]
    }

    /// The norm of all gradients together (Frobenius).
    pub fn slope(self) -> f64 {
        self.gradients().as_flattened().iter().fold(0.0, |norm: f64, g| norm.hypot(*g))
    }

    /// The number of its linear region, from 0.
    pub fn linear_region(self) -> usize {
        self.subdivision.linear_regions[self.ix] as usize
    }

    /// The piece that a unit of a hidden layer is on, both from 0: of a maxout unit which of its rows is largest. A sorted group counts
    /// as so many units: the piece of each row is its place in the order, from the largest.
    pub fn piece(self, layer: usize, unit: usize) -> usize {
        let (units, field) = (&self.subdivision.layers[layer], self.subdivision.layout.layer(layer));
        let words = field.of(self.subdivision.complex.pattern(self.ix));
        let ActivationKind::GroupSort { size } = *units.kind() else { return field.get(words, unit) };
        let above: Vec<usize> =
            (0..units.n_switches()).map(|switch| field.get(words, units.field(unit / size, switch))).collect();
        units.order(&above).iter().position(|&row| row == unit % size).expect("every row has a place")
    }
}

/// What it takes to add one layer.
struct Step<'a> {
    layer: usize,
    layout: &'a PatternLayout,
    filter: &'a Filter<'a>,
    exact: &'a ExactNetwork<'a>,
    stop: &'a AtomicBool,
}

impl Step<'_> {
    fn cut_all(&self, complex: &Complex, close_calls: &mut u64) -> Result<Complex> {
        let field = self.layout.layer(self.layer);
        let kept = if self.filter.keeps(self.layer) { 2 * 32 * MAX_KEPT } else { 0 };
        let gradients = if self.filter.is_last(self.layer) { 2 * 16 * self.filter.n_outputs() } else { 0 };
        let bytes = CELL_BYTES + 16 * self.layout.n_words(self.layer + 1) + kept + gradients;
        let n_regions = AtomicUsize::new(complex.n_cells());
        let grown = |n: usize| {
            stop_here(self.stop)?;
            let before = n_regions.fetch_add(n, Ordering::Relaxed);
            if before / MEMORY_STEP == (before + n) / MEMORY_STEP {
                return Ok(());
            }
            let needed = (before + n) as u128 * bytes as u128;
            let so_far = format!("{} regions in layer {}, and counting", before + n, self.layer + 1);
            memory::check(&so_far, needed, "choose a smaller window or a smaller network")
        };
        let cut_one = |scratch: &mut Scratch, cell: usize| {
            stop_here(self.stop)?;
            cut(&complex.cell(cell), self.layer, field, self.filter, self.exact, scratch, &grown)
        };
        let mut assembly = Assembly::new(complex, field.n_words());
        for start in (0..complex.n_cells()).step_by(BLOCK) {
            let block = start..(start + BLOCK).min(complex.n_cells());
            let cells: Result<Vec<CutCell>> = block.into_par_iter().map_init(Scratch::default, cut_one).collect();
            for cell in cells? {
                *close_calls += cell.close_calls;
                assembly.add(cell)?;
            }
        }
        Ok(assembly.finish())
    }
}

fn stop_here(stop: &AtomicBool) -> Result<()> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Error::interrupted("interrupted: the subdivision is not complete")),
        false => Ok(()),
    }
}
