//! Exact regions of one given network: [`plane`], the subdivision of a two-dimensional slice.

pub mod plane;
