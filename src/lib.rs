//! lib
pub mod cli;
pub mod engine;
pub mod ensemble;
pub mod error;
pub mod experiment;
mod files;
pub mod network;
pub mod path;
pub mod random;
pub mod stats;
pub mod theory;
pub mod trace;
pub use error::{Error, ErrorKind, Result};
