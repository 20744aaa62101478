//! Every bound that the crate knows, applied to one architecture: which holds, what it says, and where it is from.

use num_bigint::BigUint;

use super::regions::conv::{
    ConvLayer, ConvNetwork, one_layer_regions, xiong_2020_lower, xiong_2020_one_layer, xiong_2020_upper,
};
use super::regions::dense::*;
use super::regions::piecewise::*;
use super::regions::{Bound, Inapplicable};
use super::{density, infinite_width};
use crate::ensemble::Ensemble;
use crate::error::Result;

/// Words of 64 bits that the arithmetic of one bound may touch; it takes in the order of ten seconds.
const MAX_WORK: f64 = 1e10;

/// Bits of a number that is worth writing down.
const MAX_BITS: f64 = 1e6;

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
}

/// Every bound on the number of regions of a shape.
pub fn region_bounds(shape: &Shape) -> Vec<Entry> {
    let mut entries = match shape {
        Shape::Dense { inputs, layers, rectified } => dense_bounds(*inputs, layers, *rectified),
        Shape::Convolutional(network) => convolutional_bounds(network),
    };
    mark_tightest(&mut entries);
    entries
}

fn regions(id: &'static str, direction: Direction, value: Bound, source: &'static str) -> Entry {
    Entry { id, quantity: Quantity::Regions, direction, value: value.map(Value::Count), source, tightest: false }
}

fn dense_bounds(inputs: usize, layers: &[Layer], rectified: bool) -> Vec<Entry> {
    use Direction::{Exact, Lower, Upper};
    let widths: Vec<usize> = layers.iter().map(Layer::width).collect();
    let two_pieces = layers.iter().all(|l| matches!(l, Layer::Scalar { kappa: 2, .. }));
    let hyperplanes = || match two_pieces {
        true => Ok(()),
        false => Err(Inapplicable("it is about units with one breakpoint".to_owned())),
    };
    let relu = || match rectified {
        true => Ok(()),
        false => Err(Inapplicable("it is about rectified linear units".to_owned())),
    };
    let one_layer = || match layers {
        [_] => Ok(()),
        _ => Err(Inapplicable(format!("there are {} layers, not one", layers.len()))),
    };
    let affordable = |bits: f64, work: f64| match (bits <= MAX_BITS, work <= MAX_WORK) {
        (true, true) => Ok(()),
        (false, _) => Err(Inapplicable(format!("it has about {bits:.0e} bits, more than {MAX_BITS:.0e}"))),
        (_, false) => Err(Inapplicable(format!("it takes about {work:.0e} operations, more than {MAX_WORK:.0e}"))),
    };
    let patterns: f64 = layers.iter().map(|l| l.units() as f64 * l.kappa().bits() as f64).sum();
    let cost = |steps: fn(f64, f64, f64) -> f64| {
        let (mut bits, mut work) = (0.0, 0.0);
        for (dim, layer) in entering(inputs, &widths).zip(layers) {
            let (dim, n) = (dim.min(layer.width()) as f64, layer.width() as f64);
            let kappa = layer.kappa().bits() as f64;
            let more = (n * kappa).min(dim * (n.log2() + 2.0 * kappa)) + 1.0;
            bits += more;
            work += steps(dim, more / 64.0 + 1.0, bits / 64.0 + 1.0);
        }
        affordable(bits, work)
    };
    // Sums up to the entering dimension, multiplied over layers; programmes that multiply for every pair of dimensions.
    let sums = |bound: &dyn Fn() -> Bound| {
        cost(|dim, words, all_words| dim * words + words * all_words).and_then(|()| bound())
    };
    let programme =
        |bound: &dyn Fn() -> Bound| cost(|dim, words, all_words| dim * dim * words * all_words).and_then(|()| bound());
    vec![
        regions(
            "trivial_upper",
            Upper,
            affordable(patterns, 0.0).map(|()| layers.iter().map(|l| num_traits::pow(l.kappa(), l.units())).product()),
            "every unit on any of its pieces",
        ),
        regions(
            "zaslavsky_1975",
            Exact,
            one_layer().and_then(|()| hyperplanes()).and_then(|()| sums(&|| Ok(zaslavsky_1975(widths[0], inputs)))),
            "Zaslavsky 1975: hyperplanes in general position",
        ),
        regions(
            "raghu_2017_upper",
            Upper,
            hyperplanes().and_then(|()| sums(&|| Ok(raghu_2017_upper(inputs, &widths)))),
            "Raghu et al. 2017, with the sums written out",
        ),
        regions(
            "pascanu_2013_lower",
            Lower,
            relu().and_then(|()| sums(&|| pascanu_2013_lower(inputs, &widths))),
            "Pascanu, Montufar and Bengio 2013 (recalled)",
        ),
        regions(
            "montufar_2014_lower",
            Lower,
            relu().and_then(|()| sums(&|| montufar_2014_lower(inputs, &widths))),
            "Montufar, Pascanu, Cho and Bengio 2014",
        ),
        regions(
            "montufar_2017_upper",
            Upper,
            hyperplanes().and_then(|()| sums(&|| Ok(montufar_2017_upper(inputs, &widths)))),
            "Montufar 2017",
        ),
        regions(
            "serra_2018_upper",
            Upper,
            relu().and_then(|()| programme(&|| Ok(serra_2018_upper(inputs, &widths)))),
            "Serra, Tjandraatmadja and Ramalingam 2018, Theorem 1",
        ),
        regions(
            "serra_2018_lower",
            Lower,
            relu().and_then(|()| sums(&|| serra_2018_lower(inputs, &widths))),
            "Serra, Tjandraatmadja and Ramalingam 2018, lower bound",
        ),
        regions(
            "serra_2018_one_input",
            Exact,
            relu().and_then(|()| serra_2018_one_input(inputs, &widths)),
            "Serra, Tjandraatmadja and Ramalingam 2018: exact on one input",
        ),
        regions(
            "arora_2018_lower",
            Lower,
            relu().and_then(|()| sums(&|| arora_2018_lower(inputs, &widths))),
            "Arora et al. 2018, as quoted by Serra et al. 2018 (recalled)",
        ),
        regions(
            "hinz_vandegeer_2019_upper",
            Upper,
            relu().and_then(|()| programme(&|| Ok(hinz_vandegeer_2019_upper(inputs, &widths)))),
            "Hinz and van de Geer 2019, with the histograms of Serra et al.",
        ),
        regions(
            "serra_2018_maxout_upper",
            Upper,
            sums(&|| serra_2018_maxout_upper(inputs, layers)),
            "Serra, Tjandraatmadja and Ramalingam 2018, Theorem 2 as corrected here",
        ),
        regions(
            "montufar_ren_zhang_2021_upper",
            Upper,
            sums(&|| montufar_ren_zhang_2021_upper(inputs, layers)),
            "Montufar, Ren and Zhang 2022, multiplied over layers (recalled)",
        ),
        regions(
            "zigzag_lower",
            Lower,
            Err(Inapplicable("the slopes of its activation must be free to choose".to_owned())),
            "derived here: zigzags of floor(n / n0) units an input",
        ),
        regions(
            "goujon_2024_upper",
            Upper,
            sums(&|| Ok(goujon_2024_upper(inputs, layers))),
            "derived here, in the form of Goujon, Etemadi and Unser 2024 (recalled)",
        ),
        regions(
            "layer_polynomial_upper",
            Upper,
            sums(&|| Ok(layer_polynomial_upper(inputs, layers))),
            "derived here: product of the layers' generic maxima",
        ),
    ]
}

