//! Ensembles that expected crossings do not suit: refused, or pointed out.

use super::RateLaw;
use crate::error::{Error, Result};
use crate::network::{Activation, ActivationKind, Affine, Architecture, BiasLaw, Layer, RandomNetwork, Windows};
use crate::path::{Path, PathLaw, RandomPath};
use crate::stats::Quantity;
use crate::theory::infinite_width::pre_activation_stds;

/// Parts of the crossings that are too small to be mentioned, and too large to be lost.
const NEGLIGIBLE: f64 = 1e-6;
const LARGE: f64 = 1e-4;

/// Biases this small beside pre-activations are hardly met by points, or never.
const SMALL_BIAS: f64 = 1e-2;
const TINY_BIAS: f64 = 1e-5;

/// Pieces of an activation that any unit of a layer is on this rarely are hardly met by points, or never.
const RARE: f64 = 1e-2;
const HOPELESS: f64 = 1e-4;

/// Refuses ensembles whose expected crossings are no integral of rates, or of rates that points do not meet.
///
/// # Errors
/// Says why, and what to do.
pub fn check(network: &RandomNetwork, path: &RandomPath) -> Result<()> {
    let layers = network.architecture().layers();
    for (ix, layer) in layers.iter().enumerate() {
        let before = ix.checked_sub(1).map(|before| &layers[before]);
        check_layer(layer, before).map_err(|e| e.at(format!("--method rice: hidden layer {}", ix + 1)))?;
    }
    let is_normal = network.weights().is_gaussian() && matches!(network.bias(), BiasLaw::Zero | BiasLaw::Normal(_));
    if let Some(activation) =
        network.architecture().grouped().filter(|activation| activation.group_size() > 1 && !is_normal)
    {
        return Err(Error::usage(format!(
            "--method rice: {activation} has a closed-form crossing rate with independent normal weights and normal or zero biases \
             only, not with --weights {} --bias {}: use --method exact",
            network.weights(),
            network.bias()
        )));
    }
    if network.bias() == BiasLaw::Zero {
        check_zero_bias(network, path)?;
    }
    if ![Quantity::Crossings, Quantity::Boundaries].into_iter().any(|quantity| knows(network, path, quantity)) {
        return Err(Error::usage(
            "--method rice with zero biases: where all units of a layer fall silent crossings have no rate, and windows that are alike make \
             crossings coincide: give --bias a law, or use --method exact",
        ));
    }
    let Ok(first) = path.draw(0, 0, 1) else { return Ok(()) };
    let scales = pre_activation_stds(network, first.reach());
    if let Some(ratio) = bias_ratio(network, &scales).filter(|&ratio| ratio < TINY_BIAS)
        && silent_part(network) > LARGE
    {
        return Err(Error::usage(format!(
            "--method rice: biases are {ratio:.0e} of the pre-activations, so where all units of a layer fall silent those after it \
             cross within intervals that points do not meet: give larger biases or wider layers, or use --method exact"
        )));
    }
    if let Some(rarity) = rarest_steep_piece(network, &scales).filter(|&rarity| rarity < HOPELESS) {
        return Err(Error::usage(format!(
            "--method rice: units are on the steep pieces of --activation {} with probability {rarity:.0e}, so points do not meet \
             them: use --method exact",
            network.architecture().activation()
        )));
    }
    Ok(())
}

/// Refuses networks whose features cannot be drawn in place of weights, of those that [`check`] admits.
///
/// # Errors
/// Says why, and what to do.
pub fn check_features(network: &RandomNetwork) -> Result<()> {
    if !network.weights().is_gaussian() {
        return Err(Error::usage(format!(
            "--method rice-features: with --weights {} pre-activations are not normal given the features before, only with independent normal \
             weights: use --method rice",
            network.weights()
        )));
    }
    if !network.architecture().is_dense() {
        return Err(Error::usage(format!(
            "--method rice-features: {} has layers that are not dense, in which units at different positions share weights: use --method \
             rice",
            network.architecture()
        )));
    }
    Ok(())
}

