//! Where regions are counted.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files::{line_of_record, read_bytes};

/// The set of inputs in which regions are counted.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// All of R^n.
    Everywhere,
    /// The inputs with `lower[i] <= x[i] <= upper[i]`.
    Box {
        /// One lower end per input.
        lower: Vec<f64>,
        /// One upper end per input, above the lower.
        upper: Vec<f64>,
    },
}

impl Domain {
    /// A box from its ends.
    ///
    /// # Errors
    /// Ends that are not finite or do not increase, by input.
    pub fn new_box(lower: Vec<f64>, upper: Vec<f64>) -> Result<Self> {
        if lower.len() != upper.len() {
            return Err(Error::usage(format!("{} lower ends but {} upper ends", lower.len(), upper.len())));
        }
        for (ix, (&lo, &hi)) in lower.iter().zip(&upper).enumerate() {
            if !lo.is_finite() || !hi.is_finite() {
                return Err(Error::usage(format!("input {ix}: {lo} to {hi}: the ends of a box must be finite")));
            }
            if lo >= hi {
                return Err(Error::usage(format!("input {ix}: the lower end {lo} is not below the upper end {hi}")));
            }
            if hi - lo > f64::MAX / 4.0 {
                return Err(Error::usage(format!("input {ix}: {lo} to {hi} is too wide for 64-bit numbers")));
            }
        }
        Ok(Self::Box { lower, upper })
    }

    /// Reads the flag `--box`: `LO,HI` for every one of `dim` inputs, or a CSV file with header `lo,hi` and one row per input.
    ///
    /// # Errors
    /// Says which end, or which line of the file, is wrong.
    pub fn parse(text: &str, dim: usize) -> Result<Self> {
        let numbers: Vec<Option<f64>> = text.split(',').map(|end| end.trim().parse().ok()).collect();
        if let [Some(lo), Some(hi)] = numbers[..] {
            return Self::new_box(vec![lo; dim], vec![hi; dim]).map_err(|e| e.at(format!("'{text}'")));
        }
        let path = Path::new(text);
        if text.is_empty() || text.contains(',') && !path.exists() {
            return Err(Error::usage(format!("'{text}': give LO,HI, for example -1,1, or a CSV file")));
        }
        Self::read(path, dim)
    }

    fn read(path: &Path, dim: usize) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Row {
            lo: f64,
            hi: f64,
        }
        let bytes = read_bytes(path)?;
        let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(&bytes[..]);
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        for row in csv.deserialize::<Row>() {
            let Row { lo, hi } = row.map_err(|e| {
                let place = format!("{}:{}", path.display(), line_of_record(&bytes, e.position()));
                Error::usage("not a row of a box: write a header lo,hi and two numbers a line").at(place)
            })?;
            lower.push(lo);
            upper.push(hi);
        }
        if lower.len() != dim {
            let message = format!("{} rows, but the network has {dim} inputs", lower.len());
            return Err(Error::usage(message).at(path.display()));
        }
        Self::new_box(lower, upper).map_err(|e| e.at(path.display()))
    }

    /// Number of inputs, where the domain fixes it.
    pub fn dim(&self) -> Option<usize> {
        match self {
            Self::Everywhere => None,
            Self::Box { lower, .. } => Some(lower.len()),
        }
    }
}

impl Serialize for Domain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `R^n`, or the ends in the shortest form that reads back as the same numbers.
impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Box { lower, upper } = self else { return f.write_str("R^n") };
        let sides: Vec<(f64, f64)> = lower.iter().copied().zip(upper.iter().copied()).collect();
        let runs = sides.chunk_by(|a, b| a == b).map(|run| match run.len() {
            1 => format!("[{}, {}]", run[0].0, run[0].1),
            n => format!("[{}, {}]^{n}", run[0].0, run[0].1),
        });
        f.write_str(&runs.collect::<Vec<_>>().join(" x "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_read_and_written() {
        let cube = Domain::parse("-1,1", 3).unwrap();
        assert_eq!(cube, Domain::Box { lower: vec![-1.0; 3], upper: vec![1.0; 3] });
        assert_eq!(cube.to_string(), "[-1, 1]^3");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "lo,hi\n-1,1\n0, 0.5\n").unwrap();
        let read = |dim| Domain::parse(file.path().to_str().unwrap(), dim);
        assert_eq!(read(2).unwrap().to_string(), "[-1, 1] x [0, 0.5]");
        assert!(read(3).unwrap_err().to_string().contains("2 rows, but the network has 3 inputs"));
    }

    #[test]
    fn bad_boxes_are_refused_with_their_place() {
        for (text, message) in [
            ("1,1", "not below"),
            ("2,1", "not below"),
            ("nan,1", "finite"),
            ("0,inf", "finite"),
            ("-1e308,1e308", "too wide"),
            ("1,2,3", "LO,HI"),
            ("a,b", "LO,HI"),
            ("", "LO,HI"),
            ("missing.csv", "missing.csv"),
        ] {
            let error = Domain::parse(text, 2).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        for (content, message) in [
            ("lo,hi\n0,1\nx,1\n", ":3"),
            ("lo,hi\n0,1\n0\n", ":3"),
            ("0,1\n0,1\n", ":2"),
            ("lo,hi\n0,1\n1,0\n", "input 1"),
            ("lo,hi\n0,1\n0,NaN\n", "input 1"),
        ] {
            std::fs::write(file.path(), content).unwrap();
            let error = Domain::parse(file.path().to_str().unwrap(), 2).unwrap_err().to_string();
            assert!(error.contains(message), "{content}: {error}");
        }
    }
}
