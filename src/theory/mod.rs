//! Closed forms: what theory says of the expected density.

pub mod density;
pub mod infinite_width;