/// Refuses layers without closed-form rates behind the layer `before`, whatever the laws of weights and biases.
fn check_layer(layer: &Layer, before: Option<&Layer>) -> Result<()> {
    if layer.max_pool().is_some() {
        check_pool_behind(before)?;
    }
    let is_added = layer.skips.iter().any(|skip| skip.map.is_none());
    if let ActivationKind::Maxout { rank } = *layer.activation.kind()
        && is_added
        && rank > 2
    {
        return Err(Error::usage(format!(
            "maxout units of rank {rank} have no closed-form crossing rate where outputs are added as they are: use --method exact, or \
             a map (+ in place of ~)"
        )));
    }
    let positions = |map: &Affine| match map {
        Affine::Convolution(map) => map.windows.positions(),
        _ => 1,
    };
    let other = |map: &Affine| match map {
        Affine::Dense { .. } => false,
        Affine::Convolution(_) => positions(map) != positions(&layer.affine),
        Affine::AveragePool(_) | Affine::WindowValues(_) => true,
    };
    match layer.skips.iter().filter_map(|skip| skip.map.as_ref()).any(other) {
        true => Err(Error::usage("adds what a map without weights or with other positions makes: use --method exact")),
        false => Ok(()),
    }
}

/// Refuses a max-pool behind a layer whose values have no rate at which they change places.
fn check_pool_behind(before: Option<&Layer>) -> Result<()> {
    let Some(convolution) = before.filter(|layer| is_convolution_of_units(layer)) else {
        return Err(Error::usage(
            "compares values that are not those of the convolution right before it, each of one pre-activation and with no outputs \
             added as they are: max-pooling has no crossing rate there: use --method exact, or average pooling",
        ));
    };
    match convolution.maps().map(Affine::fan_in).sum() {
        1usize => Err(Error::usage(
            "compares multiples of single numbers, so that all filters change at once where two numbers are equal, a point that has no \
             rate: use --method exact, or a larger kernel",
        )),
        _ => Ok(()),
    }
}

/// Whether a layer's outputs are those of single pre-activations, made by convolutions alone.
fn is_convolution_of_units(layer: &Layer) -> bool {
    let is_convolution = |map: &Affine| matches!(map, Affine::Convolution(_));
    layer.activation.scalar().is_some()
        && is_convolution(&layer.affine)
        && layer.skips.iter().all(|skip| skip.map.as_ref().is_some_and(is_convolution))
}

fn check_zero_bias(network: &RandomNetwork, path: &RandomPath) -> Result<()> {
    if let Some(pool) = network.architecture().layers().iter().position(|layer| layer.max_pool().is_some()) {
        return Err(Error::usage(format!(
            "--method rice with zero biases: where a window of the max-pooling in hidden layer {} falls silent, units behind cross at \
             points that have no rate: give --bias a law, or use --method exact",
            pool + 1
        )));
    }
    if !network.weights().is_gaussian() {
        return Err(Error::usage(format!(
            "--method rice with zero biases needs independent normal weights, but --weights {} has no closed-form crossing rate: \
             give --bias a law, or use --method exact",
            network.weights()
        )));
    }
    let passes_origin = |path: &Path| {
        let mut inner = 1..path.n_vertices().saturating_sub(1).max(1);
        inner.any(|v| path.vertex(v).iter().all(|&x| x == 0.0))
    };
    let through_origin = match path.law() {
        _ if path.dim() == 1 => true,
        PathLaw::ThroughOrigin { .. } => true,
        PathLaw::File { paths, .. } => paths.iter().any(|named| passes_origin(&named.path)),
        _ => false,
    };
    if through_origin {
        return Err(Error::usage(format!(
            "--method rice with zero biases: on --path {} all units cross at the origin, a single point that has no rate: use \
             --method exact",
            path.law()
        )));
    }
    if let Some(layer) = layer_of_single_inputs(network.architecture()) {
        return Err(Error::usage(format!(
            "--method rice with zero biases: units of hidden layer {} see one number of the input, and where it is 0 they cross all at \
             once, a single point that has no rate: give --bias a law, or use --method exact",
            layer + 1
        )));
    }
    let adds = network.architecture().layers().iter().any(|layer| layer.skips.iter().any(|skip| skip.map.is_none()));
    if adds && silent_part(network) > LARGE {
        return Err(Error::usage(
            "--method rice with zero biases: where all units of a layer fall silent, layers that add outputs as they are cross at points \
             that have no rate: give --bias a law, or use --method exact",
        ));
    }
    Ok(())
}

/// The first layer with breakpoints (from 0) of which a unit sees a linear function of the input with values in one dimension.
fn layer_of_single_inputs(architecture: &Architecture) -> Option<usize> {
    let mut is_linear = vec![true];
    for (ix, layer) in architecture.layers().iter().enumerate() {
        let linear = sources(ix, layer).all(|(source, _)| is_linear[source]);
        let values: usize = sources(ix, layer).map(|(_, map)| least_seen(map)).sum();
        if layer.activation.n_switches() > 0 && linear && values == 1 {
            return Some(ix);
        }
        is_linear.push(linear && layer.activation.n_switches() == 0);
    }
    None
}

