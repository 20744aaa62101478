//! What the tests of stages of units of several pre-activations share: pre-activations of paths, and what their definitions say.

mod case;
mod grid;
mod insertion;
mod search;

pub(super) use self::case::Case;
pub(super) use self::grid::Grid;
pub(super) use self::insertion::Insertion;
pub(super) use self::search::{agree, largest_rows};

/// Room for rows and entries of a path.
const ROOM: u32 = 900;