fn convolutional_bounds(network: &ConvNetwork) -> Vec<Entry> {
    let [first, later @ ..] = network.layers() else { unreachable!("a network has a layer") };
    let one_layer = || match later {
        [] => Ok(()),
        _ => Err(Inapplicable(format!("there are {} layers, not one", later.len() + 1))),
    };
    // What holds for all dense networks of these widths holds for those whose weights are those of convolutions.
    let scalar = |l: &ConvLayer| Layer::Scalar { units: l.positions() * l.filters, kappa: 2 };
    let layers: Vec<Layer> = network.layers().iter().map(scalar).collect();
    let inputs = first.input[0] * first.input[1] * first.channels;
    let dense = dense_bounds(inputs, &layers, true).into_iter();
    let for_all = |e: &Entry| ["trivial_upper", "montufar_2017_upper", "serra_2018_upper"].contains(&e.id);
    let formula_direction = if first.formula_is_exact() { Direction::Exact } else { Direction::Upper };
    // One layer is its own lower bound, and takes long enough to count once.
    let one_layer_count = one_layer().and_then(|()| one_layer_regions(first));
    let lower = if later.is_empty() { one_layer_count.clone() } else { xiong_2020_lower(network) };
    let own = [
        regions(
            "xiong_2020_one_layer",
            formula_direction,
            one_layer().and_then(|()| xiong_2020_one_layer(first)),
            "Xiong et al. 2020, Theorem 1; with filters shared in two dimensions an upper bound only",
        ),
        regions(
            "one_layer_regions",
            Direction::Exact,
            one_layer_count,
            "derived here: independent sets of the normals' matroid, over a field of 2^61 - 1 elements",
        ),
        regions(
            "xiong_2020_lower",
            Direction::Lower,
            lower,
            "Xiong et al. 2020, Theorem 2, with the true number of its one-layer factor",
        ),
        regions("xiong_2020_upper", Direction::Upper, xiong_2020_upper(network), "Xiong et al. 2020, Theorem 2"),
    ];
    own.into_iter().chain(dense.filter(for_all)).collect()
}

/// What is known of the expected density of an ensemble.
///
/// # Errors
/// A path of the law that is too long for a 64-bit number.
pub fn density_bounds(ensemble: &Ensemble) -> Result<Vec<Entry>> {
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
            "biases have no bounded density",
            "in the form of Goujon, Etemadi and Unser 2024, with constants derived here",
        ),
        entry(
            "infinite_width_density",
            Direction::Exact,
            limit,
            "weights and biases are not independent normal variables",
            "Kac 1943 and Rice 1944, in the limit of infinite width",
        ),
        entry(
            "hanin_rolnick_2019_line",
            Direction::Upper,
            None,
            "it needs a bound on gradients; density_upper is this bound with one that is derived for the ensemble",
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
