//! Reading files that may be truncated or malicious: nothing is allocated that the file itself does not hold.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use npyz::{NpyFile, Order};

use crate::error::{Error, Result};
use crate::memory;

/// Files above this size are refused, and those that do not leave three quarters of the available memory.
const MAX_FILE_BYTES: u64 = 8 << 30;
/// numpy's own limit for the header of an array it does not trust.
const MAX_NPY_HEADER_BYTES: usize = 10_000;
const MAX_NPY_HEADER_NESTING: usize = 8;

/// An array of numbers in row-major order.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
}

/// Reads a whole file into memory.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    let read = || -> std::io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let (size, limit) = (file.metadata()?.len(), size_limit());
        if size > limit { Err(too_large(limit)) } else { read_bounded(file, limit) }
    };
    read().map_err(|e| Error::usage(e.to_string()).at(path.display()))
}

/// Reads a whole file of text.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read_bytes(path)?).map_err(|_| Error::usage("not UTF-8 text").at(path.display()))
}

/// The bytes that may be read from files, packed or not.
pub(crate) fn size_limit() -> u64 {
    let quarter = memory::available().map_or(u64::MAX, |bytes| u64::try_from(bytes / 4).unwrap_or(u64::MAX));
    quarter.min(MAX_FILE_BYTES)
}

/// Reads a stream to its end, refusing more than `limit` bytes: a small archive can unpack to anything.
pub(crate) fn read_bounded(stream: impl Read, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

/// Unpacks the bytes of a `.gz` file.
pub(crate) fn unpacked(bytes: &[u8]) -> Result<Vec<u8>> {
    let unpacked = read_bounded(MultiGzDecoder::new(bytes), size_limit());
    unpacked.map_err(|e| Error::usage(format!("not a .gz file, or a damaged one: {e}")))
}

fn too_large(limit: u64) -> std::io::Error {
    std::io::Error::other(format!("larger than the {:.1} GiB that are read at most", limit as f64 / f64::from(1 << 30)))
}

/// The line, from 1, of the record that starts at or after `byte`; the CSV reader's own count misses blank lines and CRLF.
pub(crate) fn line_of_record(bytes: &[u8], position: Option<&csv::Position>) -> usize {
    let mut start = position.map_or(0, |p| p.byte() as usize).min(bytes.len());
    while bytes.get(start).is_some_and(|b| matches!(b, b'\r' | b'\n')) {
        start += 1;
    }
    1 + bytes[..start].iter().filter(|&&b| b == b'\n').count()
}

/// The system's own error behind one of a CSV writer, so that a closed pipe or a full disk is recognised.
pub(crate) fn csv_write_error(error: csv::Error) -> std::io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}

/// Parses the bytes of a `.npy` file of 32- or 64-bit floating-point numbers.
pub(crate) fn parse_npy(bytes: &[u8]) -> Result<Array> {
    parse_npy_of(bytes, false)
}

/// Parses the bytes of a `.npy` file of floating-point numbers, or of unsigned bytes, which are scaled to [0, 1].
pub(crate) fn parse_npy_or_bytes(bytes: &[u8]) -> Result<Array> {
    parse_npy_of(bytes, true)
}

fn parse_npy_of(bytes: &[u8], takes_bytes: bool) -> Result<Array> {
    let n_data_bytes = bytes.len() - check_npy_header(bytes)?;
    let npy = NpyFile::new(bytes).map_err(|e| {
        let text = e.to_string();
        Error::usage(format!("not a .npy array: {}", text.lines().next().unwrap_or_default()))
    })?;
    let shape: Vec<usize> = npy.shape().iter().map(|&n| usize::try_from(n).unwrap_or(usize::MAX)).collect();
    let (order, dtype) = (npy.order(), npy.dtype());
    // Before anything is allocated: the data are exactly those that the header announces.
    let needed = shape.iter().try_fold(dtype.num_bytes().unwrap_or(0), |n, &side| n.checked_mul(side));
    if needed != Some(n_data_bytes) {
        return Err(Error::usage(format!(
            "shape {shape:?} of dtype {} does not match {n_data_bytes} bytes of data: truncated, or more than one array",
            dtype.descr()
        )));
    }
    let values = match npy.try_data::<f64>() {
        Ok(data) => data.collect::<std::io::Result<Vec<f64>>>(),
        Err(npy) => match npy.try_data::<f32>() {
            Ok(data) => data.map(|v| v.map(f64::from)).collect(),
            Err(npy) => match npy.try_data::<u8>() {
                Ok(data) if takes_bytes => data.map(|v| v.map(|v| f64::from(v) / 255.0)).collect(),
                _ => return Err(Error::usage(format!("dtype {}: save it as float32 or float64", dtype.descr()))),
            },
        },
    };
    let values = values.map_err(|e| Error::usage(format!("unreadable data: {e}")))?;
    Ok(match order {
        Order::C => Array { shape, values },
        Order::Fortran => from_fortran(shape, &values),
    })
}

