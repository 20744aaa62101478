//! Bounds for dense layers one after the other.

use super::{Direction, Entry, regions};
use crate::theory::regions::dense::*;
use crate::theory::regions::piecewise::*;
use crate::theory::regions::{Bound, Inapplicable};

/// Words of 64 bits that the arithmetic of one bound may touch; it takes in the order of ten seconds.
const MAX_WORK: f64 = 1e10;

/// Bits of a number that is worth writing down.
const MAX_BITS: f64 = 1e6;

/// Layers one after the other, and what may keep bounds for all dense networks from holding.
pub(super) struct Chain<'a> {
    inputs: usize,
    layers: &'a [Layer],
    rectified: bool,
    /// The dimension that can enter each layer.
    entering: Vec<usize>,
    /// Why weights cannot be chosen such that many regions are reached.
    not_free: Option<&'static str>,
    /// Why more than the outputs of the layer before enters a layer.
    not_one_by_one: Option<&'static str>,
}

impl<'a> Chain<'a> {
    /// Dense layers of any weights.
    pub(super) fn new(inputs: usize, layers: &'a [Layer], rectified: bool) -> Self {
        let widths: Vec<usize> = layers.iter().map(Layer::width).collect();
        let entering = entering(inputs, &widths).take(layers.len()).collect();
        Self { inputs, layers, rectified, entering, not_free: None, not_one_by_one: None }
    }

    /// Layers of certain weights only, for which lower bounds do not hold.
    pub(super) fn not_free(self, reason: &'static str) -> Self {
        Self { not_free: Some(reason), ..self }
    }

    /// Layers that such dimensions can enter, and perhaps not only as the outputs of the layer before.
    pub(super) fn entered_by(self, entering: Vec<usize>, not_one_by_one: Option<&'static str>) -> Self {
        Self { entering, not_one_by_one, ..self }
    }
}

/// Every bound that is known of dense layers one after the other.
pub(super) fn dense_bounds(chain: &Chain) -> Vec<Entry> {
    use Direction::{Exact, Lower, Upper};
    let Chain { inputs, layers, rectified, .. } = *chain;
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
    let unless = |reason: Option<&'static str>| reason.map_or(Ok(()), |reason| Err(Inapplicable(reason.to_owned())));
    let free = || unless(chain.not_free);
    let one_by_one = || unless(chain.not_one_by_one);
    let affordable = |bits: f64, work: f64| match (bits <= MAX_BITS, work <= MAX_WORK) {
        (true, true) => Ok(()),
        (false, _) => Err(Inapplicable(format!("it has about {bits:.0e} bits, more than {MAX_BITS:.0e}"))),
        (_, false) => Err(Inapplicable(format!("it takes about {work:.0e} operations, more than {MAX_WORK:.0e}"))),
    };
    let patterns: f64 = layers.iter().map(|l| l.units() as f64 * l.kappa().bits() as f64).sum();
    let cost = |steps: fn(f64, f64, f64) -> f64| {
        let (mut bits, mut work) = (0.0, 0.0);
        for (dim, layer) in chain.entering.iter().zip(layers) {
            let (dim, n) = ((*dim).min(layer.width()) as f64, layer.width() as f64);
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
            free()
                .and_then(|()| one_layer())
                .and_then(|()| hyperplanes())
                .and_then(|()| sums(&|| Ok(zaslavsky_1975(widths[0], inputs)))),
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
            free().and_then(|()| relu()).and_then(|()| sums(&|| pascanu_2013_lower(inputs, &widths))),
            "Pascanu, Montufar and Bengio 2013 (recalled)",
        ),
        regions(
            "montufar_2014_lower",
            Lower,
            free().and_then(|()| relu()).and_then(|()| sums(&|| montufar_2014_lower(inputs, &widths))),
            "Montufar, Pascanu, Cho and Bengio 2014",
        ),
        regions(
            "montufar_2017_upper",
            Upper,
            one_by_one().and_then(|()| hyperplanes()).and_then(|()| sums(&|| Ok(montufar_2017_upper(inputs, &widths)))),
            "Montufar 2017",
        ),
        regions(
            "serra_2018_upper",
            Upper,
            one_by_one().and_then(|()| relu()).and_then(|()| programme(&|| Ok(serra_2018_upper(inputs, &widths)))),
            "Serra, Tjandraatmadja and Ramalingam 2018, Theorem 1",
        ),
        regions(
            "serra_2018_lower",
            Lower,
            free().and_then(|()| relu()).and_then(|()| sums(&|| serra_2018_lower(inputs, &widths))),
            "Serra, Tjandraatmadja and Ramalingam 2018, lower bound",
        ),
        regions(
            "serra_2018_one_input",
            Exact,
            free().and_then(|()| relu()).and_then(|()| serra_2018_one_input(inputs, &widths)),
            "Serra, Tjandraatmadja and Ramalingam 2018: exact on one input",
        ),
        regions(
            "arora_2018_lower",
            Lower,
            free().and_then(|()| relu()).and_then(|()| sums(&|| arora_2018_lower(inputs, &widths))),
            "Arora et al. 2018, as quoted by Serra et al. 2018 (recalled)",
        ),
        regions(
            "hinz_vandegeer_2019_upper",
            Upper,
            one_by_one()
                .and_then(|()| relu())
                .and_then(|()| programme(&|| Ok(hinz_vandegeer_2019_upper(inputs, &widths)))),
            "Hinz and van de Geer 2019, with the histograms of Serra et al.",
        ),
        regions(
            "serra_2018_maxout_upper",
            Upper,
            one_by_one().and_then(|()| sums(&|| serra_2018_maxout_upper(inputs, layers))),
            "Serra, Tjandraatmadja and Ramalingam 2018, Theorem 2 as corrected here",
        ),
        regions(
            "montufar_ren_zhang_2021_upper",
            Upper,
            one_by_one().and_then(|()| sums(&|| montufar_ren_zhang_2021_upper(inputs, layers))),
            "Montufar, Ren and Zhang 2022, multiplied over layers (recalled)",
        ),
        regions(
            "zigzag_lower",
            Lower,
            free().and_then(|()| Err(Inapplicable("the slopes of its activation must be free to choose".to_owned()))),
            "derived here: zigzags of floor(n / n0) units an input",
        ),
        regions(
            "goujon_2024_upper",
            Upper,
            sums(&|| Ok(product_over_layers(chain.entering.iter().copied(), layers, complexity_maximum))),
            "derived here, in the form of Goujon, Etemadi and Unser 2024 (recalled)",
        ),
        regions(
            "layer_polynomial_upper",
            Upper,
            sums(&|| Ok(product_over_layers(chain.entering.iter().copied(), layers, layer_maximum))),
            "derived here: product of the layers' generic maxima",
        ),
    ]
}
