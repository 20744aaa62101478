//! How many linear regions do piecewise-linear neural networks really have?
//!
//! A network whose activations are continuous and piecewise linear (CPWL) is itself such a function of its input. This crate counts
//! its pieces along one-dimensional paths: for one given network exactly, and for random networks as a density, regions per
//! unit length, with its standard error, a proven upper bound and the infinite-width limit beside it.
//!
//! # What is counted
//!
//! | term | meaning |
//! |---|---|
//! | crossing | a unit changes piece at a point of the path |
//! | boundary | a point at which the activation pattern changes; coincident crossings are one boundary |
//! | knot | a boundary at which the network's output changes slope |
//! | density | crossings, boundaries or knots per unit length of path |
//!
//! Activation regions along a path are boundaries + 1, linear regions knots + 1. A pattern belongs to an open interval of the
//! path: touching a breakpoint without passing it is no crossing, and a unit that stays on its breakpoint along an interval
//! is on the lower piece there.
//!
//! # Example
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use linregions::engine::cpu::CpuEngine;
//! use linregions::engine::{Engine, Method, Precision};
//! use linregions::ensemble::Ensemble;
//! use linregions::network::{Activation, Architecture, BiasLaw, RandomNetwork, WeightLaw};
//! use linregions::path::{PathLaw, RandomPath, StartLaw};
//!
//! # fn main() -> linregions::Result<()> {
//! let shape = Architecture::parse("2-64x3", Activation::relu(), 1)?;
//! let network = RandomNetwork::new(shape, WeightLaw::HeNormal, BiasLaw::Normal(0.1), 0)?;
//! let law = PathLaw::Segment { start: StartLaw::Normal(1.0), length: 2.0 };
//! let ensemble = Ensemble { network, path: RandomPath::new(law, 2, 0)?, paths_per_network: 1 };
//! let engine = CpuEngine::new(None, Precision::F32)?;
//! for counts in engine.count(&ensemble, Method::Exact, 0..3, &AtomicBool::new(false))? {
//!     println!("{} boundaries on a length of {}", counts.boundaries, counts.length);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! Mathematics at the bottom, engines behind one trait, files and terminal on top:
//!
//! - [`random`]: Philox4x32-10 and the integer quantile tables; [`network`], [`path`]: what is drawn; [`ensemble`]: both together;
//! - [`trace`]: the f64 reference for one network and one path, to which everything else is compared;
//! - [`regions`]: the exact numbers of activation and linear regions of one network on any number of inputs, and those of a plane with their shapes;
//! - [`rice`]: expected crossings from closed-form rates, without counting;
//! - [`theory`]: bounds on the number of regions in exact integers, the density bound, expected numbers at infinite width;
//! - [`engine`]: the trait, the CPU engine and, with the feature `gpu` (on by default), the GPU engine, whose kernels are in `shaders/`; [`stats`]: densities and errors from whole-number moments;
//! - [`experiment`]: plans, runs and result files; [`plot`]: figures from them; [`cli`]: the program.

pub mod cli;
pub mod engine;
pub mod ensemble;
pub mod error;
pub mod experiment;
mod files;
mod journal;
mod memory;
pub mod network;
pub mod path;
pub mod plot;
pub mod random;
pub mod regions;
pub mod rice;
pub mod stats;
pub mod theory;
pub mod trace;

pub use error::{Error, ErrorKind, Result};
