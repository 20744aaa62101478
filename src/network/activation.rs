//! Continuous piecewise-linear (CPWL) activations: of one pre-activation, as data, or of a group of them.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::files::read_text;

const NAMES: &str = "relu, leaky-relu:SLOPE, abs, hard-tanh, relu6, soft-threshold:LAMBDA, identity, spline:FILE, crelu, maxout:RANK, \
                     group-sort:SIZE or max-min";

/// Ranks and group sizes beyond this make numbers that no machine holds.
const MAX_GROUP: usize = 1000;

/// A CPWL function of one pre-activation or of a group of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    name: String,
    kind: ActivationKind,
}

/// What an activation does to the pre-activations of a layer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ActivationKind {
    /// A function of each: pieces of constant slope that meet at breakpoints. Piece k lies between breakpoints k - 1 and k; a value
    /// exactly on a breakpoint counts to the lower piece.
    Scalar(Pieces<f64>),
    /// CReLU (Shang, Sohn, Almeida and Lee 2016): max(z, 0) of every pre-activation, then max(-z, 0) of every one. Here are the pieces of
    /// max(z, 0).
    Crelu(Pieces<f64>),
    /// Maxout (Goodfellow et al. 2013): unit u is the largest of `rank` pre-activations, rows u rank to u rank + rank - 1 of a
    /// dense layer, see [`Layer::grouping`](super::Layer::grouping). Its piece is the row that is largest, the first of equal ones.
    Maxout {
        /// Pre-activations of a unit, at least 2.
        rank: usize,
    },
    /// GroupSort (Anil, Lucas and Grosse 2019): each group of `size` consecutive pre-activations, in descending order. Its piece is that
    /// order, in which equal ones are as they come.
    GroupSort {
        /// Pre-activations of a group, at least 2.
        size: usize,
    },
}

/// The pieces of a CPWL function in one floating-point type: on piece k it is `slopes[k] * z + intercepts[k]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pieces<T> {
    /// Where the slope changes, strictly increasing.
    pub breakpoints: Vec<T>,
    /// One slope more than breakpoints.
    pub slopes: Vec<T>,
    /// One intercept per slope.
    pub intercepts: Vec<T>,
}

impl Activation {
    /// The activation with the given breakpoints (strictly increasing) and slopes (one more), through the point `anchor`.
    ///
    /// # Errors
    /// Breakpoints that do not increase, a wrong number of slopes, two neighbouring slopes that are equal (no breakpoint
    /// is there) and values that are not finite are refused.
    pub fn spline(name: &str, breakpoints: Vec<f64>, slopes: Vec<f64>, anchor: [f64; 2]) -> Result<Self> {
        if slopes.len() != breakpoints.len() + 1 {
            return Err(Error::usage(format!(
                "{} slopes for {} breakpoints: give one slope more than breakpoints",
                slopes.len(),
                breakpoints.len()
            )));
        }
        if let Some(x) = breakpoints.iter().chain(&slopes).chain(&anchor).find(|x| !x.is_finite()) {
            return Err(Error::usage(format!("{x} is not a finite number")));
        }
        if let Some(k) = breakpoints.windows(2).position(|w| w[0] >= w[1]) {
            return Err(Error::usage(format!(
                "breakpoints must increase, but breakpoint {} is {} and the next is {}",
                k + 1,
                breakpoints[k],
                breakpoints[k + 1]
            )));
        }
        if let Some(k) = slopes.windows(2).position(|w| w[0] == w[1]) {
            return Err(Error::usage(format!(
                "slopes {} and {} are both {}: there is no breakpoint at {}, leave it out",
                k + 1,
                k + 2,
                slopes[k],
                breakpoints[k]
            )));
        }
        let home = breakpoints.iter().filter(|&&tau| tau < anchor[0]).count();
        let mut intercepts = vec![0.0; slopes.len()];
        intercepts[home] = anchor[1] - slopes[home] * anchor[0];
        for k in home + 1..slopes.len() {
            intercepts[k] = intercepts[k - 1] + (slopes[k - 1] - slopes[k]) * breakpoints[k - 1];
        }
        for k in (0..home).rev() {
            intercepts[k] = intercepts[k + 1] + (slopes[k + 1] - slopes[k]) * breakpoints[k];
        }
        Ok(Self { name: name.to_owned(), kind: ActivationKind::Scalar(Pieces { breakpoints, slopes, intercepts }) })
    }

