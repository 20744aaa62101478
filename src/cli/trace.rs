//! `linregions trace`.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use serde::Serialize;

use super::curve::CurveFile;
use super::engine::EngineFlags;
use super::{Format, check_not_input, file_of_flag, interrupted, print, table};
use crate::error::{Error, Result};
use crate::memory;
use crate::network::{Activation, Network};
use crate::path::{NamedPath, Path, PathLaw, RandomPath, StartLaw, read_paths};
use crate::trace::Trace;

/// Paths traced between two looks at Ctrl-C.
const BATCH: usize = 256;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  linregions trace --network trained.safetensors --activation relu --paths lines.csv --summary"
)]
pub(super) struct TraceArgs {
    /// The network: .safetensors or .npz with tensors W0, b0, W1, ... or 0.weight, 0.bias, 2.weight, ... (out x in); the last layer
    /// is the linear read-out
    #[arg(long, value_name = "FILE")]
    network: PathBuf,

    /// Activation of the hidden layers: relu, leaky-relu:SLOPE, abs, hard-tanh, relu6, soft-threshold:LAMBDA, identity or
    /// spline:FILE
    #[arg(long, default_value = "relu")]
    activation: String,

    /// Paths: CSV with header path,x0,x1,... or .npy (points x dim) or (paths x points x dim)
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    paths: Option<PathBuf>,

    /// Law of random paths: segment, chord, polyline:K, through-origin, file:FILE or data:FILE
    #[arg(long, default_value = "segment")]
    path: String,

    /// Law of start points and anchors: normal:STD, uniform:HALFWIDTH or origin
    #[arg(long, default_value = "normal:1")]
    start: String,

    /// Length of a segment
    #[arg(long, default_value_t = 2.0, allow_negative_numbers = true)]
    length: f64,

    /// Number of random paths [default: 1, or all of file:FILE]
    #[arg(long, allow_negative_numbers = true)]
    n_paths: Option<u64>,

    /// Seed of random paths
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,

    #[command(flatten)]
    engine: EngineFlags,

    /// Print crossings, boundaries and knots of each path instead of every crossing
    #[arg(long)]
    summary: bool,

    /// Write the network's outputs along the paths, too: CSV with columns path,t,position,output_0,... at vertices and boundaries,
    /// between which outputs are linear; for plot --curve
    #[arg(long, value_name = "FILE")]
    curve: Option<PathBuf>,

