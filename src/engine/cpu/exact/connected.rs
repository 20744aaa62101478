//! What is connected to what, as far as kinks go.

use crate::network::{Affine, Architecture, Convolution, Layer, Windows};

/// What is connected to a pre-activation by a map.
pub(super) enum Connected {
    /// All inputs.
    All,
    /// The input of the same number.
    Same,
    /// Windows on groups of so many planes.
    Windows { map: Convolution, channels: usize, plane: Box<Plane> },
    /// One value of a window: of every window and value its place in a plane.
    Values { plane: usize, places: Vec<usize> },
}

/// What is told apart of a source's values: of planes one after the other, so many are joined each to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) plane: usize,
    pub(super) channels: usize,
}

impl Joined {
    /// As much of a source as what takes it in tells apart: convolutions join the channels of a group. Layers are counted from 1, see
    /// [`Skip`](crate::network::Skip).
    pub(super) fn of(architecture: &Architecture, source: usize) -> Self {
        let layers = architecture.layers();
        let main = layers.get(source).map(|layer| Some(&layer.affine));
        let skips = layers.iter().flat_map(|layer| &layer.skips).filter(|skip| skip.source == source);
        let all = Self { plane: architecture.source_len(source), channels: 1 };
        let needed = |map: Option<&Affine>| match map {
            Some(Affine::Dense { .. }) => None,
            Some(Affine::Convolution(map)) => {
                Some(Self { plane: map.windows.plane(), channels: map.channels_per_group() })
            }
            Some(Affine::AveragePool(_) | Affine::WindowValues(_)) | None => Some(all),
        };
        let mut needed = main.into_iter().chain(skips.map(|skip| skip.map.as_ref())).filter_map(needed);
        let made = source
            .checked_sub(1)
            .map(|ix| Repeated::of(&layers[ix]))
            .filter(|repeated| repeated.run.min(repeated.times) > 1);
        match (needed.next(), made) {
            (Some(first), _) if needed.all(|other| other == first) => first,
            // Any way will do.
            (None, Some(Repeated { run, .. })) => Self { plane: run, channels: all.plane / run },
            (Some(_), _) | (None, None) => all,
        }
    }

    /// How much it is, of so many values.
    pub(super) fn len(self, values: usize) -> usize {
        values / self.channels
    }

    /// Where a value is.
    #[inline(always)]
    pub(super) fn place(self, value: usize) -> usize {
        value / (self.plane * self.channels) * self.plane + value % self.plane
    }
}

/// Pre-activations of a layer that are connected to the same: runs of so many are repeated so many times, one run after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    pub(super) run: usize,
    pub(super) times: usize,
}

impl Repeated {
    /// Those of a layer: the filters of a group, if all its maps agree on them.
    pub(super) fn of(layer: &Layer) -> Self {
        let of_map = |map: &Affine| match map {
            Affine::Dense { units, .. } => Self { run: 1, times: *units },
            Affine::Convolution(map) => Self { run: map.windows.positions(), times: map.filters / map.groups },
            Affine::AveragePool(_) | Affine::WindowValues(_) => Self { run: map.units(), times: 1 },
        };
        let each = Self { run: layer.affine.units(), times: 1 };
        let first = of_map(&layer.affine);
        let agree = layer.skips.iter().all(|skip| skip.map.as_ref().is_some_and(|map| of_map(map) == first));
        if agree { first } else { each }
    }

    /// Where a pre-activation is among those that are told apart.
    #[inline(always)]
    pub(super) fn place(self, unit: usize) -> usize {
        unit / (self.run * self.times) * self.run + unit % self.run
    }
}

/// Whether there is a kink.
#[inline(always)]
pub(super) fn any(kinks: &[u8]) -> bool {
    kinks.chunks(256).any(|kinks| kinks.iter().fold(0, |any, &kink| any | kink) != 0)
}

/// Bytes of a vector.
const VECTOR: usize = 64;

/// Adds kinks.
#[inline(always)]
pub(super) fn join(all: &mut [u8], more: &[u8]) {
    let (all, all_rest) = all.as_chunks_mut::<VECTOR>();
    let (more, more_rest) = more.as_chunks::<VECTOR>();
    all.iter_mut().zip(more).for_each(|(all, more)| (0..VECTOR).for_each(|ix| all[ix] |= more[ix]));
    all_rest.iter_mut().zip(more_rest).for_each(|(all, &more)| *all |= more);
}

impl Connected {
    /// By a map of values of which so much is told apart.
    pub(super) fn new(map: &Affine, joined: Joined) -> Self {
        let windows = |map: Convolution| Self::Windows {
            map,
            channels: map.channels_per_group() / joined.channels,
            plane: Box::new(Plane::new(&map.windows)),
        };
        match *map {
            Affine::Dense { .. } => Self::All,
            Affine::Convolution(map) => windows(map),
            Affine::AveragePool(of) => windows(Convolution { windows: of, filters: of.channels, groups: of.channels }),
            Affine::WindowValues(of) => Self::Values { plane: of.plane(), places: of.places().collect() },
        }
    }

