//! The CPU engine: threads over networks, the matrix products of a tuned library, everything else in vector loops.

mod activate;
mod affine;
mod convolution;
mod dense;
mod drawn;
mod exact;
mod halt;
mod product;
mod real;
mod rice;
mod sampled;
mod worker;

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

use self::halt::{Halt, check};
use self::real::Real;
use self::rice::features;
use self::worker::Worker;
use super::{Engine, Estimator, Method, PathCounts, Precision, Provenance};
use crate::ensemble::Ensemble;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::path::Path;
use crate::trace::{Trace, check_dimension};

/// A pool of this many threads; `None` takes all there are. Work that recurs deeply asks for a stack of its own size.
pub(crate) fn thread_pool(threads: Option<usize>, stack_bytes: Option<usize>) -> Result<ThreadPool> {
    /// More than this wait for each other for minutes.
    const MAX_THREADS: usize = 1024;
    if let Some(n) = threads.filter(|n| !(1..=MAX_THREADS).contains(n)) {
        return Err(Error::usage(format!("--threads {n}: give 1 to {MAX_THREADS}")));
    }
    let mut pool = ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
    if let Some(bytes) = stack_bytes {
        pool = pool.stack_size(bytes);
    }
    pool.build().map_err(|e| Error::failed(format!("cannot start the threads: {e}")))
}

/// Counts on the processor's cores.
#[derive(Debug)]
pub struct CpuEngine {
    pool: ThreadPool,
    precision: Precision,
}

impl CpuEngine {
    /// An engine with this many threads; `None` takes all there are.
    ///
    /// # Errors
    /// Zero threads, and threads that the system does not give.
    pub fn new(threads: Option<usize>, precision: Precision) -> Result<Self> {
        let pool = thread_pool(threads, None)?;
        Ok(Self { pool, precision })
    }

