//! The stages: the kernels of `shaders/`, each beside its twin for the CPU, which takes the same bindings in the same order.

mod activate;
mod affine;
#[cfg(test)]
mod contract;
mod crossings;
mod draw;
mod flips;
mod given_inputs;
mod given_weights;
mod grid;
#[cfg(test)]
pub(super) mod harness;
mod insert;
mod place;
mod rank;
mod scan;
mod sides;
mod tally;

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
}

impl Stage {
    pub(super) const ALL: [Self; 14] = [
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
