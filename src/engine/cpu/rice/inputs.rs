//! Rates of layers of normal weights, from what their units see.

use std::ops::{AddAssign, Range};

use pulp::{Simd, WithSimd};

use crate::engine::cpu::real::Real;
use crate::network::{Affine, Convolution, Layer};
use crate::theory::rice::Switches;

/// Values summed side by side.
const LANES: usize = 16;

/// The pre-activations of a layer as Gaussian processes: given all layers before, its weights and biases are independent normal variables.
/// Units that see the same, the filters of a group at one position, have one law. What a layer adds as it is, is their mean.
pub(super) struct Processes {
    maps: Vec<Seen>,
    pub(super) bias_variance: f64,
    /// The sources that are added as they are.
    means: Vec<usize>,
    switches: Switches,
    /// Filters that see the same through every map; dense layers are of filters at one position.
    pub(super) runs: Vec<Range<usize>>,
    pub(super) positions: usize,
    sums: Vec<Sums>,
    /// Sums over the channels of a group.
    plane: Vec<Sums>,
    group: Vec<[f64; 2]>,
}

/// What [`crossing_rate`](crate::theory::rice::crossing_rate) takes of a process without mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ProcessLaw {
    pub(super) variance: f64,
    pub(super) drift: f64,
    pub(super) remainder: f64,
}

impl ProcessLaw {
    /// That of a process that nothing moves.
    const STILL: Self = Self { variance: 0.0, drift: 0.0, remainder: 0.0 };
}

/// What units see through one of the maps with weights.
struct Seen {
    source: usize,
    weight_variance: f64,
    windows: Option<WindowsSeen>,
    /// Where the sums of its windows are.
    first: usize,
}

/// The windows of a convolution, with the rows and columns of the image that are inside.
struct WindowsSeen {
    map: Convolution,
    rows: Vec<Range<usize>>,
    columns: Vec<Range<usize>>,
}

/// Sums over the values h that a unit sees, and their derivatives h': of h^2, of h h', and of (h' - c h)^2.
#[derive(Clone, Copy, Default)]
struct Sums {
    squares: f64,
    products: f64,
    rests: f64,
}

impl AddAssign for Sums {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        self.squares += other.squares;
        self.products += other.products;
        self.rests += other.rests;
    }
}

impl Processes {
    /// Those of hidden layer `ix` (from 0) with weights of these variances.
    pub(super) fn new(
        ix: usize,
        layer: &Layer,
        switches: Switches,
        weight_variance: impl Fn(Affine) -> f64,
        bias_variance: f64,
    ) -> Self {
        let mut n_windows = 0;
        let skips = layer.skips.iter().filter_map(|skip| Some((skip.source, skip.map?)));
        let maps: Vec<Seen> = [(ix, layer.affine)]
            .into_iter()
            .chain(skips)
            .map(|(source, map)| {
                let windows = WindowsSeen::of(map);
                let first = n_windows;
                n_windows += windows.as_ref().map_or(1, WindowsSeen::len);
                Seen { source, weight_variance: weight_variance(map), windows, first }
            })
            .collect();
        let convolutions = || maps.iter().filter_map(|seen| Some(seen.windows.as_ref()?.map));
        let positions = convolutions().map(|map| map.windows.positions()).max().unwrap_or(1);
        let filters = layer.affine.units() / positions;
        let mut ends: Vec<usize> =
            convolutions().flat_map(|map| (1..map.groups).map(move |g| g * filters / map.groups)).collect();
        ends.extend([0, filters]);
        ends.sort_unstable();
        ends.dedup();
        Self {
            bias_variance,
            means: layer.skips.iter().filter(|skip| skip.map.is_none()).map(|skip| skip.source).collect(),
            switches,
            runs: ends.windows(2).map(|ends| ends[0]..ends[1]).collect(),
            positions,
            sums: vec![Sums::default(); n_windows],
            plane: Vec::new(),
            group: vec![[0.0; 2]; layer.activation.group_size()],
            maps,
        }
    }

    /// The convolutions of what is seen: their sources and the variances of their weights.
    pub(super) fn convolutions(&self) -> impl Iterator<Item = (usize, f64, Convolution)> {
        self.maps.iter().filter_map(|seen| Some((seen.source, seen.weight_variance, seen.windows.as_ref()?.map)))
    }

    /// Bytes that those of a layer take.
    pub(super) fn bytes(layer: &Layer) -> u128 {
        let of_map = |map: &Affine| match map {
            Affine::Convolution(map) => {
                64 * map.groups as u128
                    + 3 * (map.groups * map.windows.positions()) as u128
                    + 3 * map.windows.plane() as u128
            }
            _ => 3,
        };
        8 * layer.maps().map(of_map).sum::<u128>()
    }

