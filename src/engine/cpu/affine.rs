//! The affine part of a layer, on blocks of rows.

use std::sync::atomic::AtomicBool;

use super::convolution::ConvolutionMap;
use super::dense::DenseMap;
use super::drawn::{Drawn, RandomLayer};
use super::halt::Halt;
use super::real::Real;
use crate::network::{Affine, AffineWeights, Layer, RandomMatrix, Windows};

/// Rows of values.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub(super) values: &'a [T],
    /// From the beginning of one to the next.
    pub(super) stride: usize,
    /// The rows that count, where these are not all.
    pub(super) picked: Option<&'a [usize]>,
}

impl<'a, T> Rows<'a, T> {
    /// A row of those that count, and what comes after it.
    #[inline(always)]
    pub(super) fn row(&self, ix: usize) -> &'a [T] {
        &self.values[self.picked.map_or(ix, |picked| picked[ix]) * self.stride..]
    }
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

    /// Computes the pre-activations of a layer of a random network from a first half of rows of values, and their derivatives from a second
    /// half, along which biases are constant. The biases are left in `drawn`.
    pub(super) fn differentiate<'a>(
        &mut self,
        layer: RandomLayer,
        drawn: &mut Drawn<T>,
        inputs: Rows<T>,
        skips: impl Iterator<Item = Rows<'a, T>>,
        z: &mut [T],
        stop: &AtomicBool,
    ) -> Result<(), Halt> {
        let (values, derivatives) = z.split_at_mut(z.len() / 2);
        self.set_bias(drawn.draw_bias(layer), values);
        derivatives.fill(T::default());
        let RandomLayer { network, draw, ix } = layer;
        self.main.add_drawn(&network.weights_of(draw, ix), drawn, inputs, self.units, z, stop)?;
        for (skip, (map, rows)) in self.skips.iter_mut().zip(skips).enumerate() {
            match (map, network.weights_of_skip(draw, ix, skip)) {
                (Some(map), Some(matrix)) => map.add_drawn(&matrix, drawn, rows, self.units, z, stop)?,
                _ => add_rows(rows, self.units, z),
            }
        }
        Ok(())
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
                None => add_rows(rows, self.units, z),
            }
        }
    }

    /// Adds to a row of pre-activations so much of the column of weights of one of the layer's inputs; `of_inputs` says which of the skips add
    /// these inputs, too. Not for pools.
    #[inline(always)]
    pub(super) fn add_column(
        &self,
        weights: &AffineWeights<T>,
        of_inputs: &[bool],
        input: usize,
        factor: T,
        z: &mut [T],
    ) {
        self.main.add_column(&weights.weight, input, factor, z);
        for ((map, weight), _) in self.skips.iter().zip(&weights.skips).zip(of_inputs).filter(|(_, is_of)| **is_of) {
            match map {
                Some(map) => map.add_column(weight, input, factor, z),
                None => z[input] += factor,
            }
        }
    }

    /// Bytes that it holds for blocks of so many rows, of which some are picked.
    pub(super) fn bytes(layer: &Layer, rows: u128) -> u128 {
        let of_map = |map: &Affine| match map {
            Affine::Dense { inputs, units } => DenseMap::<T>::bytes(*inputs, *units, rows),
            Affine::AveragePool(windows) => size_of::<T>() as u128 * windows.input[1] as u128,
            Affine::Convolution(convolution) => ConvolutionMap::<T>::bytes(convolution),
            Affine::WindowValues(windows) => 8 * (windows.positions() * windows.area()) as u128,
        };
        layer.maps().map(of_map).sum()
    }
}