    /// Runs `work` for every index on the pool's threads, each with a worker of its own. Results are in order of the indices: all
    /// of them, or as many from the first on as were done when the user asked to stop.
    fn distribute<W, R: Send>(
        &self,
        indices: Range<u64>,
        new_worker: impl Fn() -> W + Sync,
        work: impl Fn(&mut W, u64) -> Result<R, Failure> + Sync,
    ) -> Result<Vec<R>> {
        let next = AtomicU64::new(indices.start);
        let first_error: Mutex<Option<(u64, Error)>> = Mutex::new(None);
        let shares: Vec<Vec<(u64, R)>> = self.on_every_thread(|| {
            let mut worker = new_worker();
            let mut share = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= indices.end {
                    return share;
                }
                match work(&mut worker, index) {
                    Ok(result) => share.push((index, result)),
                    Err(failure) => {
                        next.fetch_max(indices.end, Ordering::Relaxed);
                        let mut first = first_error.lock().expect("no thread panics while it holds the lock");
                        if let Failure::Error(error) = failure
                            && first.as_ref().is_none_or(|(before, _)| index < *before)
                        {
                            *first = Some((index, error));
                        }
                        return share;
                    }
                }
            }
        });
        if let Some((_, error)) = first_error.into_inner().expect("no thread panics while it holds the lock") {
            return Err(error);
        }
        let mut results: Vec<(u64, R)> = shares.into_iter().flatten().collect();
        results.sort_unstable_by_key(|(index, _)| *index);
        let unbroken = results.into_iter().zip(indices).take_while(|((index, _), expected)| index == expected);
        Ok(unbroken.map(|((_, result), _)| result).collect())
    }

    /// Runs `work` on every thread of the pool.
    fn on_every_thread<R: Send>(&self, work: impl Fn() -> R + Sync) -> Vec<R> {
        let run = || self.pool.broadcast(|_| work());
        // A thread of another pool would take more of its own work while it waits, calls within calls until its stack is full.
        match rayon::current_thread_index() {
            None => run(),
            Some(_) => std::thread::scope(|scope| scope.spawn(run).join().expect("the work does not panic")),
        }
    }

    fn count_in<T: Real>(
        &self,
        ensemble: &Ensemble,
        method: Method,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        let new_worker = || Worker::<T>::new(ensemble.network.architecture(), method);
        let work = |worker: &mut Worker<T>, draw| {
            check(stop).map_err(|halt| self.failure(halt, String::new))?;
            worker.draw(ensemble, draw);
            let path = |path_ix| {
                let path = ensemble.path.draw(draw, path_ix, ensemble.paths_per_network).map_err(Failure::Error)?;
                worker.count(&path, false, stop).map_err(|halt| self.failure(halt, || place(ensemble, draw)))
            };
            (0..ensemble.paths_per_network).map(path).collect::<Result<Vec<_>, _>>()
        };
        Ok(self.distribute(networks, new_worker, work)?.into_iter().flatten().collect())
    }

    fn expect_in<T: Real>(
        &self,
        ensemble: &Ensemble,
        points: usize,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        let new_worker = || rice::Worker::<T>::new(ensemble, points);
        let work = |worker: &mut rice::Worker<T>, draw| {
            worker.expect(draw, stop).map_err(|failure| self.failure_to_expect(failure, ensemble, draw))
        };
        Ok(self.distribute(networks, new_worker, work)?.into_iter().flatten().collect())
    }

    fn expect_from_features_in<T: Real>(
        &self,
        ensemble: &Ensemble,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        let new_worker = || features::Worker::<T>::new(ensemble);
        let work = |worker: &mut features::Worker<T>, draw| {
            worker.expect(draw, stop).map_err(|failure| self.failure_to_expect(failure, ensemble, draw))
        };
        self.distribute(networks, new_worker, work)
    }

    fn failure_to_expect(&self, failure: rice::Failure, ensemble: &Ensemble, draw: u64) -> Failure {
        match failure {
            rice::Failure::Halt(halt) => self.failure(halt, || place(ensemble, draw)),
            rice::Failure::Error(error) => Failure::Error(error),
        }
    }

    /// Counts along every path of one network and hands each result and the worker to `finish`.
    fn run_given<T: Real, R: Send>(
        &self,
        network: &Network,
        paths: &[&Path],
        method: Method,
        log: bool,
        stop: &AtomicBool,
        finish: impl Fn(&Path, PathCounts, &mut Worker<T>) -> R + Sync,
    ) -> Result<Vec<R>> {
        let new_worker = || {
            let mut worker = Worker::<T>::new(network.architecture(), method);
            worker.load(network);
            worker
        };
        let work = |worker: &mut Worker<T>, ix| {
            let path = paths[ix as usize];
            check_dimension(network, path).map_err(Failure::Error)?;
            let counted = worker.count(path, log, stop);
            let counts = counted.map_err(|halt| self.failure(halt, || format!("path {ix}")))?;
            Ok(finish(path, counts, worker))
        };
        self.distribute(0..paths.len() as u64, new_worker, work)
    }

    fn count_given_in<T: Real>(&self, network: &Network, paths: &[&Path], method: Method) -> Result<Vec<PathCounts>> {
        let stop = AtomicBool::new(false);
        self.run_given::<T, _>(network, paths, method, false, &stop, |_, counts, _| PathCounts {
            knots: None,
            ..counts
        })
    }

    fn trace_in<T: Real>(&self, network: &Network, paths: &[&Path], stop: &AtomicBool) -> Result<Vec<Trace>> {
        self.run_given::<T, _>(network, paths, Method::Exact, true, stop, |path, _, worker| {
            Trace::from_crossings(network, path, worker.take_log())
        })
    }

    fn failure(&self, halt: Halt, place: impl Fn() -> String) -> Failure {
        let Halt::Overflow { layer } = halt else {
            return Failure::Stopped;
        };
        let remedy = match self.precision {
            Precision::F32 => "f32: try --precision f64, or smaller weights or inputs",
            Precision::F64 => "f64: use smaller weights or inputs",
        };
        let place = place();
        let message = format!("{place}, layer {}: a pre-activation exceeds the range of {remedy}", layer + 1);
        Failure::Error(Error::failed(message))
    }
}