    /// The expected rate of crossings at a point where sources have these values and derivatives; `None` where squares leave the range
    /// of the number type.
    #[inline(always)]
    fn rate<'a, T: Real>(&mut self, source: impl Fn(usize) -> (&'a [T], &'a [T])) -> Option<f64> {
        let about = self.see(&source);
        let mut rate = 0.0;
        for run in 0..self.runs.len() {
            for position in 0..self.positions {
                let filters = self.runs[run].clone();
                let law = self.law(filters.start, position, about)?;
                rate += self.rate_of(law, filters, position, &source);
            }
        }
        Some(rate)
    }

    /// The law of the units of a dense layer at a point where sources have these values and derivatives, and the expected rate of crossings
    /// there; `None` where squares leave the range of the number type.
    #[inline(always)]
    pub(super) fn law_and_rate<'a, T: Real>(
        &mut self,
        source: impl Fn(usize) -> (&'a [T], &'a [T]),
    ) -> Option<(ProcessLaw, f64)> {
        let about = self.see(&source);
        let law = self.law(0, 0, about)?;
        Some((law, self.rate_of(law, self.runs[0].clone(), 0, &source)))
    }

    /// The sources that are added as they are.
    pub(super) fn means(&self) -> &[usize] {
        &self.means
    }

    /// Takes the sums over all that is seen, those of (h' - c h)^2 about the c that it returns, which is about right for all units.
    #[inline(always)]
    fn see<'a, T: Real>(&mut self, source: &impl Fn(usize) -> (&'a [T], &'a [T])) -> f64 {
        let (mut squares, mut products) = (0.0, 0.0);
        for seen in &self.maps {
            let (h, dh) = source(seen.source);
            let sums = squares_and_products(h, dh);
            squares += seen.weight_variance * sums.squares;
            products += seen.weight_variance * sums.products;
            self.sums[seen.first] = sums;
        }
        let variance = squares + self.bias_variance;
        let about = if variance > 0.0 { products / variance } else { 0.0 };
        for seen in &self.maps {
            let (h, dh) = source(seen.source);
            match &seen.windows {
                None => self.sums[seen.first].rests = squared_rest(h, dh, T::from_f64(about)),
                Some(windows) => {
                    let sums = &mut self.sums[seen.first..][..windows.len()];
                    windows.sum(h, dh, about, &mut self.plane, sums);
                }
            }
        }
        about
    }

    /// The law of units at one position of a filter and all that see the same, from sums of (h' - `about` h)^2; `None` where squares leave
    /// the range of the number type.
    #[inline(always)]
    fn law(&self, filter: usize, position: usize, about: f64) -> Option<ProcessLaw> {
        let sums = |seen: &Seen| {
            let window =
                seen.windows.as_ref().map_or(0, |windows| windows.group_of(filter) * self.positions + position);
            (seen.weight_variance, self.sums[seen.first + window])
        };
        let (mut squares, mut products) = (0.0, 0.0);
        for (weight_variance, sums) in self.maps.iter().map(sums) {
            squares += weight_variance * sums.squares;
            products += weight_variance * sums.products;
        }
        let variance = squares + self.bias_variance;
        // All units before are silent and there is no bias.
        if variance <= 0.0 {
            return Some(ProcessLaw::STILL);
        }
        let drift = products / variance;
        // As a sum of squares about almost the right multiple of h, because the difference E z'^2 - (E z z')^2 / E z^2 cancels far
        // from the origin.
        let shift = about - drift;
        let mut remainder = 0.0;
        for (weight_variance, Sums { squares, products, rests }) in self.maps.iter().map(sums) {
            remainder += weight_variance * (rests + shift * (2.0 * (products - about * squares) + shift * squares));
        }
        remainder += drift * drift * self.bias_variance;
        (variance.is_finite() && remainder.is_finite()).then_some(ProcessLaw { variance, drift, remainder })
    }

    /// The part of units at one position of filters of one law.
    #[inline(always)]
    fn rate_of<'a, T: Real>(
        &mut self,
        law: ProcessLaw,
        filters: Range<usize>,
        position: usize,
        source: &impl Fn(usize) -> (&'a [T], &'a [T]),
    ) -> f64 {
        let ProcessLaw { variance, drift, remainder } = law;
        if variance <= 0.0 {
            return 0.0;
        }
        if self.means.is_empty() {
            let share = filters.len() as f64 / (self.runs[self.runs.len() - 1].end * self.positions) as f64;
            return share * self.switches.rate(variance, drift, remainder);
        }
        let size = self.group.len();
        let mut rate = 0.0;
        for first in filters.step_by(size) {
            for (ix, mean) in self.group.iter_mut().enumerate() {
                let unit = (first + ix) * self.positions + position;
                *mean = [0.0; 2];
                for &added in &self.means {
                    let (h, dh) = source(added);
                    mean[0] += h[unit].to_f64();
                    mean[1] += dh[unit].to_f64();
                }
            }
            rate += self.switches.rate_about(&self.group, variance, drift, remainder);
        }
        rate
    }
}

