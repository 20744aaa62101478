//! What a figure shows, in the units of its axes.

use super::axis::Axis;

/// Series that colours and markers still tell apart.
pub(super) const MAX_SERIES: usize = 18;

/// The colour of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// That of a series, by its number.
    Series(usize),
    /// A pale one of [`N_TINTS`], for areas beside each other.
    Tint(usize),
    /// A step of a scale from low to high, from 0 to 1000.
    Level(u16),
    Black,
    Grey,
    White,
}

/// Pale colours that can be told apart.
pub(super) const N_TINTS: usize = 6;

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Solid,
    Thin,
    Dashed,
    /// Solid, so many twelfths of a millimetre wide.
    Width(u32),
}

/// Something drawn at a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// A line through points; a short level one where there is only one point.
    Line { points: Vec<(f64, f64)>, ink: Ink, stroke: Stroke },
    /// A filled polygon.
    Polygon { points: Vec<(f64, f64)>, ink: Ink },
    /// An error bar, moved aside by a length.
    Bar { x: f64, low: f64, high: f64, ink: Ink, aside: i32, is_small: bool },
    /// The marker of a series, moved aside by a length.
    Marker { x: f64, y: f64, series: usize, aside: i32, is_small: bool },
    /// An upright tick in a row.
    Tick { x: f64, row: f64, ink: Ink },
}

/// A line of the legend.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub sample: Sample,
    pub text: String,
}

/// What stands before the text in a legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    Marker(usize),
    Line(Ink, Stroke),
    Tick(Ink),
    /// A filled rectangle.
    Patch(Ink),
}

/// The frame of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A fixed shape with a grid.
    Grid,
    /// One unit is as long on both axes; the axes are over the marks.
    Map,
}

/// A figure: axes, marks and a legend. It is drawn by [`to_svg`](Self::to_svg) and [`to_png`](Self::to_png).
#[derive(Clone, Debug)]
pub struct Figure {
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) marks: Vec<Mark>,
    pub(super) legend: Vec<Entry>,
    pub(super) frame: Frame,
}
