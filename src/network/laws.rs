//! The laws that weights and biases are drawn from.

use std::fmt;
use std::str::FromStr;

use super::Affine;
use crate::error::{Error, Result};
use crate::random::StandardLaw;

/// The law of the weights of a layer with `fan_in` inputs and `fan_out` pre-activations: for maxout units those of all branches, so that
/// every law is that of the weight matrix, whatever the activation; for convolutions those of [`Affine::fan_in`] and
/// [`Affine::fan_out`], as in PyTorch. Weights are independent, but for [`WeightLaw::Orthogonal`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum WeightLaw {
    /// Normal with variance 2 / fan_in (He, Zhang, Ren and Sun 2015).
    HeNormal,
    /// Uniform with variance 2 / fan_in.
    HeUniform,
    /// Normal with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010).
    GlorotNormal,
    /// Uniform with variance 2 / (fan_in + fan_out).
    GlorotUniform,
    /// Normal with variance 1 / fan_in (LeCun, Bottou, Orr and Müller 1998).
    LecunNormal,
    /// Uniform on ±1 / sqrt(fan_in): the default of torch.nn.Linear and Conv2d.
    Torch,
    /// Normal with this standard deviation.
    Normal(f64),
    /// Uniform with this standard deviation.
    Uniform(f64),
    /// Laplace with this standard deviation.
    Laplace(f64),
    /// Student's t with these degrees of freedom, scaled to this standard deviation.
    StudentT {
        /// Degrees of freedom, at least 2.5.
        df: f64,
        /// Standard deviation.
        std: f64,
    },
    /// Uniformly distributed (Haar) matrix with orthonormal rows, or columns where there are more units than inputs
    /// (Saxe, McClelland and Ganguli 2014, gain 1).
    Orthogonal,
}

impl WeightLaw {
    /// The standardised law of one weight; for the orthogonal law, of the matrix that is made orthonormal.
    pub fn standard_law(self) -> StandardLaw {
        match self {
            Self::HeNormal | Self::GlorotNormal | Self::LecunNormal | Self::Normal(_) | Self::Orthogonal => {
                StandardLaw::Normal
            }
            Self::HeUniform | Self::GlorotUniform | Self::Torch | Self::Uniform(_) => StandardLaw::Uniform,
            Self::Laplace(_) => StandardLaw::Laplace,
            Self::StudentT { df, .. } => StandardLaw::StudentT(df),
        }
    }

    /// The variance of one weight of an affine map.
    pub fn variance(self, affine: Affine) -> f64 {
        let (fan_in, fan_out) = (affine.fan_in() as f64, affine.fan_out() as f64);
        match self {
            Self::HeNormal | Self::HeUniform => 2.0 / fan_in,
            Self::GlorotNormal | Self::GlorotUniform => 2.0 / (fan_in + fan_out),
            Self::LecunNormal => 1.0 / fan_in,
            Self::Torch => 1.0 / (3.0 * fan_in),
            Self::Normal(std) | Self::Uniform(std) | Self::Laplace(std) | Self::StudentT { std, .. } => std * std,
            Self::Orthogonal => 1.0 / fan_in.max(affine.matrix()[1] as f64),
        }
    }

    /// Whether rows of a matrix are independent of each other.
    pub(crate) fn has_independent_rows(self) -> bool {
        self != Self::Orthogonal
    }

    /// Whether the weights are independent normal variables.
    pub fn is_gaussian(self) -> bool {
        self.standard_law() == StandardLaw::Normal && self != Self::Orthogonal
    }
}

/// The law of the biases of a layer; biases are independent of each other and of the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum BiasLaw {
    /// No bias.
    Zero,
    /// Normal with this standard deviation.
    Normal(f64),
    /// Uniform on ± this half-width.
    Uniform(f64),
    /// Uniform on ±1 / sqrt(fan_in): the default of torch.nn.Linear.
    Torch,
}

impl BiasLaw {
    /// The standardised law of one bias, `None` where biases are zero.
    pub fn standard_law(self) -> Option<StandardLaw> {
        match self {
            Self::Zero => None,
            Self::Normal(_) => Some(StandardLaw::Normal),
            Self::Uniform(_) | Self::Torch => Some(StandardLaw::Uniform),
        }
    }

