//! `linregions trace --by`: crossings of every layer or unit.

use std::sync::atomic::AtomicBool;

use clap::ValueEnum;
use serde::Serialize;

use super::tracer::Tracer;
use crate::error::Result;
use crate::network::Network;
use crate::path::NamedPath;

/// What crossings are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum By {
    /// Every hidden layer
    Layer,
    /// Every unit, or sorted group
    Unit,
}

/// The crossings of a layer or unit along all paths.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// From 1.
    layer: usize,
    /// From 0; none where rows are layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<usize>,
    crossings: u64,
    /// Those of the crossings that are at a knot.
    knots: u64,
    /// Crossings per unit length; undefined where no path has a length.
    density: Option<f64>,
}

impl By {
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Layer => &["layer", "crossings", "knots", "density"],
            Self::Unit => &["layer", "unit", "crossings", "knots", "density"],
        }
    }

    pub(super) fn rows(
        self,
        tracer: &Tracer,
        network: &Network,
        paths: &[NamedPath],
        stop: &AtomicBool,
    ) -> Result<Vec<Row>> {
        let layers = network.architecture().layers();
        // Crossings and knots of every unit.
        let mut counts: Vec<Vec<(u64, u64)>> = layers.iter().map(|layer| vec![(0, 0); layer.groups()]).collect();
        tracer.each(network, paths, stop, |_, trace| {
            let mut crossings = trace.crossings.iter();
            for boundary in &trace.boundaries {
                for crossing in crossings.by_ref().take(boundary.n_crossings) {
                    let (n_crossings, n_knots) = &mut counts[crossing.layer][crossing.unit];
                    *n_crossings += 1;
                    *n_knots += u64::from(boundary.is_knot);
                }
            }
            Ok(())
        })?;
        let length: f64 = paths.iter().map(|named| named.path.length()).sum();
        let row = |layer: usize, unit, (crossings, knots): (u64, u64)| Row {
            layer: layer + 1,
            unit,
            crossings,
            knots,
            density: (length > 0.0).then(|| crossings as f64 / length),
        };
        let rows = counts.iter().enumerate();
        Ok(match self {
            Self::Unit => {
                rows.flat_map(|(l, units)| units.iter().enumerate().map(move |(u, &n)| row(l, Some(u), n))).collect()
            }
            Self::Layer => {
                let sum = |units: &[(u64, u64)]| units.iter().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
                rows.map(|(l, units)| row(l, None, sum(units))).collect()
            }
        })
    }
}
