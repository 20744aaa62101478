//! Bounds for convolutions, pooling and skips.

use super::dense::{Chain, dense_bounds};
use super::{Direction, Entry, regions};
use crate::network::{self, Affine, Architecture, Convolution};
use crate::theory::regions::Inapplicable;
use crate::theory::regions::conv::{
    ConvLayer, ConvNetwork, one_layer_regions, xiong_2020_lower, xiong_2020_one_layer, xiong_2020_upper,
};
use crate::theory::regions::piecewise::Layer;

/// Convolutions are dense layers of which some weights are zero and others equal.
const SHARED: &str = "it needs weights that are free to choose: in convolutions some are zero and others equal";
const FIXED: &str = "it needs weights that are free to choose and layers one after the other";
const SKIPS: &str = "with skips more than the outputs of the layer before enters a layer";

const ONE_LAYER_SOURCE: &str =
    "Xiong et al. 2020, Theorem 1; with filters shared in two dimensions an upper bound only";
const REGIONS_SOURCE: &str =
    "derived here: independent sets of the normals' matroid, over a field of 2^61 - 1 elements";
const LOWER_SOURCE: &str = "Xiong et al. 2020, Theorem 2, with the true number of its one-layer factor";
const UPPER_SOURCE: &str = "Xiong et al. 2020, Theorem 2";

/// A network with convolutions, pooling or skips as a chain of dense layers of certain weights.
///
/// What holds for all weights of dense layers holds for convolutions, whose weights are some of them, with padding and groups as well.
/// Average pooling, like every layer without breakpoints, is a part of the affine map of the next layer, and max-pooling a
/// maxout layer whose pre-activations are its inputs.
///
/// With skips, derived here: all that the layers from l on compute is a function of the outputs of layer l - 1 and of those that are
/// added later. On a region of the layers before, these numbers together are an affine image of the input, and of the same
/// numbers one layer earlier. So what enters layer l has a dimension of at most d_l, the least count of these numbers over all layers up
/// to l, of which the first has the inputs; without skips that is min(n0, ..., n_{l-1}). Bounds that are products over layers of
/// the most regions in the dimension that enters hold with it. Those that know how inactive units lower the dimension do not,
/// since skips pass by these units.
#[derive(Clone, Debug, PartialEq)]
pub struct SpecialShape {
    inputs: usize,
    /// The layers with breakpoints.
    layers: Vec<Layer>,
    /// The dimension that can enter each of them.
    entering: Vec<usize>,
    rectified: bool,
    has_skips: bool,
    /// Why theorems on convolutional networks say nothing about it.
    not_convolutional: String,
}

impl SpecialShape {
    /// From the hidden layers with breakpoints, each with its number from 0, and whether their units are rectified linear.
    pub(in crate::theory) fn new(
        architecture: &Architecture,
        layers: Vec<(usize, Layer)>,
        rectified: bool,
        not_convolutional: String,
    ) -> Self {
        let values = |ix: usize| {
            let kept = architecture.kept(ix).iter().map(|&source| architecture.source_len(source));
            kept.fold(architecture.source_len(ix), usize::saturating_add)
        };
        let entering = |ix: usize| (0..=ix).map(values).min().unwrap_or(0);
        Self {
            inputs: architecture.input_dim(),
            entering: layers.iter().map(|(ix, _)| entering(*ix)).collect(),
            layers: layers.into_iter().map(|(_, layer)| layer).collect(),
            rectified,
            has_skips: architecture.layers().iter().any(|layer| !layer.skips.is_empty()),
            not_convolutional,
        }
    }
}

/// The layers of which theorems on convolutional networks tell, or why they say nothing of an architecture.
pub(in crate::theory) fn convolutions(architecture: &Architecture, rectified: bool) -> Result<ConvNetwork, String> {
    let layer = |(ix, layer): (usize, &network::Layer)| {
        let (map, stride) = convolution(layer).map_err(|what| format!("hidden layer {} {what}", ix + 1))?;
        let Convolution { windows, filters, .. } = map;
        ConvLayer::new(windows.input, windows.channels, windows.kernel, stride, filters)
            .map_err(|e| format!("hidden layer {}: {e}", ix + 1))
    };
    let layers: Result<Vec<ConvLayer>, String> = architecture.layers().iter().enumerate().map(layer).collect();
    let hypothesis = "it is about convolutions without padding and groups";
    let network = layers.map_err(|what| format!("{hypothesis}: {what}"))?;
    if !rectified {
        return Err("it is about rectified linear units".to_owned());
    }
    ConvNetwork::new(network).map_err(|e| e.to_string())
}

