//! The subdivision of a plane: regions as areas, boundaries as lines, layer by layer.

use clap::ValueEnum;

use super::axis::Axis;
use super::figure::{Entry, Figure, Frame, Ink, Mark, Sample, Stroke};
use crate::regions::plane::{Cell, Subdivision};

/// What colours regions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colouring {
    /// Neighbouring linear regions have different colours
    #[default]
    Adjacency,
    /// The norm of the output's gradient in the plane, in six classes of equally many regions
    Slope,
    /// The area of activation regions, in six classes of equally many
    Area,
    /// All white
    None,
}

/// Classes of a scale.
const N_CLASSES: usize = 6;
/// Layers that colours tell apart; more are on a scale.
const N_COLOURS: usize = 6;
/// Layers in the legend.
const MAX_ENTRIES: usize = 12;

/// The picture of a subdivision, with the labels of its axes.
pub fn partition(subdivision: &Subdivision, colouring: Colouring, labels: [String; 2]) -> Figure {
    let [u, v] = subdivision.window().ranges();
    let [u_label, v_label] = labels;
    let (mut marks, mut legend) = areas(subdivision, colouring);
    let over_scale = matches!(colouring, Colouring::Slope | Colouring::Area);
    boundaries(subdivision, over_scale, &mut marks, &mut legend);
    let (x, y) = (Axis::spanning(u_label, u), Axis::spanning(v_label, v));
    Figure { x, y, marks, legend, frame: Frame::Map }
}

fn areas(subdivision: &Subdivision, colouring: Colouring) -> (Vec<Mark>, Vec<Entry>) {
    let (inks, legend): (Vec<Ink>, Vec<Entry>) = match colouring {
        Colouring::Adjacency => {
            let colours = subdivision.colours();
            let ink = |cell: Cell| Ink::Tint(usize::from(colours[cell.linear_region()]));
            (subdivision.cells().map(ink).collect(), Vec::new())
        }
        Colouring::Slope => classes(&subdivision.cells().map(Cell::slope).collect::<Vec<_>>(), "slope"),
        Colouring::Area => classes(&subdivision.cells().map(Cell::area).collect::<Vec<_>>(), "area"),
        Colouring::None => (vec![Ink::White; subdivision.n_activation_regions()], Vec::new()),
    };
    let polygon =
        |(cell, ink): (Cell, Ink)| Mark::Polygon { points: cell.polygon().map(|[u, v]| (u, v)).collect(), ink };
    (subdivision.cells().zip(inks).map(polygon).collect(), legend)
}

/// The class of every value, and what the classes are.
fn classes(values: &[f64], name: &str) -> (Vec<Ink>, Vec<Entry>) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut limits: Vec<f64> = (1..=N_CLASSES).map(|k| sorted[(sorted.len() * k).div_ceil(N_CLASSES) - 1]).collect();
    limits.dedup();
    let ink = |class: usize| Ink::Level((1000 * class / (limits.len() - 1).max(1)) as u16);
    let class = |value: f64| limits.partition_point(|&limit| limit < value);
    let entry = |k: usize| {
        let high = rounded(limits[k]);
        let text = if k == 0 { format!("{name} ≤ {high}") } else { format!("≤ {high}") };
        Entry { sample: Sample::Patch(ink(k)), text }
    };
    (values.iter().map(|&value| ink(class(value))).collect(), (0..limits.len()).map(entry).collect())
}

/// Three significant digits.
fn rounded(value: f64) -> String {
    let text = format!("{value:.2e}");
    let number: f64 = text.parse().unwrap_or(value);
    if number == 0.0 || (1e-3..1e5).contains(&number.abs()) { number.to_string() } else { text }
}

