//! Figures from summary files: densities, layers, errors against time.

use super::axis::{Axis, Scale};
use super::figure::{Entry, Figure, Frame, Ink, MAX_SERIES, Mark, Sample, Stroke};
use super::series::{Point, Property, Series, group};
use super::table::{Row, Table, quote};
use super::{Kind, Options, ScaleChoice};
use crate::error::{Error, Result};

/// Points of one figure.
const MAX_POINTS: usize = 20_000;
/// Values that span more than this are on a logarithmic axis unless that is chosen otherwise.
const WIDE: f64 = 10.0;

/// Estimates that would hide each other are drawn that far apart, in the lengths of the drawing.
const ASIDE: i32 = 26;
/// Places along the x axis that leave room for that.
const MAX_PLACES: usize = 12;

/// What the x axis takes by itself, the first that varies.
const X_COLUMNS: [&str; 7] = ["depth", "width", "units", "input_dim", "length", "bias", "weights"];

/// Which rows a figure shows.
struct Selection<'a> {
    tables: &'a [Table],
    quantity: &'a str,
    layers: bool,
}

impl Selection<'_> {
    fn for_each(&self, mut visit: impl FnMut(&Table, &Row) -> Result<()>) -> Result<()> {
        let mut n_found = 0usize;
        for table in self.tables {
            let (quantity, layer) = (table.column("quantity")?, table.column("layer")?);
            table.for_each(|row| {
                if row.text(quantity) != self.quantity || (row.text(layer) == "all") == self.layers {
                    return Ok(());
                }
                n_found += 1;
                visit(table, row)
            })?;
        }
        if n_found == 0 {
            let (quantity, layers) =
                (quote(self.quantity, 60), if self.layers { "single layers" } else { "all layers" });
            return Err(Error::usage(format!(
                "no rows with the quantity {quantity} of {layers}: choose another --quantity (crossings, boundaries, knots)"
            ))
            .at(self.tables[0].name()));
        }
        Ok(())
    }

    /// The first that varies of what is worth an axis and has numbers only; else the depth.
    fn x(&self) -> Result<&'static str> {
        for name in X_COLUMNS {
            let property = Property::named(name);
            if self.varying(vec![property.clone()])?.is_empty() {
                continue;
            }
            let mut numbers = true;
            self.for_each(|table, row| {
                numbers = numbers && property.number(table, row).is_ok();
                Ok(())
            })?;
            if numbers {
                return Ok(name);
            }
        }
        Ok("depth")
    }

    /// Those properties that have more than one value.
    fn varying(&self, properties: Vec<Property>) -> Result<Vec<Property>> {
        let known = |property: &Property| {
            let column = match property {
                Property::Column(column) | Property::Law(column) => column,
                Property::Width | Property::Hidden | Property::Parameters | Property::Layers => "architecture",
                Property::SegmentLength => "length",
            };
            self.tables.iter().all(|table| table.find(column).is_some())
        };
        let properties: Vec<Property> = properties.into_iter().filter(known).collect();
        let mut first: Vec<Option<String>> = vec![None; properties.len()];
        let mut varies = vec![false; properties.len()];
        self.for_each(|table, row| {
            for ((property, first), varies) in properties.iter().zip(&mut first).zip(&mut varies) {
                if !*varies {
                    let value = property.value(table, row)?;
                    *varies = *first.get_or_insert_with(|| value.clone()) != value;
                }
            }
            Ok(())
        })?;
        Ok(properties.into_iter().zip(varies).filter(|(_, varies)| *varies).map(|(property, _)| property).collect())
    }
}