/// The convolution with its stride in both directions.
fn convolution(layer: &network::Layer) -> Result<(Convolution, usize), &'static str> {
    match layer.affine {
        _ if !layer.skips.is_empty() => Err("adds what is further back than the layer before it"),
        Affine::Dense { .. } => Err("is dense"),
        Affine::AveragePool(_) => Err("is an average pooling"),
        Affine::WindowValues(_) => Err("is a max-pooling"),
        Affine::Convolution(Convolution { groups: 2.., .. }) => Err("has groups"),
        Affine::Convolution(map) if map.windows.padding != [[0; 2]; 2] => Err("has padding"),
        // Where there is one window the stride means nothing.
        Affine::Convolution(map) => match (map.windows.stride, map.windows.output()) {
            ([_, stride], [1, _]) | ([stride, _], [_, 1]) => Ok((map, stride)),
            ([down, across], _) if down == across => Ok((map, down)),
            _ => Err("has two strides, of which the theorem knows one"),
        },
    }
}

/// Every bound on convolutional layers of rectified linear units.
pub(super) fn convolutional_bounds(network: &ConvNetwork) -> Vec<Entry> {
    let [first, later @ ..] = network.layers() else { unreachable!("a network has a layer") };
    let one_layer = || match later {
        [] => Ok(()),
        _ => Err(Inapplicable(format!("there are {} layers, not one", later.len() + 1))),
    };
    let formula_direction = if first.formula_is_exact() { Direction::Exact } else { Direction::Upper };
    // One layer is its own lower bound, and takes long enough to count once.
    let one_layer_count = one_layer().and_then(|()| one_layer_regions(first));
    let lower = if later.is_empty() { one_layer_count.clone() } else { xiong_2020_lower(network) };
    let formula = one_layer().and_then(|()| xiong_2020_one_layer(first));
    let own = [
        regions("xiong_2020_one_layer", formula_direction, formula, ONE_LAYER_SOURCE),
        regions("one_layer_regions", Direction::Exact, one_layer_count, REGIONS_SOURCE),
        regions("xiong_2020_lower", Direction::Lower, lower, LOWER_SOURCE),
        regions("xiong_2020_upper", Direction::Upper, xiong_2020_upper(network), UPPER_SOURCE),
    ];
    let scalar = |l: &ConvLayer| Layer::Scalar { units: l.positions() * l.filters, kappa: 2 };
    let layers: Vec<Layer> = network.layers().iter().map(scalar).collect();
    let inputs = first.input[0] * first.input[1] * first.channels;
    own.into_iter().chain(dense_bounds(&Chain::new(inputs, &layers, true).not_free(SHARED))).collect()
}

/// Every bound on other layers than dense ones and convolutions of rectified linear units.
pub(super) fn special_bounds(shape: &SpecialShape) -> Vec<Entry> {
    let none = || Err(Inapplicable(shape.not_convolutional.clone()));
    let own = [
        regions("xiong_2020_one_layer", Direction::Upper, none(), ONE_LAYER_SOURCE),
        regions("one_layer_regions", Direction::Exact, none(), REGIONS_SOURCE),
        regions("xiong_2020_lower", Direction::Lower, none(), LOWER_SOURCE),
        regions("xiong_2020_upper", Direction::Upper, none(), UPPER_SOURCE),
    ];
    let chain = Chain::new(shape.inputs, &shape.layers, shape.rectified)
        .not_free(FIXED)
        .entered_by(shape.entering.clone(), shape.has_skips.then_some(SKIPS));
    own.into_iter().chain(dense_bounds(&chain)).collect()
}
