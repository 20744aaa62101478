//! `linregions devices`.

use clap::Args;
use serde::Serialize;

use super::{Format, print, table};
use crate::engine::gpu::{AdapterSummary, adapters, automatic};
use crate::error::Result;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  linregions devices --format json")]
pub(super) struct DevicesArgs {
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// One device.
#[derive(Debug, Serialize)]
struct Row {
    adapter: usize,
    name: String,
    kind: &'static str,
    backend: String,
    driver: String,
    max_buffer_bytes: u64,
    /// Whether `--engine auto` takes it.
    auto: bool,
}

const COLUMNS: [&str; 7] = ["adapter", "name", "kind", "backend", "driver", "max_buffer_bytes", "auto"];

pub(super) fn run(args: &DevicesArgs) -> Result<()> {
    let adapters = adapters();
    let auto = automatic(&adapters);
    let row = |(adapter, summary): (usize, &AdapterSummary)| Row {
        adapter,
        name: summary.name.clone(),
        kind: summary.kind,
        backend: summary.backend.clone(),
        driver: summary.driver.clone(),
        max_buffer_bytes: summary.max_buffer,
        auto: auto == Some(adapter),
    };
    let rows: Vec<Row> = adapters.iter().enumerate().map(row).collect();
    print(|out| match args.format {
        Format::Csv => table::csv_rows(out, &COLUMNS, rows.iter()),
        Format::Json => table::json(out, &rows),
        Format::Table => {
            if !rows.is_empty() {
                table::columns(out, &table::text(&COLUMNS, rows.iter())?)?;
                writeln!(out)?;
            }
            writeln!(out, "{}", verdict(&adapters, auto))
        }
    })
}

/// What `--engine auto` takes, and why.
fn verdict(adapters: &[AdapterSummary], auto: Option<usize>) -> String {
    match auto {
        Some(ix) if adapters.len() == 1 => format!("--engine auto takes adapter {ix}."),
        Some(ix) => format!("--engine auto takes adapter {ix}, the first of the fastest kind, {}.", adapters[ix].kind),
        None if adapters.is_empty() => {
            "--engine auto takes the CPU: no device is found by Vulkan, Metal or DX12.".to_owned()
        }
        None => "--engine auto takes the CPU: all adapters are software on the same CPU, slower than the CPU engine. \
                 --engine gpu uses them all the same."
            .to_owned(),
    }
}
