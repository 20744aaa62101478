//! The affine part of a layer, on blocks of rows.

use std::ops::Range;

use super::product::add_product;
use super::real::Real;
use crate::network::{Affine, AffineWeights, Convolution, Layer, Windows};

/// Patches of a convolution that are multiplied at a time: as many elements as stay in the cache, and enough windows to feed the product.
const PATCH_ELEMENTS: usize = 1 << 17;
const LEAST_WINDOWS: usize = 64;

/// Rows of values, so far from one another.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub(super) values: &'a [T],
    pub(super) stride: usize,
}

/// The affine part of a layer.
pub(super) struct LayerMap<T> {
    units: usize,
    main: Map<T>,
    /// Of every skip its map, where it has one.
    skips: Vec<Option<Map<T>>>,
}

impl<T: Real> LayerMap<T> {
    pub(super) fn new(layer: &Layer) -> Self {
        let skips = layer.skips.iter().map(|skip| skip.map.map(Map::new)).collect();
        Self { units: layer.affine.units(), main: Map::new(layer.affine), skips }
    }

    /// Computes the pre-activations, row by row, from the layer's inputs and from what each of its skips adds.
    pub(super) fn apply<'a>(
        &mut self,
        weights: &AffineWeights<T>,
        inputs: Rows<T>,
        skips: impl Iterator<Item = Rows<'a, T>>,
        z: &mut [T],
    ) {
        self.set_bias(&weights.bias, z);
        self.add_products(weights, inputs, skips, z);
    }

    /// Computes pre-activations from a first half of rows of values, and their derivatives from a second half, along which biases are
    /// constant.
    pub(super) fn differentiate<'a>(
        &mut self,
        weights: &AffineWeights<T>,
        inputs: Rows<T>,
        skips: impl Iterator<Item = Rows<'a, T>>,
        z: &mut [T],
    ) {
        let (values, derivatives) = z.split_at_mut(z.len() / 2);
        self.set_bias(&weights.bias, values);
        derivatives.fill(T::default());
        self.add_products(weights, inputs, skips, z);
    }

    fn set_bias(&self, bias: &[T], z: &mut [T]) {
        for row in z.chunks_exact_mut(self.units) {
            match bias.len() {
                0 => row.fill(T::default()),
                n if n == row.len() => row.copy_from_slice(bias),
                n => row.chunks_exact_mut(self.units / n).zip(bias).for_each(|(z, &bias)| z.fill(bias)),
            }
        }
    }

    fn add_products<'a>(
        &mut self,
        weights: &AffineWeights<T>,
        inputs: Rows<T>,
        skips: impl Iterator<Item = Rows<'a, T>>,
        z: &mut [T],
    ) {
        self.main.add(&weights.weight, inputs, self.units, z);
        for ((map, weight), rows) in self.skips.iter_mut().zip(&weights.skips).zip(skips) {
            match map {
                Some(map) => map.add(weight, rows, self.units, z),
                None => {
                    for (ix, z) in z.chunks_exact_mut(self.units).enumerate() {
                        z.iter_mut().zip(&rows.values[ix * rows.stride..]).for_each(|(z, &h)| *z += h);
                    }
                }
            }
        }
    }

    /// Bytes that it holds.
    pub(super) fn bytes(layer: &Layer) -> u128 {
        let of_map = |map: &Affine| match map {
            Affine::Dense { .. } | Affine::AveragePool(_) => 0,
            Affine::Convolution(convolution) => {
                size_of::<T>() as u128
                    * (convolution.patch() * tile(convolution) * convolution.windows.output()[1]) as u128
            }
            Affine::WindowValues(windows) => 8 * (windows.positions() * windows.area()) as u128,
        };
        layer.maps().map(of_map).sum()
    }
}

/// An affine map without its biases.
enum Map<T> {
    Dense {
        inputs: usize,
    },
    Convolution {
        map: Convolution,
        patches: Vec<T>,
    },
    /// With the windows that have their column of this number inside, for each.
    AveragePool {
        windows: Windows,
        across: Vec<Range<usize>>,
    },
    /// For every window of a channel and every value of it the place in the channel's plane.
    WindowValues {
        plane: usize,
        places: Vec<usize>,
    },
}