    /// `max(z, 0)`.
    pub fn relu() -> Self {
        Self::spline("relu", vec![0.0], vec![0.0, 1.0], [0.0; 2]).expect("valid")
    }

    /// `z` itself.
    pub fn identity() -> Self {
        Self::spline("identity", Vec::new(), vec![1.0], [0.0; 2]).expect("valid")
    }

    /// The largest of so many values of a pool.
    pub(super) fn largest_of(rank: usize) -> Result<Self> {
        match rank {
            1 => Ok(Self::identity()),
            2..=MAX_GROUP => Ok(Self { name: format!("maxout:{rank}"), kind: ActivationKind::Maxout { rank } }),
            _ => Err(Error::usage(format!("a maximum of {rank} values: the most are {MAX_GROUP}"))),
        }
    }

    /// What it does.
    pub fn kind(&self) -> &ActivationKind {
        &self.kind
    }

    /// The pieces as data; `None` unless every pre-activation has one output.
    pub fn scalar(&self) -> Option<&Pieces<f64>> {
        match &self.kind {
            ActivationKind::Scalar(pieces) => Some(pieces),
            ActivationKind::Crelu(_) | ActivationKind::Maxout { .. } | ActivationKind::GroupSort { .. } => None,
        }
    }

    /// The pieces of an activation that is known to make one output of every pre-activation.
    ///
    /// # Panics
    /// For any other.
    pub fn pieces(&self) -> &Pieces<f64> {
        self.scalar().expect("an activation of one pre-activation with one output")
    }

    /// Where a pre-activation changes piece by itself; none where groups do.
    pub fn breakpoints(&self) -> &[f64] {
        match &self.kind {
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => &pieces.breakpoints,
            ActivationKind::Maxout { .. } | ActivationKind::GroupSort { .. } => &[],
        }
    }

    /// Number of pieces of a unit or group, the activation complexity kappa; `None` beyond 64 bits, for sorted groups of more than 20.
    pub fn kappa(&self) -> Option<u64> {
        match &self.kind {
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => Some(pieces.slopes.len() as u64),
            ActivationKind::Maxout { rank } => Some(*rank as u64),
            ActivationKind::GroupSort { size } => (1..=*size as u64).try_fold(1u64, u64::checked_mul),
        }
    }

    /// Consecutive pre-activations that make a unit or group.
    pub fn group_size(&self) -> usize {
        match self.kind {
            ActivationKind::Scalar(_) | ActivationKind::Crelu(_) => 1,
            ActivationKind::Maxout { rank } => rank,
            ActivationKind::GroupSort { size } => size,
        }
    }

    /// Number of functions of the pre-activations of a unit or group where its piece can change: breakpoints, or pairs.
    pub fn n_switches(&self) -> usize {
        match &self.kind {
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => pieces.breakpoints.len(),
            ActivationKind::Maxout { rank: size } | ActivationKind::GroupSort { size } => size * (size - 1) / 2,
        }
    }

    /// Outputs of a layer of so many pre-activations; `None` unless these are whole units and groups.
    pub fn outputs(&self, pre_activations: usize) -> Option<usize> {
        let groups = pre_activations / self.group_size();
        pre_activations.is_multiple_of(self.group_size()).then_some(match self.kind {
            ActivationKind::Maxout { .. } => groups,
            ActivationKind::Crelu(_) => 2 * pre_activations,
            ActivationKind::Scalar(_) | ActivationKind::GroupSort { .. } => pre_activations,
        })
    }

