//! Rows of summaries as series of points: which rows belong together, and what they are called.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::table::{Row, Table, drawable, quote};
use crate::error::{Error, Result};
use crate::network::{Activation, Affine, Architecture};

/// Characters of a value in a legend.
const NAME_LENGTH: usize = 40;

/// A property of an ensemble: a column, or something derived from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Property {
    Column(String),
    /// Units of every layer, where all have as many.
    Width,
    /// The architecture without its input.
    Hidden,
    /// Weights and biases of the hidden layers.
    Parameters,
    /// Whether there are convolutions.
    Layers,
    /// The text of a column before its number: the law whose parameter is on the x axis.
    Law(String),
    /// Length, where the path law does not decide it.
    SegmentLength,
}

impl Property {
    pub(super) fn named(name: &str) -> Self {
        match name {
            "width" => Self::Width,
            "parameters" => Self::Parameters,
            _ => Self::Column(name.to_owned()),
        }
    }

    /// Its value in a row, empty where it has none.
    pub(super) fn value(&self, table: &Table, row: &Row) -> Result<String> {
        let text = |column: &str| Ok::<_, Error>(row.text(table.column(column)?).to_owned());
        Ok(match self {
            Self::Column(column) => text(column)?,
            Self::Width => width(&text("architecture")?).map_or_else(String::new, |width| width.to_string()),
            Self::Hidden => text("architecture")?.split_once('-').map_or("", |(_, hidden)| hidden).to_owned(),
            Self::Parameters => architecture(table, row)?.n_hidden_parameters().to_string(),
            Self::Layers => {
                let is_convolution = |map| matches!(map, Affine::Convolution(_));
                match architecture(table, row)?.affine_maps().any(is_convolution) {
                    true => "convolutional".to_owned(),
                    false => "dense".to_owned(),
                }
            }
            Self::Law(column) => text(column)?.rsplit_once(':').map_or("", |(law, _)| law).to_owned(),
            Self::SegmentLength => {
                let drawn = matches!(text("path")?.as_str(), "segment" | "through-origin");
                if drawn { text("length")? } else { String::new() }
            }
        })
    }

    /// Its value in a row as a number.
    pub(super) fn number(&self, table: &Table, row: &Row) -> Result<f64> {
        let text = self.value(table, row)?;
        let column = match self {
            Self::Column(column) | Self::Law(column) => column,
            Self::Width | Self::Hidden | Self::Parameters | Self::Layers => "architecture",
            Self::SegmentLength => "length",
        };
        let column = table.column(column)?;
        if text.is_empty() {
            return Err(row.error(
                column,
                match self {
                    Self::Width => "the layers have different numbers of units: choose --x units or depth",
                    _ => "is empty: choose another --x",
                },
            ));
        }
        number_in(&text).map_err(|reason| row.error(column, &format!("{reason}: choose an --x with numbers")))
    }

    /// What a legend calls a value.
    pub(super) fn described(&self, value: &str) -> String {
        let short = quote(value, NAME_LENGTH);
        let name = match self {
            Self::Width => "width",
            Self::SegmentLength => "length",
            Self::Parameters => "parameters",
            Self::Hidden | Self::Layers | Self::Law(_) => "",
            Self::Column(column) => match column.as_str() {
                "architecture" | "activation" | "method" | "path" | "precision" | "engine" | "adapter" => "",
                "input_dim" => "inputs",
                name => name,
            },
        };
        match (value.is_empty(), name) {
            (true, "") => "other".to_owned(),
            (true, "width") => "mixed widths".to_owned(),
            (true, name) => format!("no {}", name.replace('_', " ")),
            (false, "") => short,
            (false, name) => format!("{} {short}", quote(&name.replace('_', " "), NAME_LENGTH)),
        }
    }
}

/// The architecture of a row; which spline its activation is does not matter to its shape.
fn architecture(table: &Table, row: &Row) -> Result<Architecture> {
    let (shape, activation) = (table.column("architecture")?, table.column("activation")?);
    let read = || {
        let activation = match row.text(activation).starts_with("spline:") {
            true => Activation::relu(),
            false => row.text(activation).parse()?,
        };
        Architecture::parse(row.text(shape), activation, 1)
    };
    read().map_err(|e: Error| row.error(shape, &e.to_string()))
}

/// The number of `0.5`, `normal:0.1` or `zero`.
fn number_in(text: &str) -> Result<f64, String> {
    if text == "zero" {
        return Ok(0.0);
    }
    drawable(text).or_else(|reason| text.rsplit_once(':').map_or(Err(reason), |(_, number)| drawable(number)))
}

/// Units of every layer of `2-64x3` or `2-64-64-64`, where all have as many.
fn width(architecture: &str) -> Option<u64> {
    let (_, layers) = architecture.split_once('-')?;
    let mut widths = layers.split('-').map(|layer| layer.split_once('x').map_or(layer, |(width, _)| width).parse());
    let first = widths.next()?.ok()?;
    widths.all(|width| width == Ok(first)).then_some(first)
}

