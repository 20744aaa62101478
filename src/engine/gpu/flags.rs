//! Flags of rows: which layers have one of their own.

use super::step::{CONSTANT_SHIFT, Way};
use crate::engine::knots::Layers;
use crate::network::Architecture;

/// The flags of a network's layers, and how the knots among its boundaries follow from them.
#[derive(Debug)]
pub(super) struct Flags {
    /// What the layers with a flag of their own take in; one for all of a chain. None where all layers share a flag and kinks are followed from
    /// unit to unit: there are flags for some layers only.
    pub(super) ways: Vec<Way>,
}

impl Flags {
    pub(super) fn of(architecture: &Architecture) -> Self {
        let ways = Layers::new(architecture).ways();
        let ways = if ways.len() <= CONSTANT_SHIFT { ways } else { Vec::new() };
        let ways = ways.into_iter().map(|(layers, input)| Way { layers: layers as u32, from_input: u32::from(input) });
        Self { ways: ways.collect() }
    }

    /// Whether kinks are followed from unit to unit.
    pub(super) fn follow_units(&self) -> bool {
        self.ways.is_empty()
    }

    /// The flag of a layer.
    pub(super) fn bit(&self, layer: usize) -> u32 {
        if self.ways.len() > 1 { 1 << layer } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;

    fn flags(text: &str) -> Flags {
        Flags::of(&Architecture::parse(text, Activation::relu(), 1).unwrap())
    }

    #[test]
    fn layers_have_flags_where_knots_follow_from_them() {
        let chain = flags("2-3x40");
        assert_eq!((chain.follow_units(), chain.ways.len(), chain.bit(39)), (false, 1, 1));
        let skips = flags("2-3-3-4+1");
        let ways: Vec<[u32; 2]> = skips.ways.iter().map(|way| [way.layers, way.from_input]).collect();
        assert_eq!((skips.follow_units(), ways, skips.bit(2)), (false, vec![[0, 1], [1, 0], [3, 0]], 4));
        assert!(!flags("3-4-4+x14").follow_units());
        for text in ["3-4-4+x15", "1x6-c3k3", "4-4-4~1"] {
            let flags = flags(text);
            assert_eq!((flags.follow_units(), flags.ways.len(), flags.bit(1)), (true, 0, 1), "{text}");
        }
    }
}
