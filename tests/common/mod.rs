//! What several test files need.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod connections;
pub mod estimates;
pub mod regions;

use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use linregions::engine::cpu::CpuEngine;
#[cfg(feature = "gpu")]
use linregions::engine::gpu::{AdapterChoice, GpuEngine};
use linregions::engine::{Engine, Precision};
use linregions::ensemble::Ensemble;
use linregions::experiment::{EnsembleFlags, Plan};
use linregions::network::{Activation, AffineWeights, Architecture, Network};
use linregions::path::Path;

/// Nobody asks these runs to stop.
pub static GO_ON: AtomicBool = AtomicBool::new(false);

/// Every engine there is, with its name: the CPU in both precisions and, where the crate is built for it, the GPU.
pub fn engines() -> impl Iterator<Item = (&'static str, &'static dyn Engine)> {
    ["cpu f32", "cpu f64", "gpu"].into_iter().zip(ENGINES.iter()).map(|(name, engine)| (name, engine.as_ref()))
}

/// The engines that compute in f32.
pub fn f32_engines() -> impl Iterator<Item = (&'static str, &'static dyn Engine)> {
    engines().filter(|(_, engine)| engine.provenance().precision == Precision::F32)
}

static ENGINES: LazyLock<Vec<Box<dyn Engine>>> = LazyLock::new(|| {
    let cpu = |precision| -> Box<dyn Engine> { Box::new(CpuEngine::new(Some(1), precision).expect("one thread")) };
    #[allow(unused_mut, reason = "without the gpu feature these are all")]
    let mut engines = vec![cpu(Precision::F32), cpu(Precision::F64)];
    #[cfg(feature = "gpu")]
    engines.push(Box::new(gpu(AdapterChoice::Best)));
    engines
});

/// A GPU engine. Without a device these tests fail; they are not skipped.
#[cfg(feature = "gpu")]
pub fn gpu(choice: AdapterChoice) -> GpuEngine {
    GpuEngine::new(choice)
        .expect("a device: a GPU's Vulkan driver, or mesa-vulkan-drivers; without, test with --no-default-features")
}

/// The flags of `estimate` with their defaults, but for these pairs of flag and value.
pub fn flags(changes: &[(&str, &str)]) -> EnsembleFlags {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        flags: EnsembleFlags,
    }
    let args = changes.iter().map(|(flag, value)| format!("--{flag}={value}"));
    <Cli as clap::Parser>::parse_from(std::iter::once("test".to_owned()).chain(args)).flags
}

/// The plan of these flags.
pub fn plan(changes: &[(&str, &str)]) -> Plan {
    Plan::from_flags(&flags(changes)).expect("valid flags")
}

/// The ensemble of these flags.
pub fn ensemble(changes: &[(&str, &str)]) -> Ensemble {
    plan(changes).ensemble
}

/// A network from rows of weights, out x in, and biases; the last layer is the read-out.
pub fn network(activation: &str, layers: &[(&[&[f64]], &[f64])]) -> Network {
    let activation: Activation = activation.parse().expect("a known activation");
    let inputs = layers[0].0[0].len();
    let width = |rows: usize| activation.outputs(rows).expect("whole groups");
    let widths: Vec<usize> = layers[..layers.len() - 1].iter().map(|(rows, _)| width(rows.len())).collect();
    let outputs = layers[layers.len() - 1].0.len();
    let affine = layers.iter().map(|(rows, bias)| {
        AffineWeights::new((0..rows[0].len()).flat_map(|i| rows.iter().map(move |row| row[i])).collect(), bias.to_vec())
    });
    let architecture = Architecture::dense(inputs, &widths, activation, outputs).expect("valid widths");
    Network::new(architecture, affine.collect()).expect("matching shapes")
}

/// The polyline through points of one coordinate.
pub fn line(points: &[f64]) -> Path {
    Path::from_points(1, points).expect("finite points")
}
