//! Convolutions as matrix products of the filters with the patches of all windows.
//!
//! From every channel a plane is made for each column of the kernel, and for each row that a stride passes over: with what that column meets
//! in window after window, and zeros beyond the edge. One element of the patches of all windows is then one run of memory in a
//! plane, further down for a lower row of the kernel.

use super::product::add_product;
use super::real::Real;
use crate::network::Convolution;

/// Elements of the patches that are multiplied at a time, as many as stay in the cache, and enough windows to feed the product.
const PATCH_ELEMENTS: usize = 1 << 17;
const LEAST_WINDOWS: usize = 64;

/// A convolution without its biases.
pub(super) struct ConvolutionMap<T> {
    convolution: Convolution,
    planes: Vec<T>,
    patches: Vec<T>,
}

/// Of the planes of a channel.
struct Planes {
    /// Values of each.
    len: usize,
    /// Values of all.
    channel: usize,
}

impl Planes {
    fn of(convolution: &Convolution) -> Self {
        let windows = &convolution.windows;
        let phases = windows.stride[0].min(windows.kernel[0]);
        let height = windows.output()[0] + (windows.kernel[0] - 1) / windows.stride[0];
        let len = height * windows.output()[1];
        Self { len, channel: phases * windows.kernel[1] * len }
    }
}

/// Rows of windows that are multiplied at a time.
fn tile(convolution: &Convolution) -> usize {
    let [height, width] = convolution.windows.output();
    let windows = (PATCH_ELEMENTS / convolution.patch()).max(LEAST_WINDOWS);
    windows.div_ceil(width).min(height)
}

impl<T: Real> ConvolutionMap<T> {
    pub(super) fn new(convolution: Convolution) -> Self {
        Self { convolution, planes: Vec::new(), patches: Vec::new() }
    }

    /// Bytes that it holds.
    pub(super) fn bytes(convolution: &Convolution) -> u128 {
        let planes = convolution.channels_per_group() as u128 * Planes::of(convolution).channel as u128;
        let windows = (tile(convolution) * convolution.windows.output()[1]) as u128;
        size_of::<T>() as u128 * (planes + convolution.patch() as u128 * windows)
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
                self.write_planes(h);
                self.add_group(weight, z);
            }
        }
    }

    /// Writes the planes of the channels of a group.
    fn write_planes(&mut self, h: &[T]) {
        let (windows, planes) = (&self.convolution.windows, Planes::of(&self.convolution));
        let (columns, stride) = (windows.kernel[1], windows.stride[1]);
        // The values beyond the edge stay zero from here on.
        self.planes.resize(self.convolution.channels_per_group() * planes.channel, T::default());
        for (channel, h) in h.chunks_exact(windows.plane()).enumerate() {
            for (ix, plane) in
                self.planes[channel * planes.channel..][..planes.channel].chunks_exact_mut(planes.len).enumerate()
            {
                let (phase, kx) = (ix / columns, ix % columns);
                let inside = windows.windows_at(1, kx, 0, windows.input[1] - 1);
                if inside.is_empty() {
                    continue;
                }
                let first = inside.start * stride + kx - windows.padding[1][0];
                for (oy, line) in plane.chunks_exact_mut(windows.output()[1]).enumerate() {
                    let Some(y) = windows.input_at(0, oy, phase) else { continue };
                    let (h, line) = (&h[y * windows.input[1]..][first..windows.input[1]], &mut line[inside.clone()]);
                    match stride {
                        1 => line.copy_from_slice(&h[..line.len()]),
                        _ => line.iter_mut().zip(h.iter().step_by(stride)).for_each(|(to, &h)| *to = h),
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
        for first in (0..height).step_by(tile) {
            let run = tile.min(height - first) * width;
            self.patches.resize(patch * run, T::default());
            self.write_patches(first * width, run);
            add_product(
                [per_group, patch, run],
                (weight, [1, filters]),
                (&self.patches, [run, 1]),
                (&mut z[first * width..], positions),
            );
        }
    }

    /// Writes the patches of a run of windows, element by element.
    fn write_patches(&mut self, first: usize, run: usize) {
        let (windows, planes) = (&self.convolution.windows, Planes::of(&self.convolution));
        let ([rows, columns], width) = (windows.kernel, windows.output()[1]);
        for (element, line) in self.patches.chunks_exact_mut(run).enumerate() {
            let (channel, ky, kx) = (element / windows.area(), element / columns % rows, element % columns);
            let plane = ky % windows.stride[0] * columns + kx;
            let start = channel * planes.channel + plane * planes.len + ky / windows.stride[0] * width + first;
            line.copy_from_slice(&self.planes[start..][..run]);
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
