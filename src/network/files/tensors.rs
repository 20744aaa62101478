//! Named tensors of `.safetensors` and `.npz` files.

use std::io::Cursor;

use safetensors::{Dtype, SafeTensors};

use super::state::shown;
use crate::error::{Error, Result};
use crate::files::{Array, parse_npy, read_bounded, size_limit};

/// What a state dict has of no use here: whole numbers.
const STEPS: &str = ".num_batches_tracked";

pub(super) fn parse_safetensors(bytes: &[u8]) -> Result<Vec<(String, Array)>> {
    let not_tensors = |e| Error::usage(format!("not a safetensors file: {}", shown(&format!("{e}"))));
    let file = SafeTensors::deserialize(bytes).map_err(not_tensors)?;
    let mut tensors = Vec::new();
    for (name, view) in file.tensors().into_iter().filter(|(name, _)| !name.ends_with(STEPS)) {
        let values = match view.dtype() {
            Dtype::F32 => view.data().as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect(),
            Dtype::F64 => view.data().as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
            other => {
                return Err(Error::usage(format!("{}: dtype {other:?}, save it as F32 or F64", shown(&name))));
            }
        };
        tensors.push((name, Array { shape: view.shape().to_vec(), values }));
    }
    Ok(tensors)
}

pub(super) fn parse_npz(bytes: &[u8]) -> Result<Vec<(String, Array)>> {
    let not_npz = |e: zip::result::ZipError| Error::usage(format!("not an .npz file: {e}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(not_npz)?;
    let mut tensors = Vec::new();
    let mut budget = size_limit();
    for ix in 0..archive.len() {
        let entry = archive.by_index(ix).map_err(not_npz)?;
        let name = entry.name().map_err(not_npz)?.trim_end_matches(".npy").to_owned();
        if name.ends_with(STEPS) {
            continue;
        }
        let npy = read_bounded(entry, budget).map_err(|e| Error::usage(e.to_string()).at(shown(&name)))?;
        budget -= npy.len() as u64;
        let array = parse_npy(&npy).map_err(|e| e.at(shown(&name)))?;
        tensors.push((name, array));
    }
    Ok(tensors)
}
