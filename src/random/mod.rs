//! Every random number of the crate: the Philox4x32-10 generator and integer quantile tables.
//!
//! A value is a pure function of (seed, draw, tensor, element): nothing is carried from one value to the next, so any
//! thread, batch, shard or device can make any of them. Random bits become values by integer arithmetic and one
//! exact conversion, so that every device makes the same bits; see [`QuantileTable`].

mod philox;
mod quantile;

pub use philox::{Stream, philox4x32_10};
pub use quantile::{QuantileTable, StandardLaw};
