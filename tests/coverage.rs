//! How often the intervals of runs contain the truth.
//!
//! 1000 runs of each kind, seeds 0 to 999, fixed numbers of networks and targets, few networks and many, for all methods. With 95 % coverage the number of
//! intervals that contain the truth has a standard deviation of 6.9; more than 4.9 of them (34) away from 950 has a false-alarm rate
//! of 1e-6. The truth is a run of its own, its error less than a tenth of those judged.

mod common;

use linregions::engine::cpu::CpuEngine;
use linregions::engine::{PathCounts, Precision};
use linregions::experiment::{Observer, Progress, allocate, estimate};
use linregions::stats::Density;

const RUNS: u64 = 1000;
const LEAST: usize = 916;
const MOST: usize = 984;

struct Silent;

impl Observer for Silent {
    fn counted(&mut self, _: u64, _: &[PathCounts]) -> linregions::Result<()> {
        Ok(())
    }

    fn progress(&mut self, _: Progress) {}
}

fn run(flags: &[(&str, &str)]) -> Density {
    let mut plan = common::plan(flags);
    let engine = CpuEngine::new(Some(1), Precision::F32).expect("one thread");
    allocate(&mut plan, &engine, &common::GO_ON).expect("a pilot");
    let result = estimate(&plan, &engine, &mut Silent, &common::GO_ON).expect("a result");
    result.moments.density(plan.headline()).expect("paths have a length")
}

/// The results of runs with all seeds, on two threads.
fn runs(flags: &[(&str, &str)]) -> Vec<Density> {
    let part = |seeds: std::ops::Range<u64>| -> Vec<Density> {
        seeds.map(|seed| run(&[flags, &[("seed", &seed.to_string())]].concat())).collect()
    };
    std::thread::scope(|scope| {
        let second = scope.spawn(|| part(RUNS / 2..RUNS));
        [part(0..RUNS / 2), second.join().expect("no panic")].concat()
    })
}

/// How many intervals, shrunk or grown by a factor, contain the truth.
fn inside(densities: &[Density], truth: f64, factor: f64) -> usize {
    let contains = |density: &&Density| {
        let (low, high) = density.interval.expect("two networks");
        (truth - density.mean).abs() <= factor * 0.5 * (high - low)
    };
    densities.iter().filter(contains).count()
}

fn check(law: &[(&str, &str)]) {
    let with = |more: &[(&'static str, &'static str)]| [law, more].concat();
    let truth = run(&with(&[("method", "rice"), ("target-error", "0.05%"), ("seed", "999999")])).mean;
    let lower =
        run(&with(&[("method", "sampled"), ("grid", "40"), ("target-error", "0.15%"), ("seed", "999999")])).mean;
    let mut methods = vec![("exact", "1"), ("exact", "5"), ("sampled", "1"), ("rice", "1"), ("rice", "auto")];
    // With normal weights.
    if !law.iter().any(|(flag, _)| *flag == "weights") {
        methods.push(("rice-features", "1"));
    }
    for (method, paths) in methods {
        let truth = if method == "sampled" { lower } else { truth };
        for stop in [("networks", "30"), ("networks", "300"), ("target-error", "10%"), ("target-error", "3%")] {
            let flags = with(&[("method", method), ("paths-per-network", paths), ("grid", "40"), stop]);
            let densities = runs(&flags);
            let n = inside(&densities, truth, 1.0);
            assert!((LEAST..=MOST).contains(&n), "{law:?} {method} {paths} {stop:?}: {n} of {RUNS}");
            // The control: intervals a fifth shorter are seen to be too short.
            let n = inside(&densities, truth, 0.8);
            assert!(n < LEAST, "{law:?} {method} {paths} {stop:?}: {n} of {RUNS} short intervals");
        }
    }
}

/// Two inputs, where paths make most of the variance and counts are skewed.
#[test]
fn intervals_of_narrow_networks_have_their_coverage() {
    check(&[("arch", "2-8x2"), ("weights", "he-uniform"), ("bias", "normal:0.3")]);
}

/// Sixty inputs, where networks make most of it.
#[test]
fn intervals_of_wide_inputs_have_their_coverage() {
    check(&[("arch", "60-16x2"), ("path", "chord"), ("bias", "normal:0.3")]);
}
