//! The laws of random paths.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::files::{NamedPath, read_points};
use super::{Path, read_paths};
use crate::error::{Error, Result};
use crate::network::name_and_numbers;
use crate::random::{QuantileTable, StandardLaw, Stream};

/// Streams of a draw beyond those of any network's tensors.
const POINT_TENSOR: u32 = 0x8000_0000;
const DIRECTION_TENSOR: u32 = 0x8000_0001;
const ROW_TENSOR: u32 = 0x8000_0002;

/// The law of start points and anchors; coordinates are independent.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum StartLaw {
    /// Normal with this standard deviation.
    Normal(f64),
    /// Uniform on ± this half-width.
    Uniform(f64),
    /// The origin.
    Origin,
}

/// The law of a path.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PathLaw {
    /// A segment of this length from a random start in a uniformly random direction.
    Segment {
        /// Law of the start.
        start: StartLaw,
        /// Length.
        length: f64,
    },
    /// The segment between two random points.
    Chord {
        /// Law of both points.
        start: StartLaw,
    },
    /// The polyline through random anchors.
    Polyline {
        /// Law of the anchors.
        start: StartLaw,
        /// Number of anchors, at least 2.
        anchors: usize,
    },
    /// A segment of this length, centred at the origin, in a uniformly random direction.
    ThroughOrigin {
        /// Length.
        length: f64,
    },
    /// Given paths, taken in turn: path p of network k is number (k x paths per network + p) modulo their number.
    File {
        /// The file they came from.
        file: String,
        /// The paths.
        paths: Arc<Vec<NamedPath>>,
    },
    /// The chord between two different random rows of a data set.
    Data {
        /// The file it came from.
        file: String,
        /// Dimension of a row.
        dim: usize,
        /// Row-major data.
        rows: Arc<Vec<f64>>,
    },
}

impl PathLaw {
    /// The law named by the flags `--path`, `--start` and `--length`, for networks of `input_dim` inputs. Reads the file
    /// that the law names.
    ///
    /// # Errors
    /// Says which of the flags or which line of the file is wrong.
    pub fn from_flags(path: &str, start: StartLaw, length: f64, input_dim: usize) -> Result<Self> {
        if !(length.is_finite() && length >= 0.0) {
            return Err(Error::usage(format!("--length {length}: give a finite number that is not negative")));
        }
        let (kind, parameter) = path.split_once(':').map_or((path, None), |(k, p)| (k, Some(p)));
        let random_points = |law| match start {
            StartLaw::Origin => Err(Error::usage(format!(
                "--path {path} with --start origin puts every point at the origin: use normal:STD or uniform:HALFWIDTH"
            ))),
            _ => Ok(law),
        };
        match (kind, parameter) {
            ("segment", None) => Ok(Self::Segment { start, length }),
            ("chord", None) => random_points(Self::Chord { start }),
            ("through-origin", None) => Ok(Self::ThroughOrigin { length }),
            ("polyline", Some(anchors)) => match anchors.parse() {
                Ok(anchors) if anchors >= 2 => random_points(Self::Polyline { start, anchors }),
                _ => Err(Error::usage(format!("--path {path}: give the number of anchors, at least 2"))),
            },
            ("file", Some(file)) => {
                let paths = read_paths(file.as_ref())?;
                if let Some(named) = paths.iter().find(|named| named.path.dim() != input_dim) {
                    return Err(wrong_dimension(file, named.path.dim(), input_dim));
                }
                Ok(Self::File { file: file.to_owned(), paths: Arc::new(paths) })
            }
            ("data", Some(file)) => {
                let (dim, rows) = read_points(file.as_ref())?;
                if dim != input_dim {
                    return Err(wrong_dimension(file, dim, input_dim));
                }
                if rows.len() < 2 * dim {
                    return Err(Error::usage(format!("{file}: chords need at least 2 rows")));
                }
                Ok(Self::Data { file: file.to_owned(), dim, rows: Arc::new(rows) })
            }
            _ => Err(Error::usage(format!(
                "--path {path}: use segment, chord, polyline:K, through-origin, file:FILE or data:FILE"
            ))),
        }
    }