/// An affine map without its biases.
enum Map<T> {
    Dense(DenseMap<T>),
    Convolution(ConvolutionMap<T>),
    AveragePool {
        windows: Windows,
        /// Room for the sums of the columns of a row of windows.
        sums: Vec<T>,
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
            Affine::Dense { inputs, .. } => Self::Dense(DenseMap::new(inputs)),
            Affine::Convolution(map) => Self::Convolution(ConvolutionMap::new(map)),
            Affine::AveragePool(windows) => Self::AveragePool { windows, sums: Vec::new() },
            Affine::WindowValues(windows) => {
                Self::WindowValues { plane: windows.plane(), places: windows.places().collect() }
            }
        }
    }

    /// Adds its product with every row of inputs to a row of `z`.
    fn add(&mut self, weight: &[T], rows: Rows<T>, units: usize, z: &mut [T]) {
        if let Self::Dense(map) = self {
            return map.add(weight, rows, units, z);
        }
        for (ix, z) in z.chunks_exact_mut(units).enumerate() {
            let h = rows.row(ix);
            match self {
                Self::Dense(_) => unreachable!("a dense map takes all rows at once"),
                Self::Convolution(map) => map.add(weight, h, z),
                Self::AveragePool { windows, sums } => add_means(windows, sums, h, z),
                Self::WindowValues { plane, places } => {
                    for (z, h) in z.chunks_exact_mut(places.len()).zip(h.chunks_exact(*plane)) {
                        z.iter_mut().zip(places.iter()).for_each(|(z, &place)| *z += h[place]);
                    }
                }
            }
        }
    }

    /// The same with weights that are not drawn yet.
    fn add_drawn(
        &mut self,
        matrix: &RandomMatrix,
        drawn: &mut Drawn<T>,
        rows: Rows<T>,
        units: usize,
        z: &mut [T],
        stop: &AtomicBool,
    ) -> Result<(), Halt> {
        match self {
            Self::Dense(map) if matrix.has_independent_rows() => map.add_drawn(matrix, drawn, rows, units, z, stop),
            _ => {
                self.add(drawn.all(matrix), rows, units, z);
                Ok(())
            }
        }
    }

    /// Adds so much of the column of weights of an input to a row. Not for pools, which have none.
    #[inline(always)]
    fn add_column(&self, weight: &[T], input: usize, factor: T, z: &mut [T]) {
        match self {
            Self::Dense(_) => DenseMap::add_column(weight, input, factor, z),
            Self::Convolution(map) => map.add_column(weight, input, factor, z),
            Self::AveragePool { .. } | Self::WindowValues { .. } => unreachable!("pools compute all rows"),
        }
    }
}

/// Adds rows as they are.
fn add_rows<T: Real>(rows: Rows<T>, units: usize, z: &mut [T]) {
    for (ix, z) in z.chunks_exact_mut(units).enumerate() {
        z.iter_mut().zip(rows.row(ix)).for_each(|(z, &h)| *z += h);
    }
}

