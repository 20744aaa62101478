//! Published bounds on expected numbers of regions.

use std::f64::consts::{LN_2, LN_10, LOG10_2};

/// Decimal logarithm of the bound of Hanin and Rolnick (NeurIPS 2019, theorem 5) on the expected number of activation
/// regions of a ReLU network in a cube: (T N)^n_0 / n_0! times the volume for N >= n_0 units, and 2^N regions for
/// fewer.
///
/// Hypotheses: weights with a density; any k biases have a conditional density of at most C_bias^k given everything
/// else; the gradient of each pre-activation has moments E |grad|^m <= C_grad^m; and the side of the cube is at least a
/// number that depends on C_grad and C_bias. `t_constant` is T = 2^5 C_grad C_bias in the form that later code of
/// Tseran and Montufar (2021) uses. The logarithm is returned because the bound overflows. Needs `inputs` >= 1,
/// `t_constant` > 0 and `volume` > 0.
pub fn hanin_rolnick_2019_regions(inputs: usize, units: usize, t_constant: f64, volume: f64) -> f64 {
    if !(inputs > 0 && t_constant > 0.0 && volume > 0.0) {
        return f64::NAN;
    }
    let (d, n) = (inputs as f64, units as f64);
    if units < inputs {
        return n * LOG10_2;
    }
    d * (t_constant.log10() + n.log10()) - log10_factorial(d) + volume.log10()
}

/// The bound of Hanin and Rolnick (ICML 2019) on the expected number of linear pieces on an interval of this length,
/// for activations with `breakpoints` breakpoints: 1 + breakpoints x units x C_grad C_bias x length.
///
/// Here C_bias bounds the density of each bias given all other parameters, and C_grad the mean size of the gradient of
/// each pre-activation. Needs constants and a length that are not negative.
pub fn hanin_rolnick_2019_line(breakpoints: usize, units: usize, c_grad: f64, c_bias: f64, length: f64) -> f64 {
    if !(c_grad >= 0.0 && c_bias >= 0.0 && length >= 0.0) {
        return f64::NAN;
    }
    1.0 + breakpoints as f64 * units as f64 * c_grad * c_bias * length
}

/// Decimal logarithm of the bound of Tseran and Montufar (2021) on the expected number of activation regions of a
/// maxout network in a cube: (2^5 C_grad C_bias K N)^n_0 C(K n_0, 2 n_0) / n_0! times the volume for N >= n_0 units of
/// rank K, and K^N regions for fewer. Of their family of bounds on regions of dimension n_0 - r it is the one with r =
/// 0, as their code has it.
///
/// Hypotheses as in [`hanin_rolnick_2019_regions`], for every branch of every unit; a side of 1 / (2 C_grad C_bias) is
/// enough for the cube. Needs `inputs` >= 1, `rank` >= 2 and positive constants and volume.
pub fn tseran_montufar_2021_regions(
    inputs: usize,
    units: usize,
    rank: usize,
    c_grad: f64,
    c_bias: f64,
    volume: f64,
) -> f64 {
    if !(inputs > 0 && rank > 1 && c_grad > 0.0 && c_bias > 0.0 && volume > 0.0) {
        return f64::NAN;
    }
    let (d, n, k) = (inputs as f64, units as f64, rank as f64);
    if units < inputs {
        return n * k.log10();
    }
    let binomial = log10_factorial(k * d) - log10_factorial(2.0 * d) - log10_factorial((k - 2.0) * d);
    let base = 5.0 * LN_2 / LN_10 + c_grad.log10() + c_bias.log10() + k.log10() + n.log10();
    d * base + binomial - log10_factorial(d) + volume.log10()
}

pub(super) fn log10_factorial(n: f64) -> f64 {
    libm::lgamma(n + 1.0) / LN_10
}