/// The sources of hidden layer `ix` (from 0) that weights or means of a window are taken of, with their maps.
fn sources(ix: usize, layer: &Layer) -> impl Iterator<Item = (usize, &Affine)> {
    let skips = layer.skips.iter().filter_map(|skip| Some((skip.source, skip.map.as_ref()?)));
    [(ix, &layer.affine)].into_iter().chain(skips)
}

/// The fewest values that a unit of a map is connected to.
fn least_seen(map: &Affine) -> usize {
    let inside = |windows: &Windows| -> usize {
        let least = |axis| (0..windows.output()[axis]).map(|window| windows.inside(axis, window).len()).min();
        [0, 1].into_iter().filter_map(least).product()
    };
    match map {
        Affine::Convolution(map) => map.channels_per_group() * inside(&map.windows),
        Affine::AveragePool(windows) => inside(windows),
        Affine::Dense { .. } | Affine::WindowValues(_) => map.fan_in(),
    }
}

/// Whether the estimate knows the density of a quantity.
///
/// Without biases the units after a layer that falls silent stay exactly on their breakpoint, which is a crossing without a rate.
/// It is at the crossing that made the layer silent, so boundaries are known.
///
/// A filter crosses at once at positions whose windows have the same values all along a path. Random paths have no such windows, but
/// images from files may, and then boundaries are fewer than crossings; so they are where windows of a max-pool overlap.
pub(crate) fn knows(network: &RandomNetwork, path: &RandomPath, quantity: Quantity) -> bool {
    let depends = match quantity {
        Quantity::Crossings => true,
        Quantity::LayerCrossings(layer) => layer > 0,
        Quantity::Boundaries => return !may_coincide(network.architecture(), path),
        Quantity::Knots => false,
    };
    !(depends && network.bias() == BiasLaw::Zero && silent_part(network) > LARGE)
}

/// Whether windows of a convolution may have the same values all along a path.
fn may_coincide(architecture: &Architecture, path: &RandomPath) -> bool {
    let is_given = matches!(path.law(), PathLaw::File { .. } | PathLaw::Data { .. });
    let has_two_alike = |windows: &Windows| {
        let insides = |axis| (0..windows.output()[axis]).map(move |window| windows.inside(axis, window));
        [0, 1].into_iter().any(|axis| insides(axis).zip(insides(axis).skip(1)).any(|(one, next)| one == next))
    };
    architecture.layers().iter().any(|layer| match &layer.affine {
        Affine::Convolution(map) => is_given && map.windows.positions() > 1,
        Affine::AveragePool(windows) => has_two_alike(windows),
        // Two windows change together where they have both values.
        Affine::WindowValues(windows) => layer.max_pool().is_some() && windows.overlap(),
        Affine::Dense { .. } => false,
    })
}

/// Weights of a network that are drawn at most; those of its last layers may not be needed.
pub(crate) fn weights_drawn(network: &RandomNetwork) -> u128 {
    let layers = network.architecture().layers();
    let drawn = RateLaw::n_drawn(&RateLaw::of_network(network));
    layers[..drawn].iter().flat_map(Layer::maps).map(Affine::n_weights).sum()
}

/// What a careful user should know, of pre-activations about as large as `scales`.
pub(crate) fn warnings(network: &RandomNetwork, scales: &[f64]) -> Vec<String> {
    let mut warnings = Vec::new();
    let part = silent_part(network);
    match bias_ratio(network, scales) {
        None if part > LARGE => warnings.push(format!(
            "without biases about {:.2} % of crossings are where all units of a layer fall silent, and have no rate: --method rice \
             leaves out crossings after the first layer and gives boundaries alone, --method exact gives both",
            100.0 * part
        )),
        Some(ratio) if ratio < TINY_BIAS && part > NEGLIGIBLE => warnings.push(format!(
            "biases are {ratio:.0e} of the pre-activations: --method rice does not meet the crossings where all units of a layer \
             fall silent, about {:.1e} of all"
            , part
        )),
        Some(ratio) if ratio < SMALL_BIAS && part > LARGE => warnings.push(format!(
            "biases are {ratio:.0e} of the pre-activations: --method rice seldom meets the crossings where all units of a layer fall \
             silent, about {:.1} % of all, so it may take long: --method exact may be faster",
            100.0 * part
        )),
        _ => {}
    }
    if let Some(rarity) = rarest_steep_piece(network, scales) {
        warnings.push(format!(
            "units are on the steep pieces of --activation {} with probability {rarity:.0e}: --method rice seldom meets them and \
             may take long, --method exact may be faster",
            network.architecture().activation()
        ));
    }
    warnings
}

