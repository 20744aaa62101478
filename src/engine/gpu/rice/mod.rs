//! Expected crossings: rates at points of paths, from the device, for the [Rice estimator](crate::rice).
//!
//! A point is a pair of rows, its values and their derivatives along the path; all points of a network are one path to the stages of
//! maps.
//! A layer is:
//!
//! | stage | |
//! |---|---|
//! | given_inputs | for normal weights: the rates of a dense layer, from its inputs |
//! | squares, rests, given_moments | the same of other layers: from the moments of pre-activations, given what they see |
//! | draw | the layer's weights and biases |
//! | affine, convolution, average_pool, add | its pre-activations |
//! | given_weights | for other weights: the rates of the layer, from its pre-activations |
//! | add | copies of what later layers add |
//! | activate | activations and their derivatives |
//! | maxout, sort, crelu | those of units of several pre-activations or outputs |
//!
//! Points are drawn and rates summed on the host, by the code of the CPU engine.

mod batch;
mod inputs;
mod plan;
mod processes;
mod program;
mod rates;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use self::batch::{Batch, Rates};
use self::inputs::Inputs;
#[cfg(test)]
pub(super) use self::plan::lanes;
use self::plan::{Plan, Shape};
#[cfg(test)]
pub(super) use self::processes::{Processes, maps};
use super::device::Fault;
use super::inputs::Job;
use super::machine::{Halt, Machine};
use super::pace::Pace;
use crate::engine::{Estimator, PathCounts};
use crate::ensemble::Ensemble;
use crate::error::Result;

/// An ensemble whose crossings are expected from so many points on every path.
#[derive(Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) ensemble: &'a Ensemble,
    pub(super) points: usize,
}

impl<'a> Task<'a> {
    fn job(self) -> Job<'a> {
        Job::Ensemble(self.ensemble)
    }

    fn estimator(self) -> Estimator {
        Estimator::Rice { points: self.points }
    }
}

/// What does one task after the other on a device.
#[derive(Default)]
pub(super) struct Worker {
    latest: Option<Latest>,
}

/// What is known of the latest task.
struct Latest {
    name: String,
    shape: Shape,
    pace: Pace,
    batch: Option<Batch>,
}

impl Worker {
    /// Gives its memory on the device back.
    pub(super) fn release(&mut self) {
        self.latest.iter_mut().for_each(|latest| latest.batch = None);
    }

    /// The bytes of the host's memory that batches of a task take.
    ///
    /// # Errors
    /// If a single path does not fit on the device.
    pub(super) fn host_memory(&mut self, machine: &Machine, task: Task) -> Result<u128> {
        let all = u32::MAX as usize;
        Ok(self.latest(task)?.plan(machine, task, all, f64::INFINITY)?.host_bytes())
    }

    /// How many of `networks` networks one batch takes.
    ///
    /// # Errors
    /// If a single path does not fit.
    pub(super) fn networks_at_once(&mut self, machine: &Machine, task: Task, networks: usize) -> Result<usize> {
        let latest = self.latest(task)?;
        Ok(latest.plan(machine, task, networks, latest.pace.work())?.networks)
    }

    /// The expected crossings on all paths of these draws; one list per draw.
    ///
    /// # Errors
    /// Names the draw and layer that failed.
    pub(super) fn expect(
        &mut self,
        machine: &mut Machine,
        task: Task,
        draws: &[u64],
        stop: &AtomicBool,
    ) -> Result<Vec<Vec<PathCounts>>, Halt> {
        let latest = self.latest(task)?;
        let unit = task.estimator().unit(task.ensemble);
        let n_paths = task.job().paths_per_network();
        let mut counts: Vec<Vec<PathCounts>> = draws.iter().map(|_| Vec::new()).collect();
        let (mut complete, mut losses) = (0, 0);
        while complete < draws.len() {
            let plan = latest.plan(machine, task, draws.len() - complete, latest.pace.work())?;
            // A network whose paths do not fit together is done in parts, alone until it is complete.
            let done = counts[complete].len();
            let networks = if done > 0 { 1 } else { plan.networks };
            let paths = done..n_paths.min(done + plan.paths);
            let inputs = Inputs::draw(task, &draws[complete..complete + networks], paths.clone())?;
            let rates = match latest.attempt(machine, task, plan, &inputs, stop) {
                Ok(Some(rates)) => rates,
                Ok(None) => return Err(Halt::Stopped),
                Err(fault) => {
                    latest.batch = None;
                    machine.recover(fault, &mut losses, networks * paths.len())?;
                    continue;
                }
            };
            losses = 0;
            for ((ix, rates), points) in (complete..).zip(rates).zip(&inputs.points) {
                match rates {
                    Rates::Of(rates) => counts[ix].extend(points.counts(&rates, &[], unit)),
                    Rates::Overflow { layer } => {
                        return Err(task.job().overflow(draws[ix], paths.start as u64, layer).into());
                    }
                }
            }
            if paths.end == n_paths {
                complete += networks;
            }
        }
        Ok(counts)
    }

    fn latest(&mut self, task: Task) -> Result<&mut Latest> {
        let name = task.job().name(task.estimator());
        if self.latest.as_ref().is_none_or(|latest| latest.name != name) {
            let shape = Shape::new(&task.ensemble.network, task.points)?;
            self.latest = Some(Latest { name, shape, pace: Pace::default(), batch: None });
        }
        Ok(self.latest.as_mut().expect("it was just set"))
    }
}

impl Latest {
    fn plan(&self, machine: &Machine, task: Task, networks: usize, work: f64) -> Result<Plan> {
        let what = format!("architecture {} on {}", task.job().architecture(), machine.summary().name);
        Plan::fit(self.shape.clone(), networks, task.job().paths_per_network(), &machine.limits(), work, &what)
    }

    /// Runs a batch once. `None` if asked to stop.
    fn attempt(
        &mut self,
        machine: &mut Machine,
        task: Task,
        plan: Plan,
        inputs: &Inputs,
        stop: &AtomicBool,
    ) -> Result<Option<Vec<Rates>>, Fault> {
        #[cfg(test)]
        machine.misfortune()?;
        let device = machine.device();
        let batch = match self.batch.take() {
            Some(batch) if batch.plan.covers(&plan) => batch,
            // Its memory first.
            other => {
                drop(other);
                Batch::new(device, plan, task)?
            }
        };
        let batch = self.batch.insert(batch);
        let start = Instant::now();
        let rates = batch.rates(device, &task.job(), inputs, stop)?;
        self.pace.adjust(start.elapsed(), inputs.n_points() == batch.plan.n_points());
        Ok(rates)
    }
}
