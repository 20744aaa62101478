//! `linregions trace --network DIR`: the checkpoints of a training, one after the other.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::tracer::{Tracer, quantities};
use crate::cli::interrupted;
use crate::error::{Error, ErrorKind, Result};
use crate::network::{Architecture, Network, ReadOptions, natural_key};
use crate::path::NamedPath;

pub(super) const COLUMNS: [&str; 6] = ["checkpoint", "quantity", "layer", "paths", "mean_density", "std_error"];

/// One quantity of one layer, or of all, of one checkpoint.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    checkpoint: String,
    quantity: &'static str,
    layer: String,
    paths: u64,
    mean_density: Option<f64>,
    /// Over the paths.
    std_error: Option<f64>,
}

/// Network files of one architecture.
pub(super) struct Checkpoints {
    files: Vec<PathBuf>,
    options: ReadOptions,
    pub architecture: Architecture,
}

impl Checkpoints {
    /// The network files of a directory, in natural order; each is read once, so that a bad one is found before any is traced.
    pub(super) fn read(directory: &Path, options: ReadOptions, stop: &AtomicBool) -> Result<Self> {
        let list = || -> std::io::Result<Vec<PathBuf>> {
            std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
        };
        let mut files = list().map_err(|e| Error::usage(e.to_string()).at(directory.display()))?;
        files.retain(|file| Network::is_file_name(file));
        files.sort_by_cached_key(|file| (natural_key(&name(file)), name(file)));
        let mut first: Option<Architecture> = None;
        for file in &files {
            if stop.load(Ordering::Relaxed) {
                return Err(interrupted("nothing was printed"));
            }
            let network = Network::read_with(file, &options)?;
            let architecture = first.get_or_insert_with(|| network.architecture().clone());
            if let Some((what, expected)) = difference(network.architecture(), architecture) {
                let message = format!(
                    "it has {what}, but {} has {expected}: checkpoints of one training have one architecture",
                    name(&files[0])
                );
                return Err(Error::usage(message).at(file.display()));
            }
        }
        let architecture = first.ok_or_else(|| {
            Error::usage("no checkpoint in this directory: .safetensors, .npz or .onnx").at(directory.display())
        })?;
        Ok(Self { files, options, architecture })
    }

    /// The densities of every checkpoint along the same paths; and why there are no more.
    pub(super) fn rows(
        &self,
        tracer: &Tracer,
        paths: &[NamedPath],
        length_unit: f64,
        stop: &AtomicBool,
    ) -> (Vec<Row>, Option<Error>) {
        let mut rows = Vec::new();
        for (ix, file) in self.files.iter().enumerate() {
            let moments = Network::read_with(file, &self.options).and_then(|network| {
                tracer.moments(&network, paths, length_unit, stop).map_err(|e| e.at(file.display()))
            });
            match moments {
                Ok(moments) => rows.extend(quantities(self.architecture.depth()).map(|quantity| {
                    let density = moments.density(quantity);
                    Row {
                        checkpoint: name(file),
                        quantity: quantity.name(),
                        layer: quantity.layer(),
                        paths: moments.networks(),
                        mean_density: density.map(|d| d.mean),
                        std_error: density.and_then(|d| d.std_error),
                    }
                })),
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    let all = self.files.len();
                    return (
                        rows,
                        Some(interrupted(&format!("the result covers the first {ix} of {all} checkpoints"))),
                    );
                }
                Err(error) => return (rows, Some(error)),
            }
        }
        (rows, None)
    }
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// How one architecture differs from another, if it does.
fn difference(a: &Architecture, b: &Architecture) -> Option<(String, String)> {
    let shape = |x: &Architecture| format!("{x} and {} outputs", x.outputs());
    if shape(a) != shape(b) {
        return Some((shape(a), shape(b)));
    }
    let mut layers = a.layers().iter().zip(b.layers());
    let (a, b) = layers.find(|(a, b)| a.activation.kind() != b.activation.kind())?;
    Some((a.activation.to_string(), b.activation.to_string()))
}