impl<T: Real> Map<T> {
    fn new(map: Affine) -> Self {
        match map {
            Affine::Dense { inputs, .. } => Self::Dense { inputs },
            Affine::Convolution(map) => Self::Convolution { map, patches: Vec::new() },
            Affine::AveragePool(windows) => {
                let last = windows.input[1] - 1;
                let across = (0..windows.kernel[1]).map(|kx| windows.windows_at(1, kx, 0, last)).collect();
                Self::AveragePool { windows, across }
            }
            Affine::WindowValues(windows) => {
                Self::WindowValues { plane: windows.plane(), places: windows.places().collect() }
            }
        }
    }

    /// Adds its product with every row of inputs to a row of `z`.
    fn add(&mut self, weight: &[T], rows: Rows<T>, units: usize, z: &mut [T]) {
        if let Self::Dense { inputs } = *self {
            let sizes = [z.len() / units, inputs, units];
            return add_product(sizes, (rows.values, [rows.stride, 1]), (weight, [units, 1]), (z, units));
        }
        for (ix, z) in z.chunks_exact_mut(units).enumerate() {
            let h = &rows.values[ix * rows.stride..];
            match self {
                Self::Dense { .. } => unreachable!("a dense map takes all rows at once"),
                Self::Convolution { map, patches } => add_convolution(map, weight, h, patches, z),
                Self::AveragePool { windows, across } => add_means(windows, across, h, z),
                Self::WindowValues { plane, places } => {
                    for (z, h) in z.chunks_exact_mut(places.len()).zip(h.chunks_exact(*plane)) {
                        z.iter_mut().zip(places.iter()).for_each(|(z, &place)| *z += h[place]);
                    }
                }
            }
        }
    }
}

/// Rows of windows that are multiplied at a time.
fn tile(convolution: &Convolution) -> usize {
    let [height, width] = convolution.windows.output();
    let windows = (PATCH_ELEMENTS / convolution.patch()).max(LEAST_WINDOWS);
    windows.div_ceil(width).min(height)
}

/// A product of the filters with all patches, a tile of windows after the other.
fn add_convolution<T: Real>(convolution: &Convolution, weight: &[T], h: &[T], patches: &mut Vec<T>, z: &mut [T]) {
    let Convolution { windows, filters, groups } = *convolution;
    let (patch, positions, per_group) = (convolution.patch(), windows.positions(), filters / groups);
    let ([height, width], tile) = (windows.output(), tile(convolution));
    let group_inputs = convolution.channels_per_group() * windows.plane();
    let is_plain = windows.kernel == [1, 1] && windows.stride == [1, 1];
    for group in 0..groups {
        let h = &h[group * group_inputs..][..group_inputs];
        let weight = &weight[group * per_group..];
        let z = &mut z[group * per_group * positions..][..per_group * positions];
        if is_plain {
            add_product([per_group, patch, positions], (weight, [1, filters]), (h, [positions, 1]), (z, positions));
            continue;
        }
        for first in (0..height).step_by(tile) {
            let rows = first..height.min(first + tile);
            let n_windows = rows.len() * width;
            patches.resize(patch * tile * width, T::default());
            for (element, line) in patches.chunks_exact_mut(n_windows).take(patch).enumerate() {
                write_patches(&windows, h, element, rows.start, line);
            }
            add_product(
                [per_group, patch, n_windows],
                (weight, [1, filters]),
                (patches, [n_windows, 1]),
                (&mut z[first * width..], positions),
            );
        }
    }
}

/// Writes one element of the patches of all windows from a row of windows on.
fn write_patches<T: Real>(windows: &Windows, h: &[T], element: usize, first: usize, line: &mut [T]) {
    let [kernel_height, kernel_width] = windows.kernel;
    let (channel, ky, kx) = (element / windows.area(), element / kernel_width % kernel_height, element % kernel_width);
    let plane = &h[channel * windows.plane()..][..windows.plane()];
    let inside = windows.windows_at(1, kx, 0, windows.input[1] - 1);
    for (oy, line) in line.chunks_exact_mut(windows.output()[1]).enumerate() {
        let Some(y) = windows.input_at(0, first + oy, ky).filter(|_| !inside.is_empty()) else {
            line.fill(T::default());
            continue;
        };
        line[..inside.start].fill(T::default());
        line[inside.end..].fill(T::default());
        let from = inside.start * windows.stride[1] + kx - windows.padding[1][0];
        let row = &plane[y * windows.input[1]..][from..windows.input[1]];
        let line = &mut line[inside.clone()];
        match windows.stride[1] {
            1 => line.copy_from_slice(&row[..line.len()]),
            stride => line.iter_mut().zip(row.iter().step_by(stride)).for_each(|(p, &h)| *p = h),
        }
    }
}

