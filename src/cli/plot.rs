//! `linregions plot`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{check_not_input, print};
use crate::error::{Error, Result};
use crate::experiment::OutputFile;
use crate::plot::{self, Figure, Kind, Options, ScaleChoice};

#[derive(Debug, Args)]
#[command(
    after_help = "Error bars are the intervals of the file (95 %); series that would hide each other stand side by side. Densities that span more than a factor of 10 are on a logarithmic axis.\n\n\
                  Examples:\n  linregions estimate --csv result.csv --draws draws.csv\n  linregions plot result.csv --kind layers --out layers.png\n  \
                  linregions plot draws.csv\n  linregions plot shallow.csv deep.csv --x depth --by activation --no-bound"
)]
pub(super) struct PlotArgs {
    /// Result files: of estimate --csv, estimate --draws or trace; several only of one kind
    #[arg(value_name = "RESULT", required = true)]
    results: Vec<PathBuf>,

    /// The figure, .svg or .png [default: RESULT-KIND.svg beside the first result]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// What to show [default: density, histogram or rug, by the columns of the file]
    #[arg(long, value_enum)]
    kind: Option<Kind>,

    /// crossings, boundaries or knots [default: boundaries]
    #[arg(long)]
    quantity: Option<String>,

    /// What is along the x axis: depth, width, units, parameters, input_dim, length, bias, pieces or another column with numbers, also ones such as
    /// normal:0.1 [default: the first of these that varies]
    #[arg(long, value_name = "COLUMN")]
    x: Option<String>,

    /// Columns whose values make a series [default: all properties of the ensemble that vary, but for x]
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    by: Option<Vec<String>>,

    /// Logarithmic x axis
    #[arg(long, conflicts_with = "linear_x")]
    log_x: bool,

    /// Logarithmic y axis
    #[arg(long, conflicts_with = "linear_y")]
    log_y: bool,

    /// Linear x axis
    #[arg(long)]
    linear_x: bool,

    /// Linear y axis
    #[arg(long)]
    linear_y: bool,

    /// Leave out the upper bound
    #[arg(long)]
    no_bound: bool,

    /// Leave out the values at infinite width
    #[arg(long)]
    no_infinite_width: bool,

    /// The path of a trace [default: the first]
    #[arg(long, value_name = "NAME")]
    path_name: Option<String>,

    /// Draw the outputs along the path of a trace, too: what trace --curve wrote
    #[arg(long, value_name = "FILE")]
    curve: Option<PathBuf>,

    /// Which outputs of --curve, from 0 [default: all]
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', requires = "curve")]
    outputs: Vec<usize>,
}

/// How a figure is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storage {
    Svg,
    Png,
}

impl Storage {
    pub(super) fn of_file(file: &Path) -> Result<Self> {
        match file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            _ => Err(Error::usage(format!("--out {}: give a name that ends in .svg or .png", file.display()))),
        }
    }

    pub(super) fn bytes(self, figure: &Figure) -> Result<Vec<u8>> {
        match self {
            Self::Svg => Ok(figure.to_svg()?.into_bytes()),
            Self::Png => figure.to_png(),
        }
    }
}

pub(super) fn run(args: &PlotArgs) -> Result<()> {
    if let Some(out) = &args.out {
        Storage::of_file(out)?;
    }
    let scale = |logarithmic, linear| match (logarithmic, linear) {
        (true, _) => ScaleChoice::Logarithmic,
        (_, true) => ScaleChoice::Linear,
        _ => ScaleChoice::Auto,
    };
    let (kind, figure) = plot::figure(&Options {
        files: args.results.clone(),
        kind: args.kind,
        quantity: args.quantity.clone(),
        x: args.x.clone(),
        by: args.by.clone(),
        x_scale: scale(args.log_x, args.linear_x),
        y_scale: scale(args.log_y, args.linear_y),
        no_bound: args.no_bound,
        no_infinite_width: args.no_infinite_width,
        path_name: args.path_name.clone(),
        curve: args.curve.clone(),
        outputs: args.outputs.clone(),
    })?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => beside(&args.results[0], kind)?,
    };
    check_not_input(Some(&out), args.results.iter().chain(&args.curve).map(PathBuf::as_path))?;
    let bytes = Storage::of_file(&out)?.bytes(&figure)?;
    let mut file = OutputFile::replace(&out)?;
    file.write_all(&bytes).map_err(|e| Error::failed(e.to_string()).at(out.display()))?;
    file.finish()?;
    print(|stdout| writeln!(stdout, "{}", out.display()))
}

/// `RESULT-KIND.svg`, so that figures of several kinds do not replace each other.
fn beside(result: &Path, kind: Kind) -> Result<PathBuf> {
    if !result.is_file() {
        return Err(Error::usage(format!("{} has no place beside it for a figure: give --out", result.display())));
    }
    let mut name = result.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{}.svg", kind.name()));
    Ok(result.with_file_name(name))
}
