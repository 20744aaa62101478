//! Bounds for dense networks of rectified linear units.
//!
//! Functions take the input dimension and the widths of the hidden layers. All count activation regions, the cells of constant activation
//! pattern with interior points; there are at least as many of them as linear regions.

use num_bigint::BigUint;
use num_traits::{One, Zero};

use super::sums::{binomial_sum, binomials};
use super::{Bound, Inapplicable};

/// The most regions into which `units` hyperplanes cut a space of `dim` dimensions, reached in general position; so the most regions of one
/// layer of units with one breakpoint: sum over j <= dim of C(units, j).
///
/// Source: Zaslavsky, "Facing up to arrangements", Memoirs AMS 154 (1975).
pub fn zaslavsky_1975(units: usize, dim: usize) -> BigUint {
    binomial_sum(units, dim)
}

/// The most patterns that units with these numbers of pieces can have: the product of the numbers, 2^N for N rectified linear units.
pub fn trivial_upper(widths: &[usize], kappa: usize) -> BigUint {
    let units = widths.iter().sum::<usize>();
    num_traits::pow(BigUint::from(kappa), units)
}

/// The product over layers of the most regions into which a layer cuts the input space: prod_l sum_{j <= n0} C(n_l, j).
///
/// Source: the induction behind the bound of Raghu, Poole, Kleinberg, Ganguli, Sohl-Dickstein, "On the expressive power of deep neural
/// networks" (ICML 2017), with its sums written out.
pub fn raghu_2017_upper(inputs: usize, widths: &[usize]) -> BigUint {
    widths.iter().map(|&n| binomial_sum(n, inputs)).product()
}

/// The same with the dimension that can enter a layer: prod_l sum_{j <= m_l} C(n_l, j), m_l = min(n0, ..., n_{l-1}).
///
/// Source: Montufar, "Notes on the number of linear regions of deep neural networks" (SampTA 2017).
pub fn montufar_2017_upper(inputs: usize, widths: &[usize]) -> BigUint {
    entering(inputs, widths).zip(widths).map(|(dim, &n)| binomial_sum(n, dim)).product()
}

/// The dimension that can enter each layer: min(n0, ..., n_{l-1}).
pub(in crate::theory) fn entering(inputs: usize, widths: &[usize]) -> impl Iterator<Item = usize> {
    std::iter::once(inputs).chain(widths.iter().copied()).scan(usize::MAX, |dim, n| {
        *dim = n.min(*dim);
        Some(*dim)
    })
}

/// An upper bound that knows that inactive units lower the dimension of what passes: the sum over J of prod_l C(n_l, j_l) with
/// J = { j: 0 <= j_l <= min(n0, n_1 - j_1, ..., n_{l-1} - j_{l-1}, n_l) }. Equal to the maximum for one layer.
///
/// Computed layer by layer over the dimension that is left, in at most as many steps a layer as that dimension squared.
///
/// Source: Serra, Tjandraatmadja, Ramalingam, "Bounding and counting linear regions of deep neural networks" (ICML 2018), Theorem 1.
pub fn serra_2018_upper(inputs: usize, widths: &[usize]) -> BigUint {
    let mut ways = vec![(inputs, BigUint::one())];
    for &n in widths {
        let most = ways.iter().map(|(dim, _)| (*dim).min(n)).max().unwrap_or(0);
        // By dimension that is left.
        let mut left = vec![BigUint::zero(); most + 1];
        let row: Vec<BigUint> = binomials(n).take(most + 1).collect();
        for (dim, count) in &ways {
            for (j, binomial) in row.iter().enumerate().take(dim.saturating_add(1)) {
                left[(*dim).min(n - j)] += count * binomial;
            }
        }
        ways = left.into_iter().enumerate().filter(|(_, count)| !count.is_zero()).collect();
    }
    ways.into_iter().map(|(_, count)| count).sum()
}

/// The same bound as a product of matrices over histograms of dimensions, from the framework of Hinz and van de Geer with
/// gamma_{n, n'} = sum_{j <= n} C(n', j) e_{n' - j}.
///
/// The state is how many regions have an image of dimension 0, 1, ..., n; every layer first cuts dimensions at its width (M), then spreads
/// each dimension over those its clipped histogram allows (B).
///
/// Source: Hinz, van de Geer, "A framework for the construction of upper bounds on the number of affine linear regions of ReLU feed-forward
/// neural networks", IEEE Trans. Inf. Theory 65 (2019).
pub fn hinz_vandegeer_2019_upper(inputs: usize, widths: &[usize]) -> BigUint {
    // The first layer cuts at its width, so there is no need for more.
    let entering = inputs.min(widths.first().copied().unwrap_or(0));
    let mut state = vec![BigUint::zero(); entering + 1];
    state[entering] = BigUint::one();
    for &n in widths {
        let most = n.min(state.len() - 1);
        let mut cut = vec![BigUint::zero(); most + 1];
        for (dim, count) in state.into_iter().enumerate() {
            cut[dim.min(n)] += count;
        }
        let mut next = vec![BigUint::zero(); most + 1];
        for (dim, count) in cut.iter().enumerate().filter(|(_, count)| !count.is_zero()) {
            for (to, share) in clipped_histogram(dim, n).into_iter().enumerate() {
                next[to] += count * share;
            }
        }
        state = next;
    }
    state.into_iter().sum()
}