/// What tells series apart by itself: everything that describes an ensemble but for what is on the x axis.
fn descriptions(x: &str) -> Vec<Property> {
    let column = |name: &str| Property::Column(name.to_owned());
    let shape = match x {
        "depth" | "units" => vec![column("input_dim"), Property::Width],
        "width" => vec![column("input_dim"), column("depth")],
        "parameters" => vec![column("input_dim"), column("depth"), Property::Layers],
        "input_dim" => vec![Property::Hidden],
        "architecture" => Vec::new(),
        _ => vec![column("architecture")],
    };
    // The number of pieces is a property of the activation, as the depth is of the architecture.
    let laws = ["activation", "weights", "bias", "path", "start"].into_iter().skip(usize::from(x == "pieces"));
    let laws = laws.map(|law| if law == x { Property::Law(law.to_owned()) } else { column(law) });
    let rest = ["method", "grid_points", "precision"].into_iter().filter(|name| *name != x).map(column);
    let length = (x != "length").then_some(Property::SegmentLength);
    shape.into_iter().chain(laws).chain(length).chain(rest).collect()
}

pub(super) fn figure(tables: &[Table], kind: Kind, options: &Options) -> Result<Figure> {
    let layers = kind == Kind::Layers;
    let selection = Selection { tables, quantity: if layers { "crossings" } else { options.quantity() }, layers };
    let x = match (kind, &options.x) {
        (Kind::Layers, _) => "layer".to_owned(),
        (Kind::Precision, _) => "wall_seconds".to_owned(),
        (_, Some(x)) => x.clone(),
        (_, None) => selection.x()?.to_owned(),
    };
    let by = match (&options.by, kind) {
        (Some(by), _) => by.iter().map(|name| Property::named(name)).collect(),
        (None, Kind::Precision) => vec![Property::Column("method".to_owned())],
        (None, _) => selection.varying(descriptions(&x))?,
    };
    let points = points(&selection, kind, &Property::named(&x), &by)?;
    let series = group(&by, points);
    if series.len() > MAX_SERIES {
        return Err(Error::usage(format!(
            "{} series cannot be told apart, at most {MAX_SERIES}: choose fewer columns with --by, or fewer files",
            series.len()
        )));
    }
    draw(&series, kind, options, &x_label(&x), selection.quantity)
}

fn points(selection: &Selection, kind: Kind, x: &Property, by: &[Property]) -> Result<Vec<(Vec<String>, Point)>> {
    let mut points = Vec::new();
    selection.for_each(|table, row| {
        let number = |column: &str| row.number(table.column(column)?);
        let optional = |column: &str| table.find(column).map_or(Ok(None), |column| row.number(column));
        // Some methods do not know some quantities.
        let Some(density) = number("mean_density")? else { return Ok(()) };
        let point = if kind == Kind::Precision {
            let (Some(x), Some(error)) = (number("wall_seconds")?, number("std_error")?) else { return Ok(()) };
            if density <= 0.0 {
                return Err(row.error(table.column("mean_density")?, "must be positive for a relative error"));
            }
            let y = 100.0 * error / density;
            Point { x, y, interval: None, bound: None, infinite_width: None }
        } else {
            Point {
                x: x.number(table, row)?,
                y: density,
                interval: optional("ci_low")?.zip(optional("ci_high")?),
                bound: optional("density_upper_bound")?,
                infinite_width: optional("infinite_width_density")?,
            }
        };
        if points.len() == MAX_POINTS {
            return Err(
                row.refuse(&format!("more than {MAX_POINTS} points do not fit into one figure: give fewer rows"))
            );
        }
        let values: Vec<String> = by.iter().map(|property| property.value(table, row)).collect::<Result<_>>()?;
        points.push((values, point));
        Ok(())
    })?;
    if points.is_empty() {
        let columns = if kind == Kind::Precision { "mean_density, std_error or wall_seconds" } else { "mean_density" };
        let reason = format!("{columns} is empty in every row of {}, nothing to draw", quote(selection.quantity, 60));
        return Err(Error::usage(reason).at(selection.tables[0].name()));
    }
    Ok(points)
}

fn x_label(x: &str) -> String {
    match x {
        "depth" => "depth (hidden layers)",
        "width" => "width (units per layer)",
        "units" => "hidden units",
        "parameters" => "weights and biases of the hidden layers",
        "input_dim" => "input dimension",
        "length" => "length of the path",
        "layer" => "layer",
        "pieces" => "pieces of the activation",
        "wall_seconds" => "wall time (s)",
        "bias" => "parameter of the bias law",
        "weights" => "parameter of the weight law",
        "start" => "parameter of the start law",
        "activation" => "parameter of the activation",
        other => return quote(&other.replace('_', " "), 60),
    }
    .to_owned()
}

