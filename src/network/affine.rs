//! Affine maps between layers: what is connected to what.

use super::Windows;

/// A convolution: every filter meets every window of its channels, as in PyTorch's Conv2d.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Where it looks.
    pub windows: Windows,
    /// Number of channels that come out.
    pub filters: usize,
    /// Channels and filters are in so many groups; a filter sees the channels of its own.
    pub groups: usize,
}

impl Convolution {
    /// Channels that a filter sees.
    pub fn channels_per_group(&self) -> usize {
        self.windows.channels / self.groups
    }

    /// Values that a filter sees in a window.
    pub fn patch(&self) -> usize {
        self.channels_per_group() * self.windows.area()
    }
}

/// An affine map between layers. Weights are a matrix, input-major: for a convolution the weight of element (channel, row, column) of
/// a filter's patch is at `element * filters + filter`, and there is one bias per filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Affine {
    /// Every input is connected to every unit.
    Dense {
        /// Number of inputs.
        inputs: usize,
        /// Number of pre-activations.
        units: usize,
    },
    /// A convolution.
    Convolution(Convolution),
    /// The mean of every window of every channel, zeros beyond the edge; without weights.
    AveragePool(Windows),
    /// The values of every window of every channel, window after window, of which max-pooling takes the largest (a maxout unit); without
    /// weights.
    WindowValues(Windows),
}

impl Affine {
    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Dense { inputs, .. } => *inputs,
            Self::Convolution(Convolution { windows, .. })
            | Self::AveragePool(windows)
            | Self::WindowValues(windows) => windows.inputs(),
        }
    }

    /// Number of pre-activations, each a unit of the map; an activation may join several of them, see [`Layer`](super::Layer).
    pub fn units(&self) -> usize {
        match self {
            Self::Dense { units, .. } => *units,
            Self::Convolution(convolution) => convolution.filters * convolution.windows.positions(),
            Self::AveragePool(windows) => windows.channels * windows.positions(),
            Self::WindowValues(windows) => windows.channels * windows.positions() * windows.area(),
        }
    }

    /// Rows and columns of the weight matrix: inputs or elements of a patch, and units or filters; nothing for maps without weights.
    pub fn matrix(&self) -> [usize; 2] {
        match self {
            Self::Dense { inputs, units } => [*inputs, *units],
            Self::Convolution(convolution) => [convolution.patch(), convolution.filters],
            Self::AveragePool(_) | Self::WindowValues(_) => [0, 0],
        }
    }

    /// Number of free weights, biases apart.
    pub fn n_weights(&self) -> u128 {
        let [rows, columns] = self.matrix();
        rows as u128 * columns as u128
    }

    /// Number of biases.
    pub fn n_biases(&self) -> usize {
        self.matrix()[1]
    }

    /// Number of multiplications of weights with inputs.
    pub fn n_products(&self) -> u128 {
        let rows = match self {
            Self::Dense { inputs, .. } => *inputs,
            Self::Convolution(convolution) => convolution.patch(),
            Self::AveragePool(windows) => windows.area(),
            Self::WindowValues(_) => 1,
        };
        rows as u128 * self.units() as u128
    }

    /// Inputs that a unit is connected to, those beyond the edge included.
    pub fn fan_in(&self) -> usize {
        match self {
            Self::Dense { inputs, .. } => *inputs,
            Self::Convolution(convolution) => convolution.patch(),
            Self::AveragePool(windows) => windows.area(),
            Self::WindowValues(_) => 1,
        }
    }

    /// Units that an input is connected to; for a convolution, as is customary, the product of filters and window area, whatever the
    /// stride and the groups.
    pub fn fan_out(&self) -> usize {
        match self {
            Self::Dense { units, .. } => *units,
            Self::Convolution(convolution) => convolution.filters * convolution.windows.area(),
            Self::AveragePool(_) | Self::WindowValues(_) => 1,
        }
    }

    /// Adds the product of weights and inputs to pre-activations, one multiplication after the other.
    pub(crate) fn add_product(&self, weight: &[f64], h: &[f64], z: &mut [f64]) {
        match self {
            Self::Dense { units, .. } => {
                for (row, &h) in weight.chunks_exact(*units).zip(h).filter(|(_, h)| **h != 0.0) {
                    z.iter_mut().zip(row).for_each(|(z, &w)| *z += w * h);
                }
            }
            Self::Convolution(convolution) => add_convolution(convolution, weight, h, z),
            Self::AveragePool(windows) => {
                let Windows { channels, .. } = *windows;
                let means = Convolution { windows: *windows, filters: channels, groups: channels };
                add_convolution(&means, &vec![1.0 / windows.area() as f64; channels * windows.area()], h, z);
            }
            Self::WindowValues(windows) => {
                let values = h.chunks_exact(windows.plane()).flat_map(|plane| windows.places().map(|at| plane[at]));
                z.iter_mut().zip(values).for_each(|(z, h)| *z += h);
            }
        }
    }

    /// Calls `each` with every input that a pre-activation is made of and its weight.
    pub(crate) fn for_each_input(&self, weight: &[f64], unit: usize, mut each: impl FnMut(usize, f64)) {
        let column = |windows: &Windows| (unit / windows.positions(), unit % windows.positions());
        match self {
            Self::Dense { inputs, units } => (0..*inputs).for_each(|input| each(input, weight[input * units + unit])),
            Self::Convolution(convolution) => {
                let Convolution { windows, filters, groups } = convolution;
                let ((filter, window), area) = (column(windows), windows.area());
                let first = filter / (filters / groups) * convolution.channels_per_group();
                for channel in 0..convolution.channels_per_group() {
                    for (offset, place) in windows.inside_of(window) {
                        let element = channel * area + offset;
                        each((first + channel) * windows.plane() + place, weight[element * filters + filter]);
                    }
                }
            }
            Self::AveragePool(windows) => {
                let (channel, window) = column(windows);
                let share = 1.0 / windows.area() as f64;
                windows.inside_of(window).for_each(|(_, place)| each(channel * windows.plane() + place, share));
            }
            Self::WindowValues(windows) => {
                let (window, offset) = (unit / windows.area(), unit % windows.area());
                let (channel, window) = (window / windows.positions(), window % windows.positions());
                let [oy, ox] = windows.at(window);
                let place = windows.places_of(oy, ox).nth(offset).expect("a value of the window");
                each(channel * windows.plane() + place, 1.0);
            }
        }
    }

    /// Adds its filter's bias to every pre-activation.
    pub(crate) fn add_bias(&self, bias: &[f64], z: &mut [f64]) {
        if !bias.is_empty() {
            let positions = z.len() / bias.len();
            z.chunks_exact_mut(positions).zip(bias).for_each(|(z, b)| z.iter_mut().for_each(|z| *z += b));
        }
    }
}

