//! How a count is printed.

use std::io::Write;

use serde::Serialize;

use crate::cli::bounds::{Row, short};
use crate::cli::table;
use crate::network::Network;
use crate::regions::{Count, Domain};
use crate::theory::catalogue::{Direction, Entry};

/// The result of `count`.
#[derive(Debug, Serialize)]
pub(super) struct CountResult {
    activation_regions: u64,
    linear_regions: Option<u64>,
    method: &'static str,
    seconds: f64,
    complete: bool,
    bounds: Vec<Row>,
    confidence: Option<f64>,
    regions_per_second: f64,
    linear_programs: u64,
    pivots: u64,
    close_calls: u64,
}

const COLUMNS: [&str; 10] = [
    "activation_regions",
    "linear_regions",
    "method",
    "seconds",
    "complete",
    "confidence",
    "regions_per_second",
    "linear_programs",
    "pivots",
    "close_calls",
];

impl CountResult {
    pub(super) fn new(count: &Count, seconds: f64, bounds: &[Entry]) -> Self {
        Self {
            activation_regions: count.activation_regions,
            linear_regions: count.linear_regions,
            method: count.method.name(),
            seconds,
            complete: count.is_complete,
            bounds: bounds.iter().map(Row::new).collect(),
            confidence: count.confidence,
            regions_per_second: count.activation_regions as f64 / seconds,
            linear_programs: count.work.programs,
            pivots: count.work.pivots,
            close_calls: count.work.close_calls,
        }
    }

    fn csv_row(&self) -> impl Serialize {
        (
            self.activation_regions,
            self.linear_regions,
            self.method,
            self.seconds,
            self.complete,
            self.confidence,
            self.regions_per_second,
            self.linear_programs,
            self.pivots,
            self.close_calls,
        )
    }

    pub(super) fn write_csv(&self, out: &mut dyn Write) -> std::io::Result<()> {
        table::csv_rows(out, &COLUMNS, std::iter::once(self.csv_row()))
    }

    /// The result for people.
    pub(super) fn write_text(
        &self,
        out: &mut dyn Write,
        network: &Network,
        domain: &Domain,
        bounds: &[Entry],
    ) -> std::io::Result<()> {
        let architecture = network.architecture();
        writeln!(out, "{architecture} {} on {domain}", architecture.activation())?;
        let note = match (self.complete, self.confidence) {
            (true, _) => String::new(),
            (false, None) => "  (a lower bound: not all were sought)".to_owned(),
            (false, Some(confidence)) => format!("  (a lower bound with a probability of {confidence})"),
        };
        writeln!(out, "\nactivation regions  {}{note}", self.activation_regions)?;
        if let Some(linear) = self.linear_regions {
            writeln!(out, "linear regions      {linear}")?;
        }
        writeln!(
            out,
            "\n{}, {} s, {} regions/s, {} linear programs of {} pivots, {} close calls decided exactly\n",
            self.method,
            table::digits(self.seconds, 3),
            table::digits(self.regions_per_second, 3),
            self.linear_programs,
            table::digits(self.pivots as f64 / self.linear_programs.max(1) as f64, 3),
            self.close_calls
        )?;
        let header = ["bound", "source", "direction", "value"].map(str::to_owned).to_vec();
        let row = |entry: &Entry| {
            let value = entry.value.as_ref().ok()?;
            let direction = match entry.direction {
                Direction::Upper => "upper",
                Direction::Lower => "largest is at least",
                Direction::Exact => "largest",
            };
            Some(vec![entry.id.to_owned(), entry.source.to_owned(), direction.to_owned(), short(value)])
        };
        table::columns(out, &std::iter::once(header).chain(bounds.iter().filter_map(row)).collect::<Vec<_>>())
    }
}