fn draw(series: &[Series], kind: Kind, options: &Options, x_label: &str, quantity: &str) -> Result<Figure> {
    let precision = kind == Kind::Precision;
    let bound = |point: &Point| point.bound.filter(|_| !options.no_bound);
    let infinite = |point: &Point| point.infinite_width.filter(|_| !options.no_infinite_width);
    let all = || series.iter().flat_map(|series| &series.points);
    let ys: Vec<f64> = all().flat_map(|p| [Some(p.y), bound(p), infinite(p)]).flatten().collect();
    let auto_y = if precision || spans(&ys, WIDE) { Scale::Logarithmic } else { Scale::Linear };
    let auto_x = if precision { Scale::Logarithmic } else { Scale::Linear };
    let (x_scale, y_scale) = (scale(options.x_scale, auto_x), scale(options.y_scale, auto_y));
    let mut x = Axis::covering(x_label, x_scale, all().map(|point| point.x))?;
    if kind == Kind::Layers && x_scale == Scale::Linear {
        x = x.of_numbers();
    }
    let ends = all().filter_map(|point| point.interval).flat_map(|(low, high)| [low, high]);
    // An interval may reach below what a logarithmic axis has.
    let ends = ends.filter(|end| y_scale == Scale::Linear || *end > 0.0);
    let least = ys.iter().copied().fold(f64::INFINITY, f64::min);
    let ends = ends.map(|end| if y_scale == Scale::Logarithmic { end.max(least / WIDE) } else { end });
    let y_label =
        if precision { format!("relative error of {quantity} (%)") } else { format!("{quantity} per unit length") };
    let y = Axis::covering(y_label, y_scale, ys.iter().copied().chain(ends))?;

    let n_series = series.len() as i32;
    let (mut lines, mut bars, mut markers, mut legend) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // Crowded markers are small enough to be seen apart.
    let places = all().map(|point| point.x.to_bits()).collect::<std::collections::HashSet<_>>().len();
    let is_small = places > 3 * MAX_PLACES;
    let step = if overlap(series) { ASIDE.min(2 * ASIDE / series.len() as i32).max(1) } else { 0 };
    for (ix, series) in series.iter().enumerate() {
        let ink = Ink::Series(ix);
        let aside = step * (2 * ix as i32 - (n_series - 1)) / 2;
        let mut line = |points: Vec<(f64, f64)>, stroke| {
            if !points.is_empty() {
                lines.push(Mark::Line { points, ink, stroke });
            }
        };
        // Several ensembles at one place are no curve.
        let is_curve = series.points.windows(2).all(|pair| pair[0].x < pair[1].x);
        let of = |value: &dyn Fn(&Point) -> Option<f64>| -> Vec<Vec<(f64, f64)>> {
            let points: Vec<_> = series.points.iter().filter_map(|point| Some((point.x, value(point)?))).collect();
            if is_curve { vec![points] } else { points.into_iter().map(|point| vec![point]).collect() }
        };
        of(&bound).into_iter().for_each(|points| line(points, Stroke::Thin));
        let limit = of(&infinite);
        // Estimates that follow a limit need no line of their own, and times of several ensembles are in no order.
        if limit.iter().all(Vec::is_empty) && !precision && is_curve && series.points.len() > 1 {
            of(&|point| Some(point.y)).into_iter().for_each(|points| line(points, Stroke::Solid));
        }
        limit.into_iter().for_each(|points| line(points, Stroke::Dashed));
        for point in &series.points {
            if let Some((low, high)) = point.interval {
                bars.push(Mark::Bar { x: point.x, low, high, ink, aside, is_small });
            }
            markers.push(Mark::Marker { x: point.x, y: point.y, series: ix, aside, is_small });
        }
        let text = if series.name.is_empty() { "estimate".to_owned() } else { series.name.clone() };
        legend.push(Entry { sample: Sample::Marker(ix), text });
    }
    for (there, stroke, text) in [
        (all().any(|point| infinite(point).is_some()), Stroke::Dashed, "infinite width"),
        (all().any(|point| bound(point).is_some()), Stroke::Thin, "upper bound"),
    ] {
        if there {
            legend.push(Entry { sample: Sample::Line(Ink::Black, stroke), text: text.to_owned() });
        }
    }
    lines.extend(bars);
    lines.extend(markers);
    Ok(Figure { x, y, marks: lines, legend, frame: Frame::Grid })
}

