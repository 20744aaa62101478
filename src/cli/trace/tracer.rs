//! Tracing many paths, in batches and on all cores.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::cli::engine::EngineFlags;
use crate::cli::interrupted;
use crate::engine::{Engine, PathCounts};
use crate::error::{Error, Result};
use crate::network::{Architecture, Network};
use crate::path::{NamedPath, Path};
use crate::stats::{Moments, Quantity};
use crate::trace::Trace;

/// Paths whose traces are in memory together.
const BATCH: usize = 256;

/// What traces: an engine, or the f64 reference.
pub(super) enum Tracer {
    Engine(Box<dyn Engine>),
    Reference(ThreadPool),
}

impl Tracer {
    /// The reference, or an engine where the flags ask for one.
    pub(super) fn from_flags(flags: &EngineFlags, shape: &Architecture, quiet: bool) -> Result<Self> {
        if let Some(engine) = flags.build_for_trace(shape, quiet)? {
            return Ok(Self::Engine(engine));
        }
        let pool = ThreadPoolBuilder::new().num_threads(flags.threads().unwrap_or(0)).build();
        Ok(Self::Reference(pool.map_err(|e| Error::failed(format!("cannot start the threads: {e}")))?))
    }

    /// Hands every path with its trace to `take`, in order.
    ///
    /// # Errors
    /// Those of tracing, and the interruption once `stop` is set.
    pub(super) fn each(
        &self,
        network: &Network,
        paths: &[NamedPath],
        stop: &AtomicBool,
        mut take: impl FnMut(&NamedPath, Trace) -> Result<()>,
    ) -> Result<()> {
        for batch in paths.chunks(BATCH) {
            let traces: Vec<Trace> = match self {
                Self::Engine(engine) => {
                    let batch: Vec<&Path> = batch.iter().map(|named| &named.path).collect();
                    engine.trace(network, &batch, stop)?
                }
                Self::Reference(pool) => {
                    let trace = |named: &NamedPath| {
                        let trace = Trace::reference(network, &named.path);
                        trace.map_err(|e| e.at(format!("path {}", named.name)))
                    };
                    let traced: Vec<Option<Result<Trace>>> = pool.install(|| {
                        let wanted = |named| (!stop.load(Ordering::Relaxed)).then(|| trace(named));
                        batch.par_iter().map(wanted).collect()
                    });
                    // In order, so that the first error is the same in every run.
                    traced.into_iter().flatten().collect::<Result<_>>()?
                }
            };
            if stop.load(Ordering::Relaxed) {
                return Err(interrupted("nothing was printed"));
            }
            for (path, trace) in batch.iter().zip(traces) {
                take(path, trace)?;
            }
        }
        Ok(())
    }

    /// The densities of one network, with errors over the paths, which are taken as independent.
    pub(super) fn moments(
        &self,
        network: &Network,
        paths: &[NamedPath],
        length_unit: f64,
        stop: &AtomicBool,
    ) -> Result<Moments> {
        let depth = network.architecture().depth();
        let mut moments = Moments::new(depth, 1, length_unit);
        self.each(network, paths, stop, |_, trace| {
            let mut crossings = vec![0; depth];
            trace.crossings.iter().for_each(|crossing| crossings[crossing.layer] += 1);
            moments.add_networks(&[PathCounts {
                length: trace.length,
                crossings,
                boundaries: trace.boundaries.len() as u64,
                knots: Some(trace.n_knots() as u64),
            }])
        })?;
        Ok(moments)
    }
}

/// What is told of a network of so many hidden layers.
pub(super) fn quantities(depth: usize) -> impl Iterator<Item = Quantity> {
    let all = [Quantity::Crossings, Quantity::Boundaries, Quantity::Knots];
    all.into_iter().chain((0..depth).map(Quantity::LayerCrossings))
}
