//! The GPU engine: WGSL kernels through wgpu, on any device with Vulkan, Metal or DX12.
//!
//! Many paths are counted at once, layer by layer, and only counts come back. The kernels are in `shaders/`, one file per stage; a Rust
//! file of the same name in `stages` has its twin for the CPU, to which it is compared. From the path's vertices on, a layer is:
//!
//! | stage | |
//! |---|---|
//! | draw | the layer's weights and biases, with the same bits as on the CPU |
//! | affine, convolution, average_pool, window_values | pre-activations of all rows (vertices) of all paths; the same for each skip with a map |
//! | add | what other skips add to them |
//! | crossings | crossings between neighbouring rows, and at rows |
//! | rank, scan, place | order of the crossings, and where they and the old rows go |
//! | keep | what later layers add from before the layer, at the rows after insertion |
//! | insert | the rows after insertion; which intervals are constant |
//! | reach, kinks, keep_kinks | where units see a part of what comes before: which pre-activations, outputs and values kept have a kink at a row |
//!
//! Units of several pre-activations have stages of their own, those of maxout and of sorted groups: for crossings, insert and kinks,
//! and one that makes outputs of the rows, which the maps of later layers read as they are, as they do those of CReLU; activations of one
//! pre-activation with one output they apply themselves.
//!
//! After the last layer, tally counts boundaries and knots. The sampled method has no insertion: grid makes its rows once, and flips
//! compares neighbours.
//!
//! For the Rice estimator, `rice` makes rates at points of paths in place of rows that are inserted.
//!
//! Every path has a fixed room for rows. A path that needs more says so and is counted again with more room; no crossing is dropped.

mod adapter;
mod batch;
mod buffers;
mod commands;
mod device;
mod flags;
mod inputs;
mod kinks;
mod lane;
mod layer;
mod machine;
mod maps;
mod outcome;
mod pace;
mod plan;
mod program;
mod rice;
mod stages;
mod step;
#[cfg(test)]
mod tests;
mod trace;
mod tuning;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

pub use self::adapter::{AdapterChoice, AdapterSummary, adapters, automatic};
pub use self::batch::StageTime;
use self::inputs::Job;
pub use self::lane::Profile;
use self::lane::{Lane, Options};
pub use self::layer::check;
use self::machine::Halt;
use super::{Engine, Estimator, Method, PathCounts, Precision, Provenance};
use crate::ensemble::Ensemble;
use crate::error::Result;
use crate::network::Network;
use crate::path::Path;
use crate::trace::{Trace, check_dimension};

/// Counts on one or several GPUs, in f32.
pub struct GpuEngine {
    lanes: Vec<Mutex<Lane>>,
    provenance: Provenance,
}

impl GpuEngine {
    /// An engine on these devices.
    ///
    /// # Errors
    /// There is no such device, or its driver refuses it.
    pub fn new(choice: AdapterChoice) -> Result<Self> {
        Self::with_options(choice, &Options::default())
    }

    fn with_options(choice: AdapterChoice, options: &Options) -> Result<Self> {
        Self::on(adapter::take(choice)?, options)
    }

    fn on(adapters: Vec<(wgpu::Adapter, AdapterSummary)>, options: &Options) -> Result<Self> {
        let open = |(adapter, summary)| Lane::open(adapter, summary, options.clone());
        let lanes = adapters.into_iter().map(open).collect::<Result<Vec<Lane>>>()?;
        let joined = |text: &dyn Fn(&AdapterSummary) -> String| {
            let mut parts: Vec<String> = lanes.iter().map(|lane| text(lane.machine.summary())).collect();
            parts.dedup();
            parts.join(" + ")
        };
        let several = if lanes.len() > 1 { format!("{} x ", lanes.len()) } else { String::new() };
        let provenance = Provenance {
            engine: "gpu".to_owned(),
            adapter: several + &joined(&|summary| summary.name.clone()),
            driver: joined(&|summary| format!("{} {}", summary.backend, summary.driver)),
            precision: Precision::F32,
        };
        Ok(Self { lanes: lanes.into_iter().map(Mutex::new).collect(), provenance })
    }

    /// Takes the time of every stage on one batch of at most `networks` draws on the first device. For benchmarks.
    ///
    /// # Errors
    /// If a single path does not fit on the device, and whatever goes wrong with it.
    pub fn profile(&self, ensemble: &Ensemble, method: Method, networks: u64) -> Result<Profile> {
        let draws: Vec<u64> = (0..networks).collect();
        self.lane().profile(&Job::Ensemble(ensemble), method, &draws).map_err(|halt| match halt {
            Halt::Error(error) => error,
            Halt::Stopped => unreachable!("nobody asked"),
        })
    }