/// One estimate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
    pub interval: Option<(f64, f64)>,
    pub bound: Option<f64>,
    pub infinite_width: Option<f64>,
}

/// Points of one kind of ensemble, in the order of their x.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub name: String,
    pub points: Vec<Point>,
}

/// Puts points with the same values of the properties together, the series in the order of these values.
pub(super) fn group(by: &[Property], points: Vec<(Vec<String>, Point)>) -> Vec<Series> {
    let mut found: HashMap<Vec<String>, Vec<Point>> = HashMap::new();
    for (values, point) in points {
        found.entry(values).or_default().push(point);
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by(|a, b| {
        let mut values = a.0.iter().zip(&b.0).map(|(a, b)| natural(a, b));
        values.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    let series = found.into_iter().map(|(values, mut points)| {
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        let name: Vec<String> = by.iter().zip(&values).map(|(property, value)| property.described(value)).collect();
        Series { name: name.join(", "), points }
    });
    series.collect()
}

/// By text, but by number where both texts have one in the same place.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a_rest, mut b_rest) = (a, b);
    loop {
        let (Some(a_first), Some(b_first)) = (a_rest.chars().next(), b_rest.chars().next()) else {
            return a_rest.len().cmp(&b_rest.len()).then_with(|| a.cmp(b));
        };
        let order;
        if a_first.is_ascii_digit() && b_first.is_ascii_digit() {
            let (a_number, a_after) = leading_number(a_rest);
            let (b_number, b_after) = leading_number(b_rest);
            order = a_number.total_cmp(&b_number);
            (a_rest, b_rest) = (a_after, b_after);
        } else {
            order = a_first.cmp(&b_first);
            (a_rest, b_rest) = (&a_rest[a_first.len_utf8()..], &b_rest[b_first.len_utf8()..]);
        }
        if order.is_ne() {
            return order;
        }
    }
}

fn leading_number(text: &str) -> (f64, &str) {
    let mut points = 0;
    let end = text.find(|c: char| {
        points += usize::from(c == '.');
        !c.is_ascii_digit() && (c != '.' || points > 1)
    });
    let (number, after) = text.split_at(end.unwrap_or(text.len()));
    (number.parse().unwrap_or(f64::INFINITY), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64) -> Point {
        Point { x, y: 1.0, interval: None, bound: None, infinite_width: None }
    }

    #[test]
    fn series_are_sorted_by_value_and_points_by_x() {
        let by = [Property::Width, Property::Column("bias".to_owned())];
        let labels = |width: &str, bias: &str| vec![width.to_owned(), bias.to_owned()];
        let points = vec![
            (labels("128", "zero"), point(1.0)),
            (labels("16", "normal:0.5"), point(4.0)),
            (labels("16", "normal:0.1"), point(2.0)),
            (labels("16", "normal:0.5"), point(3.0)),
            (labels("", "zero"), point(5.0)),
        ];
        let series = group(&by, points);
        let summary: Vec<(&str, Vec<f64>)> =
            series.iter().map(|s| (s.name.as_str(), s.points.iter().map(|p| p.x).collect())).collect();
        assert_eq!(
            summary,
            [
                ("mixed widths, bias zero", vec![5.0]),
                ("width 16, bias normal:0.1", vec![2.0]),
                ("width 16, bias normal:0.5", vec![3.0, 4.0]),
                ("width 128, bias zero", vec![1.0]),
            ]
        );
    }

    #[test]
    fn numbers_are_found_in_laws() {
        assert_eq!(number_in("3"), Ok(3.0));
        assert_eq!(number_in("normal:0.1"), Ok(0.1));
        assert_eq!(number_in("student-t:3:0.5"), Ok(0.5));
        assert_eq!(number_in("zero"), Ok(0.0));
        for text in ["torch", "normal:", "normal:nan", ""] {
            assert!(number_in(text).is_err(), "{text}");
        }
    }

    #[test]
    fn widths_are_those_of_uniform_layers() {
        for (architecture, expected) in [
            ("2-64x3", Some(64)),
            ("784-32", Some(32)),
            ("2-8-8x2", Some(8)),
            ("784-512-256", None),
            ("2", None),
            ("2-x", None),
            ("", None),
        ] {
            assert_eq!(width(architecture), expected, "{architecture}");
        }
    }

    #[test]
    fn order_is_natural() {
        let mut names = ["2-128x2", "2-16x10", "relu", "2-16x2", "normal:0.5", "normal:0.25", "1.2.3", ""];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["", "1.2.3", "2-16x2", "2-16x10", "2-128x2", "normal:0.25", "normal:0.5", "relu"]);
    }
}
