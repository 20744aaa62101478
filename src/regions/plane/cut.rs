//! One cell cut by the units of one layer.

use super::complex::{Corner, Source};
use super::exact::{ExactCell, ExactNetwork};
use super::filter::{Filter, Form, Kept, Line, Point, Rectangle, Scratch};
use super::forms::{Bounded, Forms};
use super::merge::merge;
use super::pattern::Field;
use crate::error::Result;
use crate::network::ActivationKind;
use crate::regions::units::Units;

/// Beyond this part of the window's size a vertex is placed by whole numbers.
const MAX_RADIUS: f64 = 1e-6;

/// A vertex with two lines that meet there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vertex {
    pub point: Point,
    pub lines: [Source; 2],
}

/// A side of a cell, or a part of it, or an edge inside.
#[derive(Clone, Copy, Debug)]
pub(super) struct CutEdge {
    pub ends: [u32; 2],
    pub source: Source,
    pub line: Line,
    /// The side of the cell that it is a part of, which runs from `ends[0]` to `ends[1]` counter-clockwise.
    pub side: Option<u32>,
    /// Once it is cut: the vertex on it, and its parts from there to its ends. The first passage that crosses it does so in the
    /// parts on both of its sides, because all follow one order.
    pub split: Option<(u32, [u32; 2])>,
}

/// A part of a cell: a convex polygon on which all units of the layer are on one piece.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Counter-clockwise; vertices and edges of the cut cell.
    pub corners: Vec<Corner>,
    /// The fields of the layer's units.
    pub pattern: Vec<u64>,
}

/// What a cell becomes: its own corners are vertices 0, 1, ..., its sides became chains of edges.
#[derive(Debug)]
pub(super) struct CutCell {
    pub vertices: Vec<Vertex>,
    pub edges: Vec<CutEdge>,
    /// For each side its edges, counter-clockwise.
    pub chains: Vec<Vec<u32>>,
    pub parts: Vec<Part>,
    /// For each part, where cells keep it.
    pub kept: Vec<Kept>,
    /// For each part those of all outputs, after the last layer.
    pub gradients: Vec<[f64; 2]>,
    pub close_calls: u64,
}

/// A cell about to be cut.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    pub points: Vec<Point>,
    /// What made the side from each corner to the next, and its line.
    pub sides: Vec<(Source, Line)>,
    /// Fields of the layers before.
    pub pattern: &'a [u64],
    /// What the next layer is made of, if that was kept.
    pub kept: Option<&'a Kept>,
}

/// What may cut a part of a cell.
#[derive(Clone, Copy, Debug)]
enum Passage {
    /// A switch of a unit, of which `field` tells on which side a part is.
    Switch { unit: usize, switch: usize, field: usize },
    /// A row of a maxout unit that may be above all rows before it. What it cuts along depends on the part, on which one of those is largest.
    Row { unit: usize, row: usize },
}

impl Passage {
    fn unit(self) -> usize {
        match self {
            Self::Switch { unit, .. } | Self::Row { unit, .. } => unit,
        }
    }
}

/// Where a vertex is with regard to a line.
#[derive(Clone, Copy, Debug)]
struct Place {
    value: Bounded,
    sign: i8,
    is_close: bool,
}

struct Cutter<'a> {
    filter: &'a Filter<'a>,
    forms: &'a Forms,
    units: &'a Units,
    layer: usize,
    field: Field,
    exact: ExactCell<'a>,
    cut: CutCell,
}

/// Cuts a cell by all units of a layer that change piece inside. `grown` hears of every new part and may refuse it.
///
/// Each part is cut by the first passage that crosses it, and so are its parts by the others: `n` lines take a time of about `n^2`,
/// the number of parts. A maxout unit compares each of its rows with the largest of those before it; parts with one pattern, which a later
/// row made out of several, are joined again.
pub(super) fn cut(
    cell: &Cell,
    layer: usize,
    field: Field,
    filter: &Filter,
    exact: &ExactNetwork,
    scratch: &mut Scratch,
    grown: &(impl Fn(usize) -> Result<()> + Sync),
) -> Result<CutCell> {
    match cell.kept {
        Some(kept) => filter.pre_activations_of(layer, kept, scratch)?,
        None => filter.pre_activations(layer, cell.pattern, scratch)?,
    }
    let forms = &scratch.forms;
    let (units, exact) = (filter.units(layer), ExactCell::new(exact, cell.pattern));
    let mut cutter = Cutter { filter, forms, units, layer, field, exact, cut: CutCell::whole(cell, field) };
    // Parts with the passages that may cross them: those that cross what they were cut from.
    let mut open = vec![(0, passages(units))];
    while let Some((part, passages)) = open.pop() {
        let crossing = cutter.crossing(part, passages);
        let Some((&first, rest)) = crossing.split_first() else { continue };
        let below = cutter.split(part, first);
        grown(1)?;
        open.push((below, rest.to_vec()));
        open.push((part, rest.to_vec()));
    }
    let mut cut = cutter.cut;
    if let ActivationKind::Maxout { .. } = units.kind() {
        merge(&mut cut, cell.points.len());
    }
    if filter.keeps(layer) {
        cut.kept = cut.parts.iter().map(|part| filter.keep(layer, &part.pattern, cell.kept, scratch)).collect();
    }
    if filter.is_last(layer) {
        for part in &cut.parts {
            filter.add_gradients(&part.pattern, scratch, &mut cut.gradients)?;
        }
    }
    Ok(cut)
}

