//! One device at work: batches of the right size, one after the other, and what to do when one does not succeed.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use wgpu::{Adapter, Limits};

use super::adapter::AdapterSummary;
use super::batch::{Batch, StageTime};
use super::device::{Device, Fault};
use super::inputs::{Inputs, Job};
use super::layer::LayerShape;
use super::machine::{Halt, Machine};
use super::outcome::{LayerLog, Outcome};
use super::plan::Plan;
use super::rice;
use super::tuning::Tuning;
use crate::engine::{Estimator, Method, PathCounts};
use crate::ensemble::Ensemble;
use crate::error::{Error, Result};

/// How a device is used.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// Limits to ask for instead of all that the device has.
    pub(super) limits: Option<Limits>,
    /// Bytes of all buffers together.
    pub(super) memory: Option<u64>,
    /// Rows that a path has room for at first, instead of a guess.
    pub(super) rows: Option<usize>,
}

/// Where the time of one batch goes.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Networks of the batch.
    pub networks: usize,
    /// Every stage, in order.
    pub stages: Vec<StageTime>,
    /// Floating-point operations of the maps of every layer: two for each multiply-add that is needed.
    pub operations: Vec<f64>,
}

/// One device with what it has learned about the job at hand.
pub(super) struct Lane {
    pub(super) machine: Machine,
    options: Options,
    batch: Option<Batch>,
    tuning: Option<Tuning>,
    rice: rice::Worker,
}

fn no_features() -> Error {
    Error::usage(
        "--method rice-features takes the CPU, which is done before a GPU has started: use --engine cpu, or --method rice",
    )
}

impl Lane {
    /// Opens a device.
    ///
    /// # Errors
    /// What the driver says.
    pub(super) fn open(adapter: Adapter, summary: AdapterSummary, options: Options) -> Result<Self> {
        let machine = Machine::open(adapter, summary, options.limits.clone(), options.memory)?;
        Ok(Self { machine, options, batch: None, tuning: None, rice: rice::Worker::default() })
    }

    /// The bytes of the host's memory that batches on this device take.
    ///
    /// # Errors
    /// If a single path does not fit.
    pub(super) fn memory_needed(&mut self, ensemble: &Ensemble, estimator: Estimator) -> Result<u128> {
        let memory = u128::from(self.machine.memory());
        let on_host = match estimator {
            Estimator::Count(method) => {
                self.plan(&Job::Ensemble(ensemble), method, 1, ensemble.path.n_vertices())?;
                // What is sent and read back.
                memory
            }
            Estimator::Rice { points } => self.rice.host_memory(&self.machine, rice::Task { ensemble, points })?,
            Estimator::RiceFeatures => return Err(no_features()),
        };
        // A software device has its own memory here, too.
        Ok(on_host + if self.machine.summary().is_software() { memory } else { 0 })
    }

    /// How many of `networks` networks one batch takes.
    ///
    /// # Errors
    /// If a single path does not fit.
    pub(super) fn networks_at_once(
        &mut self,
        ensemble: &Ensemble,
        estimator: Estimator,
        networks: usize,
    ) -> Result<usize> {
        match estimator {
            Estimator::Count(method) => Ok(self.plan(&Job::Ensemble(ensemble), method, networks, 1)?.networks),
            Estimator::Rice { points } => {
                self.rice.networks_at_once(&self.machine, rice::Task { ensemble, points }, networks)
            }
            Estimator::RiceFeatures => Err(no_features()),
        }
    }

    /// Counts or expects on all paths of these draws; one list per draw.
    ///
    /// # Errors
    /// Names the draw and layer that failed.
    pub(super) fn observe(
        &mut self,
        ensemble: &Ensemble,
        estimator: Estimator,
        draws: &[u64],
        stop: &AtomicBool,
    ) -> Result<Vec<Vec<PathCounts>>, Halt> {
        match estimator {
            Estimator::Count(method) => self.count(&Job::Ensemble(ensemble), method, draws, stop),
            Estimator::Rice { points } => {
                // The buffers of both do not fit at once.
                self.batch = None;
                self.rice.expect(&mut self.machine, rice::Task { ensemble, points }, draws, stop)
            }
            Estimator::RiceFeatures => Err(no_features().into()),
        }
    }