    /// The standard deviation of one bias of an affine map.
    pub fn std(self, affine: Affine) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::Normal(std) => std,
            Self::Uniform(half_width) => half_width / 3f64.sqrt(),
            Self::Torch => (1.0 / (3.0 * affine.fan_in() as f64)).sqrt(),
        }
    }

    /// The density of one bias of an affine map, `None` where biases have none.
    pub fn density(self, affine: Affine) -> Option<BiasDensity> {
        match self {
            Self::Zero => None,
            Self::Normal(std) => Some(BiasDensity::Normal { std }),
            Self::Uniform(half_width) => Some(BiasDensity::Uniform { half_width }),
            Self::Torch => Some(BiasDensity::Uniform { half_width: (affine.fan_in() as f64).sqrt().recip() }),
        }
    }
}

/// The density of a bias, symmetric about 0, where it is largest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BiasDensity {
    /// Normal.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// Constant between ± the half-width.
    Uniform {
        /// Half-width.
        half_width: f64,
    },
}

impl BiasDensity {
    /// Its value at `x`.
    pub fn at(self, x: f64) -> f64 {
        match self {
            Self::Normal { std } => (-0.5 * (x / std).powi(2)).exp() / (std * (2.0 * std::f64::consts::PI).sqrt()),
            Self::Uniform { half_width } if x.abs() < half_width => 0.5 / half_width,
            Self::Uniform { .. } => 0.0,
        }
    }
}

/// Splits `name:1:2` into its name and numbers, each of which must be positive and in the range of f32.
pub(crate) fn name_and_numbers(text: &str) -> Result<(&str, Vec<f64>)> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let number = |part: &str| match part.parse::<f64>() {
        Ok(value) if value > 0.0 && (value as f32).is_normal() => Ok(value),
        _ => Err(Error::usage(format!("'{part}' in '{text}' must be a positive number within the range of f32"))),
    };
    Ok((name, parts.map(number).collect::<Result<_>>()?))
}

impl FromStr for WeightLaw {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, numbers) = name_and_numbers(text)?;
        match (name, numbers.as_slice()) {
            ("he-normal", []) => Ok(Self::HeNormal),
            ("he-uniform", []) => Ok(Self::HeUniform),
            ("glorot-normal", []) => Ok(Self::GlorotNormal),
            ("glorot-uniform", []) => Ok(Self::GlorotUniform),
            ("lecun-normal", []) => Ok(Self::LecunNormal),
            ("torch", []) => Ok(Self::Torch),
            ("orthogonal", []) => Ok(Self::Orthogonal),
            ("normal", &[std]) => Ok(Self::Normal(std)),
            ("uniform", &[std]) => Ok(Self::Uniform(std)),
            ("laplace", &[std]) => Ok(Self::Laplace(std)),
            ("student-t", &[df, std]) => Ok(Self::StudentT { df, std }),
            _ => Err(Error::usage(format!(
                "unknown weight law '{text}': use he-normal, he-uniform, glorot-normal, glorot-uniform, lecun-normal, torch, \
                 normal:STD, uniform:STD, laplace:STD, student-t:DF:STD or orthogonal"
            ))),
        }
    }
}

impl fmt::Display for WeightLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeNormal => f.write_str("he-normal"),
            Self::HeUniform => f.write_str("he-uniform"),
            Self::GlorotNormal => f.write_str("glorot-normal"),
            Self::GlorotUniform => f.write_str("glorot-uniform"),
            Self::LecunNormal => f.write_str("lecun-normal"),
            Self::Torch => f.write_str("torch"),
            Self::Normal(std) => write!(f, "normal:{std}"),
            Self::Uniform(std) => write!(f, "uniform:{std}"),
            Self::Laplace(std) => write!(f, "laplace:{std}"),
            Self::StudentT { df, std } => write!(f, "student-t:{df}:{std}"),
            Self::Orthogonal => f.write_str("orthogonal"),
        }
    }
}

impl FromStr for BiasLaw {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, numbers) = name_and_numbers(text)?;
        match (name, numbers.as_slice()) {
            ("zero", []) => Ok(Self::Zero),
            ("normal", &[std]) => Ok(Self::Normal(std)),
            ("uniform", &[half_width]) => Ok(Self::Uniform(half_width)),
            ("torch", []) => Ok(Self::Torch),
            _ => Err(Error::usage(format!(
                "unknown bias law '{text}': use zero, normal:STD, uniform:HALFWIDTH or torch"
            ))),
        }
    }
}

impl fmt::Display for BiasLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("zero"),
            Self::Normal(std) => write!(f, "normal:{std}"),
            Self::Uniform(half_width) => write!(f, "uniform:{half_width}"),
            Self::Torch => f.write_str("torch"),
        }
    }
}