fn add_means<T: Real>(windows: &Windows, across: &[Range<usize>], h: &[T], z: &mut [T]) {
    let (share, [height, width]) = (T::from_f64(1.0 / windows.area() as f64), windows.output());
    for (z, h) in z.chunks_exact_mut(height * width).zip(h.chunks_exact(windows.plane())) {
        for ky in 0..windows.kernel[0] {
            for (oy, z) in z.chunks_exact_mut(width).enumerate() {
                let Some(y) = windows.input_at(0, oy, ky) else { continue };
                let row = &h[y * windows.input[1]..][..windows.input[1]];
                for (kx, inside) in across.iter().enumerate().filter(|(_, inside)| !inside.is_empty()) {
                    let from = inside.start * windows.stride[1] + kx - windows.padding[1][0];
                    let h = row[from..].iter().step_by(windows.stride[1]);
                    z[inside.clone()].iter_mut().zip(h).for_each(|(z, &h)| *z += h);
                }
            }
        }
        z.iter_mut().for_each(|z| *z *= share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Architecture};

    /// Whole numbers, so that any order of summation is exact, against the plain products of the reference.
    #[test]
    fn equals_the_plain_sums() {
        for text in [
            "3-5-7+-5~1",
            "2x7x5-c4k3p1-c6k3x2s2p1g2-c5k1",
            "1x40x33-c3k5p2-max3s2p1-avg2",
            "4x9-c4k3p1g4-c4k3p1~1-avg4s2-6",
            "3x8x8-[c6k3s2p1-c6k3p1]-max-9+",
        ] {
            let shape = Architecture::parse(text, Activation::relu(), 1).unwrap();
            let fill = |n: usize, salt: usize| -> Vec<f64> {
                (0..n).map(|i| ((i * 7 + salt) % 9) as f64 * 4.0 - 16.0).collect()
            };
            let n_rows = 4;
            let mut values = vec![fill(n_rows * shape.input_dim(), 1)];
            for (l, layer) in shape.layers().iter().enumerate() {
                let weights = AffineWeights {
                    weight: fill(layer.affine.n_weights() as usize, 2 + l),
                    bias: fill(layer.affine.n_biases(), 3),
                    skips: layer.skips.iter().map(|s| fill(s.map.map_or(0, |m| m.n_weights() as usize), 4)).collect(),
                };
                let rows = |source: usize| Rows { values: &values[source], stride: shape.source_len(source) };
                let mut z = vec![f64::NAN; n_rows * layer.affine.units()];
                let skips = || layer.skips.iter().map(|skip| rows(skip.source));
                let mut map = LayerMap::new(layer);
                map.apply(&weights, rows(l), skips(), &mut z);
                let mut both = vec![f64::NAN; z.len()];
                map.differentiate(&weights, rows(l), skips(), &mut both);
                let (z, both) = (z.chunks_exact(layer.affine.units()), both.chunks_exact(layer.affine.units()));
                for (row, (z, either)) in z.zip(both).enumerate() {
                    let value =
                        |source: usize| &values[source][row * shape.source_len(source)..][..shape.source_len(source)];
                    let plain = layer.pre_activations(&weights, value(l), value);
                    let slopes = layer.derivatives(&weights, value(l), value);
                    let is_value = row < n_rows / 2;
                    for (fast, plain) in [(z, &plain), (either, if is_value { &plain } else { &slopes })] {
                        let differ = fast.iter().zip(plain).position(|(a, b)| (a - b).abs() > 1e-9 * b.abs());
                        assert_eq!(differ, None, "{text}, layer {}, row {row}", l + 1);
                    }
                }
                values.push(fill(n_rows * layer.outputs(), 5 + l));
            }
        }
    }
}