    /// Pre-activations of a layer of so many outputs; `None` unless these are whole groups, and beyond what a number holds.
    pub fn pre_activations(&self, outputs: usize) -> Option<usize> {
        match self.kind {
            ActivationKind::Scalar(_) => Some(outputs),
            ActivationKind::Crelu(_) => outputs.is_multiple_of(2).then_some(outputs / 2),
            ActivationKind::Maxout { rank } => outputs.checked_mul(rank),
            ActivationKind::GroupSort { size } => outputs.is_multiple_of(size).then_some(outputs),
        }
    }

    /// The outputs of a layer with pre-activations `z`, unit after unit and group after group.
    pub fn apply(&self, z: &[f64]) -> Vec<f64> {
        match &self.kind {
            ActivationKind::Scalar(pieces) => z.iter().map(|&z| pieces.value(z)).collect(),
            ActivationKind::Crelu(_) => z.iter().map(|z| z.max(0.0)).chain(z.iter().map(|z| (-z).max(0.0))).collect(),
            ActivationKind::Maxout { rank } => {
                z.chunks_exact(*rank).map(|unit| unit.iter().copied().fold(f64::NEG_INFINITY, f64::max)).collect()
            }
            ActivationKind::GroupSort { size } => {
                let mut h = z.to_vec();
                h.chunks_exact_mut(*size).for_each(|group| group.sort_by(|a, b| b.total_cmp(a)));
                h
            }
        }
    }

    /// The smallest magnitude of a breakpoint; 0 where there is none, and for groups, where differences cross 0.
    pub(crate) fn nearest_breakpoint(&self) -> f64 {
        self.breakpoints().iter().map(|tau| tau.abs()).reduce(f64::min).unwrap_or(0.0)
    }

    /// The slopes (a-, a+) of a positively homogeneous activation of one pre-activation, `a+ max(z, 0) - a- max(-z, 0)`; `None` for any
    /// other.
    pub fn homogeneous_slopes(&self) -> Option<(f64, f64)> {
        let Pieces { breakpoints, slopes, intercepts } = self.scalar()?;
        if intercepts.iter().any(|&c| c != 0.0) {
            return None;
        }
        match (breakpoints.as_slice(), slopes.as_slice()) {
            ([], [a]) => Some((*a, *a)),
            ([0.0], [minus, plus]) => Some((*minus, *plus)),
            _ => None,
        }
    }

    /// Reads a spline file: TOML with `breakpoints`, `slopes` (one more) and `anchor = [x, y]`, a point of the graph.
    fn read_spline(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct SplineFile {
            breakpoints: Vec<f64>,
            slopes: Vec<f64>,
            anchor: Vec<f64>,
        }
        let text = read_text(path)?;
        let file: SplineFile = toml::from_str(&text).map_err(|e| {
            let line = e.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            Error::usage(format!("{}:{line}: {}", path.display(), e.message().replace('\n', " ")))
        })?;
        let name = format!("spline:{}", path.display());
        let anchor = <[f64; 2]>::try_from(file.anchor)
            .map_err(|values| Error::usage(format!("anchor has {} numbers: give [x, y]", values.len())));
        anchor
            .and_then(|anchor| Self::spline(&name, file.breakpoints, file.slopes, anchor))
            .map_err(|e| e.at(path.display()))
    }
}

impl<T: Copy> Pieces<T> {
    /// The same pieces in another number type.
    pub fn map<U>(&self, convert: impl Fn(T) -> U) -> Pieces<U> {
        let all = |values: &[T]| values.iter().map(|&v| convert(v)).collect();
        Pieces { breakpoints: all(&self.breakpoints), slopes: all(&self.slopes), intercepts: all(&self.intercepts) }
    }
}

impl Pieces<f64> {
    /// The activation's value at `z`.
    pub fn value(&self, z: f64) -> f64 {
        let piece = self.lower_piece(z);
        self.slopes[piece] * z + self.intercepts[piece]
    }

