//! Continuous piecewise-linear (CPWL) activations of one pre-activation, as data: breakpoints and slopes.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::files::read_text;

const NAMES: &str = "relu, leaky-relu:SLOPE, abs, hard-tanh, relu6, soft-threshold:LAMBDA, identity or spline:FILE";

/// A CPWL function of one pre-activation: pieces of constant slope that meet at breakpoints.
///
/// Piece k lies between breakpoints k - 1 and k; a value exactly on a breakpoint counts to the lower piece.
#[derive(Clone, Debug, PartialEq)]
pub struct Activation {
    name: String,
    pieces: Pieces<f64>,
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
        Ok(Self { name: name.to_owned(), pieces: Pieces { breakpoints, slopes, intercepts } })
    }

    /// `max(z, 0)`.
    pub fn relu() -> Self {
        Self::spline("relu", vec![0.0], vec![0.0, 1.0], [0.0; 2]).expect("valid")
    }

    /// `z` itself.
    pub fn identity() -> Self {
        Self::spline("identity", Vec::new(), vec![1.0], [0.0; 2]).expect("valid")
    }

    /// Number of pieces, the activation complexity kappa.
    pub fn kappa(&self) -> usize {
        self.pieces.slopes.len()
    }

    /// The pieces as data.
    pub fn pieces(&self) -> &Pieces<f64> {
        &self.pieces
    }

    /// The smallest magnitude of a breakpoint; 0 where there is none.
    pub(crate) fn nearest_breakpoint(&self) -> f64 {
        self.pieces.breakpoints.iter().map(|tau| tau.abs()).reduce(f64::min).unwrap_or(0.0)
    }

    /// The slopes (a-, a+) of a positively homogeneous activation, `a+ max(z, 0) - a- max(-z, 0)`; `None` for any other.
    pub fn homogeneous_slopes(&self) -> Option<(f64, f64)> {
        let Pieces { breakpoints, slopes, intercepts } = &self.pieces;
        if intercepts.iter().any(|&c| c != 0.0) {
            return None;
        }
        match (breakpoints.as_slice(), slopes.as_slice()) {
            ([], [a]) => Some((*a, *a)),
            ([0.0], [minus, plus]) => Some((*minus, *plus)),
            _ => None,
        }
    }

    /// A bound on the mean of sigma'^2 under a symmetric law: (a-^2 + a+^2) / 2, the mean itself, for homogeneous activations, else the largest
    /// squared slope.
    pub(crate) fn mean_square_slope(&self) -> f64 {
        match self.homogeneous_slopes() {
            Some((minus, plus)) => 0.5 * (minus * minus + plus * plus),
            None => self.pieces.slopes.iter().fold(0.0, |c: f64, a| c.max(a * a)),
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
        if parameter.is_some() && matches!(kind, "relu" | "abs" | "hard-tanh" | "relu6" | "identity") {
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
            _ => Err(Error::usage(format!("unknown activation '{text}': use {NAMES}"))),
        }
    }
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
}