    /// Any device.
    fn lane(&self) -> MutexGuard<'_, Lane> {
        lock(&self.lanes[0])
    }

    /// Has all devices work off these draws.
    fn share_out(
        &self,
        ensemble: &Ensemble,
        estimator: Estimator,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        let next = AtomicU64::new(networks.start);
        let work = Work { ensemble, estimator, end: networks.end, stop };
        let shares: Vec<Result<Vec<(u64, Counts)>, Halt>> = std::thread::scope(|scope| {
            let (work, next) = (&work, &next);
            let spawn = |lane| scope.spawn(move || self.work_off(lane, work, next));
            let threads: Vec<_> = self.lanes.iter().map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().expect("devices do not panic")).collect()
        });
        let mut results = Vec::new();
        for share in shares {
            match share {
                Ok(share) => results.extend(share),
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Stopped) => {}
            }
        }
        Ok(unbroken(networks.start, results))
    }

    /// One device's share of the work: batch after batch, until all draws up to `end` are taken.
    fn work_off(&self, lane: &Mutex<Lane>, work: &Work, next: &AtomicU64) -> Result<Vec<(u64, Counts)>, Halt> {
        let mut lane = lock(lane);
        let mut share = Vec::new();
        loop {
            let left = work.end.saturating_sub(next.load(Ordering::Relaxed));
            // Devices of different speed end together when none takes all that is left.
            let fair = left.div_ceil(self.lanes.len() as u64).clamp(1, u64::from(u32::MAX)) as usize;
            let n = lane.networks_at_once(work.ensemble, work.estimator, fair)? as u64;
            let first = next.fetch_add(n, Ordering::Relaxed);
            if first >= work.end {
                return Ok(share);
            }
            let draws: Vec<u64> = (first..work.end.min(first + n)).collect();
            match lane.observe(work.ensemble, work.estimator, &draws, work.stop) {
                Ok(counts) => share.push((first, counts)),
                Err(Halt::Stopped) => return Ok(share),
                Err(halt) => {
                    next.fetch_max(work.end, Ordering::Relaxed);
                    return Err(halt);
                }
            }
        }
    }
}

/// Counts of consecutive draws, a list of paths each.
type Counts = Vec<Vec<PathCounts>>;

struct Work<'a> {
    ensemble: &'a Ensemble,
    estimator: Estimator,
    end: u64,
    stop: &'a AtomicBool,
}

/// Batches in order, each with its first draw, from draw `start` on and up to the first that is missing.
fn unbroken(start: u64, mut batches: Vec<(u64, Counts)>) -> Vec<PathCounts> {
    batches.sort_unstable_by_key(|(first, _)| *first);
    let mut expected = start;
    let mut counts = Vec::new();
    for (first, batch) in batches {
        if first != expected {
            break;
        }
        expected += batch.len() as u64;
        counts.extend(batch.into_iter().flatten());
    }
    counts
}

fn lock(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().expect("no thread panics while it holds a device")
}

impl Engine for GpuEngine {
    fn provenance(&self) -> Provenance {
        self.provenance.clone()
    }

    fn memory_needed(&self, ensemble: &Ensemble, estimator: Estimator) -> Result<u128> {
        let path = 4 * 8 * ensemble.path.n_coordinates();
        self.lanes.iter().try_fold(path, |sum, lane| Ok(sum + lock(lane).memory_needed(ensemble, estimator)?))
    }

    fn networks_at_once(&self) -> u64 {
        const PER_DEVICE: u64 = 256;
        PER_DEVICE * self.lanes.len() as u64
    }

    fn count(
        &self,
        ensemble: &Ensemble,
        method: Method,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        self.share_out(ensemble, Estimator::Count(method), networks, stop)
    }

    fn expect(
        &self,
        ensemble: &Ensemble,
        points: usize,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        self.share_out(ensemble, Estimator::Rice { points }, networks, stop)
    }

    /// Refuses: it takes less than a transfer to the device.
    fn expect_from_features(
        &self,
        ensemble: &Ensemble,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        self.share_out(ensemble, Estimator::RiceFeatures, networks, stop)
    }

    fn count_given(&self, network: &Network, paths: &[&Path], method: Method) -> Result<Vec<PathCounts>> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let job = Job::Given(network, paths);
        match self.lane().count(&job, method, &[0], &AtomicBool::new(false)) {
            Ok(counts) => Ok(counts.into_iter().flatten().map(|c| PathCounts { knots: None, ..c }).collect()),
            Err(Halt::Error(error)) => Err(error),
            Err(Halt::Stopped) => unreachable!("nobody asked"),
        }
    }

    fn trace(&self, network: &Network, paths: &[&Path], stop: &AtomicBool) -> Result<Vec<Trace>> {
        let job = Job::Given(network, paths);
        let mut lane = self.lane();
        let mut traces = Vec::new();
        for (ix, path) in paths.iter().enumerate() {
            check_dimension(network, path)?;
            let log = match lane.log(&job, ix as u64, stop) {
                Ok(log) => log,
                Err(Halt::Error(error)) => return Err(error),
                Err(Halt::Stopped) => break,
            };
            let graded = path.graded(|| job.crossing_scale());
            let crossings = trace::crossings(network.architecture(), &graded, &log);
            traces.push(Trace::from_crossings(network, path, crossings));
        }
        Ok(traces)
    }
}