    /// The piece of `z`; the lower one of two at a breakpoint.
    pub fn lower_piece(&self, z: f64) -> usize {
        self.breakpoints.iter().filter(|&&tau| tau < z).count()
    }
}

impl FromStr for Activation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, parameter) = text.split_once(':').map_or((text, None), |(k, p)| (k, Some(p)));
        let number = || -> Result<f64> {
            let given =
                parameter.ok_or_else(|| Error::usage(format!("{kind} needs a number, for example {kind}:0.1")))?;
            let value: f64 =
                given.parse().map_err(|_| Error::usage(format!("'{given}' in '{text}' is not a number")))?;
            Ok(value)
        };
        let size = || match parameter.and_then(|p| p.parse::<usize>().ok()) {
            Some(size) if (2..=MAX_GROUP).contains(&size) => Ok(size),
            _ => {
                let example = format!("for example {kind}:4");
                Err(Error::usage(format!("'{text}': give a whole number from 2 to {MAX_GROUP}, {example}")))
            }
        };
        let grouped = |kind| Ok(Self { name: text.to_owned(), kind });
        if parameter.is_some()
            && matches!(kind, "relu" | "abs" | "hard-tanh" | "relu6" | "identity" | "crelu" | "max-min")
        {
            return Err(Error::usage(format!("{kind} takes no parameter, but '{text}' was given")));
        }
        let spline = |breakpoints: &[f64], slopes: &[f64]| {
            Self::spline(text, breakpoints.to_vec(), slopes.to_vec(), [0.0; 2]).map_err(|e| e.at(text))
        };
        match kind {
            "relu" => spline(&[0.0], &[0.0, 1.0]),
            "leaky-relu" => match number()? {
                1.0 => Err(Error::usage("leaky-relu:1 has no breakpoint: use identity")),
                slope => spline(&[0.0], &[slope, 1.0]),
            },
            "abs" => spline(&[0.0], &[-1.0, 1.0]),
            "hard-tanh" => spline(&[-1.0, 1.0], &[0.0, 1.0, 0.0]),
            "relu6" => spline(&[0.0, 6.0], &[0.0, 1.0, 0.0]),
            "soft-threshold" => match number()? {
                lambda if lambda > 0.0 => spline(&[-lambda, lambda], &[1.0, 0.0, 1.0]),
                _ => Err(Error::usage(format!("the threshold of '{text}' must be positive"))),
            },
            "identity" => Ok(Self::identity()),
            "spline" => match parameter {
                Some(file) if !file.is_empty() => Self::read_spline(Path::new(file)),
                _ => Err(Error::usage("spline needs a file: spline:FILE")),
            },
            "crelu" => grouped(ActivationKind::Crelu(Self::relu().pieces().clone())),
            "maxout" => grouped(ActivationKind::Maxout { rank: size()? }),
            "group-sort" => grouped(ActivationKind::GroupSort { size: size()? }),
            "max-min" => grouped(ActivationKind::GroupSort { size: 2 }),
            _ => Err(Error::usage(format!("unknown activation '{text}': use {NAMES}"))),
        }
    }
}

/// The pairs (i, j), i < j, of a group of so many, in lexicographic order: what a crossing's `breakpoint` counts.
pub fn pairs(size: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..size).flat_map(move |i| (i + 1..size).map(move |j| (i, j)))
}

