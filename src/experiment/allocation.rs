//! How many paths to take on each network, and how many points on each path: what reaches a given error soonest.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::Plan;
use super::cost::Costs;
use crate::engine::{Engine, Estimator, PathCounts};
use crate::ensemble::Ensemble;
use crate::error::Result;
use crate::stats::MIN_NETWORKS;

/// Networks of a pilot. They are none of those that the estimate is made of, so that what is chosen does not depend on it.
const NETWORKS: u64 = 4;
/// Networks that tell how long an estimate takes, where so many are a small part of it.
const LEAST_MORE_NETWORKS: u64 = 16;
const MORE_NETWORKS: u64 = 256;
const SMALL_PART: f64 = 0.05;

const FIRST_NETWORK: u64 = 1 << 63;

/// Points per path in the part of a pilot that tells the variance between points from that between paths.
const STRATA: usize = 4;

/// More are never worth their memory.
const MAX_PATHS: u64 = 4096;
const MAX_STRATA: f64 = 1024.0;

/// Paths of each network in that part, and at least in the others.
const FEW_PATHS: u64 = 8;

/// Where the path itself costs less than this part of its points, these are as many as need be.
const NEGLIGIBLE: f64 = 0.5;

/// A part of a pilot that takes more than this part of the estimate itself is not worth it.
const WORTH: f64 = 0.5;

/// What was chosen, and what it is expected to take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allocation {
    /// Paths of each network.
    pub paths_per_network: u64,
    /// Points on each path, for the Rice estimator.
    pub points: Option<usize>,
    /// Time that the pilot took.
    pub pilot_seconds: f64,
    /// Networks that reach the target error, where there is one, or that were asked for, and the time that these should take by the
    /// pace of the pilot; `None` where the pilot did not have to find out.
    pub expected: Option<(u64, f64)>,
}

/// Chooses what the plan leaves open, if anything, and sets it in the plan; `None` if that took no pilot.
///
/// The choice makes variance x cost least. The variance over networks comes from a pilot; the cost is a count of operations, so
/// that the choice, and with it the result, is the same on every machine and in every run. Only the time that is expected comes
/// from a clock. For two nested levels with independent paths this is the classical optimum: paths per network = root of (cost of
/// a network / cost of a path x variance between paths / variance between networks).
///
/// # Errors
/// The engine's.
pub fn allocate(plan: &mut Plan, engine: &dyn Engine, stop: &AtomicBool) -> Result<Option<Allocation>> {
    if !(plan.open.paths || plan.open.points) {
        return Ok(None);
    }
    let start = Instant::now();
    let mut pilot = Pilot { plan, engine, stop, work: 0.0 };
    let Some(choice) = pilot.choose()? else { return Ok(None) };
    let (pilot_seconds, work) = (start.elapsed().as_secs_f64(), pilot.work);
    plan.ensemble.paths_per_network = choice.paths;
    plan.estimator = choice.estimator;
    if work == 0.0 {
        return Ok(None);
    }
    let pace = pilot_seconds / work;
    let (most, has_target) = (plan.networks, plan.target_error.is_some());
    let expected = choice.networks.map(|n| if has_target { most.min(n.ceil() as u64) } else { most });
    Ok(Some(Allocation {
        paths_per_network: choice.paths,
        points: choice.estimator.points(),
        pilot_seconds,
        expected: expected.map(|networks| (networks, networks as f64 * choice.cost * pace)),
    }))
}

impl fmt::Display for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let points = self.points.map_or(String::new(), |n| format!(", {} on each", many(n as u64, "point")));
        let time = |seconds: f64| match seconds {
            ..1.0 => format!("{:.1} ms", 1e3 * seconds),
            ..300.0 => format!("{seconds:.1} s"),
            ..18_000.0 => format!("{:.0} min", seconds / 60.0),
            _ => format!("{:.0} h", seconds / 3600.0),
        };
        let (pilot, paths) = (time(self.pilot_seconds), many(self.paths_per_network, "path"));
        write!(f, "pilot ({pilot}): {paths} per network{points}")?;
        match self.expected {
            Some((networks, seconds)) => {
                write!(f, "; {} should take {}", many(networks, "network"), time(seconds))
            }
            None => Ok(()),
        }
    }
}

