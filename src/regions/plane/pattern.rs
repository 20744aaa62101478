//! Activation patterns: the piece of every unit, packed into words.

use crate::network::{Architecture, Layer};

/// Where the piece of every unit is in the words of a pattern.
#[derive(Clone, Debug)]
pub(super) struct PatternLayout {
    layers: Vec<Field>,
}

/// The words of one layer; a unit takes a power of two of bits, so that none is in two words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    first_word: usize,
    n_words: usize,
    bits: usize,
}

impl PatternLayout {
    pub(super) fn new(architecture: &Architecture) -> Self {
        let mut first_word = 0;
        let field = |layer: &Layer| {
            let bits = (layer.activation.pieces().slopes.len().next_power_of_two().trailing_zeros() as usize).max(1);
            let bits = bits.next_power_of_two();
            let n_words = (layer.affine.units() * bits).div_ceil(64);
            let field = Field { first_word, n_words, bits };
            first_word += n_words;
            field
        };
        Self { layers: architecture.layers().iter().map(field).collect() }
    }

    pub(super) fn layer(&self, layer: usize) -> Field {
        self.layers[layer]
    }

    /// Words of the patterns of the first `n` layers.
    pub(super) fn n_words(&self, n: usize) -> usize {
        self.layers[..n].last().map_or(0, |field| field.first_word + field.n_words)
    }
}

impl Field {
    pub(super) fn n_words(self) -> usize {
        self.n_words
    }

    /// The words of this layer in those of all layers.
    pub(super) fn of(self, words: &[u64]) -> &[u64] {
        &words[self.first_word..][..self.n_words]
    }

    /// The piece of a unit in the words of this layer.
    pub(super) fn piece(self, words: &[u64], unit: usize) -> usize {
        let bit = unit * self.bits;
        (words[bit / 64] >> (bit % 64) & ((1 << self.bits) - 1)) as usize
    }

    /// Moves a unit to the next piece.
    pub(super) fn raise(self, words: &mut [u64], unit: usize) {
        let bit = unit * self.bits;
        words[bit / 64] += 1 << (bit % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;

    #[test]
    fn every_unit_has_bits_of_its_own() {
        for kappa in [1usize, 2, 3, 5, 17, 257] {
            let breakpoints: Vec<f64> = (1..kappa).map(|k| k as f64).collect();
            let slopes = (0..kappa).map(|k| (k % 2) as f64).collect();
            let activation = Activation::spline("test", breakpoints, slopes, [0.0; 2]).unwrap();
            let layout = PatternLayout::new(&Architecture::dense(2, &[67, 3], activation, 1).unwrap());
            let mut words = vec![0; layout.n_words(2)];
            let piece = |layer: usize, unit: usize| (5 * layer + 7 * unit) % kappa;
            for (layer, units) in [(0, 67), (1, 3)] {
                let field = layout.layer(layer);
                let start = layout.n_words(layer);
                for unit in 0..units {
                    (0..piece(layer, unit)).for_each(|_| field.raise(&mut words[start..][..field.n_words()], unit));
                }
            }
            for (layer, units) in [(0, 67), (1, 3)] {
                let field = layout.layer(layer);
                assert!((0..units).all(|u| field.piece(field.of(&words), u) == piece(layer, u)), "{kappa}");
            }
        }
    }
}
