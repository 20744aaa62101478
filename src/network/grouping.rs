//! Where the pre-activations of a unit are that has several.

/// Where the pre-activations of maxout units and sorted groups are in a layer.
///
/// In a dense layer they are consecutive. A convolution's pre-activations are an image, channel after channel, and a unit joins
/// consecutive channels at one position: they are as far apart as a channel is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// Pre-activations of a unit.
    pub size: usize,
    /// From one of them to the next.
    pub stride: usize,
}

impl Grouping {
    /// Of values that stay in their order.
    pub(crate) const NONE: Self = Self { size: 1, stride: 1 };

    /// Where pre-activation `member` of a unit is.
    pub fn place(self, unit: usize, member: usize) -> usize {
        (unit / self.stride * self.size + member) * self.stride + unit % self.stride
    }

    /// Where the pre-activation is that comes at `ix` unit after unit.
    pub(crate) fn place_of(self, ix: usize) -> usize {
        self.place(ix / self.size, ix % self.size)
    }

    /// Where the pre-activation at a place comes unit after unit.
    pub(crate) fn index_of(self, place: usize) -> usize {
        // The other way around places of a unit are as far apart as it has.
        Self { size: self.stride, stride: self.size }.place_of(place)
    }

    /// Whether values come in the same order unit after unit as by another grouping.
    pub(crate) fn has_order_of(self, other: Self) -> bool {
        self == other || self.is_consecutive() && other.is_consecutive()
    }

    /// Whether the pre-activations of every unit are consecutive.
    pub(crate) fn is_consecutive(self) -> bool {
        self.size == 1 || self.stride == 1
    }

    /// The values of a layer's pre-activations unit after unit; written to `room` where they are not in this order.
    pub fn gather<'a, T: Copy>(self, values: &'a [T], room: &'a mut Vec<T>) -> &'a [T] {
        if self.is_consecutive() {
            return values;
        }
        room.clear();
        for block in values.chunks_exact(self.size * self.stride) {
            (0..self.stride).for_each(|first| room.extend(block[first..].iter().step_by(self.stride)));
        }
        room
    }

    /// What [`Grouping::gather`] has made unit after unit, in its own order again.
    pub fn scatter<T: Copy>(self, values: Vec<T>) -> Vec<T> {
        if self.is_consecutive() {
            return values;
        }
        let mut placed = values.clone();
        for (unit, values) in values.chunks_exact(self.size).enumerate() {
            values.iter().enumerate().for_each(|(member, &value)| placed[self.place(unit, member)] = value);
        }
        placed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_join_channels_at_one_position() {
        // Four channels of three positions, in pairs.
        let grouping = Grouping { size: 2, stride: 3 };
        let image: Vec<u32> = (0..12).collect();
        let mut room = vec![7; 2];
        let units = grouping.gather(&image, &mut room).to_vec();
        assert_eq!(units, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
        assert!((0..12).all(|ix| units[ix] as usize == grouping.place(ix / 2, ix % 2)));
        assert!((0..12).all(|ix| grouping.index_of(grouping.place_of(ix)) == ix));
        assert!(!grouping.has_order_of(Grouping { size: 2, stride: 2 }) && !grouping.has_order_of(Grouping::NONE));
        assert_eq!(grouping.scatter(units), image);
        for grouping in [Grouping { size: 4, stride: 1 }, Grouping { size: 1, stride: 3 }] {
            assert_eq!(grouping.gather(&image, &mut room), image);
            assert!((0..12).all(|ix| grouping.place_of(ix) == ix && grouping.index_of(ix) == ix));
            assert!(grouping.has_order_of(Grouping::NONE));
        }
    }
}
