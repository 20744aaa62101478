//! Bounds for any continuous piecewise-linear activation, scalar or grouped.
//!
//! One layer cuts the space that enters it into at most as many regions as the coefficients of its layer polynomial sum up to: the product of
//! the polynomials of its units, up to the dimension of the space ([`Layer`]). A deep network has at most the product over layers.

use num_bigint::BigUint;
use num_traits::One;

use super::dense::entering;
use super::sums::{Polynomial, binomial_sum, binomials};
use super::{Bound, Inapplicable};

/// A layer as far as its number of regions depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Units of one pre-activation with `kappa` pieces: each is `kappa - 1` parallel hyperplanes, polynomial 1 + (kappa - 1) t.
    Scalar {
        /// Number of units.
        units: usize,
        /// Pieces of the activation.
        kappa: usize,
    },
    /// Units that are the maximum of `rank` pre-activations, polynomial 1 + (rank - 1) t.
    Maxout {
        /// Number of units.
        units: usize,
        /// Pre-activations of a unit.
        rank: usize,
    },
    /// Groups of `size` pre-activations that are sorted: the hyperplanes of equal pairs (the braid arrangement), polynomial
    /// (1 + t) (1 + 2 t) ... (1 + (size - 1) t).
    GroupSort {
        /// Number of groups.
        groups: usize,
        /// Pre-activations of a group.
        size: usize,
    },
}

impl Layer {
    /// Values that leave the layer.
    pub fn width(&self) -> usize {
        match *self {
            Self::Scalar { units, .. } | Self::Maxout { units, .. } => units,
            Self::GroupSort { groups, size } => groups * size,
        }
    }

    /// Units, or groups, each of which has its own pieces.
    pub fn units(&self) -> usize {
        match *self {
            Self::Scalar { units, .. } | Self::Maxout { units, .. } => units,
            Self::GroupSort { groups, .. } => groups,
        }
    }

    /// Pieces of a unit or group, its activation complexity.
    pub fn kappa(&self) -> BigUint {
        match *self {
            Self::Scalar { kappa, .. } => BigUint::from(kappa),
            Self::Maxout { rank, .. } => BigUint::from(rank),
            Self::GroupSort { size, .. } => (1..=size).map(BigUint::from).product(),
        }
    }

    /// The layer polynomial up to degree `dim`.
    fn polynomial(&self, dim: usize) -> Polynomial {
        match *self {
            Self::Scalar { units, kappa } => Polynomial::power(kappa - 1, units, dim),
            Self::Maxout { units, rank } => Polynomial::power(rank - 1, units, dim),
            Self::GroupSort { groups, size } => {
                let one = Polynomial::power(0, 0, dim);
                let group = (1..size).fold(one, |product, i| product.times(&Polynomial::power(i, 1, dim), dim));
                group.to_the(groups, dim)
            }
        }
    }
}

/// The most regions into which one layer cuts a space of `dim` dimensions: the sum of the coefficients of its polynomial up to `dim`.
///
/// For scalar units and GroupSort this is the number in general position (Zaslavsky 1975; Whitney numbers of a generic section of the
/// arrangement); for maxout it is the sharp bound of Montufar, Ren, Zhang, "Sharp bounds for the number of regions of maxout networks
/// and vertices of Minkowski sums" (SIAM J. Appl. Algebra Geometry 6, 2022).
pub fn layer_maximum(layer: &Layer, dim: usize) -> BigUint {
    layer.polynomial(dim).sum(dim)
}

/// An upper bound for any activations: the product over layers of [`layer_maximum`] in the dimension that can enter them. Derived here by
/// induction over layers: on every region of the layers before, what enters is an affine image of at most that dimension.
pub fn layer_polynomial_upper(inputs: usize, layers: &[Layer]) -> BigUint {
    product_over_layers(entering_layers(inputs, layers), layers, layer_maximum)
}

