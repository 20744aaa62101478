//! Which boundaries are knots, as far as it follows from what is constant.
//!
//! With continuous weight laws a kink reaches the output with probability 1 unless something between is constant. Where every unit sees
//! all that comes before, layers tell: the output has the same slope on both sides of a boundary only if no layer whose unit changes piece
//! there is on a way from the input to the output, before or after, that leads through no constant layer. Elsewhere kinks are followed from
//! unit to unit: one goes on to the units that are connected to it, unless these are on a piece of slope 0 there.

use crate::network::{Affine, Architecture, Layer};

/// What the bits of a vertex are about, and how it follows from them whether a boundary is a knot.
#[derive(Debug)]
pub(super) enum Layers {
    /// Dense layers one after the other: a layer that is constant ends all ways, so that all layers are the first bit.
    Chain,
    /// Dense layers with dense skips, a bit each; of each the layers that it takes the outputs of, and whether it takes the input.
    Skips(Vec<(u64, bool)>),
    /// Units of convolutions, pools and skips without a map see a part of what comes before, and there are no more than 64 bits. The first
    /// says that units of any layer change piece, [`KINKED`](Self::KINKED) what comes of it.
    Units,
}

impl Layers {
    /// An output of the layer at hand has a kink.
    pub(super) const KINKED: u64 = 1 << 1;

    pub(super) fn new(architecture: &Architecture) -> Self {
        let layers = architecture.layers();
        if architecture.is_dense_chain() {
            return Self::Chain;
        }
        let is_dense = |layer: &Layer| {
            let all_maps = layer.skips.iter().all(|skip| skip.map.is_some());
            all_maps && layer.maps().all(|map| matches!(map, Affine::Dense { .. }))
        };
        if layers.len() > 64 || !layers.iter().all(is_dense) {
            return Self::Units;
        }
        let sources = |l: usize| {
            let all = || layers[l].skips.iter().map(|skip| skip.source).chain([l]);
            (all().filter(|&source| source > 0).fold(0, |bits, source| bits | 1 << (source - 1)), all().any(|s| s == 0))
        };
        Self::Skips((0..layers.len()).map(sources).collect())
    }

    /// Of every layer with a bit of its own the layers that it takes the outputs of, and whether it takes the input; nothing where units tell.
    #[cfg(feature = "gpu")]
    pub(super) fn ways(&self) -> Vec<(u64, bool)> {
        match self {
            Self::Chain => vec![(0, true)],
            Self::Skips(sources) => sources.clone(),
            Self::Units => Vec::new(),
        }
    }

    /// The bit of a layer.
    pub(super) fn bit(&self, layer: usize) -> u64 {
        match self {
            Self::Chain | Self::Units => 1,
            Self::Skips(_) => 1 << layer,
        }
    }

    /// Whether the output has a kink at a boundary: where units of these layers change piece, by the layers that are constant before and
    /// after; or by what is known of the last layer's outputs.
    pub(super) fn is_knot(&self, crossed: u64, constant: [u64; 2]) -> bool {
        if let Self::Units = self {
            return crossed & Self::KINKED != 0;
        }
        constant.into_iter().any(|constant| crossed & self.on_ways(constant) != 0)
    }

    /// The layers on ways from the input to the output.
    fn on_ways(&self, constant: u64) -> u64 {
        let Self::Skips(sources) = self else {
            return if constant == 0 { u64::MAX } else { 0 };
        };
        let mut reached = 0;
        for (l, &(layers, input)) in sources.iter().enumerate() {
            let is_reached = (input || reached & layers != 0) && constant >> l & 1 == 0;
            reached |= u64::from(is_reached) << l;
        }
        let mut seen = 1 << (sources.len() - 1);
        for (l, &(layers, _)) in sources.iter().enumerate().rev() {
            if seen & reached & 1 << l != 0 {
                seen |= layers;
            }
        }
        reached & seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;

    fn layers(text: &str) -> Layers {
        Layers::new(&Architecture::parse(text, Activation::relu(), 1).unwrap())
    }

    #[test]
    fn kinks_end_where_no_way_is_left() {
        let chain = layers("2-3x3");
        assert!(chain.is_knot(1, [0, 0]) && chain.is_knot(1, [1, 0]) && !chain.is_knot(1, [1, 1]));
        // The third layer adds the first one's outputs: a kink of the first passes a second that is constant, its own does not.
        let skips = layers("2-3-3-3+1");
        assert!(skips.is_knot(0b001, [0b010, 0b010]));
        assert!(!skips.is_knot(0b001, [0b110, 0b110]), "the third is the last");
        assert!(!skips.is_knot(0b010, [0b010, 0b010]));
        assert!(skips.is_knot(0b010, [0b010, 0]) && skips.is_knot(0b010, [0, 0]));
        assert!(!skips.is_knot(0b010, [0b001, 0b001]), "nothing comes in");
        // With the input added, too, the third is on a way of its own.
        let input = layers("3-3-3-3+");
        assert!(input.is_knot(0b100, [0b011, 0b011]) && !input.is_knot(0b010, [0b011, 0b011]));
        for text in ["1x4-c2k2", "2-3-3~1", "2-3-3+x70"] {
            let units = layers(text);
            assert!(matches!(units, Layers::Units), "{text}");
            assert!(!units.is_knot(1, [0, 0]) && units.is_knot(1 | Layers::KINKED, [0, 0]), "{text}");
        }
    }
}