/// The place of the pair (i, j), i < j, in [`pairs`].
pub(crate) fn pair_index(size: usize, i: usize, j: usize) -> usize {
    i * (2 * size - i - 1) / 2 + j - i - 1
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_activations_have_their_textbook_values() {
        type Case = (&'static str, fn(f64) -> f64);
        let cases: [Case; 7] = [
            ("relu", |z| z.max(0.0)),
            ("leaky-relu:0.25", |z| if z > 0.0 { z } else { 0.25 * z }),
            ("abs", f64::abs),
            ("hard-tanh", |z| z.clamp(-1.0, 1.0)),
            ("relu6", |z| z.clamp(0.0, 6.0)),
            ("soft-threshold:0.5", |z| z.signum() * (z.abs() - 0.5).max(0.0)),
            ("identity", |z| z),
        ];
        for (name, expected) in cases {
            let activation: Activation = name.parse().unwrap();
            assert_eq!(activation.to_string(), name);
            for z in [-7.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 5.5, 6.0, 7.0] {
                assert_eq!(activation.pieces().value(z), expected(z), "{name} at {z}");
            }
        }
    }

    #[test]
    fn anchors_on_any_piece_give_the_same_function() {
        let (breakpoints, slopes) = (vec![-1.0, 0.5, 2.0], vec![0.5, -1.0, 3.0, 0.0]);
        let first = Activation::spline("s", breakpoints.clone(), slopes.clone(), [0.0, 1.0]).unwrap();
        for x in [-3.0, -1.0, 0.5, 1.0, 2.0, 4.0] {
            let anchor = [x, first.pieces().value(x)];
            let again = Activation::spline("s", breakpoints.clone(), slopes.clone(), anchor).unwrap();
            assert_eq!(first, again, "anchored at {x}");
        }
    }

    #[test]
    fn homogeneous_slopes_are_recognised() {
        let slopes = |name: &str| name.parse::<Activation>().unwrap().homogeneous_slopes();
        assert_eq!(slopes("relu"), Some((0.0, 1.0)));
        assert_eq!(slopes("abs"), Some((-1.0, 1.0)));
        assert_eq!(slopes("identity"), Some((1.0, 1.0)));
        assert_eq!(slopes("hard-tanh"), None);
        let lifted = Activation::spline("lifted", vec![0.0], vec![0.0, 1.0], [0.0, 1.0]).unwrap();
        assert_eq!(lifted.homogeneous_slopes(), None);
    }

    #[test]
    fn groups_have_their_textbook_values() {
        let apply = |name: &str, z: &[f64]| name.parse::<Activation>().unwrap().apply(z);
        let z = [1.0, -2.0, 3.0, 3.0, 0.5, -1.0];
        assert_eq!(apply("maxout:2", &z), [1.0, 3.0, 0.5]);
        assert_eq!(apply("maxout:3", &z), [3.0, 3.0]);
        assert_eq!(apply("group-sort:3", &z), [3.0, 1.0, -2.0, 3.0, 0.5, -1.0]);
        assert_eq!(apply("max-min", &z), [1.0, -2.0, 3.0, 3.0, 0.5, -1.0]);
        assert_eq!(apply("max-min", &z), apply("group-sort:2", &z));
    }

    #[test]
    fn complexity_and_sizes_of_groups() {
        for (name, kappa, switches, outputs_of_12) in [
            ("relu", Some(2), 1, Some(12)),
            ("maxout:3", Some(3), 3, Some(4)),
            ("maxout:5", Some(5), 10, None),
            ("group-sort:4", Some(24), 6, Some(12)),
            ("group-sort:21", None, 210, None),
            ("max-min", Some(2), 1, Some(12)),
        ] {
            let activation: Activation = name.parse().unwrap();
            assert_eq!(activation.kappa(), kappa, "{name}");
            assert_eq!(activation.n_switches(), switches, "{name}");
            assert_eq!(activation.outputs(12), outputs_of_12, "{name}");
            let back = outputs_of_12.and_then(|outputs| activation.pre_activations(outputs));
            assert_eq!(back, outputs_of_12.map(|_| 12), "{name}");
        }
        for size in 2..7 {
            assert!(pairs(size).enumerate().all(|(ix, (i, j))| pair_index(size, i, j) == ix), "{size}");
        }
    }

    #[test]
    fn bad_groups_are_refused() {
        for (text, message) in [
            ("maxout", "maxout:4"),
            ("maxout:1", "from 2"),
            ("maxout:2.5", "whole number"),
            ("group-sort:1001", "to 1000"),
            ("group-sort:", "group-sort:4"),
            ("max-min:2", "takes no parameter"),
        ] {
            let error = text.parse::<Activation>().unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
