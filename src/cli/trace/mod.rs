//! `linregions trace`.

mod by;
mod checkpoints;
mod random;
mod tracer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use serde::Serialize;

use self::by::By;
use self::checkpoints::Checkpoints;
use self::tracer::Tracer;
use super::curve::CurveFile;
use super::engine::EngineFlags;
use super::network::read_options;
use super::{Format, check_not_input, file_of_flag, print, table};
use crate::error::{Error, Result};
use crate::memory;
use crate::network::{Network, ReadOptions};
use crate::path::{NamedPath, PathLaw, RandomPath, StartLaw, read_paths};
use crate::trace::Trace;

#[derive(Debug, Args)]
#[command(
    after_help = "Tensors come in the order of the layers: W0, b0, W1, ..., or by their PyTorch names, in which numbers count as numbers. Maps of skips are S1 for \
                  the layer of W1, or have skip, shortcut, downsample or projection in their names. Statistics of a normalisation right behind an affine map \
                  in a Sequential (1.running_mean behind 0.weight) are composed with it. A missing bias is zero.\n\nExamples:\n  linregions trace --network \
                  trained.safetensors --activation relu --paths lines.csv --summary\n  linregions trace --network cnn.safetensors --arch \
                  1x28x28-c8k3p1-max2-64 --path data:t10k-images-idx3-ubyte.gz --n-paths 10 --summary"
)]
pub(super) struct TraceArgs {
    /// The network: .safetensors or .npz with tensors W0, b0, W1, ... or 0.weight, 0.bias, 2.weight, ... (out x in), the last layer
    /// being the linear read-out; or .onnx. A directory of them is the checkpoints of a training, in natural order, and the result
    /// their densities along the same paths
    #[arg(long, value_name = "FILE|DIR")]
    network: PathBuf,

    /// Activation of the hidden layers: relu, leaky-relu:SLOPE, abs, hard-tanh, relu6, soft-threshold:LAMBDA, identity, spline:FILE,
    /// crelu (relu of all rows, then of all their negatives), maxout:RANK, group-sort:SIZE or max-min, of consecutive rows;
    /// .onnx brings its own [default: relu]
    #[arg(long)]
    activation: Option<String>,

    /// Input and hidden layers of .safetensors or .npz files with convolutions (kernels out x in x height x width) or skips (S1 the
    /// map of that of W1), as in estimate: for example 1x28x28-c8k3-max2-64; the read-out is the last tensor [default: dense]
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,

    /// Paths: CSV with header path,x0,x1,... or .npy (points x dim) or (paths x points x dim)
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    paths: Option<PathBuf>,

    /// Law of random paths: segment, chord, polyline:K, through-origin, file:FILE or data:FILE (chords between
    /// random rows of .csv, .npy or IDX, .gz or not; unsigned bytes become [0, 1])
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

    /// Seed of random paths and networks
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,

    #[command(flatten)]
    engine: EngineFlags,

    /// Print crossings, boundaries and knots of each path instead of every crossing
    #[arg(long, conflicts_with_all = ["by", "compare_random"])]
    summary: bool,

    /// Print the crossings of each layer or unit along all paths, how many of them are at knots, and their density
    #[arg(long, value_enum, conflicts_with = "compare_random")]
    by: Option<By>,

    /// Print the network's densities along all paths, with standard errors over paths, beside those of so many random networks of its
    /// architecture along the same paths, with standard errors over networks
    #[arg(long, value_name = "NETWORKS", allow_negative_numbers = true)]
    compare_random: Option<u64>,

    /// Law of the random networks' weights, as in estimate [default: he-normal]
    #[arg(long, requires = "compare_random")]
    weights: Option<String>,

    /// Law of the random networks' biases [default: normal:0.1]
    #[arg(long, requires = "compare_random")]
    bias: Option<String>,

    /// Write the network's outputs along the paths, too: CSV with columns path,t,position,output_0,... at vertices and boundaries,
    /// between which outputs are linear; for plot --curve
    #[arg(long, value_name = "FILE", conflicts_with_all = ["by", "compare_random"])]
    curve: Option<PathBuf>,

