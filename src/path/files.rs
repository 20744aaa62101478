//! Paths and data points from `.csv`, `.npy` and IDX files.

use std::path::Path as FilePath;

use super::Path;
use super::idx::parse_idx;
use crate::error::{Error, Result};
use crate::files::{line_of_record, parse_npy, parse_npy_or_bytes, read_bytes, unpacked};

/// A path and the name it has in its file: the `path` column of a CSV, the index in an array.
#[derive(Clone, Debug)]
pub struct NamedPath {
    /// The name.
    pub name: String,
    /// The path.
    pub path: Path,
}

/// Reads paths: CSV with header `path,x0,x1,...`, where consecutive rows of one `path` are the vertices of a polyline; or
/// `.npy`, (points x dim) for one polyline or (paths x points x dim) for many.
///
/// # Errors
/// Says the file and line, or path, and what is wrong there.
pub fn read_paths(file: &FilePath) -> Result<Vec<NamedPath>> {
    let paths = match extension(file) {
        "csv" => csv_paths(&read_bytes(file)?),
        "npy" => npy_paths(&read_bytes(file)?),
        _ => Err(Error::usage("unknown kind of file: give .csv or .npy")),
    };
    paths.map_err(|e| e.at(file.display()))
}

/// Reads data points as (dimension, row-major coordinates), from a file that may be packed (`.gz`): CSV with a header line and a
/// point per row; `.npy` (points x dim, or with more sides, which are flattened); or IDX, as the MNIST files are. Unsigned bytes,
/// of images, are scaled to [0, 1].
pub(crate) fn read_points(file: &FilePath) -> Result<(usize, Vec<f64>)> {
    let bytes = read_bytes(file)?;
    let parse = || {
        let (bytes, name) = match extension(file) {
            "gz" => (unpacked(&bytes)?, file.file_stem().unwrap_or_default().as_ref()),
            _ => (bytes, file),
        };
        let (dim, points) = match (extension(name), bytes.as_slice()) {
            ("csv", bytes) => csv_points(bytes),
            ("npy", bytes) => npy_points(bytes),
            // The files of MNIST have no extension that says so.
            (_, bytes @ [0, 0, ..]) => parse_idx(bytes),
            _ => Err(Error::usage("unknown kind of file: give .csv, .npy or an IDX file, packed (.gz) or not")),
        }?;
        match points.iter().position(|x| !x.is_finite()) {
            Some(at) => Err(Error::usage(format!("row {} has coordinate {} = {}", at / dim, at % dim, points[at]))),
            None => Ok((dim, points)),
        }
    };
    parse().map_err(|e| e.at(file.display()))
}

fn extension(file: &FilePath) -> &str {
    file.extension().and_then(|e| e.to_str()).unwrap_or_default()
}

fn csv_paths(bytes: &[u8]) -> Result<Vec<NamedPath>> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|e| csv_error(e, bytes))?;
    let expected = |ix: usize, name: &str| {
        if ix == 0 { name == "path" } else { name == format!("x{}", ix - 1) }
    };
    if header.len() < 2 || !header.iter().enumerate().all(|(ix, name)| expected(ix, name.trim())) {
        return Err(Error::usage("line 1: the header must be path,x0,x1,..."));
    }
    let dim = header.len() - 1;
    let mut paths: Vec<NamedPath> = Vec::new();
    let mut current: Option<(String, Vec<f64>)> = None;
    let mut finish = |current: Option<(String, Vec<f64>)>| -> Result<()> {
        if let Some((name, points)) = current {
            let path = Path::from_points(dim, &points).map_err(|e| e.at(format!("path {name}")))?;
            paths.push(NamedPath { name, path });
        }
        Ok(())
    };
    for record in reader.records() {
        let record = record.map_err(|e| csv_error(e, bytes))?;
        let name = record[0].trim();
        if current.as_ref().is_none_or(|(before, _)| before != name) {
            finish(current.replace((name.to_owned(), Vec::new())))?;
        }
        let points = &mut current.as_mut().expect("set above").1;
        for (ix, field) in record.iter().enumerate().skip(1) {
            points.push(coordinate(field, ix - 1, &record, bytes)?);
        }
    }
    finish(current)?;
    if paths.is_empty() {
        return Err(Error::usage("holds no path"));
    }
    Ok(paths)
}