    /// How to print the result [default: csv, or table with --summary]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// No warnings
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(args: &TraceArgs, stop: &AtomicBool) -> Result<()> {
    let activation: Activation = args.activation.parse().map_err(|e: Error| e.at("--activation"))?;
    let network = Network::read(&args.network, activation)?;
    let paths = paths(args, network.architecture().input_dim())?;
    let files =
        [Some(args.network.as_path()), args.paths.as_deref(), file_of_flag(&args.path), file_of_flag(&args.activation)];
    check_not_input(args.curve.as_deref(), files.into_iter().flatten())?;
    let curve = args.curve.as_deref().map(CurveFile::create).transpose()?;
    let traces = trace_all(args, &network, &paths, stop)?;
    curve.map(|file| file.write(&network, &paths, &traces)).transpose()?;
    if args.summary {
        let rows: Vec<SummaryRow> = paths.iter().zip(&traces).map(|(p, t)| SummaryRow::new(p, t)).collect();
        print(|out| summary(out, &rows, args.format.unwrap_or(Format::Table)))
    } else {
        let rows = || paths.iter().zip(&traces).flat_map(|(path, trace)| CrossingRow::of_trace(path, trace));
        print(|out| match args.format.unwrap_or(Format::Csv) {
            Format::Csv => table::csv_rows(out, &CROSSING_COLUMNS, rows()),
            Format::Json => table::json(out, &rows().collect::<Vec<_>>()),
            Format::Table => table::columns(out, &table::text(&CROSSING_COLUMNS, rows())?),
        })
    }
}

fn paths(args: &TraceArgs, dim: usize) -> Result<Vec<NamedPath>> {
    if let Some(file) = &args.paths {
        let paths = read_paths(file)?;
        if let Some(named) = paths.iter().find(|named| named.path.dim() != dim) {
            return Err(Error::usage(format!(
                "{}: points of dimension {}, but the network has {dim} inputs",
                file.display(),
                named.path.dim()
            )));
        }
        return Ok(paths);
    }
    let start: StartLaw = args.start.parse().map_err(|e: Error| e.at("--start"))?;
    let law = PathLaw::from_flags(&args.path, start, args.length, dim)?;
    let n = args.n_paths.unwrap_or(match &law {
        PathLaw::File { paths, .. } => paths.len() as u64,
        _ => 1,
    });
    if n == 0 {
        return Err(Error::usage("--n-paths 0: give at least 1"));
    }
    let law = RandomPath::new(law, dim, args.seed)?;
    let needed = u128::from(n) * (200 + 8 * law.n_coordinates());
    memory::check(&format!("--n-paths {n}"), needed, "give fewer")?;
    let named = |ix: u64| Ok(NamedPath { name: ix.to_string(), path: law.draw(0, ix, n)? });
    (0..n).map(named).collect()
}

/// Traces with the f64 reference, or with an engine where the flags ask for one.
fn trace_all(args: &TraceArgs, network: &Network, paths: &[NamedPath], stop: &AtomicBool) -> Result<Vec<Trace>> {
    let engine = args.engine.build_for_trace(args.quiet)?;
    let mut traces = Vec::with_capacity(paths.len());
    for batch in paths.chunks(BATCH) {
        let batch: Vec<&Path> = batch.iter().map(|named| &named.path).collect();
        if let Some(engine) = &engine {
            traces.extend(engine.trace(network, &batch, stop)?);
        } else {
            let wanted = batch.iter().take_while(|_| !stop.load(Ordering::Relaxed));
            traces.extend(wanted.map(|path| Trace::reference(network, path)).collect::<Result<Vec<_>>>()?);
        }
        if stop.load(Ordering::Relaxed) {
            return Err(interrupted("nothing was printed"));
        }
    }
    Ok(traces)
}

#[derive(Debug, Serialize)]
struct SummaryRow {
    path: String,
    length: f64,
    crossings: usize,
    boundaries: usize,
    knots: usize,
}

impl SummaryRow {
    fn new(path: &NamedPath, trace: &Trace) -> Self {
        Self {
            path: path.name.clone(),
            length: trace.length,
            crossings: trace.crossings.len(),
            boundaries: trace.boundaries.len(),
            knots: trace.n_knots(),
        }
    }
}

const SUMMARY_COLUMNS: [&str; 5] = ["path", "length", "crossings", "boundaries", "knots"];
const CROSSING_COLUMNS: [&str; 7] = ["path", "boundary", "t", "position", "layer", "unit", "is_knot"];

/// One crossing: layers count from 1, boundaries and units from 0; t is the fraction of the path's length.
#[derive(Debug, Serialize)]
struct CrossingRow {
    path: String,
    boundary: usize,
    t: f64,
    position: f64,
    layer: usize,
    unit: usize,
    is_knot: bool,
}

impl CrossingRow {
    fn of_trace<'a>(path: &'a NamedPath, trace: &'a Trace) -> impl Iterator<Item = Self> + 'a {
        let boundaries = trace.boundaries.iter().enumerate();
        let of_crossing =
            boundaries.flat_map(|(ix, boundary)| std::iter::repeat_n((ix, boundary.is_knot), boundary.n_crossings));
        trace.crossings.iter().zip(of_crossing).map(|(crossing, (boundary, is_knot))| Self {
            path: path.name.clone(),
            boundary,
            t: crossing.position / trace.length,
            position: crossing.position,
            layer: crossing.layer + 1,
            unit: crossing.unit,
            is_knot,
        })
    }
}

fn summary(out: &mut dyn Write, rows: &[SummaryRow], format: Format) -> std::io::Result<()> {
    match format {
        Format::Table => table::columns(out, &table::text(&SUMMARY_COLUMNS, rows.iter())?),
        Format::Csv => table::csv_rows(out, &SUMMARY_COLUMNS, rows.iter()),
        Format::Json => table::json(out, rows),
    }
}