/// All passages of a layer, in one order.
fn passages(units: &Units) -> Vec<Passage> {
    let of_unit = |unit: usize| -> Vec<Passage> {
        match units.kind() {
            ActivationKind::Maxout { rank } => (1..*rank).map(|row| Passage::Row { unit, row }).collect(),
            _ => {
                let switch = |switch| Passage::Switch { unit, switch, field: units.field(unit, switch) };
                (0..units.n_switches()).map(switch).collect()
            }
        }
    };
    (0..units.n_units()).flat_map(of_unit).collect()
}

impl CutCell {
    fn whole(cell: &Cell, field: Field) -> Self {
        let n = cell.points.len();
        let vertex =
            |ix: usize| Vertex { point: cell.points[ix], lines: [cell.sides[(ix + n - 1) % n].0, cell.sides[ix].0] };
        let side = |ix: usize| CutEdge {
            ends: [ix as u32, ((ix + 1) % n) as u32],
            source: cell.sides[ix].0,
            line: cell.sides[ix].1,
            side: Some(ix as u32),
            split: None,
        };
        let corners = (0..n as u32).map(|ix| Corner { vertex: ix, edge: ix }).collect();
        Self {
            vertices: (0..n).map(vertex).collect(),
            edges: (0..n).map(side).collect(),
            chains: (0..n as u32).map(|ix| vec![ix]).collect(),
            parts: vec![Part { corners, pattern: vec![0; field.n_words()] }],
            kept: Vec::new(),
            gradients: Vec::new(),
            close_calls: 0,
        }
    }
}

