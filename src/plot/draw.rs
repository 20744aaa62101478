//! Drawing figures as SVG and PNG: the same drawing twice, 9 cm wide.

use std::sync::Once;

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle, register_font};

use super::figure::{Entry, Figure, Frame, Ink, Mark, N_TINTS, Sample, Stroke};
use crate::error::{Error, Result};

/// Lengths are in twelfths of a millimetre, the dots of 305 dpi.
const DOTS_PER_METRE: u32 = 12_000;
const WIDTH: i32 = 1080;
/// Without the legend, which is above.
const HEIGHT: i32 = 840;
const EDGE: i32 = 20;
/// About 8 points.
const TEXT: i32 = 34;
const TICK_TEXT: i32 = 30;
const TICK: i32 = 12;
const LEGEND_ROW: i32 = 46;
const LEGEND_SAMPLE: i32 = 70;
const LEGEND_GAP: i32 = 36;
const MARKER: i32 = 11;
const SMALL_MARKER: i32 = 5;
/// Half of a line through one point: two dashes and a gap.
const LEVEL: i32 = 24;
/// PNG is drawn this many times as large, then averaged: smooth edges.
const OVERSAMPLING: i32 = 2;

/// First the font of PNG files, so that SVG is laid out the same; then what stands in for it.
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";
/// What the drawing library calls the size of a font is that many ems.
const SIZE_PER_EM: f64 = 1.24;

/// Okabe and Ito's colours for all kinds of vision, without yellow, which is too light for lines on white.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
/// Light enough for lines in any of the other colours, and of different lightness.
const TINTS: [RGBColor; N_TINTS] = [
    RGBColor(208, 226, 243),
    RGBColor(255, 250, 230),
    RGBColor(205, 232, 208),
    RGBColor(248, 218, 200),
    RGBColor(226, 214, 238),
    RGBColor(225, 225, 225),
];
/// Equal steps of cividis (Nunez, Anderton and Renslow 2018), a scale for all kinds of vision.
const LEVELS: [RGBColor; 6] = [
    RGBColor(0, 34, 78),
    RGBColor(53, 69, 108),
    RGBColor(102, 105, 112),
    RGBColor(148, 142, 119),
    RGBColor(200, 182, 101),
    RGBColor(254, 232, 56),
];
const WHITE: RGBColor = RGBColor(255, 255, 255);
const BLACK: RGBColor = RGBColor(0, 0, 0);
const GREY: RGBColor = RGBColor(170, 170, 170);
const GRID: RGBColor = RGBColor(228, 228, 228);

impl Figure {
    /// The figure as SVG.
    ///
    /// # Errors
    /// Those of the drawing library.
    pub fn to_svg(&self) -> Result<String> {
        let layout = Layout::new(self)?;
        let mut svg = String::new();
        let mut backend = SVGBackend::with_string(&mut svg, (WIDTH as u32, layout.height as u32));
        Canvas { backend: &mut backend, scale: 1, sink: 0 }.figure(self, &layout)?;
        backend.present().map_err(broken)?;
        drop(backend);
        let mm = |dots: i32| f64::from(dots) / f64::from(DOTS_PER_METRE) * 1000.0;
        let (dots, paper) = (
            format!("width=\"{WIDTH}\" height=\"{}\"", layout.height),
            format!("width=\"{}mm\" height=\"{:.1}mm\"", mm(WIDTH), mm(layout.height)),
        );
        Ok(svg.replacen(&dots, &paper, 1))
    }

    /// The figure as PNG.
    ///
    /// # Errors
    /// Those of the drawing library.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let layout = Layout::new(self)?;
        let (width, height) = (WIDTH as usize, layout.height as usize);
        let large = [OVERSAMPLING as usize * width, OVERSAMPLING as usize * height];
        let mut dots = vec![255; 3 * large[0] * large[1]];
        {
            let mut backend = BitMapBackend::with_buffer(&mut dots, (large[0] as u32, large[1] as u32));
            Canvas { backend: &mut backend, scale: OVERSAMPLING, sink: 5 }.figure(self, &layout)?;
            backend.present().map_err(broken)?;
        }
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, WIDTH as u32, layout.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_pixel_dims(Some(png::PixelDimensions {
            xppu: DOTS_PER_METRE,
            yppu: DOTS_PER_METRE,
            unit: png::Unit::Meter,
        }));
        let mut writer = encoder.write_header().map_err(broken)?;
        writer.write_image_data(&averaged(&dots, width, height)).map_err(broken)?;
        writer.finish().map_err(broken)?;
        Ok(bytes)
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::failed(format!("the figure cannot be drawn: {error}"))
}

