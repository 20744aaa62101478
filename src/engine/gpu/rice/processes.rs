//! Which pre-activations of a layer have the same law, given its inputs, and what they see.

use crate::engine::gpu::step::Windows;
use crate::network::{Affine, Convolution, Layer};

/// The laws of a layer's pre-activations as processes: one for every run of filters that see the same, at each position. Dense layers
/// are of filters at one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine::gpu) struct Processes {
    /// Runs of equally many filters.
    runs: usize,
    positions: usize,
}

impl Processes {
    /// Those of a layer.
    pub(in crate::engine::gpu) fn of(layer: &Layer) -> Self {
        let convolutions = || layer.maps().filter_map(convolution);
        Self {
            runs: convolutions().fold(1, |runs, map| common_multiple(runs, map.groups)),
            positions: convolutions().map(|map| map.windows.positions()).max().unwrap_or(1),
        }
    }

    /// How many laws there are.
    pub(in crate::engine::gpu) fn len(self) -> usize {
        self.runs * self.positions
    }

    /// What they see through one of the layer's maps: a dense map has one window with everything.
    pub(in crate::engine::gpu) fn windows(self, map: &Affine) -> Windows {
        match convolution(map) {
            Some(map) => Windows { filters: (self.runs / map.groups) as u32, ..Windows::of_convolution(map) },
            None => {
                let all = [1, map.inputs() as u32];
                let area = map.inputs() as u32;
                let one = [1, 1];
                Windows {
                    input: all,
                    kernel: all,
                    stride: one,
                    padding: [0, 0],
                    output: one,
                    channels: 1,
                    filters: self.len() as u32,
                    area,
                    share: 1.0 / area as f32,
                }
            }
        }
    }
}

fn convolution(map: &Affine) -> Option<&Convolution> {
    match map {
        Affine::Convolution(map) => Some(map),
        _ => None,
    }
}

/// The least common multiple of positive numbers.
fn common_multiple(a: usize, b: usize) -> usize {
    let (mut divisor, mut rest) = (a, b);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    a / divisor * b
}

/// The maps of a layer that have weights, with their sources; `ix` (from 0) is the layer's.
pub(in crate::engine::gpu) fn maps(ix: usize, layer: &Layer) -> impl Iterator<Item = (usize, &Affine)> {
    let skips = layer.skips.iter().filter_map(|skip| Some((skip.source, skip.map.as_ref()?)));
    [(ix, &layer.affine)].into_iter().chain(skips)
}

/// The sources that a layer adds as they are.
pub(super) fn means(layer: &Layer) -> impl Iterator<Item = usize> + '_ {
    layer.skips.iter().filter(|skip| skip.map.is_none()).map(|skip| skip.source)
}

/// Whether a layer is dense and adds nothing: all of its pre-activations have one law.
pub(super) fn is_plain(layer: &Layer) -> bool {
    layer.skips.is_empty() && matches!(layer.affine, Affine::Dense { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Architecture};

    #[test]
    fn filters_that_see_the_same_are_one_law_at_each_position() {
        let text = "2x6x5-c6k3p1g2-c6k3p1g2-c6k3p1g3+1-7-7+";
        let architecture = Architecture::parse(text, Activation::relu(), 1).unwrap();
        let laws: Vec<usize> = architecture.layers().iter().map(|layer| Processes::of(layer).len()).collect();
        assert_eq!(laws, [2 * 30, 2 * 30, 3 * 30, 1, 1]);
        let mut both = architecture.layers()[2].clone();
        both.skips[0].map = Some(architecture.layers()[1].affine);
        assert_eq!(Processes::of(&both).len(), 6 * 30);
        assert_eq!([common_multiple(1, 5), common_multiple(4, 6), common_multiple(6, 3)], [5, 12, 6]);
        let grouped = Processes { runs: 6, positions: 30 };
        let Affine::Convolution(map) = architecture.layers()[0].affine else { panic!("a convolution") };
        let windows = grouped.windows(&Affine::Convolution(map));
        assert_eq!((windows.filters, windows.channels, windows.kernel), (3, 1, [3, 3]));
        let all = grouped.windows(&Affine::Dense { inputs: 60, units: 180 });
        assert_eq!((all.filters, all.kernel, all.output), (180, [1, 60], [1, 1]));
    }
}