impl WindowsSeen {
    fn of(map: Affine) -> Option<Self> {
        let Affine::Convolution(map) = map else { return None };
        let [height, width] = map.windows.output();
        let inside = |axis, n| (0..n).map(|window| map.windows.inside(axis, window)).collect();
        Some(Self { map, rows: inside(0, height), columns: inside(1, width) })
    }

    /// Number of windows of all groups.
    fn len(&self) -> usize {
        self.map.groups * self.rows.len() * self.columns.len()
    }

    fn group_of(&self, filter: usize) -> usize {
        filter / (self.map.filters / self.map.groups)
    }

    /// Writes the sums over every window: over the channels first.
    #[inline(always)]
    fn sum<T: Real>(&self, h: &[T], dh: &[T], about: f64, plane: &mut Vec<Sums>, sums: &mut [Sums]) {
        let n_values = self.map.windows.plane();
        let width = self.map.windows.input[1];
        let of_group = self.map.channels_per_group() * n_values;
        let groups = h.chunks_exact(of_group).zip(dh.chunks_exact(of_group));
        for ((h, dh), sums) in groups.zip(sums.chunks_exact_mut(self.rows.len() * self.columns.len())) {
            plane.clear();
            plane.resize(n_values, Sums::default());
            for (h, dh) in h.chunks_exact(n_values).zip(dh.chunks_exact(n_values)) {
                for ((sums, h), dh) in plane.iter_mut().zip(h).zip(dh) {
                    let (h, dh) = (h.to_f64(), dh.to_f64());
                    let rest = dh - about * h;
                    *sums += Sums { squares: h * h, products: h * dh, rests: rest * rest };
                }
            }
            let windows = self.rows.iter().flat_map(|rows| self.columns.iter().map(move |columns| (rows, columns)));
            for ((rows, columns), sum) in windows.zip(sums) {
                *sum = Sums::default();
                for row in plane.chunks_exact(width).take(rows.end).skip(rows.start) {
                    row[columns.clone()].iter().for_each(|&sums| *sum += sums);
                }
            }
        }
    }
}

/// The rates of a layer at `n` points; `false` where squares leave the range of the number type.
pub(super) struct FromInputs<'a, T> {
    pub(super) processes: &'a mut Processes,
    /// Rows of the values at all points, then of derivatives.
    pub(super) sources: &'a [Vec<T>],
    pub(super) n: usize,
    /// From the rate at a point to that at the next.
    pub(super) depth: usize,
    pub(super) rates: &'a mut [f64],
}

impl<T: Real> WithSimd for FromInputs<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        let Self { processes, sources, n, depth, rates } = self;
        for (point, rate) in rates.iter_mut().step_by(depth).enumerate() {
            match processes.rate(|source| at_point(&sources[source], n, point)) {
                Some(at_point) => *rate = at_point,
                None => return false,
            }
        }
        true
    }
}

/// The values and derivatives at one of `n` points, of rows of the values at all and then of derivatives.
#[inline(always)]
pub(super) fn at_point<T>(rows: &[T], n: usize, point: usize) -> (&[T], &[T]) {
    let (values, derivatives) = rows.split_at(rows.len() / 2);
    let len = values.len() / n;
    (&values[point * len..][..len], &derivatives[point * len..][..len])
}

/// The sums of h^2 and of h h'.
#[inline(always)]
fn squares_and_products<T: Real>(h: &[T], dh: &[T]) -> Sums {
    let (mut squares, mut products) = ([T::default(); LANES], [T::default(); LANES]);
    let (rows, derivatives) = (h.chunks_exact(LANES), dh.chunks_exact(LANES));
    for (ix, (&h, &dh)) in rows.remainder().iter().zip(derivatives.remainder()).enumerate() {
        (squares[ix], products[ix]) = (h * h, h * dh);
    }
    for (h, dh) in rows.zip(derivatives) {
        for lane in 0..LANES {
            squares[lane] += h[lane] * h[lane];
            products[lane] += h[lane] * dh[lane];
        }
    }
    Sums { squares: total(&squares), products: total(&products), rests: 0.0 }
}

