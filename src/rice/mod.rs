//! The Rice estimator: expected crossings without counting.
//!
//! Given a network up to layer l - 1, the expected rate at which layer l crosses its breakpoints at a point of a path is known in
//! closed form. So the expected density of the ensemble is the mean of that rate over networks, paths and points, and nothing
//! needs to be located or counted. What remains random is how the layers before vary, which is little: an estimate takes tens of
//! networks where counting takes thousands.
//!
//! - Normal weights and normal or zero biases: units of layer l are independent Gaussian processes given their inputs h along
//!   the path. With h' the derivative of h by arc length, v the variance of a weight and s^2 that of a bias, E z^2 = v |h|^2 +
//!   s^2, E z z' = v <h, h'> and E z'^2 = v |h'|^2, and the [Kac-Rice formula](crate::theory::rice) gives the rate. The layer's
//!   own weights are not drawn. The pre-activations of a maxout unit or sorted group are such processes, too: their differences
//!   are 0 at the same rate, and for maxout [`maxout_factor`](crate::theory::expected::maxout_factor) counts those that the
//!   others are below.
//! - Any other weights, biases of density rho, activations of one pre-activation: given the layer's weights, too, unit i crosses
//!   the breakpoint tau at the rate |z'| rho(tau - (z - b)). Only the layer's own biases are not needed.
//!
//! A unit of a convolution is such a process at every position: h are the values in its window, and filters of a group have one law at
//! each position. What a layer adds through maps of further sources adds to all three moments, weights being independent; what
//! it adds as it is, is a known mean m with the derivative m', about which z crosses the moving level tau - m. Average pooling has
//! no weights and crosses nothing. Max-pooling compares a filter's values at several positions, behind a convolution whose
//! pre-activations are jointly normal there: one filter, moved to where two values are equal, stands for all that are.
//!
//! Both are exact at every width: the estimate is unbiased. It is of the ensemble's mean, not of any one network's count.
//!
//! Points are where crossings are: they are drawn from the law of locations at infinite width, and rates divided by their
//! density. Where units see a part of what comes before, they cross in other places, and half of the points are anywhere. The paths of one
//! network are [spread out](crate::path::EvenPaths). Networks are independent, so errors over networks
//! are valid.
//!
//! With normal weights no weights are needed at all: at one point the pre-activations of a dense layer and their derivatives are pairs (z, z') of normal
//! variables, independent from unit to unit, with the moments above. So features h and h' are drawn, layer by layer, from their law given those
//! before (`rice-features`; that these are a Markov chain through their Gram matrices is in Aitchison, Yang and Ober, "Deep kernel processes", ICML
//! 2021). Every network has one path with one point, and takes as many random numbers as it has units twice, whatever the widths.
//!
//! On the CPU weights of dense layers are drawn where they are multiplied, those of some inputs at a time, and not kept; inputs that are 0 at all
//! points at hand need none. Those of a convolution, and orthogonal ones, are drawn as a whole.
//!
//! Where a rate is nearly all in intervals too short to be met by points, the estimate would take forever to see it: [`check`]
//! refuses what it knows of that kind.

mod limits;
mod points;

pub use limits::{check, check_features};
pub(crate) use limits::{knows, warnings, weights_drawn};
pub(crate) use points::{PointSampler, Points};

use crate::network::{BiasDensity, BiasLaw, Layer, RandomNetwork};

/// How the expected crossing rate of a layer follows from what comes before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RateLaw {
    /// From the layer's inputs: normal weights, in the layer's main map of this variance, normal biases of this one.
    Inputs { weight_variance: f64, bias_variance: f64 },
    /// From the layer's pre-activations without bias.
    PreActivations(BiasDensity),
    /// Of max-pooling, from the pre-activations of the convolution before.
    Pool,
}

impl RateLaw {
    /// The law of a layer; `None` where there is none, which is without breakpoints for pools alone.
    fn of_layer(network: &RandomNetwork, layer: &Layer) -> Option<Self> {
        let (affine, bias) = (layer.affine, network.bias());
        match bias {
            _ if affine.n_weights() == 0 => layer.max_pool().map(|_| Self::Pool),
            BiasLaw::Zero | BiasLaw::Normal(_) if network.weights().is_gaussian() => Some(Self::Inputs {
                weight_variance: network.weights().variance(affine),
                bias_variance: bias.std(affine).powi(2),
            }),
            _ if layer.activation.group_size() > 1 => None,
            _ => bias.density(affine).map(Self::PreActivations),
        }
    }

    /// The laws of all hidden layers of a network that [`check`] admits; average pools have none and cross nothing.
    pub(crate) fn of_network(network: &RandomNetwork) -> Vec<Option<Self>> {
        network.architecture().layers().iter().map(|layer| Self::of_layer(network, layer)).collect()
    }

    /// Layers whose weights are needed, the first so many of all with these laws: the last layer that has any may do without its own.
    pub(crate) fn n_drawn(laws: &[Option<Self>]) -> usize {
        let last = laws.iter().enumerate().rev().find_map(|(ix, law)| Some((ix, (*law)?)));
        match last {
            None => 0,
            Some((ix, Self::Inputs { .. } | Self::Pool)) => ix,
            Some((ix, Self::PreActivations(_))) => ix + 1,
        }
    }
}