/// One dot for each square of dots.
fn averaged(dots: &[u8], width: usize, height: usize) -> Vec<u8> {
    let n = OVERSAMPLING as usize;
    let mut small = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let square = (0..n * n).map(|ix| (n * y + ix / n, n * x + ix % n));
                let sum: usize = square.map(|(y, x)| usize::from(dots[3 * (n * width * y + x) + channel])).sum();
                small.push(((sum + n * n / 2) / (n * n)) as u8);
            }
        }
    }
    small
}

fn font(size: i32) -> FontDesc<'static> {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // The text is missing if this fails, which drawing reports.
        let _ = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
    });
    FontDesc::new(FontFamily::Name(FONT), f64::from(size) * SIZE_PER_EM, FontStyle::Normal)
}

fn text_width(text: &str, size: i32) -> Result<i32> {
    let ((left, _), (right, _)) = font(size).layout_box(text).map_err(broken)?;
    Ok(right - left)
}

/// The text, cut where it is wider than that.
fn fitted(text: &str, size: i32, width: i32) -> Result<String> {
    if text_width(text, size)? <= width {
        return Ok(text.to_owned());
    }
    let mut cut: String = text.chars().take(200).collect();
    while !cut.is_empty() && text_width(&format!("{cut}…"), size)? > width {
        cut.pop();
    }
    Ok(cut + "…")
}

/// Where the parts of a figure are.
#[derive(Debug)]
struct Layout {
    height: i32,
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
    /// Place of each entry, and its text as far as it fits.
    legend: Vec<PlacedText>,
}

/// Width and height of a map whose units are of one length, if it is not too slim for that.
fn map_size(height_over_width: f64, width: i32) -> (i32, i32) {
    let (least, most) = (200.0, 1.4 * f64::from(width));
    let height = height_over_width * f64::from(width);
    if height > most {
        return ((most / height_over_width).max(least) as i32, most as i32);
    }
    (width, height.max(least) as i32)
}

/// Where a text begins, its middle in height, and the text.
type PlacedText = (i32, i32, String);

impl Layout {
    fn new(figure: &Figure) -> Result<Self> {
        let mut widest_tick = 0;
        for tick in &figure.y.ticks {
            widest_tick = widest_tick.max(text_width(&tick.label, TICK_TEXT)?);
        }
        let left = EDGE + TEXT + 14 + widest_tick + TICK + 6;
        let right = WIDTH - EDGE - 16;
        let (legend, n_rows) = Self::legend(&figure.legend, left, right)?;
        let above = n_rows * LEGEND_ROW;
        let below = EDGE + 2 * TEXT + 30;
        if figure.frame == Frame::Map {
            let (width, height) = map_size(figure.y.range() / figure.x.range(), right - left);
            let (right, bottom) = (left + width, EDGE + above + height);
            return Ok(Self { height: bottom + below, left, right, top: EDGE + above, bottom, legend });
        }
        let height = HEIGHT + above;
        Ok(Self { height, left, right, top: EDGE + above, bottom: height - below, legend })
    }

    /// As many columns as fit, filled row by row.
    fn legend(entries: &[Entry], left: i32, right: i32) -> Result<(Vec<PlacedText>, i32)> {
        let room = right - left - LEGEND_SAMPLE;
        let mut texts = Vec::with_capacity(entries.len());
        let mut widest = 1;
        for entry in entries {
            let text = fitted(&entry.text, TICK_TEXT, room)?;
            widest = widest.max(text_width(&text, TICK_TEXT)?);
            texts.push(text);
        }
        let column = LEGEND_SAMPLE + widest + LEGEND_GAP;
        let n_columns = ((right - left + LEGEND_GAP) / column).clamp(1, 4) as usize;
        let n_rows = entries.len().div_ceil(n_columns);
        let place = |(ix, text)| {
            let (row, col) = ((ix / n_columns) as i32, (ix % n_columns) as i32);
            (left + col * column, EDGE / 2 + row * LEGEND_ROW + LEGEND_ROW / 2, text)
        };
        Ok((texts.into_iter().enumerate().map(place).collect(), n_rows as i32))
    }