struct Choice {
    estimator: Estimator,
    paths: u64,
    /// How many it takes, if that is known.
    networks: Option<f64>,
    /// Of one network.
    cost: f64,
}

struct Pilot<'a> {
    plan: &'a Plan,
    engine: &'a dyn Engine,
    stop: &'a AtomicBool,
    /// What it has done so far, in units of cost.
    work: f64,
}

impl Pilot<'_> {
    /// `None` if the user asked to stop.
    fn choose(&mut self) -> Result<Option<Choice>> {
        let ensemble = &self.plan.ensemble;
        let mut estimator = self.plan.estimator;
        let costs = Costs::guess(ensemble, estimator);
        if self.plan.open.points && costs.per_path > NEGLIGIBLE * costs.per_point {
            match self.best_points(&costs)? {
                Some(points) => estimator = Estimator::Rice { points },
                None => return Ok(None),
            }
        }
        let cost = |costs: &Costs, paths: u64| costs.network + paths as f64 * costs.path(estimator);
        let given = |paths: u64| Choice { estimator, paths, networks: None, cost: cost(&costs, paths) };
        if !self.plan.open.paths {
            return Ok(Some(given(ensemble.paths_per_network)));
        }
        // As many as make up for the network.
        let even = (costs.network / costs.path(estimator)).clamp(1.0, MAX_PATHS as f64) as u64;
        if self.plan.networks <= NETWORKS {
            return Ok(Some(given(even)));
        }
        // Where a path takes longer than the network itself, few are best.
        let mut paths = (4 * even).clamp(2, FEW_PATHS).next_power_of_two();
        loop {
            let Some(sample) = self.observe(estimator, &costs, NETWORKS, paths)? else { return Ok(None) };
            let costs = Costs::of(ensemble, estimator, &sample.crossings_per_layer());
            let networks = |paths: u64| self.networks(sample.relative_variance(paths));
            let time = |paths: u64| networks(paths) * cost(&costs, paths);
            let fewer = std::iter::successors(Some(1), |p| Some(2 * p)).take_while(|&p| p <= paths);
            let best = fewer.min_by(|&a, &b| time(a).total_cmp(&time(b))).expect("at least one path");
            let choice = Choice { estimator, paths: best, networks: Some(networks(best)), cost: cost(&costs, best) };
            let more = (4 * paths).min(MAX_PATHS);
            // With fewer networks there would be no error to speak of.
            let is_least = best < paths || paths == MAX_PATHS || networks(best) <= MIN_NETWORKS as f64;
            let rest = self.plan.networks.min(networks(best) as u64) as f64 * choice.cost;
            if is_least || NETWORKS as f64 * cost(&costs, more) > WORTH * rest {
                return self.refine(choice, &costs);
            }
            paths = more;
        }
    }

    /// A choice with a better idea of how many networks it takes, if these are many.
    fn refine(&mut self, choice: Choice, costs: &Costs) -> Result<Option<Choice>> {
        let has_target = self.plan.target_error.is_some();
        let small_part = choice.networks.map_or(0, |networks| (SMALL_PART * networks) as u64);
        if !has_target || small_part < LEAST_MORE_NETWORKS {
            return Ok(Some(choice));
        }
        let sample = self.observe(choice.estimator, costs, small_part.min(MORE_NETWORKS), choice.paths)?;
        let networks = |sample: Sample| self.networks(sample.relative_variance(choice.paths));
        Ok(sample.map(|sample| Choice { networks: Some(networks(sample)), ..choice }))
    }

    /// Networks that reach the target with this variance of a network's density over the square of the mean density; without a target,
    /// what is proportional to them.
    fn networks(&self, relative_variance: f64) -> f64 {
        match self.plan.target_error {
            Some(target) => (relative_variance / target.powi(2)).max(MIN_NETWORKS as f64),
            None => relative_variance * f64::from(u32::MAX),
        }
    }

    /// The points per path at which variance x cost of a path is least; `None` if the user asked to stop.
    fn best_points(&mut self, costs: &Costs) -> Result<Option<usize>> {
        let mut within = [0.0; 2];
        for (within, points) in within.iter_mut().zip([1, STRATA]) {
            match self.observe(Estimator::Rice { points }, costs, NETWORKS, FEW_PATHS)? {
                Some(sample) => *within = sample.within(),
                None => return Ok(None),
            }
        }
        // The first is the variance between paths and that between points, the second the former and 1 / STRATA of the latter.
        let [single, stratified] = within;
        let between_points = ((single - stratified) / (1.0 - 1.0 / STRATA as f64)).clamp(0.0, single);
        // Where nothing seems to be left between paths, that is known to its standard error only.
        let known_to = 2.0 / (STRATA - 1) as f64 / ((NETWORKS * (FEW_PATHS - 1)) as f64).sqrt();
        let between_paths = (single - between_points).max(known_to * single);
        let best = (costs.per_path / costs.per_point * between_points / between_paths).sqrt();
        // Without any variance there is nothing to gain.
        let best = if best.is_nan() { 1.0 } else { best.clamp(1.0, MAX_STRATA) };
        Ok(Some(best.log2().round().exp2() as usize))
    }

    fn observe(&mut self, estimator: Estimator, costs: &Costs, networks: u64, paths: u64) -> Result<Option<Sample>> {
        let ensemble = Ensemble { paths_per_network: paths, ..self.plan.ensemble.clone() };
        let range = FIRST_NETWORK..FIRST_NETWORK + networks;
        let counts = self.engine.observe(&ensemble, estimator, range, self.stop)?;
        self.work += networks as f64 * (costs.network + paths as f64 * costs.path(estimator));
        let is_complete = counts.len() as u64 == networks * paths && !self.stop.load(Ordering::Relaxed);
        Ok(is_complete.then(|| Sample::new(counts, paths as usize, estimator.unit(&ensemble))))
    }
}

