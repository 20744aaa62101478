//! Closed forms: what theory says of the number of regions and of their expected density.

pub mod catalogue;
pub mod density;
pub mod expected;
pub mod infinite_width;
pub mod regions;
pub mod rice;
mod shape;
