//! Affine maps between layers: what is connected to what.

use crate::error::{Error, Result};

/// Windows that slide over every channel of an image. Images are flattened in the order channel, height, width; a line is an
/// image of height 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Number of channels.
    pub channels: usize,
    /// Height and width of the image.
    pub input: [usize; 2],
    /// Height and width of a window.
    pub kernel: [usize; 2],
    /// Steps from window to window, down and to the right.
    pub stride: [usize; 2],
    /// Rows above and below the image, and columns left and right of it, into which windows reach.
    pub padding: [[usize; 2]; 2],
}

impl Windows {
    /// Checks that there is a window, and that each has a part of the image.
    ///
    /// # Errors
    /// Says which size is wrong.
    pub fn check(&self) -> Result<()> {
        for (axis, name) in ["height", "width"].into_iter().enumerate() {
            let [input, kernel, stride] = [self.input, self.kernel, self.stride].map(|sizes| sizes[axis]);
            let [before, after] = self.padding[axis];
            let wrong = |message: String| Err(Error::usage(message));
            if kernel == 0 {
                return wrong(format!("a kernel of {name} 0: give at least 1"));
            }
            if stride == 0 {
                return wrong("a stride of 0: give at least 1".to_owned());
            }
            if before.max(after) >= kernel {
                let padding = before.max(after);
                return wrong(format!("a padding of {padding} is beyond a kernel of {name} {kernel}"));
            }
            if kernel > input.saturating_add(before).saturating_add(after) {
                let with = if before + after > 0 { " with its padding" } else { "" };
                return wrong(format!("a kernel of {name} {kernel} on an input of {name} {input}{with}"));
            }
            if stride > input.max(1) {
                return wrong(format!("a stride of {stride} is larger than the input's {name} of {input}"));
            }
        }
        Ok(())
    }