    fn x(&self, figure: &Figure, value: f64) -> i32 {
        self.left + (figure.x.position(value) * f64::from(self.right - self.left)).round() as i32
    }

    fn y(&self, figure: &Figure, value: f64) -> i32 {
        self.bottom - (figure.y.position(value) * f64::from(self.bottom - self.top)).round() as i32
    }
}

fn marker_size(is_small: bool) -> i32 {
    if is_small { SMALL_MARKER } else { MARKER }
}

/// A drawing whose lengths are in dots, times a scale.
struct Canvas<'a, B> {
    backend: &'a mut B,
    scale: i32,
    /// How far text is lowered: dots of glyphs are placed higher than SVG's letters.
    sink: i32,
}

impl<B: DrawingBackend> Canvas<'_, B> {
    fn figure(&mut self, figure: &Figure, layout: &Layout) -> Result<()> {
        let white = ShapeStyle { color: WHITE.into(), filled: true, stroke_width: 1 };
        let corner = self.at((WIDTH, layout.height));
        self.backend.draw_rect((0, 0), corner, &white, true).map_err(broken)?;
        if figure.frame == Frame::Grid {
            self.grid(figure, layout)?;
            self.axes(figure, layout)?;
        }
        for mark in &figure.marks {
            self.mark(figure, layout, mark)?;
        }
        if figure.frame == Frame::Map {
            self.axes(figure, layout)?;
        }
        for (entry, (x, y, text)) in figure.legend.iter().zip(&layout.legend) {
            self.sample(entry.sample, *x, *y)?;
            self.text(text, TICK_TEXT, (x + LEGEND_SAMPLE, *y), (HPos::Left, VPos::Center), false)?;
        }
        Ok(())
    }

    fn grid(&mut self, figure: &Figure, layout: &Layout) -> Result<()> {
        let Layout { left, right, top, bottom, .. } = *layout;
        for tick in &figure.x.ticks {
            let x = layout.x(figure, tick.value);
            self.line(&[(x, top), (x, bottom)], GRID, 2)?;
        }
        for tick in &figure.y.ticks {
            let y = layout.y(figure, tick.value);
            self.line(&[(left, y), (right, y)], GRID, 2)?;
        }
        Ok(())
    }

    fn axes(&mut self, figure: &Figure, layout: &Layout) -> Result<()> {
        let Layout { left, right, top, bottom, .. } = *layout;
        for value in &figure.x.minor {
            let x = layout.x(figure, *value);
            self.line(&[(x, bottom), (x, bottom + TICK / 2)], BLACK, 2)?;
        }
        for value in &figure.y.minor {
            let y = layout.y(figure, *value);
            self.line(&[(left - TICK / 2, y), (left, y)], BLACK, 2)?;
        }
        let mut free_from = i32::MIN;
        for tick in &figure.x.ticks {
            let x = layout.x(figure, tick.value);
            self.line(&[(x, bottom), (x, bottom + TICK)], BLACK, 3)?;
            let half = text_width(&tick.label, TICK_TEXT)? / 2;
            let middle = x.min(WIDTH - half - 4);
            if middle - half >= free_from {
                self.text(&tick.label, TICK_TEXT, (middle, bottom + TICK + 8), (HPos::Center, VPos::Top), false)?;
                free_from = middle + half + TICK_TEXT / 2;
            }
        }
        let mut free_below = i32::MAX;
        for tick in &figure.y.ticks {
            let y = layout.y(figure, tick.value);
            self.line(&[(left - TICK, y), (left, y)], BLACK, 3)?;
            if y + TICK_TEXT / 2 <= free_below {
                self.text(&tick.label, TICK_TEXT, (left - TICK - 6, y), (HPos::Right, VPos::Center), false)?;
                free_below = y - TICK_TEXT / 2 - 2;
            }
        }
        let frame = [(left, top), (left, bottom), (right, bottom), (right, top), (left, top)];
        self.line(if figure.frame == Frame::Map { &frame } else { &frame[..3] }, BLACK, 3)?;
        let x_label = fitted(&figure.x.label, TEXT, right - left)?;
        let below = layout.height - EDGE / 2 - TEXT;
        self.text(&x_label, TEXT, ((left + right) / 2, below), (HPos::Center, VPos::Top), false)?;
        let y_label = fitted(&figure.y.label, TEXT, layout.height - 2 * EDGE)?;
        let half = text_width(&y_label, TEXT)? / 2;
        let middle = ((top + bottom) / 2).clamp(half + 4, (layout.height - half - 4).max(half + 4));
        self.text(&y_label, TEXT, (EDGE / 2, middle), (HPos::Center, VPos::Top), true)
    }

    fn mark(&mut self, figure: &Figure, layout: &Layout, mark: &Mark) -> Result<()> {
        match mark {
            Mark::Line { points, ink, stroke } => {
                let mut dots: Vec<(i32, i32)> =
                    points.iter().map(|&(x, y)| (layout.x(figure, x), layout.y(figure, y))).collect();
                if let [(x, y)] = dots[..] {
                    dots = vec![(x - LEVEL, y), (x + LEVEL, y)];
                }
                self.stroke(&dots, colour(*ink), *stroke)
            }
            Mark::Polygon { points, ink } => {
                let corners = points.iter().map(|&(x, y)| self.at((layout.x(figure, x), layout.y(figure, y))));
                let corners: Vec<_> = corners.collect();
                let style = self.style(colour(*ink), 1);
                self.backend.fill_polygon(corners, &style).map_err(broken)
            }
            Mark::Bar { x, low, high, ink, aside, is_small } => {
                let end = marker_size(*is_small);
                let x = layout.x(figure, *x) + aside;
                let (low, high) = (layout.y(figure, *low), layout.y(figure, *high));
                self.plain((x, low), (x, high), colour(*ink), 4)?;
                for y in [low, high] {
                    self.plain((x - end, y), (x + end, y), colour(*ink), 4)?;
                }
                Ok(())
            }
            Mark::Marker { x, y, series, aside, is_small } => {
                let (x, y) = (layout.x(figure, *x) + aside, layout.y(figure, *y));
                self.marker(x, y, *series, marker_size(*is_small))
            }
            Mark::Tick { x, row, ink } => {
                let x = layout.x(figure, *x);
                let (low, high) = (layout.y(figure, row - 0.38), layout.y(figure, row + 0.38));
                self.plain((x, low), (x, high), colour(*ink), 3)
            }
        }
    }

    fn sample(&mut self, sample: Sample, x: i32, y: i32) -> Result<()> {
        let (start, end) = (x, x + LEGEND_SAMPLE - 16);
        let middle = (start + end) / 2;
        match sample {
            Sample::Marker(series) => self.marker(middle, y, series, MARKER),
            Sample::Line(ink, stroke) => self.stroke(&[(start, y), (end, y)], colour(ink), stroke),
            Sample::Patch(ink) => {
                let corners = [(start, y - 14), (end, y - 14), (end, y + 14), (start, y + 14), (start, y - 14)];
                let style = self.style(colour(ink), 1);
                let dots = corners.iter().map(|dot| self.at(*dot)).collect::<Vec<_>>();
                self.backend.fill_polygon(dots, &style).map_err(broken)?;
                self.line(&corners, GREY, 2)
            }
            Sample::Tick(ink) => self.line(&[(middle, y - 14), (middle, y + 14)], colour(ink), 4),
        }
    }

    fn marker(&mut self, x: i32, y: i32, series: usize, size: i32) -> Result<()> {
        let style = self.style(colour(Ink::Series(series)), 1);
        let large = size * 14 / 11;
        let corners: &[(i32, i32)] = match series % 5 {
            0 => {
                let centre = self.at((x, y));
                let radius = (size * self.scale) as u32;
                return self.backend.draw_circle(centre, radius, &style, true).map_err(broken);
            }
            1 => &[(-size, -size), (size, -size), (size, size), (-size, size)],
            2 => &[(0, -large), (large, size), (-large, size)],
            3 => &[(0, -large - 2), (large + 2, 0), (0, large + 2), (-large - 2, 0)],
            _ => &[(0, large), (large, -size), (-large, -size)],
        };
        let corners: Vec<_> = corners.iter().map(|(dx, dy)| self.at((x + dx, y + dy))).collect();
        self.backend.fill_polygon(corners, &style).map_err(broken)
    }

    fn stroke(&mut self, dots: &[(i32, i32)], colour: RGBColor, stroke: Stroke) -> Result<()> {
        match stroke {
            Stroke::Solid => self.line(dots, colour, 4),
            Stroke::Thin => self.line(dots, colour, 2),
            Stroke::Width(width) => self.line(dots, colour, width),
            Stroke::Dashed => {
                for dash in dashes(dots) {
                    self.line(&dash, colour, 4)?;
                }
                Ok(())
            }
        }
    }

    fn line(&mut self, dots: &[(i32, i32)], colour: RGBColor, width: u32) -> Result<()> {
        let style = self.style(colour, width);
        let dots: Vec<_> = dots.iter().map(|dot| self.at(*dot)).collect();
        self.backend.draw_path(dots, &style).map_err(broken)
    }

    fn plain(&mut self, from: (i32, i32), to: (i32, i32), colour: RGBColor, width: u32) -> Result<()> {
        let style = self.style(colour, width);
        let (from, to) = (self.at(from), self.at(to));
        self.backend.draw_line(from, to, &style).map_err(broken)
    }

    fn text(&mut self, text: &str, size: i32, at: (i32, i32), anchor: (HPos, VPos), upright: bool) -> Result<()> {
        let transform = if upright { FontTransform::Rotate270 } else { FontTransform::None };
        let style = TextStyle::from(font(size * self.scale).transform(transform))
            .pos(Pos::new(anchor.0, anchor.1))
            .color(&BLACK);
        let at = self.at(if upright { (at.0 + self.sink, at.1) } else { (at.0, at.1 + self.sink) });
        self.backend.draw_text(text, &style, at).map_err(broken)
    }

    fn at(&self, (x, y): (i32, i32)) -> (i32, i32) {
        (x * self.scale, y * self.scale)
    }

    fn style(&self, colour: RGBColor, width: u32) -> ShapeStyle {
        ShapeStyle { color: colour.into(), filled: true, stroke_width: width * self.scale as u32 }
    }
}