/// The header is text in Python syntax: bounds its length and nesting before a recursive parser sees it. Returns where the data
/// start.
fn check_npy_header(bytes: &[u8]) -> Result<usize> {
    let malformed = || Error::usage("not a .npy array, or a truncated one");
    let start = match bytes.get(..8).ok_or_else(malformed)? {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _] => 10,
        [0x93, b'N', b'U', b'M', b'P', b'Y', _, _] => 12,
        _ => return Err(malformed()),
    };
    let size_bytes = bytes.get(8..start).ok_or_else(malformed)?;
    let size = size_bytes.iter().rev().fold(0usize, |n, &b| n << 8 | usize::from(b));
    if size > MAX_NPY_HEADER_BYTES {
        return Err(Error::usage(format!("a header of {size} bytes: at most {MAX_NPY_HEADER_BYTES} are read")));
    }
    let header = bytes.get(start..start + size).ok_or_else(malformed)?;
    // Its data are a pickle, of any length.
    if header.windows(4).any(|text| text == b"'|O'") {
        return Err(Error::usage("an array of Python objects (dtype '|O'): save it as float32 or float64"));
    }
    let mut nesting = 0usize;
    for byte in header {
        match byte {
            b'(' | b'[' | b'{' => nesting += 1,
            b')' | b']' | b'}' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        if nesting > MAX_NPY_HEADER_NESTING {
            return Err(malformed());
        }
    }
    Ok(start + size)
}

fn from_fortran(shape: Vec<usize>, values: &[f64]) -> Array {
    let mut index = vec![0; shape.len()];
    let mut ordered = Vec::with_capacity(values.len());
    for _ in 0..values.len() {
        let flat = index.iter().zip(&shape).rev().fold(0, |flat, (&i, &side)| flat * side + i);
        ordered.push(values[flat]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Array { shape, values: ordered }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(data);
        bytes
    }

    fn doubles(values: &[f64]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    #[test]
    fn both_orders_and_both_widths_are_read() {
        let data = doubles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let c = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", &data);
        let array = parse_npy(&c).unwrap();
        assert_eq!((array.shape, array.values), (vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        let fortran = npy("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }", &data);
        assert_eq!(parse_npy(&fortran).unwrap().values, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
        let singles: Vec<u8> = [0.5f32, -1.5].iter().flat_map(|v| v.to_le_bytes()).collect();
        let single = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", &singles);
        assert_eq!(parse_npy(&single).unwrap().values, [0.5, -1.5]);
    }

    #[test]
    fn bytes_are_data_but_no_weights() {
        let bytes = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", &[0, 51, 255]);
        assert_eq!(parse_npy_or_bytes(&bytes).unwrap().values, [0.0, 0.2, 1.0]);
        parse_npy(&bytes).unwrap_err();
    }

    #[test]
    fn python_objects_are_named() {
        let objects = npy("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", b"pickle");
        assert!(parse_npy(&objects).unwrap_err().to_string().contains("Python objects"));
    }

    #[test]
    fn hostile_arrays_are_refused() {
        let data = doubles(&[1.0, 2.0]);
        for header in [
            "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }garbage",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551615, 2), }",
            "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '|O', 'fortran_order': False, 'shape': (2,), }",
            "((((((((((((((((((((((((",
            "",
        ] {
            parse_npy(&npy(header, &data)).expect_err(header);
        }
        let whole = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }", &data);
        for len in 0..whole.len() {
            parse_npy(&whole[..len]).expect_err("truncated");
        }
    }
}