/// How an error names a draw.
fn place(ensemble: &Ensemble, draw: u64) -> String {
    format!("architecture {}, draw {draw}", ensemble.network.architecture())
}

/// Why one piece of work has no result.
enum Failure {
    Error(Error),
    Stopped,
}

impl Engine for CpuEngine {
    fn provenance(&self) -> Provenance {
        let features = if cfg!(target_arch = "x86_64") { format!("-{:?}", pulp::Arch::new()) } else { String::new() };
        // `V4(V4 { .. })`: the name alone.
        let features = features.split('(').next().unwrap_or_default().to_lowercase();
        Provenance {
            engine: "cpu".to_owned(),
            adapter: format!("{}{features}", std::env::consts::ARCH),
            driver: String::new(),
            precision: self.precision,
        }
    }

    fn memory_needed(&self, ensemble: &Ensemble, estimator: Estimator) -> Result<u128> {
        let thread = match (estimator, self.precision) {
            (Estimator::Count(_), Precision::F32) => worker::bytes::<f32>(ensemble.network.architecture()),
            (Estimator::Count(_), Precision::F64) => worker::bytes::<f64>(ensemble.network.architecture()),
            (Estimator::Rice { points }, Precision::F32) => rice::bytes::<f32>(&ensemble.network, points),
            (Estimator::Rice { points }, Precision::F64) => rice::bytes::<f64>(&ensemble.network, points),
            (Estimator::RiceFeatures, Precision::F32) => features::bytes::<f32>(ensemble.network.architecture()),
            (Estimator::RiceFeatures, Precision::F64) => features::bytes::<f64>(ensemble.network.architecture()),
        };
        // The points drawn, the path made of them, and what its growth leaves unused.
        let path = 4 * 8 * ensemble.path.n_coordinates();
        Ok((thread + path) * self.pool.current_num_threads() as u128)
    }

    fn networks_at_once(&self) -> u64 {
        self.pool.current_num_threads() as u64
    }

    fn count(
        &self,
        ensemble: &Ensemble,
        method: Method,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        match self.precision {
            Precision::F32 => self.count_in::<f32>(ensemble, method, networks, stop),
            Precision::F64 => self.count_in::<f64>(ensemble, method, networks, stop),
        }
    }

    fn expect(
        &self,
        ensemble: &Ensemble,
        points: usize,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        match self.precision {
            Precision::F32 => self.expect_in::<f32>(ensemble, points, networks, stop),
            Precision::F64 => self.expect_in::<f64>(ensemble, points, networks, stop),
        }
    }

    fn expect_from_features(
        &self,
        ensemble: &Ensemble,
        networks: Range<u64>,
        stop: &AtomicBool,
    ) -> Result<Vec<PathCounts>> {
        match self.precision {
            Precision::F32 => self.expect_from_features_in::<f32>(ensemble, networks, stop),
            Precision::F64 => self.expect_from_features_in::<f64>(ensemble, networks, stop),
        }
    }

    fn count_given(&self, network: &Network, paths: &[&Path], method: Method) -> Result<Vec<PathCounts>> {
        match self.precision {
            Precision::F32 => self.count_given_in::<f32>(network, paths, method),
            Precision::F64 => self.count_given_in::<f64>(network, paths, method),
        }
    }

    fn trace(&self, network: &Network, paths: &[&Path], stop: &AtomicBool) -> Result<Vec<Trace>> {
        match self.precision {
            Precision::F32 => self.trace_in::<f32>(network, paths, stop),
            Precision::F64 => self.trace_in::<f64>(network, paths, stop),
        }
    }
}
