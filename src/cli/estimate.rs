//! `linregions estimate`.

use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use clap::Args;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::engine::EngineFlags;
use super::{Format, check_not_input, compare, complain, file_of_flag, interrupted, print, table};
use crate::engine::PathCounts;
use crate::error::{Error, Result};
use crate::experiment::{
    DrawsFile, EnsembleFlags, Observer, OutputFile, Plan, Progress, SummaryRow, allocate, estimate,
};

/// Standard errors above its bound at which an estimate contradicts the theorem.
const CONTRADICTION: f64 = 5.0;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  linregions estimate --arch 10-128x5 --activation leaky-relu:0.1 --target-error 1% --csv density.csv"
)]
pub(super) struct EstimateArgs {
    #[command(flatten)]
    pub(super) ensemble: EnsembleFlags,

    #[command(flatten)]
    pub(super) engine: EngineFlags,

    /// Write the summary to this file: one row per quantity and layer
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,

    /// Write the counts of every path to this file
    #[arg(long, value_name = "FILE")]
    draws: Option<PathBuf>,

    /// Run every method to the same target error (1% if none is given) and print densities, errors and times side by side
    #[arg(long, conflicts_with_all = ["method", "draws"])]
    compare: bool,

    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,

    /// No progress bar and no warnings
    #[arg(long)]
    pub(super) quiet: bool,
}

pub(super) fn run(args: &EstimateArgs, stop: &AtomicBool) -> Result<()> {
    if args.compare {
        return compare::run(args, stop);
    }
    let mut plan = Plan::from_flags(&args.ensemble)?;
    let engine = args.engine.build_for(&[&plan], args.quiet)?;
    // Before any output is opened and any path is drawn.
    plan.check_memory(engine.as_ref())?;
    for output in [&args.csv, &args.draws] {
        let flags = [&args.ensemble.path, &args.ensemble.activation];
        check_not_input(output.as_deref(), flags.into_iter().filter_map(|flag| file_of_flag(flag)))?;
    }
    let summary = args.csv.as_deref().map(OutputFile::create).transpose()?;
    let draws = args.draws.as_deref().map(OutputFile::create).transpose()?;
    if summary.as_ref().zip(draws.as_ref()).is_some_and(|(summary, draws)| summary.conflicts_with(draws)) {
        return Err(Error::usage("--csv and --draws name the same file: give two"));
    }
    let allocation = allocate(&mut plan, engine.as_ref(), stop)?;
    let draws = draws.map(|file| DrawsFile::new(file, &plan)).transpose()?;
    let provenance = engine.provenance();
    if !args.quiet {
        plan.warnings(provenance.precision).iter().for_each(|warning| complain(format_args!("warning: {warning}")));
        allocation.iter().for_each(|allocation| complain(format_args!("{allocation}")));
    }
    let mut output = Output { draws, bar: progress_bar(args.quiet) };

    let mut estimate = estimate(&plan, engine.as_ref(), &mut output, stop)?;
    estimate.wall_seconds += allocation.map_or(0.0, |allocation| allocation.pilot_seconds);

    output.bar.finish_and_clear();
    if estimate.interrupted && estimate.moments.networks() == 0 {
        return Err(interrupted("the result would cover the first 0 networks, so earlier files are as they were"));
    }
    output.draws.map(DrawsFile::finish).transpose()?;
    let rows = SummaryRow::of_estimate(&plan, &provenance, &estimate);
    summary.map(|file| write_summary(file, &rows)).transpose()?;
    print(|out| match args.format {
        Format::Table => table::estimate(out, &plan, &estimate, &rows),
        Format::Csv => SummaryRow::write_csv(&rows, out),
        Format::Json => SummaryRow::write_json(&rows, out),
    })?;
    if let Some(target) = estimate.missed_target.filter(|_| !args.quiet && !estimate.interrupted) {
        let networks = estimate.moments.networks();
        complain(format_args!("warning: {networks} networks do not reach the target error of {} %", 100.0 * target));
    }
    if estimate.interrupted {
        return Err(interrupted(&format!("the result covers the first {} networks", estimate.moments.networks())));
    }
    if let Some((quantity, density, bound)) = estimate.violations(CONTRADICTION).first() {
        return Err(Error::failed(format!(
            "the density of {} (layer {}), {:.6} ± {:.2e}, exceeds its upper bound {bound:.6} by more than {CONTRADICTION} standard \
             errors: the theory or this program is wrong, please report the command",
            quantity.name(),
            quantity.layer(),
            density.mean,
            density.std_error.unwrap_or(0.0)
        )));
    }
    Ok(())
}

/// Writes the summary file.
pub(super) fn write_summary(mut file: OutputFile, rows: &[SummaryRow]) -> Result<()> {
    SummaryRow::write_csv(rows, &mut file).map_err(|e| Error::failed(e.to_string()).at(file.name().display()))?;
    file.finish()
}

/// Where a run's results go as they come.
pub(super) struct Output {
    draws: Option<DrawsFile>,
    bar: ProgressBar,
}

impl Output {
    /// Progress alone.
    pub(super) fn progress_only(quiet: bool) -> Self {
        Self { draws: None, bar: progress_bar(quiet) }
    }
}

impl Observer for Output {
    fn counted(&mut self, first_network: u64, counts: &[PathCounts]) -> Result<()> {
        self.draws.as_mut().map_or(Ok(()), |draws| draws.write(first_network, counts))
    }

    fn progress(&mut self, progress: Progress) {
        show(&self.bar, &progress, "");
    }
}

/// Shows progress on a bar, with a word on what it is about.
pub(super) fn show(bar: &ProgressBar, progress: &Progress, about: &str) {
    bar.set_length(progress.expected);
    bar.set_position(progress.networks);
    if let Some(density) = progress.density {
        let error = density.std_error.map_or(String::new(), |error| format!(" ± {}", table::digits(error, 2)));
        bar.set_message(format!("{about}density {}{error}", table::digits(density.mean, 5)));
    }
}

pub(super) fn progress_bar(quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} networks  {rate}/s  {eta} left  {msg}")
        .expect("a valid template")
        .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            let _ = write!(out, "{:.0}", state.per_sec());
        });
    ProgressBar::no_length().with_style(style)
}