    /// The unit in which path lengths of this law are summed as whole numbers, so that sums do not depend on their order:
    /// the length itself where all paths have the same, else a power of two about 1e-12 of a typical length.
    pub fn length_unit(&self) -> f64 {
        let typical = match self {
            Self::Segment { length, .. } | Self::ThroughOrigin { length } => {
                return if *length > 0.0 { *length } else { 1.0 };
            }
            Self::Chord { start } | Self::Polyline { start, .. } => match *start {
                StartLaw::Normal(scale) | StartLaw::Uniform(scale) => scale,
                StartLaw::Origin => 1.0,
            },
            Self::File { paths, .. } => paths.iter().map(|named| named.path.length()).fold(0.0, f64::max),
            Self::Data { rows, .. } => {
                let (low, high) = rows.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
                high - low
            }
        };
        const DIGITS: f64 = 40.0;
        if typical > 0.0 { (typical.log2().ceil() - DIGITS).exp2() } else { 1.0 }
    }
}

impl fmt::Display for PathLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment { .. } => f.write_str("segment"),
            Self::Chord { .. } => f.write_str("chord"),
            Self::Polyline { anchors, .. } => write!(f, "polyline:{anchors}"),
            Self::ThroughOrigin { .. } => f.write_str("through-origin"),
            Self::File { file, .. } => write!(f, "file:{file}"),
            Self::Data { file, .. } => write!(f, "data:{file}"),
        }
    }
}

impl FromStr for StartLaw {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, numbers) = name_and_numbers(text)?;
        match (name, numbers.as_slice()) {
            ("normal", &[std]) => Ok(Self::Normal(std)),
            ("uniform", &[half_width]) => Ok(Self::Uniform(half_width)),
            ("origin", []) => Ok(Self::Origin),
            _ => Err(Error::usage(format!("unknown start law '{text}': use normal:STD, uniform:HALFWIDTH or origin"))),
        }
    }
}

impl fmt::Display for StartLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal(std) => write!(f, "normal:{std}"),
            Self::Uniform(half_width) => write!(f, "uniform:{half_width}"),
            Self::Origin => f.write_str("origin"),
        }
    }
}

fn wrong_dimension(file: &str, dim: usize, input_dim: usize) -> Error {
    Error::usage(format!("{file}: points of dimension {dim}, but the networks have {input_dim} inputs"))
}

/// Draws paths of a [`PathLaw`] as pure functions of (seed, draw, path).
#[derive(Clone, Debug)]
pub struct RandomPath {
    law: PathLaw,
    dim: usize,
    seed: u64,
    normal: Arc<QuantileTable>,
    uniform: Arc<QuantileTable>,
}

impl RandomPath {
    /// Paths of this law in `dim` dimensions.
    ///
    /// # Errors
    /// None for the laws there are: the tables they need always exist.
    pub fn new(law: PathLaw, dim: usize, seed: u64) -> Result<Self> {
        let table = |law| QuantileTable::new(law).map(Arc::new);
        Ok(Self { law, dim, seed, normal: table(StandardLaw::Normal)?, uniform: table(StandardLaw::Uniform)? })
    }

    /// The law.
    pub fn law(&self) -> &PathLaw {
        &self.law
    }

    /// Number of coordinates drawn for one path.
    pub fn n_coordinates(&self) -> u128 {
        self.dim as u128
            * match self.law {
                PathLaw::Polyline { anchors, .. } => anchors as u128,
                PathLaw::Chord { .. } => 2,
                _ => 1,
            }
    }

    /// Path `path_ix` of the `paths_per_network` paths of network `draw`.
    ///
    /// # Errors
    /// A path too long for a 64-bit number.
    pub fn draw(&self, draw: u64, path_ix: u64, paths_per_network: u64) -> Result<Path> {
        let (dim, number) = (self.dim, path_ix);
        match &self.law {
            PathLaw::Segment { start, length } => {
                let start = self.points(*start, draw, number, 1);
                self.segment(start, *length, draw, number)
            }
            PathLaw::ThroughOrigin { length } => {
                let half = self.segment(vec![0.0; dim], 0.5 * length, draw, number)?;
                let end = half.vertex(half.n_vertices() - 1);
                let points: Vec<f64> = end.iter().map(|x| -x).chain(end.iter().copied()).collect();
                Path::from_points(dim, &points)
            }
            PathLaw::Chord { start } => Path::from_points(dim, &self.points(*start, draw, number, 2)),
            PathLaw::Polyline { start, anchors } => {
                Path::from_points(dim, &self.points(*start, draw, number, *anchors))
            }
            PathLaw::File { paths, .. } => {
                let n = paths.len() as u128;
                let ix = (u128::from(draw) * u128::from(paths_per_network) + u128::from(path_ix)) % n;
                Ok(paths[ix as usize].path.clone())
            }
            PathLaw::Data { rows, .. } => {
                let stream = Stream::new(self.seed, draw, ROW_TENSOR);
                let n = rows.len() / dim;
                let first = stream.index(2 * number, n);
                let other = stream.index(2 * number + 1, n - 1);
                let second = other + usize::from(other >= first);
                Path::from_points(dim, &[&rows[first * dim..][..dim], &rows[second * dim..][..dim]].concat())
            }
        }
    }

