//! The outputs of a network along its paths, as CSV: linear between the rows.

use std::path::Path as FilePath;

use crate::error::{Error, Result};
use crate::experiment::OutputFile;
use crate::files::csv_write_error;
use crate::network::Network;
use crate::path::{NamedPath, Path};
use crate::trace::Trace;

/// A CSV with columns `path,t,position,output_0,...`: a row at every vertex of a path and at every boundary.
#[derive(Debug)]
pub(super) struct CurveFile {
    csv: csv::Writer<OutputFile>,
    name: String,
}

impl CurveFile {
    /// Opens the file.
    pub(super) fn create(name: &FilePath) -> Result<Self> {
        Ok(Self { csv: csv::Writer::from_writer(OutputFile::replace(name)?), name: name.display().to_string() })
    }

    /// Writes all paths and completes the file.
    pub(super) fn write(mut self, network: &Network, paths: &[NamedPath], traces: &[Trace]) -> Result<()> {
        let columns = ["path", "t", "position"].map(str::to_owned).into_iter();
        let outputs = (0..network.architecture().outputs()).map(|ix| format!("output_{ix}"));
        let write = || -> csv::Result<()> {
            self.csv.write_record(columns.chain(outputs))?;
            for (named, trace) in paths.iter().zip(traces) {
                let start = [named.name.clone()];
                for (position, point) in points(&named.path, trace) {
                    let numbers = [position / trace.length, position].into_iter().chain(network.outputs(&point));
                    self.csv.write_record(start.iter().cloned().chain(numbers.map(|x| x.to_string())))?;
                }
            }
            Ok(())
        };
        let failed = |e: std::io::Error| Error::failed(e.to_string()).at(&self.name);
        write().map_err(|e| failed(csv_write_error(e)))?;
        let file = self.csv.into_inner().map_err(|e| failed(std::io::Error::other(e.to_string())))?;
        file.finish()
    }
}

/// Positions and points at which the outputs may bend; none on a path without length.
fn points(path: &Path, trace: &Trace) -> Vec<(f64, Vec<f64>)> {
    let mut positions: Vec<f64> = path.positions().to_vec();
    positions.extend(trace.boundaries.iter().map(|boundary| boundary.position));
    positions.sort_by(f64::total_cmp);
    positions.dedup();
    let point = |position: f64| {
        let edge = path.positions().partition_point(|&p| p <= position).clamp(1, path.n_vertices() - 1) - 1;
        let mut point = vec![0.0; path.dim()];
        path.point_on_edge(edge, position, &mut point);
        (position, point)
    };
    if path.n_vertices() > 1 { positions.into_iter().map(point).collect() } else { Vec::new() }
}
