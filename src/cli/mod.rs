//! The command line: flags, terminal output and exit codes.

mod bounds;
mod compare;
mod count;
mod curve;
#[cfg(feature = "gpu")]
mod devices;
mod engine;
mod estimate;
mod merge;
mod network;
mod plot;
mod progress;
mod slice;
mod slurm;
mod sweep;
mod table;
mod trace;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand, ValueEnum};

use crate::error::{Error, Result};

/// Counts the linear regions of piecewise-linear neural networks.
#[derive(Debug, Parser)]
#[command(name = "linregions", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Estimate the density of linear regions of an ensemble of random networks, with its error and bound
    Estimate(estimate::EstimateArgs),
    /// Estimate many ensembles, resumable and in shards
    Sweep(sweep::SweepArgs),
    /// Make one result of the shards of a sweep
    Merge(merge::MergeArgs),
    /// Run a sweep as a Slurm job array, with a merge after it
    Slurm(slurm::SlurmArgs),
    /// Print every known bound on the number of regions of an architecture, and on their density
    Bounds(bounds::BoundsArgs),
    /// Find every boundary of one given network along given paths
    Trace(trace::TraceArgs),
    /// Count the regions of one given network exactly
    Count(count::CountArgs),
    /// Find every region of one given network in a window of a plane
    Slice(slice::SliceArgs),
    /// Draw figures from results: SVG or PNG
    Plot(plot::PlotArgs),
    /// Show the GPUs, and which one --engine auto takes
    #[cfg(feature = "gpu")]
    Devices(devices::DevicesArgs),
    /// Show the GPUs (this build has no support for them)
    #[cfg(not(feature = "gpu"))]
    Devices,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// Comma-separated values
    Csv,
    /// JSON
    Json,
}

/// Set by the first Ctrl-C; the second ends the program at once.
static STOP: AtomicBool = AtomicBool::new(false);

/// Runs the program on its command line.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("error: {error}"));
            error.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .map_err(|e| Error::failed(format!("cannot watch for Ctrl-C: {e}")))?;
    match cli.command {
        Command::Estimate(args) => estimate::run(&args, &STOP),
        Command::Sweep(args) => sweep::run(&args, &STOP),
        Command::Merge(args) => merge::run(&args),
        Command::Slurm(args) => slurm::run(&args),
        Command::Bounds(args) => bounds::run(&args),
        Command::Trace(args) => trace::run(&args, &STOP),
        Command::Count(args) => count::run(&args, &STOP),
        Command::Slice(args) => slice::run(&args, &STOP),
        Command::Plot(args) => plot::run(&args),
        #[cfg(feature = "gpu")]
        Command::Devices(args) => devices::run(&args),
        #[cfg(not(feature = "gpu"))]
        Command::Devices => Err(no_gpu_support("devices")),
    }
}

/// Prints help and version as they are, an error as one line.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
    }
    let text = error.render().to_string();
    let message: Vec<&str> =
        text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more")).collect();
    let message = message.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    complain(format_args!("{message} (see --help)"));
    Error::usage(message).exit_code()
}

/// Writes one line to standard error, and goes on if that cannot be written.
fn complain(text: fmt::Arguments) {
    let line = text.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ");
    // Files are quoted in errors: nothing of theirs may command the terminal.
    let line: String = line
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<char>>() } else { vec![c] })
        .collect();
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes a result to standard output. A reader that closes the pipe ends the output quietly.
fn print(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::failed(format!("standard output: {e}"))),
        _ => Ok(()),
    }
}

/// Refuses an output that would replace an input.
fn check_not_input<'a>(output: Option<&Path>, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let same = |input: &Path| {
        output.is_some_and(|out| input.canonicalize().is_ok_and(|a| out.canonicalize().is_ok_and(|b| a == b)))
    };
    match inputs.into_iter().find(|input| same(input)) {
        Some(input) => Err(Error::usage(format!("{} is an input: give the output another name", input.display()))),
        None => Ok(()),
    }
}

/// The file that a flag such as `data:FILE` or `spline:FILE` names.
fn file_of_flag(flag: &str) -> Option<&Path> {
    let (kind, file) = flag.split_once(':')?;
    matches!(kind, "file" | "data" | "spline").then_some(Path::new(file))
}

/// The error of asking a build without the `gpu` feature for a GPU.
#[cfg(not(feature = "gpu"))]
fn no_gpu_support(what: &str) -> Error {
    Error::usage(format!("{what}: this build has no GPU support, build it with the feature gpu"))
}

/// The error of a run that the user ended.
fn interrupted(what: &str) -> Error {
    Error::interrupted(format!("interrupted: {what}"))
}