/// Whether intervals of several series meet at the same place, and there is room beside it.
fn overlap(series: &[Series]) -> bool {
    let mut places: Vec<(f64, usize, (f64, f64))> = Vec::new();
    for (ix, series) in series.iter().enumerate() {
        places.extend(series.points.iter().map(|p| (p.x, ix, p.interval.unwrap_or((p.y, p.y)))));
    }
    places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.2.0.total_cmp(&b.2.0)));
    let n_places = 1 + places.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
    let meet = |pair: &[(f64, usize, (f64, f64))]| {
        pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1 && pair[1].2.0 <= pair[0].2.1
    };
    n_places <= MAX_PLACES && places.windows(2).any(meet)
}

fn scale(choice: ScaleChoice, auto: Scale) -> Scale {
    match choice {
        ScaleChoice::Auto => auto,
        ScaleChoice::Linear => Scale::Linear,
        ScaleChoice::Logarithmic => Scale::Logarithmic,
    }
}

/// Whether positive values span more than this factor.
fn spans(values: &[f64], factor: f64) -> bool {
    let (low, high) = values.iter().fold((f64::INFINITY, 0.0f64), |(low, high), v| (low.min(*v), high.max(*v)));
    low > 0.0 && high > factor * low
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "architecture,activation,input_dim,depth,bias,path,length,method,quantity,layer,mean_density,\
                          std_error,ci_low,ci_high,density_upper_bound,infinite_width_density,wall_seconds\n";

    fn figure_of(rows: &[&str], kind: Kind, options: &Options) -> Result<Figure> {
        let text = HEADER.to_owned() + &rows.join("\n");
        figure(&[Table::parse("s.csv".to_owned(), text)?], kind, options)
    }

    const ROWS: [&str; 5] = [
        "2-16x2,relu,2,2,normal:0.1,segment,2,exact,boundaries,all,5,1,3,7,100,5.5,0.1",
        "2-16x4,relu,2,4,normal:0.1,segment,2,exact,boundaries,all,10,1,8,12,200,11,0.2",
        "2-32x2,relu,2,2,normal:0.1,segment,2,exact,boundaries,all,12,1,10,14,200,11,0.3",
        "2-32x2,relu,2,2,normal:0.1,segment,2,sampled,knots,all,,,,,,,0.3",
        "2-32x2,relu,2,2,normal:0.1,segment,2,exact,crossings,1,6,1,5,7,100,5.5,0.3",
    ];

    fn names(figure: &Figure) -> Vec<&str> {
        figure.legend.iter().map(|entry| entry.text.as_str()).collect()
    }

    #[test]
    fn what_varies_makes_series() {
        let figure = figure_of(&ROWS, Kind::Density, &Options::default()).unwrap();
        assert_eq!(figure.x.label, "depth (hidden layers)");
        assert_eq!(names(&figure), ["width 16", "width 32", "infinite width", "upper bound"]);
        let n = |wanted: fn(&Mark) -> bool| figure.marks.iter().filter(|mark| wanted(mark)).count();
        assert_eq!(n(|mark| matches!(mark, Mark::Marker { .. })), 3);
        assert_eq!(n(|mark| matches!(mark, Mark::Bar { .. })), 3);
        assert_eq!(n(|mark| matches!(mark, Mark::Line { .. })), 4);
        let options =
            Options { no_bound: true, no_infinite_width: true, x: Some("width".to_owned()), ..Options::default() };
        assert_eq!(names(&figure_of(&ROWS, Kind::Density, &options).unwrap()), ["depth 2", "depth 4"]);
        let layers = figure_of(&ROWS, Kind::Layers, &Options::default()).unwrap();
        assert_eq!(names(&layers), ["estimate", "infinite width", "upper bound"]);
        let precision = figure_of(&ROWS, Kind::Precision, &Options::default()).unwrap();
        assert_eq!(
            (precision.y.label.as_str(), names(&precision)),
            ("relative error of boundaries (%)", vec!["exact"])
        );
    }

    #[test]
    fn several_ensembles_at_one_place_are_no_curve() {
        let options = Options { by: Some(vec!["activation".to_owned()]), ..Options::default() };
        let figure = figure_of(&ROWS, Kind::Density, &options).unwrap();
        let lengths = figure.marks.iter().filter_map(|mark| match mark {
            Mark::Line { points, .. } => Some(points.len()),
            _ => None,
        });
        assert_eq!(lengths.collect::<Vec<_>>(), [1; 6], "three bounds and three limits, each at its place");
    }

    #[test]
    fn estimates_that_hide_each_other_stand_side_by_side() {
        let asides = |density: &str| {
            let other = ROWS[0].replace("relu", "abs").replace(",5,1,3,7,", density);
            let figure = figure_of(&[ROWS[0], &other], Kind::Density, &Options::default()).unwrap();
            let aside = |mark: &Mark| if let Mark::Bar { aside, .. } = mark { Some(*aside) } else { None };
            figure.marks.iter().filter_map(aside).collect::<Vec<_>>()
        };
        assert_eq!(asides(",6,1,4,8,"), [-13, 13]);
        assert_eq!(asides(",12,1,10,14,"), [0, 0]);
    }

    #[test]
    fn the_x_axis_takes_what_has_numbers() {
        let laws = |other: &str| {
            let rows = [ROWS[0].to_owned(), ROWS[0].replace("normal:0.1", other)];
            let figure = figure_of(&[&rows[0], &rows[1]], Kind::Density, &Options::default()).unwrap();
            (figure.x.label.clone(), figure.legend.len() - 2)
        };
        assert_eq!(laws("normal:0.5"), ("parameter of the bias law".to_owned(), 1));
        assert_eq!(laws("uniform:0.5"), ("parameter of the bias law".to_owned(), 2));
        assert_eq!(laws("torch"), ("depth (hidden layers)".to_owned(), 2));
    }

    #[test]
    fn lengths_that_the_path_law_decides_make_no_series() {
        let chords = ["2.7", "2.9"]
            .map(|length| format!("2-16x2,relu,2,2,normal:0.1,chord,{length},exact,boundaries,all,5,1,3,7,,,0.1"));
        let figure = figure_of(&[&chords[0], &chords[1]], Kind::Density, &Options::default()).unwrap();
        assert_eq!(names(&figure), ["estimate"]);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_with_its_place() {
        let refused =
            |rows: &[&str], options: Options| figure_of(rows, Kind::Density, &options).unwrap_err().to_string();
        let with = |x: &str| Options { x: Some(x.to_owned()), ..Options::default() };
        let knots = Options { quantity: Some("knots".to_owned()), ..Options::default() };
        let many: Vec<String> = (0..19).map(|ix| ROWS[0].replace("relu", &format!("leaky-relu:{ix}"))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (text, message) in [
            (refused(&ROWS, with("activation")), "s.csv:2: column activation: \"relu\" is no number"),
            (refused(&ROWS, with("color")), "s.csv:1: no column color"),
            (refused(&ROWS, knots), "s.csv: mean_density is empty in every row of knots"),
            (refused(&ROWS[4..], Options::default()), "no rows with the quantity boundaries of all layers"),
            (refused(&[&ROWS[0].replace("2-16x2", "2-16-8")], with("width")), "different numbers of units"),
            (refused(&many, Options::default()), "19 series"),
        ] {
            assert!(text.contains(message), "{text}");
        }
    }
}