/// The sum of (h' - c h)^2.
#[inline(always)]
fn squared_rest<T: Real>(h: &[T], dh: &[T], c: T) -> f64 {
    let mut squares = [T::default(); LANES];
    let (rows, derivatives) = (h.chunks_exact(LANES), dh.chunks_exact(LANES));
    let square = |h: T, dh: T| {
        let rest = dh - c * h;
        rest * rest
    };
    for (ix, (&h, &dh)) in rows.remainder().iter().zip(derivatives.remainder()).enumerate() {
        squares[ix] = square(h, dh);
    }
    for (h, dh) in rows.zip(derivatives) {
        for lane in 0..LANES {
            squares[lane] += square(h[lane], dh[lane]);
        }
    }
    total(&squares)
}

#[inline(always)]
fn total<T: Real>(lanes: &[T; LANES]) -> f64 {
    lanes.iter().map(|x| x.to_f64()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, Architecture};
    use crate::theory::rice::crossing_rate;

    /// Against the sum over units of the rate of each, from sums over all that it is connected to, with weights of variance 1 / 2 in
    /// main maps and 2 in those of skips.
    #[test]
    fn rates_are_sums_over_units() {
        for (text, activation) in [
            ("5-7-6+-9+1", "relu"),
            ("3-5-5~1-5+", "hard-tanh"),
            ("4x5x6-c4k3x2s2p1x0g2-c6k2p0:1x1:0g2", "soft-threshold:0.5"),
            ("2x9-c6k3p1-c6k3p1g3+-c6k3p1~1~2+1", "relu"),
            ("3-6-6~1", "max-min"),
            ("3-12-6~1+", "maxout:2"),
            ("2x5-c4k2p1-c4k3p1~1-c4k1g2+1", "max-min"),
        ] {
            let shape = Architecture::parse(text, activation.parse::<Activation>().unwrap(), 1).unwrap();
            let number = |i: usize, salt: usize| ((i * 7 + salt * 5) % 13) as f64 / 4.0 - 1.4;
            let source = |source: usize| -> [Vec<f64>; 2] {
                [1, 2].map(|salt| (0..shape.source_len(source)).map(|i| number(i, 3 * source + salt)).collect())
            };
            let sources: Vec<[Vec<f64>; 2]> = (0..=shape.depth()).map(source).collect();
            for (ix, layer) in shape.layers().iter().enumerate() {
                let variance = |map: Affine| if map == layer.affine { 0.5 } else { 2.0 };
                let switches = Switches::of_layer(layer);
                let levels = switches.levels.clone();
                let rows = |source: usize| (&sources[source][0][..], &sources[source][1][..]);
                let rate = Processes::new(ix, layer, switches, variance, 0.3).rate(rows).unwrap();
                // Of every unit E z^2, E z z' and E z'^2, and the mean with its derivative.
                let mut moments = vec![[0.3, 0.0, 0.0]; layer.affine.units()];
                let mut means = vec![[0.0; 2]; layer.affine.units()];
                let skips = layer.skips.iter().map(|skip| (skip.source, skip.map));
                for (source, map) in [(ix, Some(layer.affine))].into_iter().chain(skips) {
                    let (h, dh) = rows(source);
                    let Some(map) = map else {
                        let added = h.iter().zip(dh);
                        means.iter_mut().zip(added).for_each(|([m, dm], (h, dh))| (*m, *dm) = (*m + h, *dm + dh));
                        continue;
                    };
                    for i in 0..h.len() {
                        let mut unit = vec![0.0; h.len()];
                        unit[i] = 1.0;
                        let mut seen = vec![0.0; layer.affine.units()];
                        map.add_product(&vec![1.0; map.n_weights() as usize], &unit, &mut seen);
                        for (moments, seen) in moments.iter_mut().zip(seen) {
                            let products = [h[i] * h[i], h[i] * dh[i], dh[i] * dh[i]];
                            moments.iter_mut().zip(products).for_each(|(m, p)| *m += variance(map) * seen * p);
                        }
                    }
                }
                let of_unit = |unit: usize| -> f64 {
                    let ([q, r, s], [m, dm]) = (moments[unit], means[unit]);
                    levels.iter().map(|tau| crossing_rate(q, r / q, s - r * r / q, tau - m, -dm)).sum()
                };
                let of_pair = |pair: usize| {
                    let [i, j] = [0, 1].map(|row| layer.grouping().place(pair, row));
                    let ([q, r, s], [a, b]) = (moments[i], [means[i], means[j]]);
                    crossing_rate(2.0 * q, r / q, 2.0 * (s - r * r / q), b[0] - a[0], b[1] - a[1])
                };
                let expected: f64 = match layer.activation.group_size() {
                    1 => (0..layer.affine.units()).map(of_unit).sum(),
                    _ => (0..layer.groups()).map(of_pair).sum(),
                };
                assert!((rate / expected - 1.0).abs() < 1e-12, "{text} layer {}: {rate} {expected}", ix + 1);
            }
        }
    }
}
