//! Convolutions as matrix products of the filters with the patches of all windows.
//!
//! The channels are first split into phases, one for every row and column that a stride passes over, with zeros where windows reach beyond
//! the edge. One element of the patches of all windows, window after window, is then one run of memory in a phase: a few values between the
//! rows of windows belong to no window, and their products are thrown away.

use super::product::add_product;
use super::real::Real;
use crate::network::Convolution;

/// Elements of the patches that are multiplied at a time, as many as stay in the cache, and enough windows to feed the product.
const PATCH_ELEMENTS: usize = 1 << 17;
const LEAST_WINDOWS: usize = 64;

/// A convolution without its biases.
pub(super) struct ConvolutionMap<T> {
    convolution: Convolution,
    phases: Vec<T>,
    patches: Vec<T>,
    sums: Vec<T>,
}

/// Of the phases of a channel.
struct Phases {
    /// How many there are along the rows and columns.
    number: [usize; 2],
    /// Of each its rows and columns.
    size: [usize; 2],
}

impl Phases {
    fn of(convolution: &Convolution) -> Self {
        let windows = &convolution.windows;
        let beyond = |axis: usize| (windows.kernel[axis] - 1) / windows.stride[axis];
        Self {
            number: [0, 1].map(|axis| windows.stride[axis].min(windows.kernel[axis])),
            size: [0, 1].map(|axis| windows.output()[axis] + beyond(axis)),
        }
    }

    /// Values of a phase.
    fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Values of all phases of a channel.
    fn channel(&self) -> usize {
        self.number[0] * self.number[1] * self.plane()
    }
}

/// Rows of windows that are multiplied at a time.
fn tile(convolution: &Convolution) -> usize {
    let windows = (PATCH_ELEMENTS / convolution.patch()).max(LEAST_WINDOWS);
    windows.div_ceil(Phases::of(convolution).size[1]).min(convolution.windows.output()[0])
}

impl<T: Real> ConvolutionMap<T> {
    pub(super) fn new(convolution: Convolution) -> Self {
        Self { convolution, phases: Vec::new(), patches: Vec::new(), sums: Vec::new() }
    }

    /// Bytes that it holds.
    pub(super) fn bytes(convolution: &Convolution) -> u128 {
        let phases = Phases::of(convolution);
        let windows = tile(convolution) as u128 * phases.size[1] as u128;
        let of_windows = (convolution.patch() + convolution.filters / convolution.groups) as u128 * windows;
        size_of::<T>() as u128 * (convolution.channels_per_group() as u128 * phases.channel() as u128 + of_windows)
    }

    /// Adds its product with a row of inputs to a row of pre-activations.
    pub(super) fn add(&mut self, weight: &[T], h: &[T], z: &mut [T]) {
        let Convolution { windows, filters, groups } = self.convolution;
        let (patch, positions, per_group) = (self.convolution.patch(), windows.positions(), filters / groups);
        let group_inputs = self.convolution.channels_per_group() * windows.plane();
        let is_plain = windows.kernel == [1, 1] && windows.stride == [1, 1];
        for group in 0..groups {
            let h = &h[group * group_inputs..][..group_inputs];
            let weight = &weight[group * per_group..];
            let z = &mut z[group * per_group * positions..][..per_group * positions];
            if is_plain {
                add_product([per_group, patch, positions], (weight, [1, filters]), (h, [positions, 1]), (z, positions));
            } else {
                self.split(h);
                self.add_group(weight, z);
            }
        }
    }