/// About the part of the crossings that are where a layer falls silent, in the limit of small biases: of n units of ReLU none or only
/// one is active with probability (n + 1) / 2^n, and then layers that see nothing else have no rate. Neighbouring positions of one
/// filter are taken to be active together.
fn silent_part(network: &RandomNetwork) -> f64 {
    let falls_silent = |activation: &Activation| {
        let Some(pieces) = activation.scalar() else { return false };
        let mut parts = pieces.slopes.iter().zip(&pieces.intercepts);
        pieces.breakpoints.contains(&0.0) && parts.any(|(slope, intercept)| *slope == 0.0 && *intercept == 0.0)
    };
    let layers = network.architecture().layers();
    // Of the sources, the input first: the part where what they are made of is silent, and whether their values can all be 0.
    let (mut lost, mut all, mut known) = (0.0, 0.0, vec![(0.0, false)]);
    for (ix, layer) in layers.iter().enumerate() {
        // A pool is silent where its values are.
        if layer.affine.n_weights() == 0 {
            known.push(known[ix]);
            continue;
        }
        let seen_silent = |(source, map): (usize, &Affine)| {
            let (silent, falls) = known[source];
            let n = match map {
                Affine::Convolution(map) => map.channels_per_group(),
                _ => map.fan_in(),
            } as f64;
            let now = if falls { ((n + 1.0) * (-n).exp2()).min(1.0) } else { 0.0 };
            silent + (1.0 - silent) * now
        };
        let before = sources(ix, layer).map(seen_silent).fold(1.0, f64::min);
        lost += before * layer.groups() as f64;
        all += layer.groups() as f64;
        known.push((before, falls_silent(&layer.activation)));
    }
    if all > 0.0 { lost / all } else { 0.0 }
}

/// The smallest ratio of biases to pre-activations after the first layer that has any; `None` without biases.
fn bias_ratio(network: &RandomNetwork, scales: &[f64]) -> Option<f64> {
    let layers = network.architecture().layers().iter().zip(scales).filter(|(layer, _)| layer.affine.n_biases() > 0);
    let ratio = |(layer, scale): (&Layer, &f64)| network.bias().std(layer.affine) / scale;
    (network.bias() != BiasLaw::Zero).then(|| layers.skip(1).map(ratio).fold(1.0, f64::min))
}