fn colour(ink: Ink) -> RGBColor {
    match ink {
        Ink::Series(series) => COLOURS[series % COLOURS.len()],
        Ink::Tint(tint) => TINTS[tint % TINTS.len()],
        Ink::Level(level) => {
            let place = f64::from(level.min(1000)) / 1000.0 * (LEVELS.len() - 1) as f64;
            let step = (place as usize).min(LEVELS.len() - 2);
            let (low, high, part) = (LEVELS[step], LEVELS[step + 1], place - step as f64);
            let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
            RGBColor(mix(low.0, high.0), mix(low.1, high.1), mix(low.2, high.2))
        }
        Ink::Black => BLACK,
        Ink::Grey => GREY,
        Ink::White => WHITE,
    }
}

/// The dashes of a line through dots; the first begins at its start.
fn dashes(dots: &[(i32, i32)]) -> Vec<Vec<(i32, i32)>> {
    const DASH: f64 = 18.0;
    const GAP: f64 = 12.0;
    let (mut dashes, mut covered) = (Vec::new(), 0.0);
    for pair in dots.windows(2) {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
        let length = f64::from(x1 - x0).hypot(f64::from(y1 - y0));
        let at = |t: f64| {
            let part = (t / length).clamp(0.0, 1.0);
            let between = |a: i32, b: i32| (f64::from(a) + part * f64::from(b - a)).round() as i32;
            (between(x0, x1), between(y0, y1))
        };
        // The pattern goes on over corners.
        let mut start = -(covered % (DASH + GAP));
        while length > 0.0 && start < length {
            if start + DASH > 0.0 {
                dashes.push(vec![at(start), at(start + DASH)]);
            }
            start += DASH + GAP;
        }
        covered += length;
    }
    dashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_on_over_corners() {
        let dots = |points: &[(i32, i32)]| dashes(points);
        assert_eq!(dots(&[(0, 0), (40, 0)]), [vec![(0, 0), (18, 0)], vec![(30, 0), (40, 0)]]);
        let corner = dots(&[(0, 0), (10, 0), (10, 30)]);
        assert_eq!(corner, [vec![(0, 0), (10, 0)], vec![(10, 0), (10, 8)], vec![(10, 20), (10, 30)]]);
        assert!(dots(&[(3, 3), (3, 3)]).is_empty());
    }

    #[test]
    fn long_texts_are_cut_to_their_room() {
        let cut = fitted(&"wide ".repeat(1000), TICK_TEXT, 300).unwrap();
        assert!(cut.ends_with('…') && text_width(&cut, TICK_TEXT).unwrap() <= 300, "{cut}");
        assert_eq!(fitted("short", TICK_TEXT, 300).unwrap(), "short");
    }
}
