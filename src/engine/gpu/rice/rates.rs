//! What the rates of a layer are made of, on the device.

use super::plan::lanes;
use super::processes::{self, Processes};
use crate::engine::gpu::layer::LayerShape;
use crate::engine::gpu::plan::LANES;
use crate::network::Layer;
use crate::rice::RateLaw;
use crate::theory::rice::Switches;

/// What the rates of a layer are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RatesFrom {
    /// Nothing: there are none.
    Nothing,
    /// The inputs of a dense layer.
    Inputs,
    /// The moments of pre-activations of so many laws, which see `patches` values through all maps together.
    Moments { laws: usize, patches: usize, has_means: bool },
    /// Pre-activations.
    PreActivations,
}

impl RatesFrom {
    pub(super) fn of(ix: usize, layer: &Layer, law: Option<RateLaw>) -> Self {
        match law {
            // Those of pools are refused.
            None | Some(RateLaw::Pool) => Self::Nothing,
            Some(RateLaw::PreActivations(_)) => Self::PreActivations,
            Some(RateLaw::Inputs { .. }) if processes::is_plain(layer) => Self::Inputs,
            Some(RateLaw::Inputs { .. }) => Self::Moments {
                laws: Processes::of(layer).len(),
                patches: processes::maps(ix, layer).map(|(_, map)| map.fan_in()).sum(),
                has_means: processes::means(layer).next().is_some(),
            },
        }
    }

    /// Loop iterations of one invocation.
    pub(super) fn iterations(self, layer: &Layer, shape: &LayerShape) -> usize {
        let levels = Switches::of_layer(layer).levels.len();
        let pairs = shape.group_size() * (shape.group_size() - 1) / 2;
        match self {
            Self::Nothing => 0,
            Self::Inputs => {
                let lanes = lanes(shape.inputs);
                (2 * shape.inputs.div_ceil(lanes) + shape.n_breakpoints().div_ceil(lanes)).max(shape.n_breakpoints())
            }
            Self::Moments { laws, patches, has_means } => {
                let each = if has_means { pairs.max(levels) + shape.group_size() } else { levels };
                let parts = self.parts(layer).div_ceil(lanes(self.parts(layer)));
                patches.div_ceil(LANES).max(parts * (each + 1) + laws.div_ceil(lanes(self.parts(layer))))
            }
            Self::PreActivations => shape.units.div_ceil(lanes(shape.units)) * (shape.n_breakpoints() + 1),
        }
    }

    /// What the rate at a point is a sum over, of rates from moments: units where they have means, else laws.
    pub(super) fn parts(self, layer: &Layer) -> usize {
        match self {
            Self::Moments { has_means: true, .. } => layer.groups(),
            Self::Moments { laws, .. } => laws,
            Self::Nothing | Self::Inputs | Self::PreActivations => 0,
        }
    }
}
