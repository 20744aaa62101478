//! Data in the IDX format of the MNIST files.

use crate::error::{Error, Result};
use crate::memory;

/// Parses an IDX file as (dimension, row-major coordinates): one point per element of the first side, all other sides in a row.
/// Unsigned bytes are scaled to [0, 1].
pub(super) fn parse_idx(bytes: &[u8]) -> Result<(usize, Vec<f64>)> {
    let malformed = || Error::usage("not an IDX file, or a truncated one");
    let Some(&[0, 0, kind, n_sides]) = bytes.first_chunk() else { return Err(malformed()) };
    let (sides, data) = bytes[4..].split_at_checked(4 * usize::from(n_sides)).ok_or_else(malformed)?;
    let shape: Vec<usize> = sides.as_chunks().0.iter().map(|&side| u32::from_be_bytes(side) as usize).collect();
    if shape.len() < 2 {
        return Err(Error::usage(format!("shape {shape:?}: one number per point, so these are labels, not points")));
    }
    let width = match kind {
        0x08 => 1,
        0x0d => 4,
        0x0e => 8,
        0x09 | 0x0b | 0x0c => {
            return Err(Error::usage("signed integers: save unsigned bytes or floating-point numbers"));
        }
        _ => return Err(malformed()),
    };
    // Before anything is allocated: the data are exactly those that the header announces.
    let needed = shape.iter().try_fold(width, |n: usize, &side| n.checked_mul(side));
    if needed != Some(data.len()) {
        return Err(Error::usage(format!(
            "shape {shape:?} of {width} bytes per number does not match {} bytes of data",
            data.len()
        )));
    }
    memory::check("its points", 8 * (data.len() / width) as u128, "give fewer")?;
    let values = match kind {
        0x08 => data.iter().map(|&byte| f64::from(byte) / 255.0).collect(),
        0x0d => data.as_chunks().0.iter().map(|&b| f64::from(f32::from_be_bytes(b))).collect(),
        _ => data.as_chunks().0.iter().map(|&b| f64::from_be_bytes(b)).collect(),
    };
    Ok((shape[1..].iter().product(), values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idx(kind: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, kind, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|side| side.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    #[test]
    fn images_become_rows() {
        let (dim, values) = parse_idx(&idx(8, &[2, 1, 3], &[0, 51, 255, 102, 0, 204])).unwrap();
        assert_eq!((dim, values), (3, vec![0.0, 0.2, 1.0, 0.4, 0.0, 0.8]));
        let singles: Vec<u8> = [0.5f32, -1.5].iter().flat_map(|v| v.to_be_bytes()).collect();
        assert_eq!(parse_idx(&idx(13, &[1, 2], &singles)).unwrap(), (2, vec![0.5, -1.5]));
        let doubles: Vec<u8> = [0.5f64, -1.5].iter().flat_map(|v| v.to_be_bytes()).collect();
        assert_eq!(parse_idx(&idx(14, &[2, 1], &doubles)).unwrap(), (1, vec![0.5, -1.5]));
    }

    #[test]
    fn hostile_headers_are_refused() {
        for (bytes, message) in [
            (idx(8, &[4], &[1, 2, 3, 4]), "labels"),
            (idx(8, &[2, 2], &[1, 2, 3]), "does not match 3 bytes"),
            (idx(8, &[2, 1], &[1, 2, 3]), "does not match 3 bytes"),
            (idx(14, &[u32::MAX; 255], &[0; 9]), "does not match"),
            (idx(11, &[1, 1], &[0; 2]), "signed"),
            (idx(7, &[1, 1], &[0; 2]), "not an IDX file"),
            (vec![0, 0, 8, 3, 0, 0], "truncated"),
            (vec![0, 0], "not an IDX file"),
            (vec![1, 0, 8, 1], "not an IDX file"),
        ] {
            let error = parse_idx(&bytes).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
