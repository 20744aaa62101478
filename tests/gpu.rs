//! The GPU engine against the CPU engine: counts of the same draws.

#![cfg(feature = "gpu")]

mod common;

use linregions::engine::gpu::AdapterChoice;
use linregions::engine::{Engine, Estimator, Method, PathCounts};
use linregions::ensemble::Ensemble;

/// The counts of the same draws on the CPU in f32 and on the GPU.
fn both(ensemble: &Ensemble, method: Method, networks: u64) -> (Vec<PathCounts>, Vec<PathCounts>) {
    let mut engines = common::f32_engines().map(|(_, engine)| engine);
    let mut count = || {
        let engine = engines.next().expect("two engines");
        engine.count(ensemble, method, 0..networks, &common::GO_ON).expect("finite")
    };
    (count(), count())
}

/// The most by which a layer's crossings, the boundaries or the knots of a path differ.
fn difference(a: &PathCounts, b: &PathCounts) -> u64 {
    let layers = a.crossings.iter().zip(&b.crossings).map(|(a, b)| a.abs_diff(*b));
    let knots = a.knots.zip(b.knots).map_or(0, |(a, b)| a.abs_diff(b));
    layers.chain([a.boundaries.abs_diff(b.boundaries), knots]).max().unwrap_or(0)
}

#[test]
fn nearly_all_counts_are_those_of_the_cpu() {
    let ensemble = common::ensemble(&[("arch", "2-64x3")]);
    // A pair of values within rounding of each other at a grid point moves a change to the interval before or after.
    for (activation, least) in [("relu", 995), ("maxout:3", 990), ("max-min", 995), ("group-sort:4", 990)] {
        let ensemble = common::ensemble(&[("arch", "2-64x3"), ("activation", activation)]);
        for method in [Method::Exact, Method::Sampled { grid: 512 }] {
            let (cpu, gpu) = both(&ensemble, method, 1000);
            assert_eq!((cpu.len(), gpu.len()), (1000, 1000));
            let differences: Vec<u64> = cpu.iter().zip(&gpu).map(|(a, b)| difference(a, b)).collect();
            let same = differences.iter().filter(|&&d| d == 0).count();
            println!("{activation} {method:?}: {same} of 1000 networks have the same counts");
            assert!(same >= least && differences.iter().all(|&d| d <= 2), "{activation} {method:?}: {same}");
            assert!(cpu.iter().zip(&gpu).all(|(a, b)| a.length == b.length));
        }
    }
    // The negative control: other draws have other counts.
    let other = common::ensemble(&[("arch", "2-64x3"), ("seed", "1")]);
    let (cpu, gpu) = (both(&ensemble, Method::Exact, 100).0, both(&other, Method::Exact, 100).1);
    assert!(cpu.iter().zip(&gpu).filter(|(a, b)| difference(a, b) == 0).count() < 20);
}