/// Adds the means of all windows: the sums of a row of windows from those of the columns below it.
fn add_means<T: Real>(windows: &Windows, sums: &mut Vec<T>, h: &[T], z: &mut [T]) {
    let (share, [height, width]) = (T::from_f64(1.0 / windows.area() as f64), windows.output());
    for (z, h) in z.chunks_exact_mut(height * width).zip(h.chunks_exact(windows.plane())) {
        for (oy, z) in z.chunks_exact_mut(width).enumerate() {
            sums.clear();
            sums.resize(windows.input[1], T::default());
            for y in windows.inside(0, oy) {
                let row = &h[y * windows.input[1]..][..windows.input[1]];
                sums.iter_mut().zip(row).for_each(|(sum, &h)| *sum += h);
            }
            for (ox, z) in z.iter_mut().enumerate() {
                let inside = sums[windows.inside(1, ox)].iter();
                *z += share * inside.fold(T::default(), |total, &sum| total + sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Architecture, BiasLaw, RandomNetwork};

    const SHAPES: [&str; 7] = [
        "3-5-7+-5~1",
        "2x7x5-c4k3p1-c6k3x2s2p1g2-c5k1",
        "1x40x33-c3k5p2-max3s2p1-avg2",
        "4x9-c4k3p1g4-c4k3p1~1-avg4s2-6",
        "3x8x8-[c6k3s2p1-c6k3p1]-max-9+",
        "2x11x9-c3k4x5s3x2p2x3-c4k1s2",
        "2x7x9-avg3x2s2x1p1x0-c2k2s3",
    ];

    /// Whole numbers, so that any order of summation is exact, against the plain products of the reference.
    #[test]
    fn equals_the_plain_sums() {
        for text in SHAPES {
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
                let rows =
                    |source: usize| Rows { values: &values[source], stride: shape.source_len(source), picked: None };
                let mut z = vec![f64::NAN; n_rows * layer.affine.units()];
                let skips = || layer.skips.iter().map(|skip| rows(skip.source));
                let mut map = LayerMap::new(layer);
                map.apply(&weights, rows(l), skips(), &mut z);
                for (row, z) in z.chunks_exact(layer.affine.units()).enumerate() {
                    let value =
                        |source: usize| &values[source][row * shape.source_len(source)..][..shape.source_len(source)];
                    let plain = layer.pre_activations(&weights, value(l), value);
                    let differ = z.iter().zip(&plain).position(|(a, b)| (a - b).abs() > 1e-9 * b.abs());
                    assert_eq!(differ, None, "{text}, layer {}, row {row}", l + 1);
                }
                values.push(fill(n_rows * layer.outputs(), 5 + l));
            }
        }
    }

    /// Weights drawn in pieces, without those of inputs that are zero in all rows, against plain products with the whole draw. The wide layers take
    /// several pieces of inputs, and every seventh input is 0 in all rows, as are long runs.
    #[test]
    fn derivatives_equal_the_plain_sums_with_the_whole_draw() {
        for (text, weights) in SHAPES.map(|text| (text, "he-normal")).into_iter().chain([
            ("401-300-299+", "laplace:0.1"),
            ("70-9-9~1", "orthogonal"),
            ("3000-31-257+", "torch"),
        ]) {
            let shape = Architecture::parse(text, Activation::relu(), 1).unwrap();
            let law = RandomNetwork::new(shape.clone(), weights.parse().unwrap(), BiasLaw::Normal(0.3), 5).unwrap();
            let (draw, n_rows, mut drawn) = (3, 4, Drawn::default());
            let network = law.draw(draw);
            let fill = |n: usize, salt: usize| -> Vec<f64> {
                let is_silent = |i: usize| i % 7 == 3 || i % 50 > 40;
                (0..n_rows * n)
                    .map(|i| if is_silent(i % n) { 0.0 } else { ((i * 5 + salt) % 9) as f64 - 4.0 })
                    .collect()
            };
            let values: Vec<Vec<f64>> =
                (0..=shape.depth()).map(|source| fill(shape.source_len(source), source)).collect();
            for (ix, layer) in shape.layers().iter().enumerate() {
                let rows =
                    |source: usize| Rows { values: &values[source], stride: shape.source_len(source), picked: None };
                let skips = layer.skips.iter().map(|skip| rows(skip.source));
                let mut z = vec![f64::NAN; n_rows * layer.affine.units()];
                let random = RandomLayer { network: &law, draw, ix };
                let mut map = LayerMap::new(layer);
                map.differentiate(random, &mut drawn, rows(ix), skips, &mut z, &AtomicBool::new(false)).unwrap();
                let weights = &network.affine()[ix];
                assert_eq!(drawn.bias(), weights.bias);
                for (row, z) in z.chunks_exact(layer.affine.units()).enumerate() {
                    let value =
                        |source: usize| &values[source][row * shape.source_len(source)..][..shape.source_len(source)];
                    let plain = match row < n_rows / 2 {
                        true => layer.pre_activations(weights, value(ix), value),
                        false => layer.derivatives(weights, value(ix), value),
                    };
                    let differ = z.iter().zip(&plain).position(|(a, b)| (a - b).abs() > 1e-11 * (1.0 + b.abs()));
                    assert_eq!(differ, None, "{text}, layer {}, row {row}", ix + 1);
                }
            }
        }
    }
}
