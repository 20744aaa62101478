//! Windows that slide over images.

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
    pub(super) fn at(&self, window: usize) -> [usize; 2] {
        let width = self.output()[1];
        [window / width, window % width]
    }

    /// The values of a window that are inside the image: which of the window's they are, and their places in a channel's plane.
    pub(super) fn inside_of(&self, window: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let window = self.at(window);
        (0..self.area()).filter_map(move |offset| Some((offset, self.place_of(window, offset)?)))
    }

    /// The place in a channel's plane of a value of a window, if it is inside.
    fn place_of(&self, [oy, ox]: [usize; 2], offset: usize) -> Option<usize> {
        let y = self.input_at(0, oy, offset / self.kernel[1])?;
        let x = self.input_at(1, ox, offset % self.kernel[1])?;
        Some(y * self.input[1] + x)
    }

    pub(super) fn places_of(&self, oy: usize, ox: usize) -> impl Iterator<Item = usize> + '_ {
        let place = move |offset: usize| self.place_of([oy, ox], offset);
        let first = (0..self.area()).find_map(place).expect("padding is less than a window");
        (0..self.area()).map(move |offset| place(offset).unwrap_or(first))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::network) fn windows(
        channels: usize,
        input: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 4],
    ) -> Windows {
        let [top, bottom, left, right] = padding;
        Windows { channels, input, kernel, stride, padding: [[top, bottom], [left, right]] }
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
