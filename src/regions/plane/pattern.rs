//! Activation patterns: the piece of every unit, packed into words.

use crate::regions::units::Units;

/// Where the fields of every layer's units are in the words of a pattern.
#[derive(Clone, Debug)]
pub(super) struct PatternLayout {
    layers: Vec<Field>,
}

/// The words of one layer; a field takes a power of two of bits, so that none is in two words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    first_word: usize,
    n_words: usize,
    n_fields: usize,
    bits: usize,
}

impl PatternLayout {
    pub(super) fn new(layers: &[Units]) -> Self {
        let mut first_word = 0;
        let field = |units: &Units| {
            let bits = (units.bits().max(1) as usize).next_power_of_two();
            let n_words = (units.n_fields() * bits).div_ceil(64);
            let field = Field { first_word, n_words, n_fields: units.n_fields(), bits };
            first_word += n_words;
            field
        };
        Self { layers: layers.iter().map(field).collect() }
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

    /// A field in the words of this layer.
    pub(super) fn get(self, words: &[u64], field: usize) -> usize {
        let bit = field * self.bits;
        (words[bit / 64] >> (bit % 64) & ((1 << self.bits) - 1)) as usize
    }

    /// Gives a field a value.
    pub(super) fn set(self, words: &mut [u64], field: usize, value: usize) {
        let bit = field * self.bits;
        let mask = ((1 << self.bits) - 1) << (bit % 64);
        words[bit / 64] = words[bit / 64] & !mask | (value as u64) << (bit % 64);
    }

    /// The fields that differ in the words of this layer of two patterns.
    pub(super) fn differing<'w>(self, words: [&'w [u64]; 2]) -> impl Iterator<Item = usize> + 'w {
        let per_word = 64 / self.bits;
        let different = (0..self.n_words).filter(move |&word| words[0][word] != words[1][word]);
        let fields = different.flat_map(move |word| word * per_word..((word + 1) * per_word).min(self.n_fields));
        fields.filter(move |&field| self.get(words[0], field) != self.get(words[1], field))
    }

    /// All fields in the words of this layer.
    pub(super) fn all(self, words: &[u64]) -> impl Iterator<Item = usize> + '_ {
        (0..self.n_fields).map(move |field| self.get(words, field))
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
            let layout = PatternLayout::new(&[67, 3].map(|units| Units::new(&activation, units)));
            let mut words = vec![0; layout.n_words(2)];
            let piece = |layer: usize, unit: usize| (5 * layer + 7 * unit) % kappa;
            for (layer, units) in [(0, 67), (1, 3)] {
                let field = layout.layer(layer);
                let start = layout.n_words(layer);
                for unit in 0..units {
                    for value in [kappa - 1, piece(layer, unit)] {
                        field.set(&mut words[start..][..field.n_words()], unit, value);
                    }
                }
            }
            for (layer, units) in [(0, 67), (1, 3)] {
                let field = layout.layer(layer);
                assert!(field.all(field.of(&words)).eq((0..units).map(|unit| piece(layer, unit))), "{kappa}");
                // On the lowest piece everywhere.
                let other = vec![0; layout.n_words(2)];
                let moved = (0..units).filter(|&unit| piece(layer, unit) > 0);
                assert!(field.differing([field.of(&words), field.of(&other)]).eq(moved), "{kappa}");
            }
        }
    }
}