/// The smallest probability that some unit of a layer is on a piece that makes more than a hundredth of its slopes, where that is
/// rare.
fn rarest_steep_piece(network: &RandomNetwork, scales: &[f64]) -> Option<f64> {
    let layers = network.architecture().layers().iter().zip(scales);
    let steep = layers.filter_map(|(layer, &scale)| {
        let pieces = layer.activation.scalar()?;
        let normal = |tau: f64| 0.5 * libm::erfc(-tau / (scale * std::f64::consts::SQRT_2));
        let probability = |piece: usize| {
            let low = piece.checked_sub(1).map_or(0.0, |k| normal(pieces.breakpoints[k]));
            pieces.breakpoints.get(piece).map_or(1.0, |&tau| normal(tau)) - low
        };
        let all: Vec<(f64, f64)> =
            pieces.slopes.iter().enumerate().map(|(k, slope)| (probability(k), slope.abs())).collect();
        let total: f64 = all.iter().map(|(p, slope)| p * slope).sum();
        // Below a thousandth hardly anything moves after it, either.
        let steep = all.into_iter().filter(|(p, slope)| p * slope > f64::max(0.01 * total, 1e-3));
        // Of any unit.
        steep.map(|(p, _)| p * layer.affine.units() as f64).filter(|&p| p < RARE).reduce(f64::min)
    });
    steep.reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Skip;

    fn network(shape: &str, activation: &str, weights: &str, bias: &str) -> RandomNetwork {
        let architecture = Architecture::parse(shape, activation.parse().unwrap(), 1).unwrap();
        RandomNetwork::new(architecture, weights.parse().unwrap(), bias.parse().unwrap(), 0).unwrap()
    }

    fn path_in(dim: usize) -> RandomPath {
        let law = PathLaw::from_flags("segment", crate::path::StartLaw::Normal(1.0), 2.0, dim).unwrap();
        RandomPath::new(law, dim, 0).unwrap()
    }

    fn path() -> RandomPath {
        path_in(2)
    }

    #[test]
    fn silent_layers_matter_where_they_are_narrow_and_biases_small() {
        for (shape, activation, weights, bias, is_refused, n_warnings) in [
            ("2-6x3", "relu", "he-normal", "normal:1e-8", true, 1),
            ("2-6x3", "relu", "he-normal", "normal:0.001", false, 1),
            ("2-6x3", "relu", "he-normal", "normal:0.1", false, 0),
            ("2-6x3", "relu", "normal:1e15", "normal:0.1", true, 1),
            ("2-16x3", "relu", "he-normal", "normal:1e-8", true, 1),
            ("2-20x3", "relu", "he-normal", "normal:1e-8", false, 1),
            ("2-40x3", "relu", "he-normal", "normal:1e-8", false, 0),
            ("2-6", "relu", "he-normal", "normal:1e-8", false, 0),
            ("2-6x3", "abs", "he-normal", "normal:1e-8", false, 0),
            ("2-6x3", "hard-tanh", "he-normal", "normal:1e-8", false, 0),
            ("2-6x3", "relu6", "he-uniform", "uniform:1e-8", true, 1),
            ("2-6x3", "relu", "he-normal", "zero", false, 1),
            // A unit sees all values of the layer before, or 4 or 20 channels, or other sources that are never silent.
            ("2x9-c4k3-c20k3p1-5", "relu", "he-normal", "normal:1e-8", true, 1),
            ("2x9-c20k3-c4k3p1-7", "relu", "he-normal", "normal:1e-8", false, 1),
            ("2x9-c4k3-c9k5+", "relu", "he-normal", "normal:1e-8", false, 0),
            ("9-4-4+x3", "relu", "he-normal", "zero", false, 0),
            ("9-4-4+-4", "relu", "he-normal", "zero", false, 1),
            ("9-4-[4-4]", "relu", "he-normal", "zero", true, 1),
            ("2-40x3", "relu", "he-normal", "zero", false, 0),
        ] {
            let network = network(shape, activation, weights, bias);
            let place = format!("{shape} {activation} {weights} {bias}");
            let path = path_in(network.architecture().input_dim());
            assert_eq!(check(&network, &path).is_err(), is_refused, "{place}");
            let scales = pre_activation_stds(&network, path.draw(0, 0, 1).unwrap().reach());
            assert_eq!(warnings(&network, &scales).len(), n_warnings, "{place}");
        }
    }

    #[test]
    fn crossings_are_left_out_only_where_silence_without_biases_makes_some() {
        let all = Quantity::Crossings;
        assert!(!knows(&network("2-6x3", "relu", "he-normal", "zero"), &path(), all));
        assert!(knows(&network("2-6x3", "relu", "he-normal", "zero"), &path(), Quantity::Boundaries));
        assert!(knows(&network("2-6x3", "relu", "he-normal", "zero"), &path(), Quantity::LayerCrossings(0)));
        assert!(!knows(&network("2-6x3", "relu", "he-normal", "zero"), &path(), Quantity::LayerCrossings(1)));
        assert!(knows(&network("2-40x3", "relu", "he-normal", "zero"), &path(), all));
        assert!(knows(&network("2-6x3", "abs", "he-normal", "zero"), &path(), all));
        assert!(knows(&network("2-6x3", "relu", "he-normal", "normal:0.1"), &path(), all));
    }

    #[test]
    fn steep_pieces_have_to_be_met() {
        let jump = |width: f64| {
            let activation =
                Activation::spline("jump", vec![0.0, width], vec![0.0, 1.0 / width, 0.0], [0.0; 2]).unwrap();
            let architecture = Architecture::dense(2, &[8, 8], activation, 1).unwrap();
            RandomNetwork::new(architecture, "he-normal".parse().unwrap(), BiasLaw::Normal(0.1), 0).unwrap()
        };
        assert!(check(&jump(1e-6), &path()).unwrap_err().to_string().contains("steep pieces of --activation jump"));
        for (width, n_warnings) in [(1e-3, 1), (0.1, 0)] {
            check(&jump(width), &path()).unwrap();
            assert_eq!(warnings(&jump(width), &[1.0, 1.0]).len(), n_warnings, "{width}");
        }
    }

    #[test]
    fn skips_have_the_positions_of_their_layer() {
        let layer = |arch: &str| Architecture::parse(arch, Activation::relu(), 1).unwrap().layers()[0].clone();
        let two_positions = layer("1x4-c2k2s2");
        for (skip, is_refused) in [("1x4-c2k2s2", false), ("1x4-c4k4", true), ("4-4", false)] {
            let skips = vec![Skip { source: 0, map: Some(layer(skip).affine) }];
            assert_eq!(check_layer(&Layer { skips, ..two_positions.clone() }, None).is_err(), is_refused, "{skip}");
        }
    }
}
