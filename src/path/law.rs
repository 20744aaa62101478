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
        let (kind, parameter) =
            path.split_once(':').map_or((path, None), |(k, p)| (k, Some(p).filter(|p| !p.is_empty())));
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

    /// The law of start points and anchors, where the law has random ones.
    pub fn start(&self) -> Option<StartLaw> {
        match *self {
            Self::Segment { start, .. } | Self::Chord { start } | Self::Polyline { start, .. } => Some(start),
            _ => None,
        }
    }

    /// The unit in which path lengths of this law are summed as whole numbers, so that sums do not depend on their order:
    /// the length itself where all paths have the same, else a power of two below 1e-9 of a typical length in `dim` dimensions.
    pub fn length_unit(&self, dim: usize) -> f64 {
        const DIGITS: f64 = 32.0;
        match (self, self.typical_length(dim)) {
            (Self::Segment { length, .. } | Self::ThroughOrigin { length }, _) if *length > 0.0 => *length,
            (_, typical) if typical > 0.0 => (typical.log2().ceil() - DIGITS).exp2(),
            _ => 1.0,
        }
    }

    /// About the length of a path in `dim` dimensions.
    pub(super) fn typical_length(&self, dim: usize) -> f64 {
        let scale = |start: &StartLaw| match *start {
            StartLaw::Normal(scale) | StartLaw::Uniform(scale) => scale * (dim as f64).sqrt(),
            StartLaw::Origin => 1.0,
        };
        match self {
            Self::Segment { length, .. } | Self::ThroughOrigin { length } => *length,
            Self::Chord { start } => scale(start),
            Self::Polyline { start, anchors } => scale(start) * *anchors as f64,
            Self::File { paths, .. } => paths.iter().map(|named| named.path.length()).fold(0.0, f64::max),
            Self::Data { rows, .. } => {
                let (low, high) = rows.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
                (high - low) * (dim as f64).sqrt()
            }
        }
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
        let (normal, uniform) =
            (QuantileTable::shared(StandardLaw::Normal)?, QuantileTable::shared(StandardLaw::Uniform)?);
        Ok(Self { law, dim, seed, normal, uniform })
    }

    /// The law.
    pub fn law(&self) -> &PathLaw {
        &self.law
    }

    /// Number of coordinates of one path's points.
    pub fn n_coordinates(&self) -> u128 {
        match self.law {
            PathLaw::Polyline { anchors, .. } => self.dim as u128 * anchors as u128,
            _ => 2 * self.dim as u128,
        }
    }

    /// The number of points that the law gives a path.
    pub(crate) fn n_vertices(&self) -> usize {
        match &self.law {
            PathLaw::Polyline { anchors, .. } => *anchors,
            PathLaw::File { paths, .. } => paths.iter().map(|named| named.path.n_vertices()).max().unwrap_or(1),
            _ => 2,
        }
    }

    /// Path `path_ix` of the `paths_per_network` paths of network `draw`.
    ///
    /// # Errors
    /// A path too long for a 64-bit number.
    pub fn draw(&self, draw: u64, path_ix: u64, paths_per_network: u64) -> Result<Path> {
        if let Some(path) = self.given(draw, path_ix, paths_per_network) {
            return Ok(path.clone());
        }
        let mut words = vec![0; self.n_words()];
        self.draw_words(draw, path_ix, &mut words);
        let (mut path, mut points) = (Path::at_origin(self.dim), Vec::new());
        self.make(&words, &mut points, &mut path)?;
        Ok(path)
    }

    /// Dimension of the space.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// About the length of a path.
    pub(crate) fn typical_length(&self) -> f64 {
        self.law.typical_length(self.dim)
    }

    /// The number of given paths, where the law has only these.
    pub(crate) fn n_given(&self) -> Option<u64> {
        match &self.law {
            PathLaw::File { paths, .. } => Some(paths.len() as u64),
            _ => None,
        }
    }

    /// The path itself where the law has only given ones.
    pub(super) fn given(&self, draw: u64, path_ix: u64, paths_per_network: u64) -> Option<&Path> {
        let PathLaw::File { paths, .. } = &self.law else { return None };
        let number = u128::from(draw) * u128::from(paths_per_network) + u128::from(path_ix);
        Some(&paths[(number % paths.len() as u128) as usize].path)
    }

    /// The stream of words of a tensor of a draw's paths.
    pub(super) fn stream(&self, draw: u64, tensor: u32) -> Stream {
        Stream::new(self.seed, draw, tensor)
    }

    /// The tensors that a path takes its random words from, and how many of each.
    fn tensors(&self) -> [(u32, usize); 2] {
        let dim = self.dim;
        match self.law {
            PathLaw::Segment { .. } => [(POINT_TENSOR, dim), (DIRECTION_TENSOR, dim)],
            PathLaw::ThroughOrigin { .. } => [(POINT_TENSOR, 0), (DIRECTION_TENSOR, dim)],
            PathLaw::Chord { .. } => [(POINT_TENSOR, 2 * dim), (DIRECTION_TENSOR, 0)],
            PathLaw::Polyline { anchors, .. } => [(POINT_TENSOR, anchors * dim), (DIRECTION_TENSOR, 0)],
            PathLaw::Data { .. } => [(ROW_TENSOR, 4), (DIRECTION_TENSOR, 0)],
            PathLaw::File { .. } => [(POINT_TENSOR, 0), (DIRECTION_TENSOR, 0)],
        }
    }

    /// Number of random words that make a path.
    pub(crate) fn n_words(&self) -> usize {
        self.tensors().iter().map(|(_, n)| n).sum()
    }

    /// The random words of a path.
    pub(super) fn draw_words(&self, draw: u64, path_ix: u64, mut words: &mut [u32]) {
        for (tensor, n) in self.tensors() {
            let (now, rest) = words.split_at_mut(n);
            self.stream(draw, tensor).words(path_ix * n as u64, now);
            words = rest;
        }
    }

    /// Turns random words into a path, with `points` as scratch memory.
    pub(super) fn make(&self, words: &[u32], points: &mut Vec<f64>, path: &mut Path) -> Result<()> {
        let dim = self.dim;
        points.clear();
        let random = |words: &[u32], law: &StartLaw, points: &mut Vec<f64>| {
            let (table, std) = match *law {
                StartLaw::Normal(std) => (&self.normal, std),
                StartLaw::Uniform(half_width) => (&self.uniform, half_width / 3f64.sqrt()),
                StartLaw::Origin => return points.resize(points.len() + words.len(), 0.0),
            };
            table.append(words, std, points);
        };
        // Goes on from the first point in a random direction.
        let go = |words: &[u32], length: f64, points: &mut Vec<f64>| {
            self.normal.append(words, 1.0, points);
            let (start, direction) = points.split_at_mut(dim);
            let norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
            start.iter().zip(direction).for_each(|(x, u)| *u = x + length * (*u / norm));
        };
        match &self.law {
            PathLaw::Segment { start, length } => {
                random(&words[..dim], start, points);
                go(&words[dim..], *length, points);
            }
            PathLaw::ThroughOrigin { length } => {
                points.resize(dim, 0.0);
                go(words, 0.5 * length, points);
                let (start, end) = points.split_at_mut(dim);
                start.iter_mut().zip(end).for_each(|(a, b)| *a = -*b);
            }
            PathLaw::Chord { start } | PathLaw::Polyline { start, .. } => random(words, start, points),
            PathLaw::Data { rows, .. } => {
                // Uniform up to n / 2^64.
                let index = |i: usize, n: usize| {
                    let bits = u64::from(words[i]) << 32 | u64::from(words[i + 1]);
                    ((u128::from(bits) * n as u128) >> 64) as usize
                };
                let n = rows.len() / dim;
                let (first, other) = (index(0, n), index(2, n - 1));
                let second = other + usize::from(other >= first);
                [first, second].iter().for_each(|row| points.extend_from_slice(&rows[row * dim..][..dim]));
            }
            PathLaw::File { .. } => unreachable!("given paths are not made"),
        }
        path.set_points(points)
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
            assert!((segment.length() - 3.0).abs() < 1e-12);
            assert_eq!(shape("segment", StartLaw::Origin).vertex(0), vec![0.0; dim]);
            let through = shape("through-origin", StartLaw::Normal(1.0));
            assert!((through.length() - 3.0).abs() < 1e-12);
            assert!(through.vertex(0).iter().zip(through.vertex(2)).all(|(a, b)| *a == -b));
            assert_eq!(through.vertex(1), vec![0.0; dim]);
            let polyline = shape("polyline:9", StartLaw::Uniform(0.5));
            assert!(polyline.n_vertices() >= 9);
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
