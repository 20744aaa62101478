//! The stages: the kernels of `shaders/`, each beside its twin for the CPU, which takes the same bindings in the same order.

mod activate;
mod add;
mod affine;
mod average_pool;
#[cfg(test)]
mod carried;
#[cfg(test)]
mod contract;
mod convolution;
mod crelu;
mod crossings;
mod draw;
mod flips;
mod given_inputs;
mod given_moments;
mod given_weights;
mod grid;
#[cfg(test)]
mod groups;
#[cfg(test)]
pub(super) mod harness;
mod insert;
mod keep;
mod keep_kinks;
#[cfg(test)]
mod kinked;
mod kinks;
#[cfg(test)]
mod mapped;
mod maxout;
mod maxout_crossings;
mod maxout_flips;
mod maxout_insert;
mod maxout_kinks;
mod maxout_sides;
mod place;
mod rank;
mod reach;
mod rests;
mod scan;
#[cfg(test)]
mod seen;
mod sides;
mod sort;
mod sort_crossings;
mod sort_flips;
mod sort_insert;
mod sort_kinks;
mod sort_sides;
mod squares;
mod tally;
mod window_values;

/// A kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Draw,
    Affine,
    Crossings,
    Rank,
    Scan,
    Place,
    Insert,
    Tally,
    Grid,
    Flips,
    Sides,
    Activate,
    GivenInputs,
    GivenWeights,
    Squares,
    Rests,
    GivenMoments,
    MaxoutCrossings,
    MaxoutInsert,
    MaxoutFlips,
    MaxoutSides,
    Maxout,
    SortCrossings,
    SortInsert,
    SortFlips,
    SortSides,
    Sort,
    Crelu,
    Convolution,
    AveragePool,
    WindowValues,
    Add,
    Keep,
    Reach,
    Kinks,
    MaxoutKinks,
    SortKinks,
    KeepKinks,
}

impl Stage {
    pub(super) const ALL: [Self; 38] = [
        Self::Draw,
        Self::Affine,
        Self::Crossings,
        Self::Rank,
        Self::Scan,
        Self::Place,
        Self::Insert,
        Self::Tally,
        Self::Grid,
        Self::Flips,
        Self::Sides,
        Self::Activate,
        Self::GivenInputs,
        Self::GivenWeights,
        Self::Squares,
        Self::Rests,
        Self::GivenMoments,
        Self::MaxoutCrossings,
        Self::MaxoutInsert,
        Self::MaxoutFlips,
        Self::MaxoutSides,
        Self::Maxout,
        Self::SortCrossings,
        Self::SortInsert,
        Self::SortFlips,
        Self::SortSides,
        Self::Sort,
        Self::Crelu,
        Self::Convolution,
        Self::AveragePool,
        Self::WindowValues,
        Self::Add,
        Self::Keep,
        Self::Reach,
        Self::Kinks,
        Self::MaxoutKinks,
        Self::SortKinks,
        Self::KeepKinks,
    ];

    /// The name of its files, and of everything of it on the device.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Draw => "draw",
            Self::Affine => "affine",
            Self::Crossings => "crossings",
            Self::Rank => "rank",
            Self::Scan => "scan",
            Self::Place => "place",
            Self::Insert => "insert",
            Self::Tally => "tally",
            Self::Grid => "grid",
            Self::Flips => "flips",
            Self::Sides => "sides",
            Self::Activate => "activate",
            Self::GivenInputs => "given_inputs",
            Self::GivenWeights => "given_weights",
            Self::Squares => "squares",
            Self::Rests => "rests",
            Self::GivenMoments => "given_moments",
            Self::MaxoutCrossings => "maxout_crossings",
            Self::MaxoutInsert => "maxout_insert",
            Self::MaxoutFlips => "maxout_flips",
            Self::MaxoutSides => "maxout_sides",
            Self::Maxout => "maxout",
            Self::SortCrossings => "sort_crossings",
            Self::SortInsert => "sort_insert",
            Self::SortFlips => "sort_flips",
            Self::SortSides => "sort_sides",
            Self::Sort => "sort",
            Self::Crelu => "crelu",
            Self::Convolution => "convolution",
            Self::AveragePool => "average_pool",
            Self::WindowValues => "window_values",
            Self::Add => "add",
            Self::Keep => "keep",
            Self::Reach => "reach",
            Self::Kinks => "kinks",
            Self::MaxoutKinks => "maxout_kinks",
            Self::SortKinks => "sort_kinks",
            Self::KeepKinks => "keep_kinks",
        }
    }

    /// Its WGSL.
    pub(super) fn source(self) -> &'static str {
        match self {
            Self::Draw => draw::SOURCE,
            Self::Affine => affine::SOURCE,
            Self::Crossings => crossings::SOURCE,
            Self::Rank => rank::SOURCE,
            Self::Scan => scan::SOURCE,
            Self::Place => place::SOURCE,
            Self::Insert => insert::SOURCE,
            Self::Tally => tally::SOURCE,
            Self::Grid => grid::SOURCE,
            Self::Flips => flips::SOURCE,
            Self::Sides => sides::SOURCE,
            Self::Activate => activate::SOURCE,
            Self::GivenInputs => given_inputs::SOURCE,
            Self::GivenWeights => given_weights::SOURCE,
            Self::Squares => squares::SOURCE,
            Self::Rests => rests::SOURCE,
            Self::GivenMoments => given_moments::SOURCE,
            Self::MaxoutCrossings => maxout_crossings::SOURCE,
            Self::MaxoutInsert => maxout_insert::SOURCE,
            Self::MaxoutFlips => maxout_flips::SOURCE,
            Self::MaxoutSides => maxout_sides::SOURCE,
            Self::Maxout => maxout::SOURCE,
            Self::SortCrossings => sort_crossings::SOURCE,
            Self::SortInsert => sort_insert::SOURCE,
            Self::SortFlips => sort_flips::SOURCE,
            Self::SortSides => sort_sides::SOURCE,
            Self::Sort => sort::SOURCE,
            Self::Crelu => crelu::SOURCE,
            Self::Convolution => convolution::SOURCE,
            Self::AveragePool => average_pool::SOURCE,
            Self::WindowValues => window_values::SOURCE,
            Self::Add => add::SOURCE,
            Self::Keep => keep::SOURCE,
            Self::Reach => reach::SOURCE,
            Self::Kinks => kinks::SOURCE,
            Self::MaxoutKinks => maxout_kinks::SOURCE,
            Self::SortKinks => sort_kinks::SOURCE,
            Self::KeepKinks => keep_kinks::SOURCE,
        }
    }
}

/// The text of a stage: the shared files that it names, then its own.
macro_rules! wgsl {
    ($($file:literal),+) => {
        concat!($(include_str!(concat!("../../../../shaders/", $file, ".wgsl"))),+)
    };
}
use wgsl;
