//! `linregions slice`.

mod cells;
mod place;
mod summary;

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use clap::Args;

use self::cells::CellsFormat;
use self::place::PlaceFlags;
use super::network::NetworkFlags;
use super::plot::Storage;
use super::progress::with_regions;
use super::{Format, check_not_input, print};
use crate::engine::cpu::thread_pool;
use crate::error::{Error, Result};
use crate::experiment::OutputFile;
use crate::plot::{Colouring, partition};
use crate::regions::plane::Subdivision;

#[derive(Debug, Args)]
#[command(
    after_help = "Regions are exact: what rounding leaves open is decided in whole numbers of any size (the summary says how often, as close calls). \
                  All layers and activations of trace are taken.\n\n\
                  Columns of --cells FILE.csv, one row per activation region: cell, linear_region, area, slope (norm of the gradient of all outputs in the plane), \
                  gradients (d output / du and d output / dv, a pair per output), pattern (the piece of every unit, of maxout and max-pooling which value is largest, of sorted groups each row's place from the largest, group after group; layers separated by /), vertices (u and v, counter-clockwise); \
                  pairs are separated by semicolons. FILE.json has the same as {origin, directions, window, cells: [...]}.\n\n\
                  Examples:\n  linregions slice --network trained.npz --window -3,3 --out regions.png\n  \
                  linregions slice --network mnist.safetensors --points three.csv --margin 0.5 --out plane.svg --cells plane.json\n  \
                  linregions slice --network trained.npz --origin 1,0,2 --directions 1,1,0 0,0,1 --window -2,2,-1,1"
)]
pub(super) struct SliceArgs {
    #[command(flatten)]
    network: NetworkFlags,

    #[command(flatten)]
    place: PlaceFlags,

    /// Draw the regions to this file, .svg or .png
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// What colours the regions of the picture
    #[arg(long, value_enum, default_value_t)]
    color: Colouring,

    /// Write every region to this file, .csv or .json
    #[arg(long, value_name = "FILE")]
    cells: Option<PathBuf>,

    /// Threads [default: all cores]
    #[arg(long, allow_negative_numbers = true)]
    threads: Option<usize>,

    /// How to print the summary
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,

    /// No progress
    #[arg(long)]
    quiet: bool,
}

pub(super) fn run(args: &SliceArgs, stop: &AtomicBool) -> Result<()> {
    let storage = args.out.as_deref().map(Storage::of_file).transpose()?;
    let cells_format = args.cells.as_deref().map(CellsFormat::of_file).transpose()?;
    let network = args.network.read()?;
    let place = args.place.place(network.architecture().input_dim())?;
    let pool = thread_pool(args.threads, None)?;
    let [mut picture, mut cells] = outputs(args)?;

    let start = Instant::now();
    let subdivide = |found: &AtomicU64| Subdivision::watched(&network, &place.plane, &place.window, found, stop);
    let regions = with_regions(args.quiet, |found| pool.install(|| subdivide(found)))?;
    let seconds = start.elapsed().as_secs_f64();

    if let (Some(file), Some(storage)) = (&mut picture, storage) {
        let figure = partition(&regions, args.color, place.labels.clone());
        file.write_all(&storage.bytes(&figure)?).map_err(|e| failed(&e, file))?;
    }
    if let (Some(file), Some(format)) = (&mut cells, cells_format) {
        format.write(file, &network, &place, &regions).map_err(|e| failed(&e, file))?;
    }
    for file in [picture, cells].into_iter().flatten() {
        file.finish()?;
    }
    print(|out| summary::write(out, args.format, &network, &place, &regions, seconds))
}

fn failed(error: &std::io::Error, file: &OutputFile) -> Error {
    Error::failed(error.to_string()).at(file.name().display())
}

/// Opens the picture and the file of cells, before anything is computed.
fn outputs(args: &SliceArgs) -> Result<[Option<OutputFile>; 2]> {
    for output in [&args.out, &args.cells] {
        check_not_input(output.as_deref(), args.network.files().chain(args.place.points().map(PathBuf::as_path)))?;
    }
    let open = |name: &Option<PathBuf>| name.as_deref().map(OutputFile::replace).transpose();
    let files = [open(&args.out)?, open(&args.cells)?];
    match &files {
        [Some(picture), Some(cells)] if picture.conflicts_with(cells) => {
            Err(Error::usage("--out and --cells name the same file: give two"))
        }
        _ => Ok(files),
    }
}
