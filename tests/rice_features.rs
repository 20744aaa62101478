//! Expected crossings given drawn features: what holds draw by draw. Densities are compared with counts in `rice.rs` and
//! `rice_connected.rs`.

mod common;

use linregions::engine::cpu::CpuEngine;
use linregions::engine::{Engine, Estimator, PathCounts, Precision};

fn expect(flags: &[(&str, &str)], engine: &CpuEngine, networks: u64) -> Vec<PathCounts> {
    let plan = common::plan(&[flags, &[("method", "rice-features")]].concat());
    engine.observe(&plan.ensemble, plan.estimator, 0..networks, &common::GO_ON).expect("finite")
}

fn engine(threads: usize, precision: Precision) -> CpuEngine {
    CpuEngine::new(Some(threads), precision).expect("threads")
}

/// Nothing before the first layer is random, so there both estimates have the same rates at the same points, and behind it other ones.
#[test]
fn the_first_layer_has_the_same_rates_as_with_weights() {
    for flags in [
        [("arch", "5-37-9"), ("bias", "normal:0.3"), ("activation", "relu")],
        [("arch", "3-8-9"), ("bias", "normal:0.3"), ("activation", "maxout:3")],
        [("arch", "4-20-7"), ("bias", "zero"), ("activation", "hard-tanh")],
    ] {
        for precision in [Precision::F32, Precision::F64] {
            let engine = engine(1, precision);
            let ensemble = common::plan(&flags).ensemble;
            let given_weights = engine.expect(&ensemble, 1, 0..50, &common::GO_ON).expect("finite");
            let given_features = expect(&flags, &engine, 50);
            for (a, b) in given_weights.iter().zip(&given_features) {
                assert_eq!((a.length, a.crossings[0]), (b.length, b.crossings[0]), "{flags:?}");
                assert_ne!(a.crossings[1], b.crossings[1], "{flags:?}");
            }
        }
    }
}

/// Bits do not depend on threads, and numbers hardly on precision: a value within rounding of a breakpoint can be on its other side, in at most
/// one of 200 networks.
#[test]
fn threads_and_precision_do_not_matter() {
    for flags in [
        [("arch", "3-17x3"), ("activation", "hard-tanh"), ("bias", "normal:0.2")],
        [("arch", "2-9-9~1-[8-9]"), ("activation", "relu"), ("bias", "uniform:0.2")],
        [("arch", "3-6x3"), ("activation", "max-min"), ("bias", "zero")],
    ] {
        let one = expect(&flags, &engine(1, Precision::F32), 1000);
        assert_eq!(one, expect(&flags, &engine(5, Precision::F32), 1000), "{flags:?}");
        let double = expect(&flags, &engine(2, Precision::F64), 1000);
        let differ = |a: &[u64], b: &[u64]| a.iter().zip(b).any(|(a, b)| a.abs_diff(*b) as f64 > 1e-4 * *b as f64);
        let different = one.iter().zip(&double).filter(|(a, b)| differ(&a.crossings, &b.crossings)).count();
        assert!(one.len() == 1000 && different <= 5, "{flags:?}: {different}");
    }
}

/// Layers without breakpoints, paths without length, and what is behind silent layers.
#[test]
fn silent_and_still_networks_cross_nothing() {
    let engine = engine(1, Precision::F32);
    for flags in [[("activation", "identity"), ("length", "2")], [("activation", "relu"), ("length", "0")]] {
        let all = expect(&[&flags[..], &[("arch", "3-8x2")]].concat(), &engine, 5);
        assert!(all.len() == 5 && all.iter().all(|c| c.crossings == [0, 0] && c.boundaries == 0), "{flags:?}");
    }
    // One unit a layer without biases: half of the first layers are silent, and all behind them is still.
    let narrow = expect(&[("arch", "3-1x4"), ("bias", "zero"), ("path", "chord")], &engine, 64);
    let silent = narrow.iter().filter(|c| c.crossings[0] > 0 && c.crossings[1..] == [0; 3]).count();
    assert!((8..56).contains(&silent), "{silent} of 64: beyond six standard deviations of a half");
}

/// Numbers whose squares, or that themselves, are beyond f32.
#[test]
fn overflow_names_draw_and_layer() {
    for weights in ["normal:1e30", "normal:1e19"] {
        let flags = [("arch", "2-8x3"), ("activation", "abs"), ("weights", weights), ("bias", "normal:1")];
        let ensemble = common::plan(&flags).ensemble;
        let observe =
            |precision| engine(1, precision).observe(&ensemble, Estimator::RiceFeatures, 7..9, &common::GO_ON);
        let error = observe(Precision::F32).expect_err("too large");
        assert!(error.to_string().contains("draw 7, layer") && error.to_string().contains("f64"), "{error}");
        assert_eq!(observe(Precision::F64).expect("within f64").len(), 2);
    }
}

/// Memory is that of the layers' values: megabytes for a network with 80 GB of weights.
#[test]
fn memory_does_not_hold_weights() {
    let plan = common::plan(&[("method", "rice-features"), ("arch", "100-100000x3")]);
    let needed = engine(1, Precision::F32).memory_needed(&plan.ensemble, plan.estimator).expect("it fits");
    assert!((1_000_000..20_000_000).contains(&needed), "{needed}");
}