fn csv_points(bytes: &[u8]) -> Result<(usize, Vec<f64>)> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|e| csv_error(e, bytes))?;
    let dim = header.len();
    if header.iter().all(|name| name.trim().parse::<f64>().is_ok()) {
        return Err(Error::usage("line 1: expected a header with the names of the coordinates, found numbers"));
    }
    let mut points = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| csv_error(e, bytes))?;
        for (ix, field) in record.iter().enumerate() {
            points.push(coordinate(field, ix, &record, bytes)?);
        }
    }
    Ok((dim, points))
}

fn coordinate(field: &str, ix: usize, record: &csv::StringRecord, bytes: &[u8]) -> Result<f64> {
    match field.trim().parse::<f64>() {
        Ok(x) if x.is_finite() => Ok(x),
        _ => {
            let line = line_of_record(bytes, record.position());
            Err(Error::usage(format!("line {line}: coordinate {ix} is '{field}', not a finite number")))
        }
    }
}

fn csv_error(error: csv::Error, bytes: &[u8]) -> Error {
    let line = line_of_record(bytes, error.position());
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Error::usage(format!("line {line}: {len} fields, but the header has {expected_len}"))
        }
        _ => Error::usage(format!("line {line}: {error}")),
    }
}

fn npy_paths(bytes: &[u8]) -> Result<Vec<NamedPath>> {
    let array = parse_npy(bytes)?;
    let (points, dim) = match *array.shape.as_slice() {
        [points, dim] => (points, dim),
        [_, points, dim] => (points, dim),
        _ => {
            return Err(Error::usage(format!(
                "an array of shape {:?}: give (points, dim) or (paths, points, dim)",
                array.shape
            )));
        }
    };
    if array.values.is_empty() {
        return Err(Error::usage("holds no path"));
    }
    let named = |(ix, points): (usize, &[f64])| {
        let path = Path::from_points(dim, points).map_err(|e| e.at(format!("path {ix}")))?;
        Ok(NamedPath { name: ix.to_string(), path })
    };
    array.values.chunks(points * dim).enumerate().map(named).collect()
}

fn npy_points(bytes: &[u8]) -> Result<(usize, Vec<f64>)> {
    let array = parse_npy_or_bytes(bytes)?;
    let [_, sides @ ..] = array.shape.as_slice() else {
        return Err(Error::usage("an array of one number: give (points, dim)"));
    };
    if sides.is_empty() || array.values.is_empty() {
        return Err(Error::usage(format!("an array of shape {:?}: give (points, dim)", array.shape)));
    }
    Ok((sides.iter().product(), array.values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_rows_of_one_name_are_a_polyline() {
        let paths = csv_paths(b"path,x0,x1\na,0,0\na,3,4\nb,1,1\nb,1,2\nb,1,4\na,0,0\na,1,0\n").unwrap();
        let lengths: Vec<(&str, f64)> = paths.iter().map(|n| (n.name.as_str(), n.path.length())).collect();
        assert_eq!(lengths, [("a", 5.0), ("b", 3.0), ("a", 1.0)]);
    }

    #[test]
    fn bad_rows_are_refused_with_their_line() {
        for (text, place) in [
            ("x0,x1\n1,2\n", "line 1"),
            ("path,x1\na,2\n", "line 1"),
            ("path,x0\n", "no path"),
            ("path,x0\na,1\na,two\n", "line 3"),
            ("path,x0\na,NaN\n", "line 2"),
            ("path,x0\na,inf\n", "line 2"),
            ("path,x0\na,1\na,1,2\n", "line 3"),
            ("path,x0\r\na,1\r\na,two\r\n", "line 3"),
            ("path,x0\n\n\na,1\n\na,two\n", "line 6"),
        ] {
            let message = csv_paths(text.as_bytes()).expect_err(text).to_string();
            assert!(message.contains(place), "{text:?}: {message}");
        }
        let message = csv_points(b"1,2\n3,4\n").expect_err("no header").to_string();
        assert!(message.contains("header"), "{message}");
    }
}
