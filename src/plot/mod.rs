//! Figures from result files: densities, layers, histograms, boundaries along a path, errors against time.
//!
//! A figure of files shows what they hold; nothing is computed but means and bins. [`partition`] draws the regions of a plane. Every kind of figure reads files into a
//! [`Figure`], a description in the units of its axes, which is then drawn as SVG or PNG.

mod axis;
mod draw;
mod figure;
mod histogram;
mod partition;
mod rug;
mod series;
mod summary;
mod table;

use std::path::PathBuf;

use clap::ValueEnum;

pub use figure::Figure;
pub use partition::{Colouring, partition};
use table::Table;

use crate::error::{Error, Result};

/// What a figure shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Density of an ensemble against one of its properties (summary CSV)
    Density,
    /// Density of crossings in each layer (summary CSV)
    Layers,
    /// Distribution of the density over networks (draws CSV)
    Histogram,
    /// Boundaries along one path, layer by layer (trace CSV)
    Rug,
    /// Relative standard error against wall time (summary CSV)
    Precision,
}

impl Kind {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Density => "density",
            Self::Layers => "layers",
            Self::Histogram => "histogram",
            Self::Rug => "rug",
            Self::Precision => "precision",
        }
    }

    fn of_table(table: &Table) -> Result<Self> {
        let has = |columns: &[&str]| columns.iter().all(|column| table.find(column).is_some());
        if has(&["mean_density"]) {
            Ok(Self::Density)
        } else if has(&["network", "path_ix"]) {
            Ok(Self::Histogram)
        } else if has(&["position", "is_knot"]) {
            Ok(Self::Rug)
        } else {
            Err(Error::usage(
                "neither a summary (column mean_density) nor draws (network, path_ix) nor a trace (position, is_knot): \
                 give a result of estimate --csv, estimate --draws or trace",
            )
            .at(format_args!("{}:1", table.name())))
        }
    }
}

/// The scale of an axis, where it was chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleChoice {
    /// By the values.
    #[default]
    Auto,
    /// Linear.
    Linear,
    /// Logarithmic.
    Logarithmic,
}

/// What is to be drawn.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Result files of one kind.
    pub files: Vec<PathBuf>,
    /// The kind of figure; `None` goes by the columns of the first file.
    pub kind: Option<Kind>,
    /// `crossings`, `boundaries` or `knots`; boundaries where it is `None`.
    pub quantity: Option<String>,
    /// The column along the x axis; `None` takes the first property that varies.
    pub x: Option<String>,
    /// Columns whose values make a series; `None` takes all properties that vary.
    pub by: Option<Vec<String>>,
    /// Scale of the x axis.
    pub x_scale: ScaleChoice,
    /// Scale of the y axis.
    pub y_scale: ScaleChoice,
    /// Leave out the upper bound.
    pub no_bound: bool,
    /// Leave out the values at infinite width.
    pub no_infinite_width: bool,
    /// The path of a trace; `None` takes the first.
    pub path_name: Option<String>,
    /// The outputs along the paths of a trace.
    pub curve: Option<PathBuf>,
    /// Which outputs are drawn; all where it is empty.
    pub outputs: Vec<usize>,
}

impl Options {
    fn quantity(&self) -> &str {
        self.quantity.as_deref().unwrap_or("boundaries")
    }

    /// Refuses choices that the kind of figure does not have.
    fn check(&self, kind: Kind) -> Result<()> {
        use Kind::{Density, Histogram, Layers, Precision, Rug};
        let flags: [(&str, bool, &[Kind]); 8] = [
            ("--quantity", self.quantity.is_some(), &[Density, Histogram, Precision]),
            ("--x", self.x.is_some(), &[Density]),
            ("--by", self.by.is_some(), &[Density, Layers, Precision]),
            ("--log-x", self.x_scale == ScaleChoice::Logarithmic, &[Density, Layers, Precision]),
            ("--log-y", self.y_scale == ScaleChoice::Logarithmic, &[Density, Layers, Precision]),
            ("--no-bound or --no-infinite-width", self.no_bound || self.no_infinite_width, &[Density, Layers]),
            ("--path-name", self.path_name.is_some(), &[Rug]),
            ("--curve", self.curve.is_some(), &[Rug]),
        ];
        match flags.iter().find(|(_, given, kinds)| *given && !kinds.contains(&kind)) {
            None => Ok(()),
            Some((flag, _, kinds)) => {
                let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                Err(Error::usage(format!(
                    "{flag}: a figure of kind {} has no such choice, only {}",
                    kind.name(),
                    kinds.join(", ")
                )))
            }
        }
    }
}

/// Reads the files and lays out the figure.
///
/// # Errors
/// Files that cannot be read or lack columns, rows that cannot be drawn, and choices that leave nothing to draw.
pub fn figure(options: &Options) -> Result<(Kind, Figure)> {
    let tables = options.files.iter().map(|file| Table::read(file)).collect::<Result<Vec<_>>>()?;
    figure_of(&tables, options)
}

fn figure_of(tables: &[Table], options: &Options) -> Result<(Kind, Figure)> {
    let first = tables.first().ok_or_else(|| Error::usage("give at least one result file"))?;
    let kind = options.kind.map_or_else(|| Kind::of_table(first), Ok)?;
    options.check(kind)?;
    let figure = match kind {
        Kind::Density | Kind::Layers | Kind::Precision => summary::figure(tables, kind, options),
        Kind::Histogram => histogram::figure(tables, options),
        Kind::Rug => match tables {
            [trace] => rug::figure(trace, options),
            _ => Err(Error::usage("a figure of kind rug shows one trace: give one file")),
        },
    };
    Ok((kind, figure?))
}