/// Every law of paths, every activation, every kind of layer, several paths a network, odd widths, depth 1 to 12.
#[test]
fn all_kinds_of_ensembles_agree() {
    let (mut networks, mut crossings) = (0, [0; 2]);
    for (ix, changes) in [
        [("arch", "2-7x12"), ("activation", "relu"), ("path", "segment"), ("weights", "he-normal")],
        [("arch", "1-1"), ("activation", "abs"), ("path", "polyline:5"), ("weights", "normal:1")],
        [("arch", "3-300-5"), ("activation", "leaky-relu:0.1"), ("path", "chord"), ("weights", "orthogonal")],
        [("arch", "17-65x2"), ("activation", "hard-tanh"), ("path", "through-origin"), ("weights", "torch")],
        [("arch", "784-33-129"), ("activation", "relu6"), ("path", "chord"), ("weights", "he-uniform")],
        [("arch", "2-40x5"), ("activation", "soft-threshold:0.5"), ("path", "polyline:2"), ("weights", "normal:0.2")],
        [("arch", "5-64"), ("activation", "identity"), ("path", "segment"), ("weights", "laplace:1")],
        [("arch", "2-3-2-3-2-3"), ("activation", "relu"), ("path", "polyline:90"), ("weights", "student-t:3:1")],
        [("arch", "2-7x5"), ("activation", "maxout:2"), ("path", "polyline:5"), ("weights", "he-normal")],
        [("arch", "17-33x2"), ("activation", "maxout:3"), ("path", "through-origin"), ("weights", "orthogonal")],
        [("arch", "784-9-65-1"), ("activation", "maxout:5"), ("path", "chord"), ("weights", "torch")],
        [("arch", "5-1x3"), ("activation", "maxout:64"), ("path", "segment"), ("weights", "lecun-normal")],
        [("arch", "2-40x6"), ("activation", "max-min"), ("path", "segment"), ("weights", "glorot-uniform")],
        [("arch", "3-2-66-2"), ("activation", "max-min"), ("path", "polyline:90"), ("weights", "laplace:1")],
        [("arch", "9-12-100-4"), ("activation", "group-sort:4"), ("path", "through-origin"), ("weights", "he-normal")],
        [("arch", "2-33x2"), ("activation", "group-sort:33"), ("path", "chord"), ("weights", "student-t:3:0.3")],
        [("arch", "2-10-66-4x3"), ("activation", "crelu"), ("path", "polyline:5"), ("weights", "he-normal")],
        [("arch", "1x17-c5k4s2p2-c7k3p1-avg2-9"), ("activation", "relu"), ("path", "segment"), ("weights", "torch")],
        [
            ("arch", "3x8x7-c33k3p1-max3s2p1-c6k2g3-max-5"),
            ("activation", "abs"),
            ("path", "chord"),
            ("weights", "he-normal"),
        ],
        [
            ("arch", "2x5x5-max2s1-c4k3p1-[c4k3p1-c4k3p1]x2"),
            ("activation", "relu6"),
            ("path", "polyline:9"),
            ("weights", "laplace:0.3"),
        ],
        [
            ("arch", "5-[7-9]-[9-5]x2-6+-6~7"),
            ("activation", "hard-tanh"),
            ("path", "through-origin"),
            ("weights", "orthogonal"),
        ],
        [("arch", "3-12-12+-12+2+-12+1"), ("activation", "maxout:3"), ("path", "segment"), ("weights", "lecun-normal")],
        [
            ("arch", "2x7x6-c6k3p1g2-avg2-c4k2-5"),
            ("activation", "maxout:3"),
            ("path", "chord"),
            ("weights", "he-normal"),
        ],
        [("arch", "1x9-c6k3-c9k3s2p1-6"), ("activation", "group-sort:3"), ("path", "polyline:9"), ("weights", "torch")],
        [
            ("arch", "2x6x5-c4k3p1-[c4k3p1-c4k3p1]-max2-c70k2-4"),
            ("activation", "max-min"),
            ("path", "segment"),
            ("weights", "he-normal"),
        ],
    ]
    .iter()
    .enumerate()
    {
        for bias in ["normal:0.1", "zero"] {
            let seed = ix.to_string();
            let extra = [("bias", bias), ("paths-per-network", "3"), ("seed", &seed), ("length", "3")];
            let ensemble = common::ensemble(&[&changes[..], &extra].concat());
            for method in [Method::Exact, Method::Sampled { grid: 101 }] {
                let (cpu, gpu) = both(&ensemble, method, 12);
                let place = format!("{changes:?} bias {bias} {method:?}");
                let same = cpu.iter().zip(&gpu).filter(|(a, b)| difference(a, b) == 0).count();
                println!("{place}: {same} of 36");
                assert!(same >= 34, "{place}: {same} of 36 paths are the same");
                let total = |counts: &[PathCounts]| counts.iter().flat_map(|c| &c.crossings).sum::<u64>();
                crossings[usize::from(changes[0].1.contains(['c', '+', '[']))] += total(&gpu);
                assert!(total(&cpu).abs_diff(total(&gpu)) <= 4, "{place}: {} {}", total(&cpu), total(&gpu));
                assert!(
                    cpu.iter().zip(&gpu).all(|(a, b)| (a.length, a.knots.is_some()) == (b.length, b.knots.is_some()))
                );
                networks += 12;
            }
        }
    }
    assert_eq!(networks, 1200);
    assert!(crossings[0] > 10_000 && crossings[1] > 2000, "of dense layers and of others: {crossings:?}");
}

#[test]
fn results_do_not_depend_on_parts() {
    let engine = common::gpu(AdapterChoice::Best);
    let cases = ["hard-tanh", "maxout:3", "max-min"].into_iter().flat_map(|activation| {
        let shape = if activation == "max-min" { "3-38-20x2" } else { "3-37-20x2" };
        let flags = [("arch", shape), ("activation", activation), ("paths-per-network", "3")];
        [Method::Exact, Method::Sampled { grid: 300 }].map(|method| (common::ensemble(&flags), method))
    });
    for (ensemble, method) in cases {
        let run = |parts: &[u64]| -> Vec<PathCounts> {
            let ranges = parts.windows(2).map(|w| w[0]..w[1]);
            ranges.flat_map(|range| engine.count(&ensemble, method, range, &common::GO_ON).expect("finite")).collect()
        };
        let one = run(&[0, 60]);
        assert_eq!(one.len(), 180);
        assert_eq!(run(&[0, 1, 2, 31, 60]), one, "{method:?}");
        assert_eq!(run(&[0, 60]), one, "{method:?}");
    }
}

#[test]
fn what_leaves_the_range_of_f32_is_an_error_with_its_place() {
    for activation in ["relu", "maxout:3", "max-min"] {
        let ensemble = common::ensemble(&[("weights", "normal:1e30"), ("activation", activation)]);
        for (name, engine) in common::f32_engines() {
            for method in [Method::Exact, Method::Sampled { grid: 10 }] {
                let error = engine.count(&ensemble, method, 0..3, &common::GO_ON).expect_err(name).to_string();
                assert!(error.contains("draw 0, layer 2") && error.contains("f64"), "{name}, {activation}: {error}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_on_the_device_is_refused_before_any_work() {
    // A layer of 1.6 x 10^9 weights.
    let ensemble = common::ensemble(&[("arch", "2-40000-40000")]);
    let error = common::gpu(AdapterChoice::Best)
        .memory_needed(&ensemble, Estimator::Count(Method::Exact))
        .expect_err("too large");
    assert!(error.to_string().contains("MiB") && error.to_string().contains("--engine cpu"), "{error}");
}
