//! A lower bound by random parity constraints, for networks with too many regions to count; after Serra and Ramalingam (AAAI 2020).
//!
//! A constraint takes each bit of an activation pattern (is this unit above that breakpoint?) with probability 1/2 and asks for a random
//! parity of them. A pattern satisfies r independent constraints with probability 2^-r, so the probability that any of n patterns does is at
//! most n 2^-r (Markov). If n < 2^(r - a), t independent trials all find one with a probability below 2^(-a t). Call r *passed* if they do; then
//! n >= 2^(r - a) but for that probability. The numbers r that are tried depend on earlier trials, so all of them count: with s the least r
//! with n < 2^(r - a), some r >= s is passed with probability at most the sum over r >= s of (n 2^-r)^t < 2^(-a t) / (1 - 2^-t). Hence
//!
//! n >= 2^(r - a) for the largest r that was passed, at confidence 1 - 2^(-a t) / (1 - 2^-t).
//!
//! Trials search depth first. A region counts as found if it is certified in f64, and a trial that takes too long as failed; both only
//! lower the bound. Nothing else is claimed: no upper
//! bound, and no guarantee that the bound is near.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use super::model::Model;
use super::tree::{Found, Parity, STACK_BYTES};
use super::{Count, Domain, Method, Work};
use crate::engine::cpu::thread_pool;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::random::Stream;

/// Bounds beyond 2^63 are not looked for.
const MAX_LOG2: u32 = 63;

/// How a lower bound is looked for.
#[derive(Clone, Debug)]
pub struct XorOptions {
    /// Threads; all cores if not given.
    pub threads: Option<usize>,
    /// Seed of the constraints.
    pub seed: u64,
    /// Trials for each number of constraints, the t of the proof.
    pub trials: u32,
    /// What the bound gives away, the a of the proof.
    pub slack: u32,
    /// Breakpoints that a trial may decide.
    pub effort: u64,
}

impl Default for XorOptions {
    fn default() -> Self {
        Self { threads: None, seed: 0, trials: 10, slack: 1, effort: 100_000 }
    }
}

impl XorOptions {
    /// The probability with which a bound holds, at least.
    pub fn confidence(&self) -> f64 {
        let t = f64::from(self.trials);
        1.0 - (-f64::from(self.slack) * t).exp2() / (1.0 - (-t).exp2())
    }
}

/// A lower bound on the number of activation regions that holds with a known probability.
///
/// # Errors
/// Options without trials or slack, activations of groups, a box of another dimension, and weights beyond the range of f64.
pub fn lower_bound(
    network: &Network,
    domain: &Domain,
    options: &XorOptions,
    found: &AtomicU64,
    stop: &AtomicBool,
) -> Result<Count> {
    if options.trials == 0 || options.slack == 0 {
        return Err(Error::usage("a lower bound needs at least 1 trial and a slack of at least 1"));
    }
    network.architecture().check_ungrouped("--method xor", "use --method tree")?;
    let pool = thread_pool(options.threads, Some(STACK_BYTES))?;
    let model = Model::new(network, domain, pool.current_num_threads(), stop)?;
    let mut work = Work::default();
    let mut best = 0;
    let mut passes = |r: u32| {
        let trials: Vec<Found> = pool.install(|| {
            let trial = |t: u32| {
                Parity::new(&model, &Stream::new(options.seed, u64::from(r), t), r).search(options.effort, stop)
            };
            (0..options.trials).into_par_iter().map(trial).collect()
        });
        trials.iter().for_each(|trial| work.add(&trial.work));
        let all = trials.iter().all(|trial| trial.is_found);
        if all && r > best {
            best = r;
            found.store(1 << r.saturating_sub(options.slack), Ordering::Relaxed);
        }
        all
    };
    // Doubled until it fails, then halved between.
    let most = MAX_LOG2 + options.slack;
    let (mut low, mut high) = (0, 1);
    while high <= most && passes(high) {
        (low, high) = (high, high * 2);
    }
    high = high.min(most + 1);
    while high - low > 1 && !stop.load(Ordering::Relaxed) {
        let middle = low + (high - low) / 2;
        if passes(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(Count {
        method: Method::Xor,
        activation_regions: 1 << best.saturating_sub(options.slack),
        linear_regions: None,
        is_complete: false,
        confidence: Some(options.confidence()),
        work,
    })
}
