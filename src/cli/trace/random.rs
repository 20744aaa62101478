//! `linregions trace --compare-random`: a network beside random ones of its architecture.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::TraceArgs;
use super::tracer::{Tracer, quantities};
use crate::cli::estimate::Output;
use crate::cli::{complain, interrupted};
use crate::engine::{Estimator, Method};
use crate::ensemble::Ensemble;
use crate::error::{Error, Result};
use crate::experiment::{Plan, estimate};
use crate::network::{Network, RandomNetwork};
use crate::path::{NamedPath, PathLaw, RandomPath};

pub(super) const COLUMNS: [&str; 11] = [
    "quantity",
    "layer",
    "paths",
    "density",
    "std_error_over_paths",
    "weights",
    "bias",
    "random_networks",
    "random_density",
    "random_std_error_over_networks",
    "ratio",
];

/// One quantity of one layer, or of all.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    quantity: &'static str,
    layer: String,
    paths: u64,
    density: Option<f64>,
    std_error_over_paths: Option<f64>,
    weights: String,
    bias: String,
    random_networks: u64,
    random_density: Option<f64>,
    random_std_error_over_networks: Option<f64>,
    /// The network's density over that of the random ones.
    ratio: Option<f64>,
}

/// The densities of the given network and of random ones, all along the same paths; and the error of an interruption, after which
/// fewer random ones are left.
pub(super) fn rows(
    args: &TraceArgs,
    network: &Network,
    paths: Vec<NamedPath>,
    stop: &AtomicBool,
) -> Result<(Vec<Row>, Option<Error>)> {
    let networks = args.compare_random.unwrap_or(0);
    if networks == 0 {
        return Err(Error::usage("--compare-random 0: give at least 1 network"));
    }
    let weights = args.weights.as_deref().unwrap_or("he-normal").parse().map_err(|e: Error| e.at("--weights"))?;
    let bias = args.bias.as_deref().unwrap_or("normal:0.1").parse().map_err(|e: Error| e.at("--bias"))?;
    let architecture = network.architecture().clone();
    let (dim, depth) = (architecture.input_dim(), architecture.depth());
    let random = RandomNetwork::new(architecture, weights, bias, args.seed).map_err(|e| e.at("--weights"))?;
    let engine = args.engine.build([network.architecture()], args.quiet)?;
    let tracer = Tracer::from_flags(&args.engine, network.architecture(), args.quiet)?;
    let paths = Arc::new(paths);
    let law = PathLaw::File { file: String::new(), paths: Arc::clone(&paths) };
    let length_unit = law.length_unit(dim);
    let plan = Plan {
        ensemble: Ensemble {
            network: random,
            path: RandomPath::new(law, dim, args.seed)?,
            paths_per_network: paths.len() as u64,
        },
        estimator: Estimator::Count(Method::Exact),
        open: Default::default(),
        networks,
        target_error: None,
    };
    plan.check_memory(engine.as_ref())?;
    if !args.quiet {
        let warnings = plan.warnings(engine.provenance().precision);
        warnings.iter().for_each(|warning| complain(format_args!("warning: {warning}")));
    }
    let given = tracer.moments(network, &paths, length_unit, stop)?;
    let random = estimate(&plan, engine.as_ref(), &mut Output::progress_only(args.quiet), stop)?;
    let interruption = random.interrupted.then(|| {
        interrupted(&format!("the comparison is with the first {} random networks", random.moments.networks()))
    });
    let rows = quantities(depth).map(|quantity| {
        let (density, of_random) = (given.density(quantity), random.moments.density(quantity));
        let ratio = density.zip(of_random).filter(|(_, random)| random.mean > 0.0).map(|(a, b)| a.mean / b.mean);
        Row {
            quantity: quantity.name(),
            layer: quantity.layer(),
            paths: given.networks(),
            density: density.map(|d| d.mean),
            std_error_over_paths: density.and_then(|d| d.std_error),
            weights: weights.to_string(),
            bias: bias.to_string(),
            random_networks: random.moments.networks(),
            random_density: of_random.map(|d| d.mean),
            random_std_error_over_networks: of_random.and_then(|d| d.std_error),
            ratio,
        }
    });
    Ok((rows.collect(), interruption))
}
