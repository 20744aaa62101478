//! Results for people.

use std::io::{Result, Write};

use serde::Serialize;

use crate::engine::{Estimator, Method};
use crate::experiment::{Estimate, Plan, SummaryRow};
use crate::files::csv_write_error;
use crate::network::BiasLaw;
use crate::stats::Quantity;
use crate::theory::density::LayerBound;

/// Prints rows of text with aligned columns: the first two to the left, the others to the right.
pub(super) fn columns(out: &mut dyn Write, rows: &[Vec<String>]) -> Result<()> {
    let n = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..n).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Prints rows as CSV.
pub(super) fn csv_rows(out: &mut dyn Write, header: &[&str], rows: impl Iterator<Item = impl Serialize>) -> Result<()> {
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    csv.write_record(header).map_err(csv_write_error)?;
    for row in rows {
        csv.serialize(row).map_err(csv_write_error)?;
    }
    csv.flush()
}

/// Prints rows as a JSON list of objects.
pub(super) fn json(mut out: &mut dyn Write, value: &(impl Serialize + ?Sized)) -> Result<()> {
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// The fields of rows as text for people, below their names: CSV and JSON have all digits.
pub(super) fn text(header: &[&str], rows: impl Iterator<Item = impl Serialize>) -> Result<Vec<Vec<String>>> {
    let mut table = vec![header.iter().map(|&name| name.to_owned()).collect()];
    for row in rows {
        let value = serde_json::to_value(row)?;
        let field = |name: &&str| match &value[*name] {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Null => "-".to_owned(),
            serde_json::Value::Number(x) if x.is_f64() => number(x.as_f64().expect("a number")),
            other => other.to_string(),
        };
        table.push(header.iter().map(field).collect());
    }
    Ok(table)
}

/// The result of `estimate`.
pub(super) fn estimate(out: &mut dyn Write, plan: &Plan, estimate: &Estimate, rows: &[SummaryRow]) -> Result<()> {
    let row = &rows[0];
    let grid = row.grid_points.map_or(String::new(), |n| format!(" on {n} grid points"));
    let length = row.length.map_or(String::new(), |l| format!(" of mean length {}", number(l)));
    writeln!(out, "{} {}, weights {}, bias {}", row.architecture, row.activation, row.weights, row.bias)?;
    let start = row.start.as_ref().map_or(String::new(), |start| format!(" from {start}"));
    writeln!(out, "path: {}{start}{length}", row.path)?;
    let engine = match row.adapter.as_deref().filter(|_| row.engine == "gpu") {
        Some(adapter) => format!("gpu ({adapter})"),
        None => row.engine.clone(),
    };
    let points = row.points_per_path.map_or(String::new(), |n| format!(" x {n} points"));
    writeln!(
        out,
        "{}{grid}, {} networks x {} paths{points}, seed {}, {} {}, {:.2} s\n",
        row.method, row.networks, row.paths_per_network, row.seed, engine, row.precision, estimate.wall_seconds
    )?;
    let confidence = format!("{} % interval", row.confidence * 100.0);
    let header = ["quantity", "layer", "density", "std error", &confidence, "upper bound", "ratio", "infinite width"];
    let mut cells = vec![header.map(str::to_owned).to_vec()];
    let optional = |x: Option<f64>| x.map_or("-".to_owned(), number);
    for row in rows {
        let interval = row.ci_low.zip(row.ci_high);
        cells.push(vec![
            row.quantity.clone(),
            row.layer.clone(),
            optional(row.mean_density),
            row.std_error.map_or("-".to_owned(), |e| digits(e, 2)),
            interval.map_or("-".to_owned(), |(low, high)| format!("{} .. {}", number(low), number(high))),
            optional(row.density_upper_bound),
            optional(row.bound_ratio),
            optional(row.infinite_width_density),
        ]);
    }
    columns(out, &cells)?;
    writeln!(out)?;
    verdict(out, plan, estimate)
}

/// Says in words whether the bound holds, and what it is made of.
fn verdict(out: &mut dyn Write, plan: &Plan, estimate: &Estimate) -> Result<()> {
    let Some(upper) = &estimate.theory.upper else {
        let reason = match plan.ensemble.network.bias() {
            _ if !plan.ensemble.network.architecture().is_dense_chain() => {
                "there is none for convolutions and skips so far"
            }
            BiasLaw::Zero => "zero biases have no density",
            _ => "it is too large for a 64-bit number",
        };
        return writeln!(out, "No upper bound on the density applies: {reason}.");
    };
    let headline = plan.headline();
    let what = match plan.estimator {
        Estimator::Count(Method::Sampled { .. }) => "flips",
        _ if headline == Quantity::Boundaries => "boundaries",
        _ => "crossings",
    };
    match estimate.moments.density(headline) {
        None => writeln!(out, "The paths have no length, so there is no density.")?,
        Some(density) => {
            let bound = upper.total();
            let error = density.std_error.unwrap_or(0.0);
            let error_text = density.std_error.map_or(String::new(), |e| format!(" ± {}", digits(e, 2)));
            let relation = match density.mean - bound {
                excess if excess <= 0.0 => "is below its upper bound",
                excess if excess <= 2.0 * error => "equals its upper bound within the error,",
                _ => "EXCEEDS its upper bound",
            };
            writeln!(
                out,
                "The density of {what}, {}{error_text}, {relation} {}:",
                number(density.mean),
                number(bound)
            )?;
        }
    }
    let (width, parts, what) = match plan.ensemble.network.architecture().activation().group_size() {
        1 => ("width", "(kappa - 1)", "breakpoint of one unit"),
        _ => ("groups", "pairs", "pair of pre-activations of one group"),
    };
    writeln!(out, "sum over layers of {width} x {parts} x scale, the largest crossing rate of one {what}:")?;
    let same = |a: &LayerBound, b: &LayerBound| {
        (a.units, a.breakpoints) == (b.units, b.breakpoints) && (a.scale - b.scale).abs() <= 1e-9 * b.scale
    };
    let mut first = 1;
    for run in upper.layers.chunk_by(same) {
        let last = first + run.len() - 1;
        let LayerBound { units, breakpoints, scale } = run[0];
        let total = run.iter().map(LayerBound::total).sum::<f64>();
        if first == last {
            writeln!(out, "  layer {first}: {units} x {breakpoints} x {} = {}", number(scale), number(total))?;
        } else {
            let depth = run.len();
            writeln!(
                out,
                "  layers {first} to {last}: depth {depth} x {width} {units} x {breakpoints} x {} = {}",
                number(scale),
                number(total)
            )?;
        }
        first = last + 1;
    }
    Ok(())
}

/// Five significant digits.
fn number(x: f64) -> String {
    digits(x, 5)
}

/// So many significant digits.
pub(super) fn digits(x: f64, n: i32) -> String {
    let magnitude = if x == 0.0 { 0 } else { x.abs().log10().floor() as i32 };
    if (-4..9).contains(&magnitude) {
        format!("{x:.*}", usize::try_from(n - 1 - magnitude).unwrap_or(0))
    } else {
        format!("{x:.*e}", usize::try_from(n - 1).unwrap_or(0))
    }
}