/// The histogram gamma_{dim, n}, with all that is beyond `dim` counted at `dim`.
fn clipped_histogram(dim: usize, n: usize) -> Vec<BigUint> {
    let mut histogram = vec![BigUint::zero(); dim + 1];
    for (j, binomial) in binomials(n).enumerate().take(dim + 1) {
        histogram[(n - j).min(dim)] += binomial;
    }
    histogram
}

/// A number of regions that some network reaches: prod_{l < L} floor(n_l / n0) times sum_{j <= n0} C(n_L, j).
///
/// Source: Pascanu, Montufar, Bengio, "On the number of response regions of deep feed forward networks with piece-wise linear
/// activations" (2013), as recalled; it needs layers at least as wide as the input.
pub fn pascanu_2013_lower(inputs: usize, widths: &[usize]) -> Bound {
    folding(inputs, widths, 1, |n| BigUint::from(n / inputs))
}

/// A number of regions that some network reaches: prod_{l < L} floor(n_l / n0)^n0 times sum_{j <= n0} C(n_L, j).
///
/// Source: Montufar, Pascanu, Cho, Bengio, "On the number of linear regions of deep neural networks" (NeurIPS 2014); it needs
/// layers at least as wide as the input.
pub fn montufar_2014_lower(inputs: usize, widths: &[usize]) -> Bound {
    folding(inputs, widths, 1, |n| num_traits::pow(BigUint::from(n / inputs), inputs))
}

/// A number of regions that some network reaches: prod_{l < L} (floor(n_l / n0) + 1)^n0 times sum_{j <= n0} C(n_L, j).
///
/// Source: Serra, Tjandraatmadja, Ramalingam (ICML 2018), their lower bound; it needs layers at least three times as wide as the input.
pub fn serra_2018_lower(inputs: usize, widths: &[usize]) -> Bound {
    folding(inputs, widths, 3, |n| num_traits::pow(BigUint::from(n / inputs + 1), inputs))
}

/// Layers that fold the input space onto itself so often, and a last one in general position.
fn folding(inputs: usize, widths: &[usize], times_wider: usize, folds: impl Fn(usize) -> BigUint) -> Bound {
    let (last, before) = widths.split_last().expect("a network has a hidden layer");
    if let Some(layer) = widths.iter().position(|&n| n < times_wider.saturating_mul(inputs)) {
        let times = if times_wider == 1 { String::new() } else { format!("{times_wider} x ") };
        return Err(Inapplicable(format!(
            "layer {} has {} units, fewer than {times}{inputs} inputs",
            layer + 1,
            widths[layer]
        )));
    }
    Ok(before.iter().map(|&n| folds(n)).product::<BigUint>() * binomial_sum(*last, inputs))
}

/// A number of regions that some network reaches: 2 sum_{j <= n0 - 1} C(m - 1, j) times w^(L - 1), for n_1 = 2 m and later layers of
/// at least w units; all layers are at least as wide as the input.
///
/// Source: Arora, Basu, Mianjy, Mukherjee, "Understanding deep neural networks with rectified linear units" (ICLR 2018), as quoted
/// by Serra et al. (2018): recalled, not checked against the original.
pub fn arora_2018_lower(inputs: usize, widths: &[usize]) -> Bound {
    let (first, later) = widths.split_first().expect("a network has a hidden layer");
    if let Some(layer) = widths.iter().position(|&n| n < inputs) {
        return Err(Inapplicable(format!(
            "layer {} has {} units, fewer than {inputs} inputs",
            layer + 1,
            widths[layer]
        )));
    }
    if first % 2 == 1 {
        return Err(Inapplicable(format!("layer 1 has {first} units, an odd number")));
    }
    let width = later.iter().min().copied().unwrap_or(1);
    Ok(BigUint::from(2u32)
        * binomial_sum(first / 2 - 1, inputs - 1)
        * num_traits::pow(BigUint::from(width), later.len()))
}

/// The exact maximum on one input: prod_l (n_l + 1), reached for layers of at least 3 units.
///
/// Source: Serra, Tjandraatmadja, Ramalingam (ICML 2018): their construction on one input reaches the bound of Theorem 1.
pub fn serra_2018_one_input(inputs: usize, widths: &[usize]) -> Bound {
    if inputs != 1 {
        return Err(Inapplicable(format!("there are {inputs} inputs, not one")));
    }
    if let (Some(layer), true) = (widths.iter().position(|&n| n < 3), widths.len() > 1) {
        return Err(Inapplicable(format!("layer {} has {} units, fewer than 3", layer + 1, widths[layer])));
    }
    Ok(widths.iter().map(|&n| BigUint::from(n) + 1u32).product())
}
