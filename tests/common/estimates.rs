//! Densities by either method, to be compared.

use linregions::engine::cpu::CpuEngine;
use linregions::engine::{PathCounts, Precision};
use linregions::experiment::{Estimate, Observer, Plan, Progress, allocate, estimate};
use linregions::stats::Density;

/// Differences of this many standard errors have a false-alarm rate of 1e-6.
pub const Z: f64 = 4.9;

/// The methods that expect crossings, and seeds of their own.
pub const EXPECTING: [(&str, &str); 2] = [("rice", "2"), ("rice-features", "3")];

struct Silent;

impl Observer for Silent {
    fn counted(&mut self, _: u64, _: &[PathCounts]) -> linregions::Result<()> {
        Ok(())
    }

    fn progress(&mut self, _: Progress) {}
}

/// Runs a plan on all cores, with as many paths per network as pay.
pub fn run(changes: &[(&str, &str)], method: &str, seed: &str) -> (Plan, Estimate) {
    let own = [("method", method), ("seed", seed), ("paths-per-network", "auto")];
    let mut plan = super::plan(&[changes, &own].concat());
    let engine = CpuEngine::new(None, Precision::F32).expect("threads");
    allocate(&mut plan, &engine, &super::GO_ON).expect("a pilot");
    let result = estimate(&plan, &engine, &mut Silent, &super::GO_ON).expect("a result");
    (plan, result)
}

/// The difference of two densities in standard errors.
pub fn z(a: &Density, b: &Density) -> f64 {
    (a.mean - b.mean) / a.std_error.expect("many networks").hypot(b.std_error.expect("many networks"))
}
