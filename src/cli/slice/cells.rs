//! Files of regions.

use std::io::{Result as IoResult, Write};
use std::path::Path;

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};

use super::place::Place;
use crate::error::{Error, Result};
use crate::files::csv_write_error;
use crate::network::{ActivationKind, Network};
use crate::regions::plane::{Cell, Subdivision};

/// How regions are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellsFormat {
    Csv,
    Json,
}

const COLUMNS: [&str; 7] = ["cell", "linear_region", "area", "slope", "gradients", "pattern", "vertices"];

#[derive(Serialize)]
struct CellRow<T> {
    cell: usize,
    linear_region: usize,
    area: f64,
    slope: f64,
    gradients: T,
    pattern: String,
    vertices: T,
}

impl<T> CellRow<T> {
    fn new(network: &Network, cell: Cell, pairs: impl Fn(&[[f64; 2]]) -> T) -> Self {
        let vertices: Vec<[f64; 2]> = cell.polygon().collect();
        Self {
            cell: cell.ix(),
            linear_region: cell.linear_region(),
            area: cell.area(),
            slope: cell.slope(),
            gradients: pairs(cell.gradients()),
            pattern: pattern(network, cell),
            vertices: pairs(&vertices),
        }
    }
}

impl CellsFormat {
    pub(super) fn of_file(file: &Path) -> Result<Self> {
        match file.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            _ => Err(Error::usage(format!("--cells {}: give a name that ends in .csv or .json", file.display()))),
        }
    }

    pub(super) fn write(
        self,
        out: &mut impl Write,
        network: &Network,
        place: &Place,
        regions: &Subdivision,
    ) -> IoResult<()> {
        match self {
            Self::Csv => {
                let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(out);
                csv.write_record(COLUMNS).map_err(csv_write_error)?;
                let pairs =
                    |pairs: &[[f64; 2]]| pairs.iter().map(|[a, b]| format!("{a} {b}")).collect::<Vec<_>>().join(";");
                for cell in regions.cells() {
                    csv.serialize(CellRow::new(network, cell, pairs)).map_err(csv_write_error)?;
                }
                csv.flush()
            }
            Self::Json => {
                let file = File {
                    origin: place.plane.origin(),
                    directions: place.plane.directions(),
                    window: place.window.corners(),
                    cells: Cells { network, regions },
                };
                serde_json::to_writer(&mut *out, &file)?;
                writeln!(out)
            }
        }
    }
}

#[derive(Serialize)]
struct File<'a> {
    origin: &'a [f64],
    directions: &'a [Vec<f64>; 2],
    window: &'a [[f64; 2]],
    cells: Cells<'a>,
}

/// Rows made one by one as they are written.
struct Cells<'a> {
    network: &'a Network,
    regions: &'a Subdivision,
}

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.regions.n_activation_regions()))?;
        for cell in self.regions.cells() {
            rows.serialize_element(&CellRow::new(self.network, cell, <[[f64; 2]]>::to_vec))?;
        }
        rows.end()
    }
}

/// The piece of every unit: digits where ten are enough, else numbers with dots between them; layers separated by slashes.
fn pattern(network: &Network, cell: Cell) -> String {
    let layers = network.architecture().layers().iter().enumerate().map(|(ix, layer)| {
        let (n, n_pieces) = match layer.activation.kind() {
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => (layer.groups(), pieces.slopes.len()),
            ActivationKind::Maxout { rank } => (layer.groups(), *rank),
            ActivationKind::GroupSort { size } => (layer.outputs(), *size),
        };
        let pieces = (0..n).map(|unit| cell.piece(ix, unit).to_string());
        pieces.collect::<Vec<_>>().join(if n_pieces > 10 { "." } else { "" })
    });
    layers.collect::<Vec<_>>().join("/")
}