    pub(super) fn bytes(map: &Affine) -> u128 {
        let bytes = match map {
            Affine::Dense { .. } => 0,
            Affine::Convolution(Convolution { windows, .. }) | Affine::AveragePool(windows) => Plane::bytes(windows),
            Affine::WindowValues(windows) => 8 * windows.positions() * windows.area(),
        };
        bytes as u128
    }

    /// Adds the pre-activations that have kinks by those of their inputs; `repeated` ones are there once.
    #[inline(always)]
    pub(super) fn reach(&mut self, kinks: &[u8], repeated: Repeated, reached: &mut [u8]) {
        match self {
            Self::All => {
                if any(kinks) {
                    reached.fill(1);
                }
            }
            Self::Same => join(reached, kinks),
            Self::Values { plane, places } => {
                for (reached, kinks) in reached.chunks_exact_mut(places.len()).zip(kinks.chunks_exact(*plane)) {
                    reached.iter_mut().zip(&*places).for_each(|(reached, &place)| *reached |= kinks[place]);
                }
            }
            Self::Windows { map, channels, plane } => {
                let (len, positions) = (map.windows.plane(), map.windows.positions());
                let filters = reached.chunks_exact_mut(map.filters / map.groups / repeated.times * positions);
                for (channels, filters) in kinks.chunks_exact(*channels * len).zip(filters) {
                    if any(channels) {
                        let met = plane.meet(&map.windows, channels);
                        filters.chunks_exact_mut(positions).for_each(|filter| join(filter, met));
                    }
                }
            }
        }
    }
}

/// A plane of an image with windows on it, in whole vectors.
pub(super) struct Plane {
    /// Whether there is a kink at a place, in any channel, with room before and behind; in any row of the windows that begin in its own, with
    /// room; in any window that begins there.
    inputs: Vec<u8>,
    columns: Vec<u8>,
    windows: Vec<u8>,
    /// Of every column of a window, whether it is inside for the window that begins at a place.
    inside: Vec<u8>,
    /// Where windows do not begin at every place.
    picked: Vec<u8>,
    /// Bytes of a plane, and before it where windows reach beyond.
    len: usize,
    margin: usize,
}

impl Plane {
    fn new(windows: &Windows) -> Self {
        let (len, width) = (windows.plane().next_multiple_of(VECTOR), windows.input[1]);
        let margin = windows.kernel[0] * width + windows.kernel[1];
        let is_inside = |column: usize, x: usize| {
            let column = (x + column).checked_sub(windows.padding[1][0]);
            u8::from(column.is_some_and(|column| column < width))
        };
        let inside =
            (0..windows.kernel[1]).flat_map(|column| (0..len).map(move |place| is_inside(column, place % width)));
        let (inside, wide) = (inside.collect(), vec![0; len + 2 * margin]);
        let picked = vec![0; windows.positions()];
        Self { inputs: wide.clone(), columns: wide, windows: vec![0; len], inside, picked, len, margin }
    }

    fn bytes(windows: &Windows) -> usize {
        let len = windows.plane().next_multiple_of(VECTOR);
        (3 + windows.kernel[1]) * len
            + 4 * (windows.kernel[0] * windows.input[1] + windows.kernel[1])
            + windows.positions()
    }