    fn tuning(&mut self, job: &Job, method: Method) -> Result<&mut Tuning> {
        let name = job.name(Estimator::Count(method));
        if self.tuning.as_ref().is_none_or(|tuning| tuning.job() != name) {
            let limits = self.machine.limits();
            self.tuning = Some(Tuning::new(name, job.architecture(), method, self.options.rows, &limits)?);
        }
        Ok(self.tuning.as_mut().expect("it was just set"))
    }

    /// A plan for some of `networks` networks with paths of up to `n_vertices` vertices.
    ///
    /// # Errors
    /// If a single path does not fit.
    pub(super) fn plan(&mut self, job: &Job, method: Method, networks: usize, n_vertices: usize) -> Result<Plan> {
        let limits = self.machine.limits();
        let what = format!("architecture {} on {}", job.architecture(), self.machine.summary().name);
        let tuning = self.tuning(job, method)?;
        tuning.admit(n_vertices);
        Plan::fit(tuning.shape(), networks, job.paths_per_network(), &limits, tuning.pace.work(), &what)
    }

    /// Counts on all paths of these draws; one list per draw.
    ///
    /// # Errors
    /// Names the draw and layer that failed.
    pub(super) fn count(
        &mut self,
        job: &Job,
        method: Method,
        draws: &[u64],
        stop: &AtomicBool,
    ) -> Result<Vec<Vec<PathCounts>>, Halt> {
        let paths_per_network = job.paths_per_network();
        let mut counts: Vec<Vec<PathCounts>> = draws.iter().map(|_| Vec::new()).collect();
        let (mut n_vertices, mut losses) = (1, 0);
        loop {
            let todo: Vec<usize> = (0..draws.len()).filter(|&ix| counts[ix].len() < paths_per_network).collect();
            let Some(&first) = todo.first() else { return Ok(counts) };
            let plan = self.plan(job, method, todo.len(), n_vertices)?;
            // A network whose paths do not fit together is counted in parts, alone until it is complete.
            let done = counts[first].len();
            let now = &todo[..if done > 0 { 1 } else { plan.networks }];
            let paths = done..paths_per_network.min(done + plan.paths);
            let batch_draws: Vec<u64> = now.iter().map(|&ix| draws[ix]).collect();
            let inputs = job.inputs(&batch_draws, paths.start as u64..paths.end as u64, method)?;
            if inputs.most_vertices() > plan.shape.rows[0] {
                n_vertices = inputs.most_vertices();
                continue;
            }
            let outcomes = match self.attempt(job, plan, &inputs, stop) {
                Ok(Some(outcomes)) => outcomes,
                Ok(None) => return Err(Halt::Stopped),
                Err(fault) => {
                    self.recover(fault, &mut losses, inputs.paths.len())?;
                    continue;
                }
            };
            losses = 0;
            self.tuning(job, method)?.learn(&outcomes);
            let of_networks = outcomes.chunks_exact(paths.len()).zip(inputs.paths.chunks_exact(paths.len()));
            let mut is_first = true;
            for ((outcomes, paths_drawn), &ix) in of_networks.zip(now) {
                if outcomes.iter().any(|outcome| outcome.needed.is_some()) {
                    is_first = false;
                    continue;
                }
                let failed = outcomes.iter().zip(paths.clone()).find_map(|(o, path)| Some((path, o.failed_layer?)));
                match failed {
                    Some((path_ix, layer)) if is_first => {
                        return Err(job.overflow(draws[ix], path_ix as u64, layer).into());
                    }
                    // One before it may yet fail: the first is named, whatever the room.
                    Some(_) => continue,
                    None => {}
                }
                let of_path = outcomes.iter().zip(paths_drawn);
                counts[ix].extend(of_path.map(|(outcome, path)| outcome.counts(path.length())));
            }
        }
    }

    /// What every layer found on every path of a given network, and the outcomes. `None` if asked to stop.
    ///
    /// # Errors
    /// Names the path and layer that failed.
    pub(super) fn log(&mut self, job: &Job, path_ix: u64, stop: &AtomicBool) -> Result<Vec<LayerLog>, Halt> {
        let inputs = job.inputs(&[0], path_ix..path_ix + 1, Method::Exact)?;
        let mut losses = 0;
        loop {
            let mut plan = self.plan(job, Method::Exact, 1, inputs.most_vertices())?;
            plan.paths = 1;
            let logged = self.prepare(job, plan).and_then(|(device, batch)| batch.log(device, job, &inputs, stop));
            let (outcome, log) = match logged {
                Ok(Some(logged)) => logged,
                Ok(None) => return Err(Halt::Stopped),
                Err(fault) => {
                    self.recover(fault, &mut losses, 1)?;
                    continue;
                }
            };
            losses = 0;
            self.tuning(job, Method::Exact)?.learn(std::slice::from_ref(&outcome));
            match outcome.failed_layer {
                Some(layer) => return Err(job.overflow(0, path_ix, layer).into()),
                None if outcome.needed.is_none() => return Ok(log),
                None => {}
            }
        }
    }

