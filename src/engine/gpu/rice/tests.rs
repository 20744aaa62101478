//! Expected crossings on a real device: against those of the CPU, in batches of odd sizes, on lost devices.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::cpu::CpuEngine;
use crate::engine::gpu::GpuEngine;
use crate::engine::gpu::adapter::{self, AdapterChoice};
use crate::engine::gpu::lane::Options;
use crate::engine::gpu::tests::{GO_ON, activated, count, ensemble, gpu};
use crate::engine::{Engine, Estimator, Method, PathCounts, Precision};
use crate::ensemble::Ensemble;
use crate::network::{Activation, Architecture, RandomNetwork};
use crate::path::{PathLaw, RandomPath, StartLaw};

/// Shape, activation, weights, bias, path, paths of each network, points of each path, networks.
type Expectation = (&'static str, &'static str, &'static str, &'static str, &'static str, u64, usize, u64);

/// Every law of rates, odd widths, one layer and many, one point and many.
const EXPECTATIONS: [Expectation; 37] = [
    ("2-7x3", "relu", "he-normal", "normal:0.1", "segment", 500, 1, 6),
    ("3-65-5-70", "hard-tanh", "he-normal", "normal:0.1", "segment", 33, 1, 10),
    ("10-33x2", "leaky-relu:0.1", "laplace:0.3", "uniform:0.5", "segment", 40, 1, 10),
    ("10-33x2", "leaky-relu:0.1", "torch", "torch", "segment", 40, 2, 10),
    ("4-20x3", "relu", "orthogonal", "normal:0.1", "segment", 20, 1, 10),
    ("5-40x4", "relu", "he-normal", "zero", "chord", 50, 1, 10),
    ("2-16x3", "abs", "he-normal", "normal:0.1", "polyline:5", 20, 3, 10),
    ("784-100", "relu", "he-normal", "normal:0.1", "segment", 3, 64, 10),
    ("2-1x3", "leaky-relu:0.5", "glorot-normal", "normal:1", "segment", 9, 1, 30),
    ("1-9x100", "leaky-relu:0.5", "normal:0.4", "normal:0.1", "segment", 1, 1, 20),
    ("3-700-2", "soft-threshold:0.5", "uniform:0.1", "normal:0.3", "polyline:2", 7, 5, 5),
    ("2-17x2", "relu6", "student-t:3:1", "uniform:2", "through-origin", 1, 1, 50),
    ("2-7x4", "maxout:2", "he-normal", "normal:0.1", "segment", 40, 1, 10),
    ("3-65-5-33", "maxout:3", "lecun-normal", "normal:0.3", "segment", 33, 1, 10),
    ("5-9x3", "maxout:5", "lecun-normal", "zero", "chord", 20, 2, 10),
    ("2-10x4", "max-min", "lecun-normal", "normal:0.1", "polyline:5", 20, 3, 10),
    ("10-68-4-12", "group-sort:4", "he-normal", "normal:0.1", "segment", 33, 1, 10),
    ("2-33", "group-sort:33", "he-normal", "normal:1", "segment", 30, 1, 10),
    // Convolutions, average pools, skips.
    ("1x9-c3k3-4", "relu", "he-normal", "normal:0.3", "segment", 20, 1, 10),
    ("4-9-9~1-6+", "leaky-relu:0.1", "lecun-normal", "normal:0.3", "polyline:3", 20, 2, 10),
    ("2x6x5-c4k3x2s2x1p1-c3k2", "hard-tanh", "he-normal", "normal:0.3", "segment", 20, 1, 10),
    ("4x5x5-c4k3p1g2-c6k2g2-4", "leaky-relu:0.2", "lecun-normal", "normal:0.4", "chord", 10, 2, 10),
    ("2x9-avg3s2p1-c4k3-avg", "abs", "lecun-normal", "normal:0.3", "segment", 20, 1, 10),
    ("3x9x9-c33k3p1-avg2-c40k3-30", "relu", "he-normal", "normal:0.1", "segment", 7, 1, 10),
    ("2x5x5-c8k3-8", "abs", "he-normal", "zero", "chord", 20, 1, 10),
    ("2x5x5-c4k3p1-[c4k3p1-c4k3p1]-[c6k3s2p1-c6k3p1]-avg-4", "relu", "he-normal", "normal:0.2", "segment", 10, 2, 10),
    ("1x8-c4k3p1-c4k3p1+-c4k3p1+1~2", "abs", "lecun-normal", "normal:0.4", "polyline:4", 20, 1, 10),
    ("8-12-12+x4", "soft-threshold:0.3", "lecun-normal", "zero", "segment", 20, 1, 10),
    ("3-6-6~1-6~2-6~1~3", "hard-tanh", "he-normal", "normal:0.2", "chord", 20, 2, 10),
    ("6-6-12~1-8", "crelu", "lecun-normal", "normal:0.3", "segment", 20, 1, 10),
    ("2x7-c4k3p1-c8k3s2g2-4", "crelu", "he-normal", "normal:0.3", "segment", 20, 1, 10),
    ("5-6-6~1-[6-6]-6+", "group-sort:3", "lecun-normal", "normal:0.3", "segment", 20, 1, 10),
    ("1x6-c6k3-c3k3p1~1-5", "maxout:2", "lecun-normal", "normal:0.3", "segment", 20, 1, 10),
    ("2x5x5-c4k3p1g2-avg2s1-c4k2-6", "max-min", "lecun-normal", "normal:0.3", "segment", 20, 1, 10),
    ("1x9-c4k3p1-c3k3s2-5", "relu", "torch", "torch", "segment", 20, 1, 10),
    ("2x5x5-c3k3p1-[c3k3p1-c3k3p1]-avg2s1-4", "relu", "he-uniform", "normal:0.3", "segment", 10, 2, 10),
    ("2x10-c4k3g2-avg2-c4k2+-3", "hard-tanh", "laplace:0.4", "uniform:0.4", "segment", 20, 1, 10),
];

fn of(expectation: &Expectation) -> (Ensemble, usize, Range<u64>) {
    let &(shape, activation, weights, bias, path, paths_per_network, points, networks) = expectation;
    (activated(shape, activation, weights, bias, path, paths_per_network), points, 0..networks)
}

fn expect(engine: &dyn Engine, ensemble: &Ensemble, points: usize, networks: Range<u64>) -> Vec<PathCounts> {
    engine.expect(ensemble, points, networks, &GO_ON).expect("no fault")
}

/// How far two engines' expected crossings are apart.
#[derive(Debug)]
struct Distance {
    /// Paths of which the crossings of some layer differ by more than a relative 1e-4.
    steps: usize,
    /// The relative difference of the crossings of all paths and layers together.
    all: f64,
}

fn distance(a: &[PathCounts], b: &[PathCounts]) -> Distance {
    assert_eq!(a.len(), b.len());
    let relative = |a: u64, b: u64| if a == b { 0.0 } else { a.abs_diff(b) as f64 / a.max(b) as f64 };
    let of_path = |(a, b): (&PathCounts, &PathCounts)| {
        assert_eq!((a.knots, b.knots), (None, None));
        assert_eq!(a.boundaries, a.crossings.iter().sum::<u64>());
        a.crossings.iter().zip(&b.crossings).map(|(&a, &b)| relative(a, b)).fold(0.0, f64::max)
    };
    let steps = a.iter().zip(b).map(of_path).filter(|&difference| difference > 1e-4).count();
    let all = |counts: &[PathCounts]| counts.iter().map(|c| c.boundaries).sum();
    Distance { steps, all: relative(all(a), all(b)) }
}

/// Rates are smooth in what f32 rounds, but for two steps: a unit within rounding of a breakpoint takes the slope of the other side, and
/// within rounding of the end of a uniform law it is counted or not. A path has up to 1000 units at a point and roundings of 1e-6,
/// so such a step happens on a path in a hundred at most; as it is about one unit, it changes the sum over all paths little.
#[test]
fn expected_crossings_are_those_of_the_cpu() {
    let gpu = gpu(&Options::default());
    let cpus = [Precision::F32, Precision::F64].map(|precision| CpuEngine::new(Some(1), precision).unwrap());
    for expectation in &EXPECTATIONS {
        let (ensemble, points, networks) = of(expectation);
        let here = expect(&gpu, &ensemble, points, networks.clone());
        assert_eq!(here.len() as u64, networks.end * ensemble.paths_per_network);
        assert!(here.iter().any(|counts| counts.boundaries > 0));
        for cpu in &cpus {
            let there = expect(cpu, &ensemble, points, networks.clone());
            assert!(here.iter().zip(&there).all(|(a, b)| a.length == b.length));
            let distance = distance(&here, &there);
            println!("{expectation:?}, {:?}: {distance:?} of {} paths", cpu.provenance().precision, here.len());
            assert!(distance.steps <= 1 + here.len() / 100 && distance.all < 1e-3, "{expectation:?}: {distance:?}");
        }
        // The negative control: other networks are other.
        let others = expect(&cpus[0], &ensemble, points, 100..100 + networks.end);
        let distance = distance(&here, &others);
        assert!(distance.steps > here.len() * 9 / 10, "{expectation:?}: {distance:?}");
    }
}

/// Whatever fits on the device, the expected crossings are the same: little memory, a few paths at a time, the least limits a
/// device may have.
#[test]
fn sizes_of_batches_do_not_matter_to_expected_crossings() {
    for expectation in EXPECTATIONS[..5].iter().chain(&EXPECTATIONS[12..14]).chain(&EXPECTATIONS[18..20]) {
        let (ensemble, points, networks) = of(expectation);
        let expected = expect(&gpu(&Options::default()), &ensemble, points, networks.clone());
        let least = Some(wgpu::Limits::defaults());
        let mut parts = 0;
        for (memory, limits) in [(None, least.clone()), (Some(40 << 10), None), (Some(12 << 10), least)] {
            let engine = gpu(&Options { memory, limits, rows: None });
            let counts = expect(&engine, &ensemble, points, networks.clone());
            assert_eq!(counts, expected, "{expectation:?} in {memory:?} bytes");
            let plan = engine.lane().networks_at_once(&ensemble, Estimator::Rice { points }, usize::MAX >> 1).unwrap();
            parts += usize::from(plan == 1);
        }
        assert!(parts > 0, "{expectation:?}: always several networks");
    }
}

#[test]
fn a_path_that_does_not_fit_is_refused() {
    let ensemble = ensemble("784-20x2", "he-normal", "normal:0.1", "segment", 4);
    let engine = gpu(&Options { memory: Some(1 << 20), ..Options::default() });
    for estimator in [Estimator::Rice { points: 1000 }, Estimator::Rice { points: usize::MAX / 2 }] {
        let error = engine.memory_needed(&ensemble, estimator).unwrap_err().to_string();
        assert!(error.contains("one path with") && error.contains("fewer points"), "{error}");
    }
    let needed = engine.memory_needed(&ensemble, Estimator::Rice { points: 2 }).unwrap();
    assert!((1 << 18..1 << 24).contains(&needed), "{needed}");
}

#[test]
fn expecting_survives_lost_devices_and_little_memory() {
    let ensemble = ensemble("2-20x2", "he-normal", "normal:0.1", "segment", 5);
    let expected = expect(&gpu(&Options::default()), &ensemble, 2, 0..30);
    let engine = gpu(&Options::default());
    engine.lane().machine.losses_to_come = 1;
    assert_eq!(expect(&engine, &ensemble, 2, 0..30), expected);
    engine.lane().machine.losses_to_come = 2;
    let error = engine.expect(&ensemble, 2, 0..30, &GO_ON).unwrap_err().to_string();
    assert!(error.contains("lost twice"), "{error}");
    assert_eq!(expect(&engine, &ensemble, 2, 0..30), expected);
    let before = engine.lane().machine.memory();
    engine.lane().machine.shortages_to_come = 3;
    assert_eq!(expect(&engine, &ensemble, 2, 0..30), expected);
    assert_eq!(engine.lane().machine.memory(), before / 8);
    engine.lane().machine.shortages_to_come = usize::MAX;
    let error = engine.expect(&ensemble, 2, 0..30, &GO_ON).unwrap_err().to_string();
    assert!(error.contains("out of memory"), "{error}");
}

/// Counting and expecting take turns on a device, with one memory for both.
#[test]
fn counting_and_expecting_take_turns() {
    let ensemble = ensemble("2-20x2", "he-normal", "normal:0.1", "segment", 5);
    let engine = gpu(&Options::default());
    let (counted, expected) = (count(&engine, &ensemble, Method::Exact, 0..9), expect(&engine, &ensemble, 2, 0..9));
    for lost in [false, true] {
        engine.lane().machine.losses_to_come = usize::from(lost);
        assert_eq!(count(&engine, &ensemble, Method::Exact, 0..9), counted);
        engine.lane().machine.losses_to_come = usize::from(lost);
        assert_eq!(expect(&engine, &ensemble, 2, 0..9), expected);
    }
    assert_ne!(expect(&engine, &ensemble, 3, 0..9), expected, "other points");
}

#[test]
fn several_devices_share_expectations_and_stop_at_complete_networks() {
    let adapter = || adapter::take(AdapterChoice::Best).expect("a device").swap_remove(0);
    let three = GpuEngine::on(vec![adapter(), adapter(), adapter()], &Options::default()).unwrap();
    let ensemble = ensemble("2-20x2", "he-normal", "normal:0.1", "segment", 3);
    let one = expect(&gpu(&Options::default()), &ensemble, 2, 7..300);
    assert_eq!(expect(&three, &ensemble, 2, 7..300), one);
    assert_eq!(three.expect(&ensemble, 2, 0..100, &AtomicBool::new(true)).unwrap(), []);
    let stop = AtomicBool::new(false);
    let counts = std::thread::scope(|scope| {
        let run = scope.spawn(|| three.expect(&ensemble, 2, 0..u64::MAX, &stop).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(400));
        stop.store(true, Ordering::Relaxed);
        run.join().unwrap()
    });
    assert!(counts.len().is_multiple_of(3));
    assert_eq!(counts, expect(&three, &ensemble, 2, 0..counts.len() as u64 / 3));
}

#[test]
fn rates_out_of_range_are_errors_with_their_place() {
    for (weights, bias, layer) in [("normal:1e30", "normal:0.1", 2), ("laplace:1e30", "uniform:1", 2)] {
        let ensemble = ensemble("2-20x3", weights, bias, "segment", 3);
        let cpu = CpuEngine::new(Some(1), Precision::F32).unwrap();
        for engine in [&gpu(&Options::default()) as &dyn Engine, &cpu] {
            let error = engine.expect(&ensemble, 2, 4..6, &GO_ON).map(|counts| counts.len()).unwrap_err().to_string();
            let place = format!("architecture 2-20x3, draw 4, layer {layer}");
            assert!(error.contains(&place) && error.contains("--precision f64"), "{weights}: {error}");
        }
    }
    let shape = Architecture::parse("2-20", Activation::relu(), 1).unwrap();
    let network = RandomNetwork::new(shape, "he-normal".parse().unwrap(), "normal:1".parse().unwrap(), 5).unwrap();
    let law = PathLaw::from_flags("segment", StartLaw::Normal(1e40), 1e40, 2).unwrap();
    let far = Ensemble { network, path: RandomPath::new(law, 2, 5).unwrap(), paths_per_network: 50 };
    let error =
        gpu(&Options::default()).expect(&far, 2, 0..1, &GO_ON).map(|counts| counts.len()).unwrap_err().to_string();
    assert!(error.contains("draw 0") && error.contains("range of f32"), "{error}");
}