impl Cutter<'_> {
    /// The passages that cross a part. Where all of it is above one, that is noted; rows that come after one of their unit that
    /// crosses stay, for what they cut along is not known yet.
    fn crossing(&mut self, part: usize, mut passages: Vec<Passage>) -> Vec<Passage> {
        let corners = self.cut.parts[part].corners.iter();
        let around = Rectangle::around(corners.map(|corner| &self.cut.vertices[corner.vertex as usize].point));
        let mut undecided = None;
        passages.retain(|&passage| {
            let unit = passage.unit();
            match self.sides(part, passage, &around) {
                // A unit that stays on its breakpoint is on the lower piece, and the first of equal rows the largest.
                [_, false] => false,
                [false, true] if undecided != Some(unit) || matches!(passage, Passage::Switch { .. }) => {
                    self.raise(part, passage);
                    false
                }
                _ => {
                    undecided = Some(unit);
                    true
                }
            }
        });
        passages
    }

    /// Whether a part, in a rectangle around it, reaches below a passage, and above it.
    fn sides(&mut self, part: usize, passage: Passage, around: &Rectangle) -> [bool; 2] {
        let switch = self.switch(part, passage);
        let form = self.form(switch);
        if let Some(sides) = self.filter.sides(&form, around) {
            return sides;
        }
        let mut sides = [false; 2];
        for corner in 0..self.cut.parts[part].corners.len() {
            match self.place(switch, &form, self.cut.parts[part].corners[corner].vertex).sign {
                0 => {}
                sign => sides[usize::from(sign > 0)] = true,
            }
            if sides == [true; 2] {
                break;
            }
        }
        sides
    }

    /// Notes that a part is above a passage.
    fn raise(&mut self, part: usize, passage: Passage) {
        let (field, value) = match passage {
            Passage::Switch { switch, field, .. } => (field, self.units.field_beyond(switch, false)),
            Passage::Row { unit, row } => (unit, row),
        };
        self.field.set(&mut self.cut.parts[part].pattern, field, value);
    }

    /// The unit and its switch that a passage is on a part.
    fn switch(&self, part: usize, passage: Passage) -> (usize, usize) {
        match passage {
            Passage::Switch { unit, switch, .. } => (unit, switch),
            Passage::Row { unit, row } => {
                let top = self.field.get(&self.cut.parts[part].pattern, unit);
                (unit, self.units.comparison(row, top).0)
            }
        }
    }

    fn source(&self, (unit, switch): (usize, usize)) -> Source {
        Source::Unit { layer: self.layer as u32, unit: unit as u32, breakpoint: switch as u32 }
    }

    fn form(&self, (unit, switch): (usize, usize)) -> Form {
        self.filter.form(self.forms, self.layer, self.units.switch(unit, switch))
    }

    /// Where a vertex is with regard to a switch and its form.
    fn place(&mut self, switch: (usize, usize), form: &Form, vertex: u32) -> Place {
        let Vertex { point, lines } = self.cut.vertices[vertex as usize];
        let value = self.filter.value(form, &point);
        match value.sign() {
            Some(sign) => Place { value, sign, is_close: false },
            None => {
                self.cut.close_calls += 1;
                Place { value, sign: self.exact.sign(self.source(switch), lines), is_close: true }
            }
        }
    }

    /// Leaves of a part what is above the line, and makes a new part of what is below.
    fn split(&mut self, part: usize, passage: Passage) -> usize {
        let switch = self.switch(part, passage);
        let corners = std::mem::take(&mut self.cut.parts[part].corners);
        let form = self.form(switch);
        let places: Vec<Place> = corners.iter().map(|corner| self.place(switch, &form, corner.vertex)).collect();
        let (mut above, mut below) = (Vec::with_capacity(corners.len()), Vec::with_capacity(corners.len()));
        let across = self.cut.edges.len() as u32;
        self.cut.edges.push(CutEdge {
            ends: [0; 2],
            source: self.source(switch),
            line: self.filter.line(&form),
            side: None,
            split: None,
        });
        // Where the way around the part goes over the line: down, and up.
        let mut ends = [0; 2];
        for (ix, &Corner { vertex, edge }) in corners.iter().enumerate() {
            let ends_here = [places[ix], places[(ix + 1) % places.len()]];
            let [here, there] = ends_here.map(|place| place.sign);
            let goes_up = there > 0;
            let (from, to, end) = if goes_up { (&mut below, &mut above, 1) } else { (&mut above, &mut below, 0) };
            match (here, there) {
                (0, _) => {
                    from.push(Corner { vertex, edge: across });
                    to.push(Corner { vertex, edge });
                    ends[end] = vertex;
                }
                _ if here * there < 0 => {
                    let forward = self.cut.edges[edge as usize].ends[0] == vertex;
                    let in_order = |[p, q]: [Place; 2]| if forward { [p, q] } else { [q, p] };
                    let (new, [p, q]) = match self.cut.edges[edge as usize].split {
                        Some(split) => split,
                        None => self.split_edge(edge, switch, in_order(ends_here)),
                    };
                    let [first, second] = if forward { [p, q] } else { [q, p] };
                    from.push(Corner { vertex, edge: first });
                    from.push(Corner { vertex: new, edge: across });
                    to.push(Corner { vertex: new, edge: second });
                    ends[end] = new;
                }
                _ if here > 0 => above.push(Corner { vertex, edge }),
                _ => below.push(Corner { vertex, edge }),
            }
        }
        self.cut.edges[across as usize].ends = ends;
        let pattern = self.cut.parts[part].pattern.clone();
        self.cut.parts[part].corners = above;
        self.raise(part, passage);
        self.cut.parts.push(Part { corners: below, pattern });
        self.cut.parts.len() - 1
    }

    fn split_edge(&mut self, edge: u32, switch: (usize, usize), places: [Place; 2]) -> (u32, [u32; 2]) {
        let CutEdge { ends, source, line, side, .. } = self.cut.edges[edge as usize];
        let lines = [source, self.source(switch)];
        let [from, to] = ends.map(|vertex| &self.cut.vertices[vertex as usize].point);
        let values = places.map(|place| place.value.value);
        let mut point = self.filter.between([&line, &self.filter.line(&self.form(switch))], [from, to], values);
        let is_certain = point.radius <= MAX_RADIUS * self.filter.reach();
        if places.iter().any(|place| place.is_close) || !is_certain {
            let at = self.exact.rounded_point(lines);
            point = Point { at, radius: 4.0 * f64::EPSILON * self.filter.reach() };
        }
        let new = self.cut.vertices.len() as u32;
        self.cut.vertices.push(Vertex { point, lines });
        let first = self.cut.edges.len() as u32;
        self.cut.edges.push(CutEdge { ends: [ends[0], new], source, line, side, split: None });
        self.cut.edges.push(CutEdge { ends: [new, ends[1]], source, line, side, split: None });
        if let Some(side) = side {
            let chain = &mut self.cut.chains[side as usize];
            let at = chain.iter().position(|&e| e == edge).expect("a side is made of its parts");
            chain.splice(at..=at, [first, first + 1]);
        }
        let split = (new, [first, first + 1]);
        self.cut.edges[edge as usize].split = Some(split);
        split
    }
}
