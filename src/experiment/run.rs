//! Draws networks until there are enough.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Plan;
use crate::engine::{Engine, PathCounts};
use crate::error::Result;
use crate::stats::{Density, MIN_NETWORKS, Moments, Quantity, next_look};
use crate::theory::{density, infinite_width};

/// How long a batch should take: between two looks at Ctrl-C and two updates of the progress bar.
const BATCH: Duration = Duration::from_millis(200);

/// Paths of a batch, so that its results take little memory.
const BATCH_PATHS: u64 = 1 << 16;

/// Networks without any crossing after which a target error is given up.
const MAX_WITHOUT_CROSSING: u64 = 100_000;

/// What theory says of an ensemble.
#[derive(Clone, Debug)]
pub struct Theory {
    /// The upper bound, where it applies.
    pub upper: Option<density::DensityBound>,
    /// Each layer's density at infinite width, where the law applies.
    pub infinite_width: Option<Vec<f64>>,
}

impl Theory {
    pub(super) fn of_plan(plan: &Plan) -> Result<Self> {
        Ok(Self {
            upper: density::density_upper(&plan.ensemble.network),
            infinite_width: infinite_width::density(&plan.ensemble)?,
        })
    }

    /// The upper bound on the density of a quantity.
    pub fn bound(&self, quantity: Quantity) -> Option<f64> {
        self.upper.as_ref().map(|upper| match quantity {
            Quantity::LayerCrossings(layer) => upper.layers[layer].total(),
            _ => upper.total(),
        })
    }

    /// The density of a quantity at infinite width.
    pub fn infinite_width(&self, quantity: Quantity) -> Option<f64> {
        self.infinite_width.as_ref().map(|layers| match quantity {
            Quantity::LayerCrossings(layer) => layers[layer],
            _ => layers.iter().sum(),
        })
    }
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// All that the densities and their errors need.
    pub moments: Moments,
    /// What theory says.
    pub theory: Theory,
    /// Whether the user stopped the run before its end.
    pub interrupted: bool,
    /// The relative standard error that was asked for and not reached.
    pub missed_target: Option<f64>,
    /// Time the run took.
    pub wall_seconds: f64,
}

impl Estimate {
    /// Quantities and layers whose density exceeds its upper bound by more than `std_errors` standard errors. Never with
    /// fewer than 30 networks, whose standard error means little.
    pub fn violations(&self, std_errors: f64) -> Vec<(Quantity, Density, f64)> {
        if self.moments.networks() < MIN_NETWORKS {
            return Vec::new();
        }
        let layers = self.theory.upper.as_ref().map_or(0, |upper| upper.layers.len());
        let quantities = [Quantity::Crossings, Quantity::Boundaries, Quantity::Knots];
        let checked = quantities.into_iter().chain((0..layers).map(Quantity::LayerCrossings)).filter_map(|quantity| {
            let (density, bound) = (self.moments.density(quantity)?, self.theory.bound(quantity)?);
            let excess = density.mean - bound;
            // Sums of equal terms may differ from the bound in the last digits.
            (excess > std_errors * density.std_error? + 1e-9 * bound).then_some((quantity, density, bound))
        });
        checked.collect()
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Networks done.
    pub networks: u64,
    /// Networks expected at the end; grows and shrinks with the error where there is a target.
    pub expected: u64,
    /// The estimate so far.
    pub density: Option<Density>,
}

/// Who is told of a run's results as they come.
pub trait Observer {
    /// The counts of consecutive networks, in order.
    ///
    /// # Errors
    /// Ends the run.
    fn counted(&mut self, first_network: u64, counts: &[PathCounts]) -> Result<()>;