/// Densities of the paths of some networks.
struct Sample {
    counts: Vec<PathCounts>,
    per_network: usize,
    unit: f64,
    density: f64,
}

impl Sample {
    fn new(counts: Vec<PathCounts>, per_network: usize, unit: f64) -> Self {
        let length: f64 = counts.iter().map(|c| c.length).sum();
        let crossings: f64 = counts.iter().map(|c| total(c) * unit).sum();
        Self { counts, per_network, unit, density: if length > 0.0 { crossings / length } else { 0.0 } }
    }

    /// What a path has more than the mean density has on its length.
    fn residual(&self, path: &PathCounts) -> f64 {
        total(path) * self.unit - self.density * path.length
    }

    /// Variance between the networks' densities over `paths` paths each, at most as many as there are, over the square of the
    /// mean density; 0 where nothing is crossed.
    ///
    /// That over all paths is measured, and independent paths are assumed for what fewer add: few networks tell little of the
    /// variance between them, many paths tell more of that between paths.
    fn relative_variance(&self, paths: u64) -> f64 {
        let length: f64 = self.counts.iter().map(|c| c.length).sum();
        let per_path = self.density * length / self.counts.len() as f64;
        if per_path <= 0.0 {
            return 0.0;
        }
        let networks = self.counts.chunks(self.per_network);
        let (n, p) = (networks.len() as f64, self.per_network as f64);
        let squares: f64 = networks.map(|paths| paths.iter().map(|p| self.residual(p)).sum::<f64>().powi(2)).sum();
        let between = squares / (n - 1.0) / (p * p);
        (between + self.within() * (1.0 / paths as f64 - 1.0 / p)) / per_path.powi(2)
    }

    /// Variance between the paths of one network; 0 where there is only one.
    fn within(&self) -> f64 {
        let of_network = |paths: &[PathCounts]| {
            let mean = paths.iter().map(|p| self.residual(p)).sum::<f64>() / paths.len() as f64;
            paths.iter().map(|p| (self.residual(p) - mean).powi(2)).sum::<f64>()
        };
        let squares: f64 = self.counts.chunks(self.per_network).map(of_network).sum();
        let n = (self.counts.len() / self.per_network * (self.per_network - 1)) as f64;
        if n > 0.0 { squares / n } else { 0.0 }
    }

    fn crossings_per_layer(&self) -> Vec<f64> {
        let depth = self.counts.first().map_or(0, |c| c.crossings.len());
        let mean = |l: usize| self.counts.iter().map(|c| c.crossings[l] as f64).sum::<f64>() / self.counts.len() as f64;
        (0..depth).map(|l| mean(l) * self.unit).collect()
    }
}

fn total(path: &PathCounts) -> f64 {
    path.crossings.iter().map(|&c| c as f64).sum()
}