/// Lines of deeper layers first: those of the first layers run through everything. Over a scale all are white.
fn boundaries(subdivision: &Subdivision, over_scale: bool, marks: &mut Vec<Mark>, legend: &mut Vec<Entry>) {
    let mut drawn = vec![[false; 2]; subdivision.depth()];
    for (edge, ix) in subdivision.edges().iter().zip(0..) {
        if let Some(layer) = edge.source.layer() {
            drawn[layer][usize::from(subdivision.is_knot(ix))] = true;
        }
    }
    let bending: Vec<usize> = (0..drawn.len()).filter(|&layer| drawn[layer][1]).collect();
    // The more edges, the finer.
    let (first, last) = match subdivision.edges().len() {
        0..600 => (5, 2),
        600..6000 => (3, 2),
        _ => (2, 1),
    };
    let style = |layer: usize, is_knot: bool| {
        let rank = bending.partition_point(|&other| other < layer);
        let ink = match bending.len() {
            _ if over_scale => Ink::White,
            _ if !is_knot => Ink::Grey,
            0..=N_COLOURS => Ink::Series(rank),
            n => Ink::Level((900 * rank / (n - 1)) as u16),
        };
        (ink, if is_knot && !over_scale { first.max(last + rank as u32) - rank as u32 } else { last })
    };
    for is_knot in [false, true] {
        for layer in (0..drawn.len()).rev().filter(|&layer| drawn[layer][usize::from(is_knot)]) {
            let (ink, width) = style(layer, is_knot);
            for (edge, ix) in subdivision.edges().iter().zip(0..) {
                if edge.source.layer() == Some(layer) && subdivision.is_knot(ix) == is_knot {
                    let points = edge.ends.map(|end| subdivision.vertex(end)).map(|[u, v]| (u, v)).to_vec();
                    marks.push(Mark::Line { points, ink, stroke: Stroke::Width(width) });
                }
            }
        }
    }
    if over_scale {
        return;
    }
    for &layer in bending.iter().step_by(bending.len().div_ceil(MAX_ENTRIES).max(1)) {
        let (ink, width) = style(layer, true);
        let sample = Sample::Line(ink, Stroke::Width(width.max(3)));
        legend.push(Entry { sample, text: format!("layer {}", layer + 1) });
    }
    if drawn.iter().any(|drawn| drawn[0]) {
        legend.push(Entry { sample: Sample::Line(Ink::Grey, Stroke::Width(3)), text: "no knot".to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::network::{Activation, AffineWeights, Architecture, Network};
    use crate::regions::plane::{Plane, Window};

    /// Two lines, of which one does not bend the output.
    fn subdivision() -> Subdivision {
        let shape = Architecture::dense(2, &[2], Activation::relu(), 1).unwrap();
        let hidden = AffineWeights::new(vec![1.0, 0.0, 0.0, 1.0], vec![0.0; 2]);
        let network = Network::new(shape, vec![hidden, AffineWeights::new(vec![2.0, 0.0], vec![0.0])]);
        let window = Window::rectangle([-1.0, 1.0], [-1.0, 1.0]).unwrap();
        Subdivision::new(&network.unwrap(), &Plane::of_inputs(), &window, &AtomicBool::new(false)).unwrap()
    }

    fn inks(colouring: Colouring) -> (Vec<Ink>, Vec<Ink>, Vec<String>) {
        let figure = partition(&subdivision(), colouring, ["u".to_owned(), "v".to_owned()]);
        let (mut areas, mut lines) = (Vec::new(), Vec::new());
        for mark in &figure.marks {
            match mark {
                Mark::Polygon { ink, .. } => areas.push(*ink),
                Mark::Line { ink, .. } => lines.push(*ink),
                other => panic!("{other:?}"),
            }
        }
        (areas, lines, figure.legend.into_iter().map(|entry| entry.text).collect())
    }

    #[test]
    fn linear_regions_have_one_colour_and_boundaries_that_of_their_layer() {
        let (areas, lines, legend) = inks(Colouring::Adjacency);
        assert_eq!(areas.iter().filter(|ink| **ink == Ink::Tint(0)).count(), 2);
        assert_eq!(areas.iter().filter(|ink| **ink == Ink::Tint(1)).count(), 2);
        assert_eq!(lines, [Ink::Grey, Ink::Grey, Ink::Series(0), Ink::Series(0)]);
        assert_eq!(legend, ["layer 1", "no knot"]);
    }

    #[test]
    fn scales_have_classes_that_occur() {
        let (areas, lines, legend) = inks(Colouring::Slope);
        assert_eq!(areas.iter().filter(|ink| **ink == Ink::Level(1000)).count(), 2);
        assert_eq!((lines[0], legend), (Ink::White, vec!["slope ≤ 0".to_owned(), "≤ 2".to_owned()]));
        let (areas, _, legend) = inks(Colouring::Area);
        assert_eq!((areas, legend), (vec![Ink::Level(0); 4], vec!["area ≤ 1".to_owned()]));
    }
}