    /// After every batch.
    fn progress(&mut self, progress: Progress);
}

/// Draws and counts networks until the plan's target or number is reached, or `stop` is set.
///
/// The error is compared with the target after numbers of networks that depend on earlier counts alone, so the result does
/// not depend on threads, batches or time.
///
/// # Errors
/// The engine's and the observer's; and those of memory, before anything is computed.
pub fn estimate(plan: &Plan, engine: &dyn Engine, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Estimate> {
    let start = Instant::now();
    plan.check_memory(engine)?;
    // Theory takes milliseconds on one core, which is long beside a short run.
    let (theory, run) = std::thread::scope(|scope| {
        let theory = scope.spawn(|| Theory::of_plan(plan));
        let run = draw(plan, engine, observer, stop);
        (theory.join().expect("closed forms do not panic"), run)
    });
    let ((moments, interrupted), theory) = (run?, theory?);
    let relative_error = moments.density(plan.headline()).and_then(|d| d.relative_error());
    let missed_target = plan.target_error.filter(|target| relative_error.is_none_or(|error| error > *target));
    Ok(Estimate { moments, theory, interrupted, missed_target, wall_seconds: start.elapsed().as_secs_f64() })
}

/// Draws until there are enough networks; their moments, and whether the user stopped before.
fn draw(plan: &Plan, engine: &dyn Engine, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<(Moments, bool)> {
    let mut course = Course::new(plan, 0..plan.networks);
    while !course.is_done() && !stop.load(Ordering::Relaxed) {
        course.next_batch(plan, engine, observer, stop)?;
    }
    let interrupted = !course.is_done();
    Ok((course.moments, interrupted))
}

/// How far the draws of a plan are; whoever keeps `moments` and `look` can go on from there.
#[derive(Clone, Debug)]
pub(super) struct Course {
    /// The draws that there may be.
    pub(super) draws: Range<u64>,
    /// Of the first ones.
    pub(super) moments: Moments,
    /// Number of networks at which the error is compared with the target, and the draws end without.
    pub(super) look: u64,
    /// Networks of the next batch, if that was found out.
    batch: Option<u64>,
}

impl Course {
    /// Nothing is drawn yet.
    pub(super) fn new(plan: &Plan, draws: Range<u64>) -> Self {
        let all = draws.end - draws.start;
        let look = if plan.target_error.is_some() { all.min(MIN_NETWORKS) } else { all };
        let moments = Moments::of_ensemble(&plan.ensemble, plan.estimator);
        Self { draws, moments, look, batch: None }
    }

    /// Goes on with earlier moments.
    pub(super) fn resumed(draws: Range<u64>, moments: Moments, look: u64) -> Self {
        Self { draws, moments, look, batch: None }
    }

    /// Whether there are enough.
    pub(super) fn is_done(&self) -> bool {
        self.moments.networks() >= self.look
    }

    /// Draws one more batch, or a part of it if asked to stop.
    pub(super) fn next_batch(
        &mut self,
        plan: &Plan,
        engine: &dyn Engine,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<()> {
        let paths_per_network = plan.ensemble.paths_per_network;
        let at_once = engine.networks_at_once();
        let done = self.moments.networks();
        let end = self.look.min(done.saturating_add(self.batch.unwrap_or(at_once)));
        let first = self.draws.start + done;
        let start = Instant::now();
        let counts = engine.observe(&plan.ensemble, plan.estimator, first..self.draws.start + end, stop)?;
        self.moments.add_networks(&counts)?;
        observer.counted(first, &counts)?;
        if self.moments.networks() < end {
            return Ok(());
        }
        let pace = BATCH.as_secs_f64() / start.elapsed().as_secs_f64().max(1e-6);
        let most = BATCH_PATHS.div_ceil(paths_per_network).max(at_once);
        self.batch = Some((((end - done) as f64 * pace.min(4.0)) as u64).clamp(at_once, most));
        let density = self.moments.density(plan.headline());
        if let Some(target) = plan.target_error
            && self.is_done()
        {
            // Without a relative error (no crossing yet) twice as many networks may have one; in the end there is none.
            let ratio = density.and_then(|d| d.relative_error()).map_or(f64::INFINITY, |error| error / target);
            if ratio > 1.0 && (ratio.is_finite() || self.look < MAX_WITHOUT_CROSSING) {
                self.look = next_look(self.look, ratio).min(self.draws.end - self.draws.start);
            }
        }
        observer.progress(Progress { networks: self.moments.networks(), expected: self.look, density });
        Ok(())
    }
}