    /// The times of all stages of one batch of as many of these draws as fit, and the counts of rows and networks behind them.
    ///
    /// # Errors
    /// If a single path does not fit, and whatever goes wrong.
    pub(super) fn profile(&mut self, job: &Job, method: Method, draws: &[u64]) -> Result<Profile, Halt> {
        // What is learned here is how many rows there are.
        self.count(job, method, &draws[..draws.len().min(64)], &AtomicBool::new(false))?;
        let limits = self.machine.limits();
        let shape = self.tuning(job, method)?.shape();
        let plan = Plan::fit(shape, draws.len(), job.paths_per_network(), &limits, f64::INFINITY, "")?;
        let draws = &draws[..plan.networks];
        let inputs = job.inputs(draws, 0..plan.paths as u64, method)?;
        let prepared = self.prepare(job, plan).and_then(|(device, batch)| {
            // The first run compiles.
            batch.profile(device, job, &inputs)?;
            let stages = batch.profile(device, job, &inputs)?;
            Ok((stages, batch.outcomes(device, inputs.paths.len())?))
        });
        let (stages, outcomes) = prepared.map_err(|fault| self.machine.failure(fault))?;
        let layers = LayerShape::of(job.architecture()).into_iter().enumerate();
        let operations = layers.map(|(layer, shape)| {
            let level = if matches!(method, Method::Sampled { .. }) { layer.min(1) } else { layer };
            let rows: usize = outcomes.iter().map(|outcome| outcome.rows[level]).sum();
            2.0 * rows as f64 * shape.n_products as f64
        });
        Ok(Profile { networks: draws.len(), stages, operations: operations.collect() })
    }

    /// The device, with a batch that has room for a plan.
    fn prepare(&mut self, job: &Job, plan: Plan) -> Result<(&Device, &mut Batch), Fault> {
        let name = self.tuning.as_ref().map(Tuning::job);
        let fits = |batch: &Batch| batch.plan.covers(&plan) && Some(batch.job()) == name;
        if !self.batch.as_ref().is_some_and(fits) {
            // Its memory first.
            self.batch = None;
            self.rice.release();
            self.batch = Some(Batch::new(self.machine.device(), plan, job, name.unwrap_or_default())?);
        }
        Ok((self.machine.device(), self.batch.as_mut().expect("it was just made")))
    }

    /// Runs a batch once. `None` if asked to stop.
    fn attempt(
        &mut self,
        job: &Job,
        plan: Plan,
        inputs: &Inputs,
        stop: &AtomicBool,
    ) -> Result<Option<Vec<Outcome>>, Fault> {
        #[cfg(test)]
        self.machine.misfortune()?;
        let (device, batch) = self.prepare(job, plan)?;
        let start = Instant::now();
        let outcomes = batch.count(device, job, inputs, stop)?;
        let is_full = inputs.paths.len() == batch.plan.n_paths();
        if let Some(tuning) = &mut self.tuning {
            tuning.pace.adjust(start.elapsed(), is_full);
        }
        Ok(outcomes)
    }

    /// See [`Machine::recover`].
    fn recover(&mut self, fault: Fault, losses: &mut usize, n_paths: usize) -> Result<()> {
        self.batch = None;
        self.machine.recover(fault, losses, n_paths)
    }
}

/// What tests read of a device.
#[cfg(test)]
impl Lane {
    /// The parameters of all draws, layer by layer, as they are on the device.
    pub(super) fn weights(&mut self, job: &Job, plan: Plan, inputs: &Inputs) -> Vec<Vec<f32>> {
        self.tuning(job, Method::Exact).expect("it fits");
        let (device, batch) = self.prepare(job, plan).expect("it fits");
        batch.weights(device, job, inputs).expect("no fault")
    }
}