/// Goes through the image row by row and skips what is zero: changes of few inputs are cheap.
fn add_convolution(convolution: &Convolution, weight: &[f64], h: &[f64], z: &mut [f64]) {
    let Convolution { windows, filters, groups } = *convolution;
    let ([kernel_height, kernel_width], [_, out_width]) = (windows.kernel, windows.output());
    let (positions, per_group) = (windows.positions(), filters / groups);
    for (channel, plane) in h.chunks_exact(windows.plane()).enumerate() {
        let (group, channel) = (channel / convolution.channels_per_group(), channel % convolution.channels_per_group());
        for (y, row) in plane.chunks_exact(windows.input[1]).enumerate() {
            let Some(first) = row.iter().position(|&h| h != 0.0) else { continue };
            let last = row.iter().rposition(|&h| h != 0.0).expect("there is a first");
            for ky in 0..kernel_height {
                for oy in windows.windows_at(0, ky, y, y) {
                    for kx in 0..kernel_width {
                        let across = windows.windows_at(1, kx, first, last);
                        if across.is_empty() {
                            continue;
                        }
                        let element = (channel * kernel_height + ky) * kernel_width + kx;
                        let from = across.start * windows.stride[1] + kx - windows.padding[1][0];
                        for filter in group * per_group..(group + 1) * per_group {
                            let w = weight[element * filters + filter];
                            let z = &mut z[filter * positions + oy * out_width..][across.clone()];
                            let h = row[from..].iter().step_by(windows.stride[1]);
                            z.iter_mut().zip(h).for_each(|(z, &h)| *z += w * h);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::windows::tests::windows;

    /// Small whole numbers, some of them zero.
    fn numbers(n: usize, salt: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7 + salt * 3) % 11) as f64 - 4.0).collect()
    }

    /// The definition: a sum over the padded image.
    #[test]
    fn convolutions_are_sums_over_windows() {
        for (windows, filters, groups) in [
            (windows(1, [3, 3], [2, 2], [1, 1], [0; 4]), 1, 1),
            (windows(2, [4, 5], [3, 2], [1, 1], [1, 1, 1, 1]), 3, 1),
            (windows(4, [5, 7], [3, 3], [2, 3], [0, 2, 1, 0]), 6, 2),
            (windows(3, [1, 9], [1, 4], [1, 2], [0, 0, 3, 3]), 3, 3),
            (windows(2, [6, 6], [1, 1], [2, 2], [0; 4]), 5, 1),
        ] {
            windows.check().unwrap();
            let convolution = Convolution { windows, filters, groups };
            let map = Affine::Convolution(convolution);
            let (h, weight) = (numbers(map.inputs(), 1), numbers(map.n_weights() as usize, 2));
            let mut z = vec![1.0; map.units()];
            map.add_product(&weight, &h, &mut z);
            let [rows, columns] = windows.output();
            let padded = |c: usize, y: usize, x: usize| {
                let inside = y.checked_sub(windows.padding[0][0]).zip(x.checked_sub(windows.padding[1][0]));
                let inside = inside.filter(|&(y, x)| y < windows.input[0] && x < windows.input[1]);
                inside.map_or(0.0, |(y, x)| h[(c * windows.input[0] + y) * windows.input[1] + x])
            };
            for filter in 0..filters {
                let first = filter / (filters / groups) * convolution.channels_per_group();
                for (oy, ox) in (0..rows).flat_map(|oy| (0..columns).map(move |ox| (oy, ox))) {
                    let mut sum = 1.0;
                    for c in 0..convolution.channels_per_group() {
                        for (ky, kx) in
                            (0..windows.kernel[0]).flat_map(|ky| (0..windows.kernel[1]).map(move |kx| (ky, kx)))
                        {
                            let element = (c * windows.kernel[0] + ky) * windows.kernel[1] + kx;
                            sum += weight[element * filters + filter]
                                * padded(first + c, oy * windows.stride[0] + ky, ox * windows.stride[1] + kx);
                        }
                    }
                    assert_eq!(z[(filter * rows + oy) * columns + ox], sum, "{convolution:?} {filter} {oy} {ox}");
                }
            }
        }
    }

    /// Row by row the same matrix as by products with single inputs.
    #[test]
    fn pre_activations_are_made_of_the_inputs_of_their_windows() {
        let edge = windows(2, [4, 5], [3, 2], [1, 1], [1, 1, 1, 1]);
        let strided = windows(4, [5, 7], [3, 3], [2, 3], [0, 2, 1, 0]);
        for map in [
            Affine::Dense { inputs: 3, units: 5 },
            Affine::Convolution(Convolution { windows: edge, filters: 3, groups: 1 }),
            Affine::Convolution(Convolution { windows: strided, filters: 6, groups: 2 }),
            Affine::AveragePool(edge),
            Affine::WindowValues(edge),
            Affine::WindowValues(strided),
        ] {
            let (inputs, units) = (map.inputs(), map.units());
            let weight = numbers(map.n_weights() as usize, 3);
            let mut rows = vec![0.0; inputs * units];
            for unit in 0..units {
                map.for_each_input(&weight, unit, |input, w| rows[input * units + unit] += w);
            }
            for (input, column) in rows.chunks_exact(units).enumerate() {
                let mut product = vec![0.0; units];
                let one: Vec<f64> = (0..inputs).map(|ix| f64::from(u8::from(ix == input))).collect();
                map.add_product(&weight, &one, &mut product);
                assert_eq!(column, product, "{map:?}");
            }
        }
    }

    #[test]
    fn pools_take_means_and_values_of_windows() {
        let pool = windows(2, [3, 4], [2, 2], [1, 2], [0; 4]);
        let h = numbers(24, 5);
        let mut means = vec![0.0; 2 * 2 * 2];
        Affine::AveragePool(pool).add_product(&[], &h, &mut means);
        let mut values = vec![0.0; 2 * 2 * 2 * 4];
        Affine::WindowValues(pool).add_product(&[], &h, &mut values);
        assert_eq!(values[..8], [h[0], h[1], h[4], h[5], h[2], h[3], h[6], h[7]]);
        for (mean, values) in means.iter().zip(values.chunks(4)) {
            assert_eq!(*mean, values.iter().sum::<f64>() / 4.0);
        }
        // Beyond the edge the largest value does not change.
        let edge = windows(1, [2, 2], [2, 2], [1, 1], [1, 1, 1, 1]);
        let h = [-1.0, -2.0, -3.0, -4.0];
        let mut values = vec![0.0; 9 * 4];
        Affine::WindowValues(edge).add_product(&[], &h, &mut values);
        let largest: Vec<f64> = values.chunks(4).map(|w| w.iter().copied().fold(f64::MIN, f64::max)).collect();
        assert_eq!(largest, [-1.0, -1.0, -2.0, -1.0, -1.0, -2.0, -3.0, -3.0, -4.0]);
    }
}
