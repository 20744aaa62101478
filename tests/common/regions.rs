//! Boxes, and weights made of random words, for counts of regions.

use linregions::regions::Domain;

pub fn cube(dim: usize, lower: f64, upper: f64) -> Domain {
    Domain::new_box(vec![lower; dim], vec![upper; dim]).expect("a box")
}

/// From -1 to 1.
pub fn generic(word: u32) -> f64 {
    f64::from(word) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// -1, 0 and 1: many units coincide, die, or meet in points.
pub fn degenerate(word: u32) -> f64 {
    f64::from(word % 3) - 1.0
}