/// An upper bound by the number of pieces alone: prod_l sum_{k <= d_l} C(W_l, k) (kappa_l - 1)^k with W_l units (or groups) of kappa_l pieces
/// and d_l the dimension that can enter.
///
/// In the form of the bounds by activation complexity of Goujon, Etemadi, Unser, "On the number of regions of piecewise linear neural
/// networks" (J. Comput. Appl. Math. 441, 2024), as recalled. For scalar units, maxout and GroupSort it is derived here, from
/// [`layer_polynomial_upper`], which is never larger.
pub fn goujon_2024_upper(inputs: usize, layers: &[Layer]) -> BigUint {
    product_over_layers(entering_layers(inputs, layers), layers, complexity_maximum)
}

/// The factor of one layer: sum_{k <= dim} C(W, k) (kappa - 1)^k.
pub(in crate::theory) fn complexity_maximum(layer: &Layer, dim: usize) -> BigUint {
    let fewer = layer.kappa() - 1u32;
    let terms = binomials(layer.units()).take(dim.saturating_add(1));
    let mut power = BigUint::one();
    terms
        .map(|binomial| {
            let term = binomial * &power;
            power *= &fewer;
            term
        })
        .sum()
}

/// An upper bound for maxout networks: prod_l sum_{j <= d_l} C(n_l k (k - 1) / 2, j) with d_l = min(n0, ..., n_{l-1}): every pair of a unit's
/// pre-activations is one hyperplane.
///
/// Source: Serra, Tjandraatmadja, Ramalingam (ICML 2018), Theorem 2 as corrected here: pairs of pre-activations, and the dimension that enters a layer.
pub fn serra_2018_maxout_upper(inputs: usize, layers: &[Layer]) -> Bound {
    let ranks = maxout_ranks(layers)?;
    let widths: Vec<usize> = layers.iter().map(Layer::width).collect();
    let hyperplanes = |(n, k): (&usize, &usize)| n * (k * (k - 1) / 2);
    let pairs = widths.iter().zip(&ranks).map(hyperplanes);
    Ok(entering(inputs, &widths).zip(pairs).map(|(dim, n)| binomial_sum(n, dim)).product())
}

/// An upper bound for maxout networks, sharp for one layer: prod_l sum_{j <= d_l} C(n_l, j) (k - 1)^j.
///
/// Source: Montufar, Ren, Zhang (2022) for a layer, and its product for deep networks; as recalled.
pub fn montufar_ren_zhang_2021_upper(inputs: usize, layers: &[Layer]) -> Bound {
    maxout_ranks(layers)?;
    Ok(layer_polynomial_upper(inputs, layers))
}

/// A number of regions that a network of these widths reaches if the activation's slopes can be chosen: prod_l (floor(n_l / n0) (kappa - 1) + 1)^n0.
///
/// Derived here: the units of a layer that look at one coordinate sum to any function of it with so many breakpoints, such as a zigzag that
/// maps each of its pieces onto the whole interval.
pub fn zigzag_lower(inputs: usize, layers: &[Layer]) -> Bound {
    let mut product = BigUint::one();
    for (ix, layer) in layers.iter().enumerate() {
        let Layer::Scalar { units, kappa } = *layer else {
            return Err(Inapplicable("its units have several pre-activations".to_owned()));
        };
        if units < inputs {
            return Err(Inapplicable(format!("layer {} has {units} units, fewer than {inputs} inputs", ix + 1)));
        }
        product *= num_traits::pow(BigUint::from(units / inputs) * (kappa - 1) + 1u32, inputs);
    }
    Ok(product)
}

/// The product over layers of a number that depends on the dimension that enters a layer.
pub(in crate::theory) fn product_over_layers(
    entering: impl Iterator<Item = usize>,
    layers: &[Layer],
    maximum: impl Fn(&Layer, usize) -> BigUint,
) -> BigUint {
    entering.zip(layers).map(|(dim, layer)| maximum(layer, dim)).product()
}

fn entering_layers(inputs: usize, layers: &[Layer]) -> impl Iterator<Item = usize> {
    let widths: Vec<usize> = layers.iter().map(Layer::width).collect();
    entering(inputs, &widths).collect::<Vec<usize>>().into_iter()
}

fn maxout_ranks(layers: &[Layer]) -> Result<Vec<usize>, Inapplicable> {
    let rank = |layer: &Layer| match *layer {
        Layer::Maxout { rank, .. } => Ok(rank),
        _ => Err(Inapplicable("its units are not maxout".to_owned())),
    };
    layers.iter().map(rank).collect()
}