    fn points(&self, law: StartLaw, draw: u64, path_ix: u64, n: usize) -> Vec<f64> {
        let len = n * self.dim;
        let stream = Stream::new(self.seed, draw, POINT_TENSOR);
        let base = path_ix * len as u64;
        let (table, std) = match law {
            StartLaw::Normal(std) => (&self.normal, std),
            StartLaw::Uniform(half_width) => (&self.uniform, half_width / 3f64.sqrt()),
            StartLaw::Origin => return vec![0.0; len],
        };
        (0..len as u64).map(|e| f64::from(table.element(&stream, base + e, std))).collect()
    }

    /// The segment of this length from `start` in the path's uniformly random direction.
    fn segment(&self, start: Vec<f64>, length: f64, draw: u64, path_ix: u64) -> Result<Path> {
        let stream = Stream::new(self.seed, draw, DIRECTION_TENSOR);
        let base = path_ix * self.dim as u64;
        let normal = |e: u64| f64::from(self.normal.element(&stream, base + e, 1.0));
        let direction: Vec<f64> = (0..self.dim as u64).map(normal).collect();
        let norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        let end: Vec<f64> = start.iter().zip(&direction).map(|(x, u)| x + length * (u / norm)).collect();
        Path::from_points(self.dim, &[start, end].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(path: &str, start: StartLaw, dim: usize) -> RandomPath {
        RandomPath::new(PathLaw::from_flags(path, start, 3.0, dim).unwrap(), dim, 11).unwrap()
    }

    #[test]
    fn laws_make_the_shapes_they_name() {
        for dim in [1, 2, 7] {
            let shape = |path: &str, start| random(path, start, dim).draw(5, 2, 4).unwrap();
            let segment = shape("segment", StartLaw::Normal(1.0));
            assert_eq!(segment.n_vertices(), 2);
            assert!((segment.length() - 3.0).abs() < 1e-12);
            assert_eq!(shape("segment", StartLaw::Origin).vertex(0), vec![0.0; dim]);
            let through = shape("through-origin", StartLaw::Normal(1.0));
            assert!((through.length() - 3.0).abs() < 1e-12);
            assert!(through.vertex(0).iter().zip(through.vertex(1)).all(|(a, b)| *a == -b));
            assert_eq!(shape("chord", StartLaw::Uniform(0.5)).n_vertices(), 2);
            let polyline = shape("polyline:9", StartLaw::Uniform(0.5));
            assert_eq!(polyline.n_vertices(), 9);
            assert!((0..9).all(|v| polyline.vertex(v).iter().all(|x| x.abs() < 0.5)));
        }
    }

    #[test]
    fn paths_of_one_network_are_distinct_and_reproducible() {
        let law = random("segment", StartLaw::Normal(1.0), 3);
        let paths: Vec<Path> = (0..4).map(|p| law.draw(9, p, 4).unwrap()).collect();
        assert!((1..4).all(|p| paths[p] != paths[0]));
        assert_eq!(law.draw(9, 2, 1000).unwrap(), paths[2], "a path does not depend on how many there are");
    }

    #[test]
    fn bad_flags_are_refused() {
        let flags = |path: &str, start: StartLaw, length| PathLaw::from_flags(path, start, length, 2);
        let normal = StartLaw::Normal(1.0);
        for (path, start, length) in [
            ("segment", normal, -1.0),
            ("segment", normal, f64::NAN),
            ("segment", normal, f64::INFINITY),
            ("chord", StartLaw::Origin, 1.0),
            ("polyline:1", normal, 1.0),
            ("polyline", normal, 1.0),
            ("circle", normal, 1.0),
            ("file:no-such-file.csv", normal, 1.0),
        ] {
            flags(path, start, length).expect_err(path);
        }
    }
}