    /// Number of windows one above the other, and side by side.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let [before, after] = self.padding[axis];
            (self.input[axis] + before + after - self.kernel[axis]) / self.stride[axis] + 1
        })
    }

    /// Number of windows on a channel.
    pub fn positions(&self) -> usize {
        self.output().iter().product()
    }

    /// Number of values of the image.
    pub fn inputs(&self) -> usize {
        self.channels * self.plane()
    }

    /// Whether two windows have a value of the image in common.
    pub(crate) fn overlap(&self) -> bool {
        (0..2).any(|axis| self.stride[axis] < self.kernel[axis] && self.output()[axis] > 1)
    }

    /// Values of a channel.
    pub(crate) fn plane(&self) -> usize {
        self.input.iter().product()
    }

    /// Values of a window on one channel.
    pub fn area(&self) -> usize {
        self.kernel.iter().product()
    }

    /// The row or column of the image that a window's own row or column `offset` is, if it is inside.
    pub(crate) fn input_at(&self, axis: usize, window: usize, offset: usize) -> Option<usize> {
        let at = (window * self.stride[axis] + offset).checked_sub(self.padding[axis][0])?;
        (at < self.input[axis]).then_some(at)
    }

    /// The rows or columns of the image that are inside a window.
    pub(crate) fn inside(&self, axis: usize, window: usize) -> std::ops::Range<usize> {
        let (start, before) = (window * self.stride[axis], self.padding[axis][0]);
        let end = (start + self.kernel[axis]).saturating_sub(before).min(self.input[axis]);
        start.saturating_sub(before).min(end)..end
    }

    /// The windows whose own row or column `offset` is one of the rows or columns `first` to `last` of the image, as a range.
    pub(crate) fn windows_at(&self, axis: usize, offset: usize, first: usize, last: usize) -> std::ops::Range<usize> {
        let (stride, before) = (self.stride[axis], self.padding[axis][0]);
        let start = (first + before).saturating_sub(offset).div_ceil(stride);
        let end = (last + before + 1).saturating_sub(offset).div_ceil(stride);
        start..end.min(self.output()[axis])
    }

    /// The windows with a place of a channel's plane in them, and which of their values it is.
    pub(crate) fn windows_of(&self, place: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (y, x) = (place / self.input[1], place % self.input[1]);
        let columns = move |ky: usize, oy: usize| {
            (0..self.kernel[1]).flat_map(move |kx| {
                let across = self.windows_at(1, kx, x, x);
                across.map(move |ox| (oy * self.output()[1] + ox, ky * self.kernel[1] + kx))
            })
        };
        (0..self.kernel[0]).flat_map(move |ky| self.windows_at(0, ky, y, y).flat_map(move |oy| columns(ky, oy)))
    }

    /// For every window and every value of it the place in a channel's plane, window by window. Beyond the edge it is that of the first
    /// value that is inside, which changes no maximum.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        let [height, width] = self.output();
        (0..height).flat_map(move |oy| (0..width).flat_map(move |ox| self.places_of(oy, ox)))
    }

    /// Of every window and every value of it, window by window, the place in a channel's plane, if it is inside.
    pub(crate) fn patches(&self) -> impl Iterator<Item = Option<usize>> + '_ {
        let of_window = move |window| (0..self.area()).map(move |offset| self.place_of(self.at(window), offset));
        (0..self.positions()).flat_map(of_window)
    }

    /// Row and column of a window among all windows.
    fn at(&self, window: usize) -> [usize; 2] {
        let width = self.output()[1];
        [window / width, window % width]
    }

    /// The values of a window that are inside the image: which of the window's they are, and their places in a channel's plane.
    fn inside_of(&self, window: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let window = self.at(window);
        (0..self.area()).filter_map(move |offset| Some((offset, self.place_of(window, offset)?)))
    }

    /// The place in a channel's plane of a value of a window, if it is inside.
    fn place_of(&self, [oy, ox]: [usize; 2], offset: usize) -> Option<usize> {
        let y = self.input_at(0, oy, offset / self.kernel[1])?;
        let x = self.input_at(1, ox, offset % self.kernel[1])?;
        Some(y * self.input[1] + x)
    }

    fn places_of(&self, oy: usize, ox: usize) -> impl Iterator<Item = usize> + '_ {
        let place = move |offset: usize| self.place_of([oy, ox], offset);
        let first = (0..self.area()).find_map(place).expect("padding is less than a window");
        (0..self.area()).map(move |offset| place(offset).unwrap_or(first))
    }
}

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

    fn windows(
        channels: usize,
        input: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 4],
    ) -> Windows {
        let [top, bottom, left, right] = padding;
        Windows { channels, input, kernel, stride, padding: [[top, bottom], [left, right]] }
    }

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
    fn windows_have_their_parts_of_the_image() {
        for windows in [
            windows(1, [5, 7], [3, 4], [2, 3], [0, 2, 1, 0]),
            windows(1, [1, 2], [1, 3], [1, 1], [0, 0, 2, 2]),
            windows(1, [4, 1], [2, 1], [3, 1], [1, 1, 0, 0]),
        ] {
            windows.check().unwrap();
            for axis in [0, 1] {
                for window in 0..windows.output()[axis] {
                    let inside = (0..windows.kernel[axis]).filter_map(|offset| windows.input_at(axis, window, offset));
                    assert_eq!(windows.inside(axis, window).collect::<Vec<_>>(), inside.collect::<Vec<_>>());
                }
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

    #[test]
    fn impossible_windows_are_refused() {
        for (windows, message) in [
            (windows(1, [3, 3], [0, 2], [1, 1], [0; 4]), "kernel of height 0"),
            (windows(1, [3, 3], [2, 2], [1, 0], [0; 4]), "stride of 0"),
            (windows(1, [3, 3], [2, 4], [1, 1], [0; 4]), "kernel of width 4 on an input of width 3"),
            (windows(1, [3, 3], [6, 2], [1, 1], [1, 1, 0, 0]), "with its padding"),
            (windows(1, [3, 3], [2, 2], [4, 1], [0; 4]), "stride of 4 is larger"),
            (windows(1, [3, 3], [2, 2], [1, 1], [0, 2, 0, 0]), "padding of 2 is beyond"),
        ] {
            let error = windows.check().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