    /// Writes the phases of the channels of a group.
    fn split(&mut self, h: &[T]) {
        let (windows, phases) = (&self.convolution.windows, Phases::of(&self.convolution));
        let ([_, width], [vertical, horizontal]) = (windows.input, windows.stride);
        // The values beyond the edge stay zero from here on.
        self.phases.resize(self.convolution.channels_per_group() * phases.channel(), T::default());
        let planes = self.phases.chunks_exact_mut(phases.plane());
        for (ix, plane) in planes.enumerate() {
            let (channel, phase) =
                (ix / (phases.number[0] * phases.number[1]), ix % (phases.number[0] * phases.number[1]));
            let (row, column) = (phase / phases.number[1], phase % phases.number[1]);
            let h = &h[channel * windows.plane()..][..windows.plane()];
            // The columns of the phase that are inside, and the column of the image that the first of them is.
            let before = windows.padding[1][0];
            let start = before.saturating_sub(column).div_ceil(horizontal).min(phases.size[1]);
            let end = (before + width).saturating_sub(column).div_ceil(horizontal).clamp(start, phases.size[1]);
            let first = (start * horizontal + column).saturating_sub(before).min(width);
            for (y, line) in plane.chunks_exact_mut(phases.size[1]).enumerate() {
                let Some(y) = (y * vertical + row).checked_sub(windows.padding[0][0]) else { continue };
                if y < windows.input[0] {
                    let (h, line) = (&h[y * width + first..(y + 1) * width], &mut line[start..end]);
                    match horizontal {
                        1 => line.copy_from_slice(&h[..line.len()]),
                        stride => line.iter_mut().zip(h.iter().step_by(stride)).for_each(|(to, &h)| *to = h),
                    }
                }
            }
        }
    }

    /// Adds the products of a group, a tile of windows after the other.
    fn add_group(&mut self, weight: &[T], z: &mut [T]) {
        let Convolution { windows, filters, groups } = self.convolution;
        let (patch, positions, per_group) = (self.convolution.patch(), windows.positions(), filters / groups);
        let ([height, width], tile) = (windows.output(), tile(&self.convolution));
        let pitch = Phases::of(&self.convolution).size[1];
        for first in (0..height).step_by(tile) {
            let rows = tile.min(height - first);
            let run = (rows - 1) * pitch + width;
            self.patches.resize(patch * run, T::default());
            self.write_patches(first, run);
            let (left, right) = ((weight, [1, filters]), (self.patches.as_slice(), [run, 1]));
            if run == rows * width {
                add_product([per_group, patch, run], left, right, (&mut z[first * width..], positions));
                continue;
            }
            self.sums.clear();
            self.sums.resize(per_group * run, T::default());
            add_product([per_group, patch, run], left, right, (&mut self.sums, run));
            for (z, sums) in z.chunks_exact_mut(positions).zip(self.sums.chunks_exact(run)) {
                let rows = z[first * width..].chunks_exact_mut(width).zip(sums.chunks(pitch));
                rows.for_each(|(z, sums)| z.iter_mut().zip(sums).for_each(|(z, &sum)| *z += sum));
            }
        }
    }

    /// Writes the patches of a run of windows that begins with a row of them, element by element.
    fn write_patches(&mut self, first: usize, run: usize) {
        let (windows, phases) = (&self.convolution.windows, Phases::of(&self.convolution));
        let [kernel_height, kernel_width] = windows.kernel;
        for (element, line) in self.patches.chunks_exact_mut(run).enumerate() {
            let (channel, ky, kx) =
                (element / windows.area(), element / kernel_width % kernel_height, element % kernel_width);
            let phase = ky % windows.stride[0] * phases.number[1] + kx % windows.stride[1];
            let start = (first + ky / windows.stride[0]) * phases.size[1] + kx / windows.stride[1];
            line.copy_from_slice(&self.phases[channel * phases.channel() + phase * phases.plane() + start..][..run]);
        }
    }

    /// Adds so much of the column of weights of an input to a row.
    #[inline(always)]
    pub(super) fn add_column(&self, weight: &[T], input: usize, factor: T, z: &mut [T]) {
        let Convolution { windows, filters, groups } = &self.convolution;
        let (positions, per_group) = (windows.positions(), filters / groups);
        let (channel, per_group_channels) = (input / windows.plane(), self.convolution.channels_per_group());
        let (group, channel) = (channel / per_group_channels, channel % per_group_channels);
        let z = &mut z[group * per_group * positions..][..per_group * positions];
        for (position, offset) in windows.windows_of(input % windows.plane()) {
            let element = channel * windows.area() + offset;
            let weights = &weight[element * filters + group * per_group..][..per_group];
            z[position..].iter_mut().step_by(positions).zip(weights).for_each(|(z, &w)| *z += factor * w);
        }
    }
}