    /// Which windows on these channels have a kink.
    #[inline(always)]
    fn meet(&mut self, of: &Windows, channels: &[u8]) -> &[u8] {
        let Self { inputs, columns, windows, inside, picked, len, margin } = self;
        let (len, margin, width, [height_out, width_out]) = (*len, *margin, of.input[1], of.output());
        let own = &mut inputs[margin..][..of.plane()];
        let (first, others) = channels.split_at(of.plane());
        own.copy_from_slice(first);
        others.chunks_exact(of.plane()).for_each(|channel| join(own, channel));
        let begins_inside = [0, 1].map(|axis| (of.output()[axis] - 1) * of.stride[axis] < of.input[axis]);
        if begins_inside != [true; 2] {
            for (window, met) in picked.iter_mut().enumerate() {
                let mut rows = of.inside(0, window / width_out);
                let columns = of.inside(1, window % width_out);
                *met = u8::from(rows.any(|y| any(&own[y * width..][columns.clone()])));
            }
            return picked;
        }
        let to = &mut columns[margin..][..len];
        to.fill(0);
        for row in 0..of.kernel[0] {
            join(to, &inputs[margin + row * width - of.padding[0][0] * width..][..len]);
        }
        windows.fill(0);
        for (column, inside) in inside.chunks_exact(len).enumerate() {
            let from = &columns[margin + column - of.padding[1][0]..][..len];
            let (windows, _) = windows.as_chunks_mut::<VECTOR>();
            let chunks = windows.iter_mut().zip(from.as_chunks::<VECTOR>().0).zip(inside.as_chunks::<VECTOR>().0);
            chunks.for_each(|((to, from), inside)| (0..VECTOR).for_each(|ix| to[ix] |= from[ix] & inside[ix]));
        }
        if of.stride == [1, 1] && [height_out, width_out] == of.input {
            return &windows[..of.plane()];
        }
        for (picked, row) in picked.chunks_exact_mut(width_out).zip(windows.chunks_exact(width).step_by(of.stride[0])) {
            picked.iter_mut().zip(row.iter().step_by(of.stride[1])).for_each(|(picked, &met)| *picked = met);
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Architecture};

    /// Products of the maps with what has a kink, all weights being 1, are positive where one comes in.
    #[test]
    fn kinks_reach_what_they_are_connected_to() {
        let mut alone = 0;
        for text in [
            "3-5-4+-4~2",
            "2x7x5-c4k3p1-c6k3x2s2p1g2-c5k1",
            "1x9x8-c3k3p1-max3s2p1-avg2",
            "4x9-c4k3p1g4-c4k3p1~1-avg4s2-6",
            "3x8x8-[c6k3s2p1-c6k3p1]-max-9+",
            "2x11x9-c3k4x5s3x2p2x3-c4k1s2",
            "2x7x9-avg3x2s2x1p1x0-c2k2s3",
        ] {
            for layer in Architecture::parse(text, Activation::relu(), 1).unwrap().layers() {
                for map in layer.maps() {
                    let apart = Joined { plane: map.inputs(), channels: 1 };
                    let (mut connected, weight) = (Connected::new(map, apart), vec![1.0; map.n_weights() as usize]);
                    for case in 0..=map.inputs() {
                        // One after the other, and several.
                        let kinks = |ix: usize| if case < map.inputs() { ix == case } else { ix % 7 == 3 };
                        let kinks: Vec<u8> = (0..map.inputs()).map(|ix| u8::from(kinks(ix))).collect();
                        let values: Vec<f64> = kinks.iter().map(|&kink| f64::from(kink)).collect();
                        let mut products = vec![0.0; map.units()];
                        map.add_product(&weight, &values, &mut products);
                        let expected: Vec<u8> = products.iter().map(|&z| u8::from(z > 0.0)).collect();
                        let repeated = Repeated { run: map.units(), times: 1 };
                        let mut reached = vec![0; map.units()];
                        connected.reach(&kinks, repeated, &mut reached);
                        assert_eq!(reached, expected, "{text}: {map:?}, case {case}");
                        let shared =
                            Repeated::of(&Layer { affine: *map, skips: vec![], activation: layer.activation.clone() });
                        let mut once = vec![0; map.units() / shared.times];
                        connected.reach(&kinks, shared, &mut once);
                        assert!(
                            (0..map.units()).all(|unit| once[shared.place(unit)] == expected[unit]),
                            "{text}: {map:?}"
                        );
                        alone += usize::from(reached.contains(&1) && reached.contains(&0));
                        reached.fill(1);
                        connected.reach(&kinks, repeated, &mut reached);
                        assert!(reached.iter().all(|&kink| kink == 1), "what was there stays");
                    }
                }
            }
        }
        assert!(alone > 500, "{alone} cases reach some units and not others");
    }

    #[test]
    fn channels_are_joined_where_all_that_follows_joins_them() {
        let of = |text: &str| -> Vec<[usize; 2]> {
            let architecture = Architecture::parse(text, Activation::relu(), 1).unwrap();
            let joined = (1..=architecture.depth()).map(|source| Joined::of(&architecture, source));
            joined.map(|Joined { plane, channels }| [plane, channels]).collect()
        };
        assert_eq!(of("2x6-c4k3-c6k2g2-c4k1-5"), [[4, 2], [3, 6], [3, 4], [5, 1]]);
        assert_eq!(of("2x6-c4k3-max2-c4k1-3"), [[16, 1], [2, 4], [2, 4], [3, 1]]);
        // Two convolutions of the same; and values added as they are.
        assert_eq!(of("2x6-c4k3p1-[c4k3p1-c5k3s2p1]-3"), [[6, 4], [6, 4], [3, 5], [3, 1]]);
        assert_eq!(of("2x6-c4k3p1-[c4k3p1-c4k3p1]"), [[24, 1], [6, 4], [24, 1]]);
        let joined = Joined { plane: 3, channels: 2 };
        assert_eq!((joined.len(12), [0, 2, 3, 5, 6, 11].map(|value| joined.place(value))), (6, [0, 2, 0, 2, 3, 5]));
    }

    #[test]
    fn filters_of_a_group_see_the_same() {
        let of = |text: &str, ix: usize| {
            let Repeated { run, times } =
                Repeated::of(&Architecture::parse(text, Activation::relu(), 1).unwrap().layers()[ix]);
            [run, times]
        };
        assert_eq!(of("2-7", 0), [1, 7]);
        assert_eq!((of("4x6-c6k3g2", 0), of("4x6-c6k3g2-max2", 1)), ([4, 3], [24, 1]));
        let residual = "2x6-c4k3p1-[c4k3p1-c4k3p1]-[c4k3p1-c5k3s2p1]";
        assert_eq!([1, 2, 3, 4].map(|ix| of(residual, ix)), [[6, 4], [24, 1], [6, 4], [3, 5]]);
    }
}
