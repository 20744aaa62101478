//! `linregions bounds`.

use clap::Args;
use serde::Serialize;

use super::{Format, print, table};
use crate::error::Result;
use crate::experiment::{EnsembleFlags, Plan};
use crate::theory::catalogue::{Direction, Entry, Quantity, Shape, Value, density_bounds, region_bounds};
use crate::theory::regions::piecewise::Layer;

#[derive(Debug, Args)]
#[command(
    after_help = "Of convolutions, pooling and skips (1x28x28-c8k5-max2-c16k3s2-100) there are the upper bounds that hold for all weights; convolutions of relu \
                  without padding and groups have bounds of their own. The other flags of an \
                  ensemble matter with --density only.\n\nExamples:\n  linregions bounds --arch 784-100x10\n  linregions bounds --arch 1x3x3-c2k2 --format json\n  \
                  linregions bounds --arch 2-64x3 --density --bias normal:0.5"
)]
pub(super) struct BoundsArgs {
    #[command(flatten)]
    ensemble: EnsembleFlags,

    /// Also what is known of the expected density; takes the ensemble flags
    #[arg(long)]
    density: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// One bound.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    id: &'static str,
    quantity: &'static str,
    direction: &'static str,
    applicable: bool,
    reason: Option<String>,
    value: Option<serde_json::Value>,
    log10: Option<f64>,
    source: &'static str,
    tightest: bool,
}

const COLUMNS: [&str; 9] =
    ["id", "quantity", "direction", "applicable", "reason", "value", "log10", "source", "tightest"];

impl Row {
    pub(super) fn new(entry: &Entry) -> Self {
        let value = entry.value.as_ref().ok();
        Self {
            id: entry.id,
            quantity: match entry.quantity {
                Quantity::Regions => "regions",
                Quantity::Density => "density",
            },
            direction: direction(entry.direction),
            applicable: value.is_some(),
            reason: entry.value.as_ref().err().map(ToString::to_string),
            value: value.map(|value| match value {
                Value::Count(count) => count.to_string().into(),
                Value::Density(density) => (*density).into(),
            }),
            log10: value.map(Value::log10).filter(|log| log.is_finite()),
            source: entry.source,
            tightest: entry.tightest,
        }
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Upper => "upper",
        Direction::Lower => "lower",
        Direction::Exact => "exact",
    }
}

pub(super) fn run(args: &BoundsArgs) -> Result<()> {
    let shape = Shape::parse(&args.ensemble.arch, &args.ensemble.activation)?;
    let mut entries = region_bounds(&shape);
    if args.density {
        entries.extend(density_bounds(&Plan::from_flags(&args.ensemble)?.ensemble)?);
    }
    let rows: Vec<Row> = entries.iter().map(Row::new).collect();
    print(|out| match args.format {
        Format::Csv => table::csv_rows(out, &COLUMNS, rows.iter()),
        Format::Json => table::json(out, &rows),
        Format::Table => {
            writeln!(out, "{} {}\n", args.ensemble.arch, args.ensemble.activation)?;
            table::columns(out, &cells(&entries))?;
            let others: Vec<&Entry> = entries.iter().filter(|e| e.value.is_err()).collect();
            if !others.is_empty() {
                writeln!(out, "\nNot applicable:")?;
            }
            for entry in others {
                if let Err(reason) = &entry.value {
                    writeln!(out, "  {}: {reason}", entry.id)?;
                }
            }
            comparison(&shape).map_or(Ok(()), |text| writeln!(out, "\n{text}"))
        }
    })
}

/// What a dense network with as many parameters as a convolutional one can have.
fn comparison(shape: &Shape) -> Option<String> {
    let Shape::Convolutional(network) = shape else { return None };
    let (first, depth) = (&network.layers()[0], network.layers().len());
    let inputs = first.input[0] * first.input[1] * first.channels;
    let width = network.equal_dense_width()?;
    let dense = Shape::Dense { inputs, layers: vec![Layer::Scalar { units: width, kappa: 2 }; depth], rectified: true };
    let entries = region_bounds(&dense);
    let upper = entries.iter().find(|e| e.tightest && e.direction != Direction::Lower)?;
    Some(format!(
        "It has {} parameters. A dense network of as many, {inputs}-{width}x{depth}, has at most {} regions.",
        network.n_parameters(),
        short(upper.value.as_ref().ok()?)
    ))
}

/// What applies, the tightest bounds marked.
fn cells(entries: &[Entry]) -> Vec<Vec<String>> {
    let header = ["bound", "source", "quantity", "direction", "value"].map(str::to_owned).to_vec();
    let row = |entry: &Entry| {
        let value = entry.value.as_ref().ok()?;
        let quantity = match entry.quantity {
            Quantity::Regions => "regions",
            Quantity::Density => "density",
        };
        let mark = if entry.tightest { " *" } else { "  " };
        Some(vec![
            entry.id.to_owned(),
            entry.source.to_owned(),
            quantity.to_owned(),
            direction(entry.direction).to_owned(),
            format!("{}{mark}", short(value)),
        ])
    };
    std::iter::once(header).chain(entries.iter().filter_map(row)).collect()
}

/// Six significant digits, with a power of ten where there are more.
pub(super) fn short(value: &Value) -> String {
    match value {
        Value::Density(density) => table::digits(*density, 6),
        Value::Count(count) => {
            let digits = count.to_string();
            if digits.len() <= 6 {
                return digits;
            }
            let mut exponent = digits.len() - 1;
            let seven: u64 = format!("{:0<7}", &digits[..digits.len().min(7)]).parse().unwrap_or(0);
            let mut six = (seven + 5) / 10;
            if six == 1_000_000 {
                (six, exponent) = (100_000, exponent + 1);
            }
            format!("{}.{:05}e{exponent}", six / 100_000, six % 100_000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_rounded_to_six_digits() {
        for (count, text) in [
            (0u64, "0"),
            (999_999, "999999"),
            (1_000_000, "1.00000e6"),
            (1_234_565, "1.23457e6"),
            (9_999_994, "9.99999e6"),
            (9_999_996, "1.00000e7"),
            (99_999_950_000, "1.00000e11"),
        ] {
            assert_eq!(short(&Value::Count(count.into())), text, "{count}");
        }
    }
}
