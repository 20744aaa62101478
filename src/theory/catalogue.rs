//! Every bound that the crate knows, applied to one architecture: which holds, what it says, and where it is from.

mod convolutional;
mod dense;

use num_bigint::BigUint;

pub use self::convolutional::SpecialShape;
pub(in crate::theory) use self::convolutional::convolutions;
use self::convolutional::{convolutional_bounds, special_bounds};
use self::dense::{Chain, dense_bounds};
use super::regions::conv::ConvNetwork;
use super::regions::piecewise::Layer;
use super::regions::{Bound, Inapplicable};
use super::{density, infinite_width};
use crate::ensemble::Ensemble;
use crate::error::Result;
use crate::network::BiasLaw;

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The largest number of activation regions of any network of the architecture.
    Regions,
    /// The expected crossings per unit length of an ensemble.
    Density,
}

/// On which side of the truth a bound is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// At least the truth.
    Upper,
    /// At most the truth.
    Lower,
    /// The truth.
    Exact,
}

/// What a bound says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number of regions.
    Count(BigUint),
    /// A density.
    Density(f64),
}

impl Value {
    /// The logarithm to base 10; of a value of 0 minus infinity.
    pub fn log10(&self) -> f64 {
        match self {
            Self::Count(count) => {
                let digits = count.to_string();
                let (leading, rest) = digits.split_at(digits.len().min(17));
                leading.parse::<f64>().unwrap_or(0.0).log10() + rest.len() as f64
            }
            Self::Density(density) => density.log10(),
        }
    }
}

/// One bound for one architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name of the function that computes it.
    pub id: &'static str,
    /// What it bounds.
    pub quantity: Quantity,
    /// From which side.
    pub direction: Direction,
    /// What it says, or which of its hypotheses fails.
    pub value: std::result::Result<Value, Inapplicable>,
    /// Author, year and statement.
    pub source: &'static str,
    /// Whether no other applicable bound from the same side is closer.
    pub tightest: bool,
}

/// The shape of a network as far as bounds on its number of regions depend on it.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Dense layers.
    Dense {
        /// Input dimension.
        inputs: usize,
        /// Hidden layers.
        layers: Vec<Layer>,
        /// Whether the units are rectified linear: two pieces, one of them flat.
        rectified: bool,
    },
    /// Convolutional layers of rectified linear units.
    Convolutional(ConvNetwork),
    /// Other convolutions, pooling, and skips.
    Special(SpecialShape),
}

/// Every bound on the number of regions of a shape.
pub fn region_bounds(shape: &Shape) -> Vec<Entry> {
    let mut entries = match shape {
        Shape::Dense { inputs, layers, rectified } => dense_bounds(&Chain::new(*inputs, layers, *rectified)),
        Shape::Convolutional(network) => convolutional_bounds(network),
        Shape::Special(shape) => special_bounds(shape),
    };
    mark_tightest(&mut entries);
    entries
}

fn regions(id: &'static str, direction: Direction, value: Bound, source: &'static str) -> Entry {
    Entry { id, quantity: Quantity::Regions, direction, value: value.map(Value::Count), source, tightest: false }
}

/// What is known of the expected density of an ensemble.
///
/// # Errors
/// A path of the law that is too long for a 64-bit number.
pub fn density_bounds(ensemble: &Ensemble) -> Result<Vec<Entry>> {
    let is_dense = ensemble.network.architecture().is_dense_chain();
    let unless_special =
        |reason| if is_dense { reason } else { "there is none for convolutions, pooling and skips so far" };
    let network = &ensemble.network;
    let is_normal = network.weights().is_gaussian() && matches!(network.bias(), BiasLaw::Zero | BiasLaw::Normal(_));
    let upper = density::density_upper(&ensemble.network).map(|bound| bound.total());
    let limit = infinite_width::density(ensemble)?.map(|layers| layers.iter().sum());
    let entry = |id, direction, value: Option<f64>, reason: &str, source| Entry {
        id,
        quantity: Quantity::Density,
        direction,
        value: value.map(Value::Density).ok_or_else(|| Inapplicable(reason.to_owned())),
        source,
        tightest: false,
    };
    let mut entries = vec![
        entry(
            "density_upper",
            Direction::Upper,
            upper,
            unless_special("biases have no bounded density"),
            "in the form of Goujon, Etemadi and Unser 2024, with constants derived here",
        ),
        entry(
            "infinite_width_density",
            Direction::Exact,
            limit,
            match is_normal {
                true => "there is none for pooling, skips without a map and groups of the input's channels so far",
                false => "weights and biases are not independent normal variables",
            },
            "Kac 1943 and Rice 1944, in the limit of infinite width",
        ),
        entry(
            "hanin_rolnick_2019_line",
            Direction::Upper,
            None,
            match is_dense {
                true => {
                    "it needs a bound on gradients; density_upper is this bound with one that is derived for the ensemble"
                }
                false => "it needs a bound on gradients",
            },
            "Hanin and Rolnick 2019: breakpoints x units x gradient x bias density",
        ),
        entry(
            "tseran_montufar_2021_regions",
            Direction::Upper,
            None,
            "it is about the volume of maxout networks' inputs; theory::expected has the function",
            "Tseran and Montufar 2021",
        ),
    ];
    mark_tightest(&mut entries);
    Ok(entries)
}

/// Marks the smallest upper and the largest lower bound on the number of regions; an exact value is both. The limit of a density is no
/// bound, so there only upper bounds compare.
fn mark_tightest(entries: &mut [Entry]) {
    for (quantity, direction) in [
        (Quantity::Regions, Direction::Upper),
        (Quantity::Regions, Direction::Lower),
        (Quantity::Density, Direction::Upper),
    ] {
        let of_kind = |e: &Entry| {
            let is_exact = quantity == Quantity::Regions && e.direction == Direction::Exact;
            e.quantity == quantity && (e.direction == direction || is_exact)
        };
        let values = entries.iter().filter(|e| of_kind(e)).filter_map(|e| e.value.as_ref().ok());
        let best = values.reduce(|best, value| if closer(value, best, direction) { value } else { best }).cloned();
        if let Some(best) = best {
            entries.iter_mut().filter(|e| of_kind(e) && e.value.as_ref() == Ok(&best)).for_each(|e| e.tightest = true);
        }
    }
}

fn closer(a: &Value, b: &Value, direction: Direction) -> bool {
    let order = match (a, b) {
        (Value::Count(a), Value::Count(b)) => a.partial_cmp(b),
        (Value::Density(a), Value::Density(b)) => a.partial_cmp(b),
        _ => None,
    };
    order == Some(if direction == Direction::Upper { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater })
}
