//! The rows of result files.

use std::io::Write;

use serde::Serialize;

use super::{Estimate, OutputFile, Plan};
use crate::engine::{Estimator, Method, PathCounts, Provenance};
use crate::error::{Error, Result};
use crate::files::csv_write_error;
use crate::stats::{CONFIDENCE, Quantity};

/// One row of the summary CSV, and one object of the JSON; fields are columns, in this order. What is undefined is empty.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "the names are the columns of the documented file format")]
pub struct SummaryRow {
    pub architecture: String,
    pub activation: String,
    pub input_dim: usize,
    pub depth: usize,
    pub units: u64,
    pub weights: String,
    pub bias: String,
    pub path: String,
    /// Mean length of a path.
    pub length: Option<f64>,
    pub method: String,
    pub grid_points: Option<usize>,
    pub quantity: String,
    pub layer: String,
    pub networks: u64,
    pub paths_per_network: u64,
    pub mean_density: Option<f64>,
    pub std_error: Option<f64>,
    pub ci_low: Option<f64>,
    pub ci_high: Option<f64>,
    pub confidence: f64,
    pub between_network_std: Option<f64>,
    pub within_network_std: Option<f64>,
    pub density_upper_bound: Option<f64>,
    pub bound_ratio: Option<f64>,
    pub infinite_width_density: Option<f64>,
    pub engine: String,
    pub adapter: Option<String>,
    pub driver: Option<String>,
    pub precision: String,
    pub seed: u64,
    pub version: String,
    pub plan_digest: String,
    pub wall_seconds: Option<f64>,
    /// Law of start points and anchors, where the path law has one.
    pub start: Option<String>,
    /// Points per path of the Rice estimator.
    pub points_per_path: Option<usize>,
    /// Pieces of the activation, its complexity kappa, up to what 64 bits hold.
    pub pieces: Option<u64>,
}

impl SummaryRow {
    /// The rows of an ensemble: crossings, boundaries, knots, then the crossings of each layer.
    pub fn of_estimate(plan: &Plan, provenance: &Provenance, estimate: &Estimate) -> Vec<Self> {
        let depth = plan.ensemble.network.architecture().depth();
        let all = [Quantity::Crossings, Quantity::Boundaries, Quantity::Knots];
        let quantities = all.into_iter().chain((0..depth).map(Quantity::LayerCrossings));
        quantities.map(|quantity| Self::of_quantity(plan, provenance, estimate, quantity)).collect()
    }

    fn of_quantity(plan: &Plan, provenance: &Provenance, estimate: &Estimate, quantity: Quantity) -> Self {
        let network = &plan.ensemble.network;
        let architecture = network.architecture();
        let density = estimate.moments.density(quantity).filter(|_| plan.knows(quantity));
        let bound = estimate.theory.bound(quantity);
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        Self {
            architecture: architecture.to_string(),
            activation: architecture.activation().to_string(),
            input_dim: architecture.input_dim(),
            depth: architecture.depth(),
            units: u64::try_from(architecture.n_units()).unwrap_or(u64::MAX),
            weights: network.weights().to_string(),
            bias: network.bias().to_string(),
            path: plan.ensemble.path.law().to_string(),
            length: estimate.moments.mean_length(),
            method: match plan.estimator {
                Estimator::Count(Method::Exact) => "exact",
                Estimator::Count(Method::Sampled { .. }) => "sampled",
                Estimator::Rice { .. } => "rice",
                Estimator::RiceFeatures => "rice-features",
            }
            .to_owned(),
            grid_points: match plan.estimator {
                Estimator::Count(Method::Sampled { grid }) => Some(grid),
                _ => None,
            },
            quantity: quantity.name().to_owned(),
            layer: quantity.layer(),
            networks: estimate.moments.networks(),
            paths_per_network: plan.ensemble.paths_per_network,
            mean_density: density.map(|d| d.mean),
            std_error: density.and_then(|d| d.std_error),
            ci_low: density.and_then(|d| d.interval).map(|i| i.0),
            ci_high: density.and_then(|d| d.interval).map(|i| i.1),
            confidence: CONFIDENCE,
            between_network_std: density.and_then(|d| d.between_network_std),
            within_network_std: density.and_then(|d| d.within_network_std),
            density_upper_bound: bound,
            bound_ratio: density.zip(bound).filter(|(_, bound)| *bound > 0.0).map(|(d, bound)| d.mean / bound),
            infinite_width_density: estimate.theory.infinite_width(quantity),
            engine: provenance.engine.clone(),
            adapter: named(&provenance.adapter),
            driver: named(&provenance.driver),
            precision: provenance.precision.to_string(),
            seed: network.seed(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            plan_digest: plan.digest(),
            wall_seconds: Some(estimate.wall_seconds),
            start: plan.ensemble.path.law().start().map(|start| start.to_string()),
            points_per_path: plan.estimator.points(),
            pieces: architecture.activation().kappa(),
        }
    }

    /// Writes rows as CSV with a header.
    ///
    /// # Errors
    /// The writer's.
    pub fn write_csv(rows: &[Self], writer: impl Write) -> std::io::Result<()> {
        let mut csv = csv::Writer::from_writer(writer);
        for row in rows {
            csv.serialize(row).map_err(csv_write_error)?;
        }
        csv.flush()
    }

    /// Writes rows as the JSON object `{"rows": [...]}`.
    ///
    /// # Errors
    /// The writer's.
    pub fn write_json(rows: &[Self], mut writer: impl Write) -> std::io::Result<()> {
        serde_json::to_writer_pretty(&mut writer, &serde_json::json!({ "rows": rows }))?;
        writeln!(writer)
    }
}

/// How the rows of one ensemble are written to a draws CSV.
#[derive(Clone, Debug)]
pub(super) struct DrawFormat {
    plan_digest: String,
    ensemble: usize,
    paths_per_network: u64,
    /// The unit of expected counts.
    unit: Option<f64>,
    /// Whether the crossings of layers after the first are known.
    knows_crossings: bool,
    /// Columns for layers, of which the ensemble may have fewer.
    n_layers: usize,
}

impl DrawFormat {
    /// Rows of the ensemble with this index among others of at most `n_layers` layers.
    pub(super) fn new(plan: &Plan, ensemble: usize, n_layers: usize) -> Self {
        Self {
            plan_digest: plan.digest(),
            ensemble,
            paths_per_network: plan.ensemble.paths_per_network,
            unit: plan.estimator.is_rice().then(|| plan.estimator.unit(&plan.ensemble)),
            knows_crossings: plan.knows(Quantity::Crossings),
            n_layers,
        }
    }