    /// How to print the result [default: csv, or table with --summary, --by and --compare-random]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// No warnings
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(args: &TraceArgs, stop: &AtomicBool) -> Result<()> {
    let options = read_options(args.activation.as_deref(), args.arch.as_deref())?;
    if args.network.is_dir() {
        return checkpoints(args, options, stop);
    }
    let network = Network::read_with(&args.network, &options)?;
    let paths = paths(args, network.architecture().input_dim())?;
    if args.compare_random.is_some() {
        let (rows, interruption) = random::rows(args, &network, paths, stop)?;
        print_rows(args, Format::Table, &random::COLUMNS, &rows)?;
        return interruption.map_or(Ok(()), Err);
    }
    let tracer = Tracer::from_flags(&args.engine, network.architecture(), args.quiet)?;
    if let Some(by) = args.by {
        let rows = by.rows(&tracer, &network, &paths, stop)?;
        return print_rows(args, Format::Table, by.columns(), &rows);
    }
    let files = [
        Some(args.network.as_path()),
        args.paths.as_deref(),
        file_of_flag(&args.path),
        args.activation.as_deref().and_then(file_of_flag),
    ];
    check_not_input(args.curve.as_deref(), files.into_iter().flatten())?;
    let curve = args.curve.as_deref().map(CurveFile::create).transpose()?;
    // Of many paths only what will be printed is kept.
    let (mut traces, mut summaries) = (Vec::new(), Vec::new());
    let keeps_traces = curve.is_some() || !args.summary;
    tracer.each(&network, &paths, stop, |path, trace| {
        summaries.push(SummaryRow::new(path, &trace));
        traces.extend(keeps_traces.then_some(trace));
        Ok(())
    })?;
    curve.map(|file| file.write(&network, &paths, &traces)).transpose()?;
    if args.summary {
        return print_rows(args, Format::Table, &SUMMARY_COLUMNS, &summaries);
    }
    let rows = || paths.iter().zip(&traces).flat_map(|(path, trace)| CrossingRow::of_trace(path, trace));
    print(|out| match args.format.unwrap_or(Format::Csv) {
        Format::Csv => table::csv_rows(out, &CROSSING_COLUMNS, rows()),
        Format::Json => table::json(out, &rows().collect::<Vec<_>>()),
        Format::Table => table::columns(out, &table::text(&CROSSING_COLUMNS, rows())?),
    })
}

/// Traces all networks of a directory.
fn checkpoints(args: &TraceArgs, options: ReadOptions, stop: &AtomicBool) -> Result<()> {
    let about_one = [
        ("--summary", args.summary),
        ("--by", args.by.is_some()),
        ("--compare-random", args.compare_random.is_some()),
        ("--curve", args.curve.is_some()),
    ];
    if let Some((flag, _)) = about_one.iter().find(|(_, given)| *given) {
        return Err(Error::usage(format!("{flag} is about one network, but --network names a directory")));
    }
    let checkpoints = Checkpoints::read(&args.network, options, stop)?;
    let dim = checkpoints.architecture.input_dim();
    let paths = Arc::new(paths(args, dim)?);
    let tracer = Tracer::from_flags(&args.engine, &checkpoints.architecture, args.quiet)?;
    let length_unit = PathLaw::File { file: String::new(), paths: Arc::clone(&paths) }.length_unit(dim);
    let (rows, error) = checkpoints.rows(&tracer, &paths, length_unit, stop);
    print_rows(args, Format::Csv, &checkpoints::COLUMNS, &rows)?;
    error.map_or(Ok(()), Err)
}

/// Prints rows in the format that was asked for.
fn print_rows<T: Serialize>(args: &TraceArgs, default: Format, columns: &[&str], rows: &[T]) -> Result<()> {
    print(|out| match args.format.unwrap_or(default) {
        Format::Table => table::columns(out, &table::text(columns, rows.iter())?),
        Format::Csv => table::csv_rows(out, columns, rows.iter()),
        Format::Json => table::json(out, rows),
    })
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
    let (coordinates, inputs) = (law.n_coordinates(), dim as u128);
    // All paths, and what one of them is made of: words, points, and the points and directions at which the network is evaluated.
    let needed =
        u128::from(n) * (200 + 8 * coordinates) + 4 * law.n_words() as u128 + 8 * (3 * coordinates + 8 * inputs);
    let what = format!("--n-paths {n}, with {dim} inputs and {} points each", coordinates / inputs);
    memory::check(&what, needed, "give fewer")?;
    let named = |ix: u64| Ok(NamedPath { name: ix.to_string(), path: law.draw(0, ix, n)? });
    (0..n).map(named).collect()
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

/// One crossing: layers count from 1, boundaries and units, maxout units or sorted groups from 0; t is the fraction of the
/// path's length.
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