    pub(super) fn header(n_layers: usize) -> impl Iterator<Item = String> {
        let fixed = ["plan_digest", "ensemble", "network", "path_ix", "length", "crossings", "boundaries", "knots"];
        fixed.into_iter().map(str::to_owned).chain((1..=n_layers).map(|l| format!("crossings_layer_{l}")))
    }

    /// Writes the paths of networks from `first_network` on, and hands them to the system.
    pub(super) fn write<W: Write>(
        &self,
        csv: &mut csv::Writer<W>,
        first_network: u64,
        counts: &[PathCounts],
    ) -> std::io::Result<()> {
        // Exact: expected counts have fewer digits than f64.
        let text = |count: u128| self.unit.map_or(count.to_string(), |unit| (count as f64 * unit).to_string());
        let per_network = usize::try_from(self.paths_per_network).expect("these paths were counted");
        for (network_ix, paths) in counts.chunks(per_network).enumerate() {
            for (path_ix, path) in paths.iter().enumerate() {
                let crossings: u128 = path.crossings.iter().map(|&c| u128::from(c)).sum();
                let mut row = vec![
                    self.plan_digest.clone(),
                    self.ensemble.to_string(),
                    (first_network + network_ix as u64).to_string(),
                    path_ix.to_string(),
                    path.length.to_string(),
                    if self.knows_crossings { text(crossings) } else { String::new() },
                    text(path.boundaries.into()),
                    path.knots.map_or(String::new(), |k| k.to_string()),
                ];
                let n_fixed = row.len();
                let known = path.crossings.iter().take(if self.knows_crossings { path.crossings.len() } else { 1 });
                row.extend(known.map(|&count| text(count.into())));
                row.resize(n_fixed + self.n_layers, String::new());
                csv.write_record(&row).map_err(csv_write_error)?;
            }
        }
        csv.flush()
    }
}

/// The draws CSV: one row per path, written as soon as its network is done.
#[derive(Debug)]
pub struct DrawsFile {
    csv: csv::Writer<OutputFile>,
    format: DrawFormat,
}

impl DrawsFile {
    /// Starts the file with its header, which is written with the first rows.
    ///
    /// # Errors
    /// A full disk.
    pub fn new(file: OutputFile, plan: &Plan) -> Result<Self> {
        let depth = plan.ensemble.network.architecture().depth();
        let mut csv = csv::Writer::from_writer(file);
        let written = csv.write_record(DrawFormat::header(depth));
        let draws = Self { csv, format: DrawFormat::new(plan, 0, depth) };
        written.map_err(|e| draws.failed(csv_write_error(e)))?;
        Ok(draws)
    }

    /// Appends the paths of networks from `first_network` on, and hands them to the system.
    ///
    /// # Errors
    /// A full disk; the rows before remain.
    pub fn write(&mut self, first_network: u64, counts: &[PathCounts]) -> Result<()> {
        let written = self.format.write(&mut self.csv, first_network, counts);
        written.map_err(|e| self.failed(e))
    }

    /// Completes the file.
    ///
    /// # Errors
    /// A full disk.
    pub fn finish(self) -> Result<()> {
        let place = self.csv.get_ref().name().display().to_string();
        let file = self.csv.into_inner().map_err(|e| Error::failed(e.to_string()).at(place))?;
        file.finish()
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::failed(error.to_string()).at(self.csv.get_ref().name().display())
    }
}
