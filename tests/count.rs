//! Exact counts against closed forms, against the trace on one input, and against rational arithmetic on two.

mod common;
mod planar;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::GO_ON;
use common::regions::{cube, degenerate, generic};
use linregions::network::{Activation, AffineWeights, Architecture, Network};
use linregions::path::Path;
use linregions::random::Stream;
use linregions::regions::tree::{self, TreeOptions};
use linregions::regions::xor::{self, XorOptions};
use linregions::regions::{Count, Domain, milp, plane};
use linregions::trace::{Boundary, Trace};

fn count(network: &Network, domain: &Domain) -> Count {
    let options = TreeOptions { threads: Some(1), journal: None };
    let found = AtomicU64::new(0);
    let count = tree::count(network, domain, &options, &found, &GO_ON).expect("a count");
    assert!(count.is_complete);
    assert_eq!(found.into_inner(), count.activation_regions);
    count
}

/// Activation and linear regions.
fn regions(network: &Network, domain: &Domain) -> (u64, u64) {
    let count = count(network, domain);
    (count.activation_regions, count.linear_regions.expect("counted"))
}

fn activation(name: &str) -> Activation {
    match name {
        "zigzag" => {
            Activation::spline(name, vec![-1.0, 0.0, 0.5], vec![1.0, -1.0, 2.0, 0.0], [0.0, 0.25]).expect("valid")
        }
        _ => name.parse().expect("known"),
    }
}

/// A network whose weights are made of random words.
fn network(arch: &str, name: &str, seed: u64, outputs: usize, value: impl Fn(u32) -> f64) -> Network {
    let architecture = Architecture::parse(arch, activation(name), outputs).expect("a shape");
    let affine = architecture.affine_maps().enumerate().map(|(l, map)| {
        let stream = Stream::new(seed, 0, l as u32);
        let (n, units) = (map.inputs() * map.units(), map.units());
        let values: Vec<f64> = (0..n + units).map(|e| value(stream.word(e as u64))).collect();
        AffineWeights::new(values[..n].to_vec(), values[n..].to_vec())
    });
    let affine = affine.collect();
    Network::new(architecture, affine).expect("matching shapes")
}

fn binomial_sum(n: u64, up_to: u64) -> u64 {
    let mut row = vec![1u64];
    for _ in 0..n {
        let last = row.clone();
        row = (0..=last.len()).map(|k| last.get(k).unwrap_or(&0) + if k > 0 { last[k - 1] } else { 0 }).collect();
    }
    row.iter().take(up_to as usize + 1).sum()
}

/// n hyperplanes in general position make sum over k <= n0 of C(n, k) regions of R^n0 (Zaslavsky 1975), and lines through one point
/// 2 n regions of the plane.
#[test]
fn one_generic_layer_has_zaslavskys_number() {
    for (inputs, units) in [(1, 9), (2, 9), (3, 8), (4, 7), (5, 7), (6, 8), (3, 2)] {
        for name in ["relu", "abs", "leaky-relu:0.1"] {
            let net = network(&format!("{inputs}-{units}"), name, 3, 1, generic);
            let expected = binomial_sum(units, inputs);
            assert_eq!(regions(&net, &Domain::Everywhere), (expected, expected), "{inputs}-{units} {name}");
        }
    }
    let rows: [&[f64]; 5] = [&[1.0, 0.0], &[0.3, 1.0], &[-0.7, 0.1], &[1.0, 1.0], &[2.0, -0.3]];
    let central = common::network("relu", &[(&rows, &[0.0; 5]), (&[&[1.0; 5]], &[0.0])]);
    assert_eq!(regions(&central, &Domain::Everywhere), (10, 10));
    assert_eq!(regions(&central, &cube(2, -1.0, 1.0)), (10, 10));
    // The lines meet in a corner of the box, which two of them cut.
    assert_eq!(regions(&central, &cube(2, 0.0, 1.0)), (3, 3));
}

/// On an interval: activation regions are boundaries and one, linear regions knots and one.
#[test]
fn intervals_agree_with_the_trace() {
    let mut invisible = 0;
    for seed in 0..40 {
        for name in ["relu", "leaky-relu:0.2", "abs", "hard-tanh", "zigzag", "soft-threshold:0.5"] {
            let arch = ["1-7", "1-5x2", "1-6-3-5", "1-4-1-4"][seed as usize % 4];
            let net = network(arch, name, seed, 1 + (seed % 2) as usize, |w| 2.0 * generic(w));
            let path = Path::from_points(1, &[-1.5, 2.0]).expect("a path");
            let trace = Trace::reference(&net, &path).expect("finite");
            let expected = (trace.boundaries.len() as u64 + 1, trace.n_knots() as u64 + 1);
            assert_eq!(regions(&net, &cube(1, -1.5, 2.0)), expected, "{arch} {name} {seed}");
            invisible += expected.0 - expected.1;
        }
    }
    assert!(invisible > 50, "{invisible}");
}

/// Few different weights, so that units of several layers change piece at one point, which is a third or a seventh and no floating-point number.
#[test]
fn coincident_boundaries_of_traces_are_those_of_counts() {
    let (mut coincident, mut invisible) = (0, 0);
    for seed in 0..400 {
        for name in ["relu", "abs", "hard-tanh", "zigzag", "crelu", "maxout:2", "maxout:3", "group-sort:3", "max-min"] {
            let arch = ["1-6", "1-6x2", "1-6x3", "1-6-12-6-6"][seed as usize % 4];
            let coarse = |word: u32| [-1.0, 1.0, 0.5, -2.0, 3.0, -1.5, 0.0][word as usize % 7];
            let net = network(arch, name, seed, 1, coarse);
            let trace = Trace::reference(&net, &Path::from_points(1, &[-2.0, 3.0]).expect("a path")).expect("finite");
            let expected = (trace.boundaries.len() as u64 + 1, trace.n_knots() as u64 + 1);
            assert_eq!(expected, regions(&net, &cube(1, -2.0, 3.0)), "{arch} {name} {seed}");
            let is_of_layers = |b: &&Boundary| {
                let mut crossings = trace.crossings.iter().filter(|c| c.position == b.position);
                let layer = crossings.next().map(|c| c.layer);
                crossings.any(|c| Some(c.layer) != layer) && 1024.0 * b.position % 1.0 != 0.0
            };
            coincident += trace.boundaries.iter().filter(is_of_layers).count();
            invisible += expected.0 - expected.1;
        }
    }
    assert!(coincident > 100 && invisible > 100, "{coincident} {invisible}");
}

/// Composed zigzags of four pieces: 4^L pieces on [0, 1] and on R.
#[test]
fn composed_zigzags_have_four_to_the_depth_pieces() {
    for depth in 1..=5 {
        let signs = [1.0, 1.0, -1.0];
        let thresholds = [-0.1, -0.6, 0.8];
        let readout = [-12.0, 7.0, -10.0];
        let mut affine = vec![AffineWeights::new(signs.to_vec(), thresholds.to_vec())];
        for _ in 1..depth {
            let weight = readout.iter().flat_map(|r| signs.map(|s| s * r)).collect();
            let bias = (0..3).map(|u| 8.0 * signs[u] + thresholds[u]).collect();
            affine.push(AffineWeights::new(weight, bias));
        }
        affine.push(AffineWeights::new(readout.to_vec(), vec![8.0]));
        let shape = Architecture::dense(1, &vec![3; depth], Activation::relu(), 1).expect("a shape");
        let net = Network::new(shape, affine).expect("matching shapes");
        assert_eq!(regions(&net, &cube(1, 0.0, 1.0)).1, 4u64.pow(depth as u32), "depth {depth}");
        assert_eq!(regions(&net, &Domain::Everywhere).1, 4u64.pow(depth as u32), "depth {depth}");
    }
}

/// Tent maps in numbers without rounding: 2^L pieces, and boundaries that touch each other's points.
#[test]
fn composed_tents_are_decided_exactly() {
    let tent: (&[&[f64]], &[f64]) = (&[&[2.0, -4.0], &[2.0, -4.0]], &[0.0, -1.0]);
    let first: (&[&[f64]], &[f64]) = (&[&[1.0], &[1.0]], &[0.0, -0.5]);
    for depth in 1..=8 {
        // The inner tents are relu(2 h1 - 4 h2) and relu(2 h1 - 4 h2 - 1/2).
        let inner: (&[&[f64]], &[f64]) = (tent.0, &[0.0, -0.5]);
        let mut layers = vec![first];
        layers.extend(std::iter::repeat_n(inner, depth - 1));
        layers.push((&[&[2.0, -4.0]], &[0.0]));
        let net = common::network("relu", &layers);
        assert_eq!(regions(&net, &cube(1, 0.0, 1.0)).1, 1 << depth, "depth {depth}");
    }
}

/// Everything on two inputs against rational arithmetic, generic and degenerate, visible and not.
#[test]
fn planes_agree_with_rational_arithmetic() {
    let (mut merged, mut close_calls) = (0, 0);
    for seed in 0..30u64 {
        let names = ["relu", "leaky-relu:0.5", "abs", "hard-tanh", "zigzag"];
        let name = names[(seed % 5) as usize];
        let arch = ["2-6", "2-4x2", "2-5-2-4", "2-3x3", "2-4-1-3", "2-3-2-2-2"][(seed % 6) as usize];
        let outputs = 1 + (seed % 3) as usize % 2;
        let (lower, upper) = ([-1.0, -1.25], [1.5, 1.0]);
        let domain = Domain::new_box(lower.to_vec(), upper.to_vec()).expect("a box");
        for (kind, net) in [
            ("generic", network(arch, name, seed, outputs, generic)),
            ("degenerate", network(arch, name, seed, outputs, degenerate)),
        ] {
            let exact = planar::count(&net, lower, upper);
            let count = count(&net, &domain);
            let found = (count.activation_regions, count.linear_regions.expect("counted"));
            assert_eq!(found, exact, "{kind} {arch} {name} {seed}");
            let plane = plane::count(&net, &domain, &GO_ON).expect("a count");
            assert_eq!(
                (plane.activation_regions, plane.linear_regions),
                (found.0, Some(found.1)),
                "{kind} {arch} {name} {seed}"
            );
            merged += exact.0 - exact.1;
            close_calls += count.work.close_calls;
            // A large box has every region of the plane.
            let everywhere = regions(&net, &Domain::Everywhere);
            assert_eq!(everywhere, planar::count(&net, [-1e9; 2], [1e9; 2]), "{kind} {arch} {name} {seed} on R^2");
        }
    }
    assert!(merged > 200 && close_calls > 100, "{merged} {close_calls}");
}

/// Networks trained on digits, over the box of all images: the counts of an independent program (linear programs of HiGHS).
#[test]
fn networks_trained_on_digits_have_the_counts_of_another_program() {
    let vectors = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/serra");
    let mut csv = csv::Reader::from_path(vectors.join("expected.csv")).expect("readable");
    let mut n_compared = 0;
    for row in csv.deserialize::<std::collections::HashMap<String, String>>() {
        let row = row.expect("a row");
        let Ok(expected) = row["activation_regions"].parse::<u64>() else { continue };
        let net = Network::read(&vectors.join(format!("{}.npz", row["network"])), None).expect("a network");
        assert_eq!(count(&net, &cube(784, 0.0, 1.0)).activation_regions, expected, "{}", row["network"]);
        n_compared += 1;
    }
    assert_eq!(n_compared, 3);
}

/// Units that no rounding may tell apart, or bring to life.
#[test]
fn hard_cases_are_exact() {
    let square = cube(2, -1.0, 1.0);
    let count = |activation: &str, rows: &[&[f64]], bias: &[f64], readout: &[f64]| {
        regions(&common::network(activation, &[(rows, bias), (&[readout], &[0.0])]), &square)
    };
    // Twins cut once; with opposite read-outs they cut nothing that is seen.
    assert_eq!(count("relu", &[&[1.0, 2.0], &[1.0, 2.0]], &[0.1, 0.1], &[1.0, 1.0]), (2, 2));
    assert_eq!(count("relu", &[&[1.0, 2.0], &[1.0, 2.0]], &[0.1, 0.1], &[1.0, -1.0]), (2, 1));
    // relu(z) - relu(-z) = z, and relu(3 z) = 3 relu(z).
    assert_eq!(count("relu", &[&[1.0, 2.0], &[-1.0, -2.0]], &[0.1, -0.1], &[1.0, -1.0]), (2, 1));
    assert_eq!(count("relu", &[&[1.0, 2.0], &[3.0, 6.0]], &[0.5, 1.5], &[3.0, -1.0]), (2, 1));
    // The same to rounding only: 0.1 times 3 is not the double 0.3.
    assert_eq!(count("relu", &[&[1.0, 2.0], &[3.0, 6.0]], &[0.1, 0.3], &[3.0, -1.0]).0, 3);
    // No weights: constant, on a breakpoint or not.
    assert_eq!(count("relu", &[&[0.0, 0.0], &[0.0, 0.0]], &[0.0, 1.0], &[1.0, 1.0]), (1, 1));
    assert_eq!(count("hard-tanh", &[&[0.0, 0.0], &[0.0, 0.0]], &[1.0, -1.0], &[1.0, 1.0]), (1, 1));
    // Lines that only touch the box, at an edge and at a corner; a hair more, and they cut.
    assert_eq!(count("relu", &[&[1.0, 0.0], &[1.0, 1.0]], &[1.0, -2.0], &[1.0, 1.0]), (1, 1));
    assert_eq!(count("relu", &[&[1.0, 0.0], &[1.0, 1.0]], &[1.0, f64::EPSILON - 2.0], &[1.0, 1.0]), (2, 2));
    // Parallel lines: three strips, of which the middle one is as thin as numbers allow.
    assert_eq!(count("relu", &[&[1.0, 1.0], &[1.0, 1.0]], &[0.5, 0.5 + f64::EPSILON], &[1.0, 1.0]), (3, 3));
    // Weights below all normal numbers, and below all numbers when they are multiplied.
    assert_eq!(count("relu", &[&[5e-324, 0.0], &[0.0, 1e-310]], &[0.0, -1e-311], &[1.0, 1.0]), (4, 4));
    let tiny: [(&[&[f64]], &[f64]); 3] = [(&[&[1e-200, 0.0]], &[0.0]), (&[&[1e-200]], &[0.0]), (&[&[1.0]], &[0.0])];
    assert_eq!(regions(&common::network("relu", &tiny), &square), (2, 2));
    // A first layer that is off everywhere; and one that lets a single direction through.
    let dead = |second: &[f64]| {
        let layers: [(&[&[f64]], &[f64]); 3] = [
            (&[&[1.0, 1.0], &[1.0, 2.0]], &[-3.0, -4.0]),
            (&[&[1.0, 1.0], &[1.0, -2.0]], second),
            (&[&[1.0, 1.0]], &[0.0]),
        ];
        regions(&common::network("relu", &layers), &square)
    };
    assert_eq!((dead(&[0.0, 0.0]), dead(&[1.0, -1.0])), ((1, 1), (1, 1)));
}

/// Two regions with the same pattern but for one unit, which do not meet: x > 1/2 and x < -1/2 under relu(|x| - 1/2).
#[test]
fn equal_functions_that_do_not_meet_are_two_regions() {
    let layers: [(&[&[f64]], &[f64]); 3] =
        [(&[&[1.0], &[-1.0]], &[0.0, 0.0]), (&[&[-1.0, -1.0]], &[0.5]), (&[&[1.0]], &[0.0])];
    // Zero for |x| > 1/2, on both sides of a roof.
    assert_eq!(regions(&common::network("relu", &layers), &cube(1, -1.0, 1.0)), (4, 4));
    // A unit that only tells the sides apart does not join them either.
    let layers: [(&[&[f64]], &[f64]); 3] =
        [(&[&[1.0], &[-1.0]], &[0.0, 0.0]), (&[&[1.0, 1.0]], &[-0.5]), (&[&[0.0]], &[0.0])];
    assert_eq!(regions(&common::network("relu", &layers), &cube(1, -1.0, 1.0)), (4, 1));
}

#[test]
fn counts_do_not_depend_on_threads() {
    let net = network("3-9x2", "relu", 5, 2, generic);
    let expected = regions(&net, &cube(3, -2.0, 2.0));
    for threads in [2, 5] {
        let options = TreeOptions { threads: Some(threads), journal: None };
        let found = AtomicU64::new(0);
        let count = tree::count(&net, &cube(3, -2.0, 2.0), &options, &found, &GO_ON).expect("a count");
        assert_eq!((count.activation_regions, count.linear_regions), (expected.0, Some(expected.1)));
    }
}

/// Stopped anywhere, a count goes on from its journal to the same result; a stopped one is a lower bound.
#[test]
fn counts_go_on_from_their_journal() {
    let directory = tempfile::tempdir().expect("a directory");
    let net = network("2-14x3", "relu", 11, 1, generic);
    let domain = cube(2, -3.0, 3.0);
    let expected = regions(&net, &domain);
    let journal = directory.path().join("count.journal");
    let options = TreeOptions { threads: Some(1), journal: Some(journal.clone()) };
    let run =
        |stop: &AtomicBool, found: &AtomicU64| tree::count(&net, &domain, &options, found, stop).expect("a count");
    let stopped = run(&AtomicBool::new(true), &AtomicU64::new(0));
    assert!(!stopped.is_complete && stopped.linear_regions.is_none() && stopped.activation_regions < expected.0);
    let whole = run(&GO_ON, &AtomicU64::new(0));
    assert_eq!((whole.activation_regions, whole.linear_regions), (expected.0, Some(expected.1)));
    let bytes = std::fs::read(&journal).expect("readable");
    let n_lines = bytes.iter().filter(|&&b| b == b'\n').count();
    assert!(n_lines > 20, "{n_lines} lines");
    for cut in [0, 10, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1, bytes.len()] {
        std::fs::write(&journal, &bytes[..cut]).expect("writable");
        let found = AtomicU64::new(0);
        let again = run(&GO_ON, &found);
        assert_eq!((again.activation_regions, again.linear_regions), (expected.0, Some(expected.1)), "cut at {cut}");
        assert_eq!(found.load(Ordering::Relaxed), expected.0);
    }
    let refuse = |net: &Network, domain: &Domain, message: &str| {
        let error = tree::count(net, domain, &options, &AtomicU64::new(0), &GO_ON).expect_err(message).to_string();
        assert!(error.contains(message), "{error}");
    };
    refuse(&network("2-14x3", "relu", 12, 1, generic), &domain, "the digest of the weights was");
    refuse(&network("2-14x3", "abs", 11, 1, generic), &domain, "the network was 2-14x3 relu, now 2-14x3 abs");
    refuse(&net, &cube(2, -3.0, 4.0), "the box was [-3, 3]^2, now [-3, 4]^2");
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    std::fs::write(&journal, damaged).expect("writable");
    refuse(&net, &domain, "damaged");
}

#[test]
fn boxes_of_another_dimension_are_refused() {
    let net = network("2-3", "relu", 0, 1, generic);
    let error = tree::count(&net, &cube(3, 0.0, 1.0), &TreeOptions::default(), &AtomicU64::new(0), &GO_ON);
    assert!(error.expect_err("3 is not 2").to_string().contains("dimension 3, but the network has 2 inputs"));
}

/// Another formulation and another solver.
#[test]
fn mixed_integer_programs_find_the_same_regions() {
    let mut n_regions = 0;
    for seed in 0..12u64 {
        let arch = ["1-5", "2-5", "2-4x2", "3-4-3", "2-3x3", "4-3-2"][seed as usize % 6];
        let net = network(arch, "relu", seed, 1, if seed % 4 == 3 { degenerate } else { generic });
        let domain = cube(net.architecture().input_dim(), -1.0, 1.5);
        let found = AtomicU64::new(0);
        let by_program = milp::count(&net, &domain, &found, &GO_ON).expect("a count");
        assert!(!by_program.is_complete && by_program.linear_regions.is_none());
        assert_eq!(by_program.activation_regions, count(&net, &domain).activation_regions, "{arch} {seed}");
        assert_eq!(found.into_inner(), by_program.activation_regions);
        n_regions += by_program.activation_regions;
    }
    assert!(n_regions > 100, "{n_regions}");
    // max(x, 0), at every scale of the box.
    let line = Architecture::parse("1-1", Activation::relu(), 1).expect("a shape");
    let unit = AffineWeights::new(vec![1.0], vec![0.0]);
    let line = Network::new(line, vec![unit.clone(), unit]).expect("matching shapes");
    for size in [1e-20, 1e-6, 1e6, 1e20] {
        let count = milp::count(&line, &cube(1, -size, size), &AtomicU64::new(0), &GO_ON).expect("a count");
        assert_eq!(count.activation_regions, 2, "{size}");
    }
    let refuse = |net: &Network, domain: &Domain, message: &str| {
        let error = milp::count(net, domain, &AtomicU64::new(0), &GO_ON).expect_err(message).to_string();
        assert!(error.contains(message) && error.contains("--method tree"), "{error}");
    };
    refuse(&network("2-3", "abs", 0, 1, generic), &cube(2, 0.0, 1.0), "about relu, not abs");
    refuse(&network("2-3", "relu", 0, 1, generic), &Domain::Everywhere, "needs a box");
    refuse(&network("2-15x2", "relu", 0, 1, generic), &cube(2, 0.0, 1.0), "at most 24 units, but the network has 30");
}

/// 40 bounds at a confidence of 99.9 % each: all hold, with a probability of 96 % had the seeds not been fixed; and none is far off.
#[test]
fn parity_constraints_give_lower_bounds() {
    let mut logs = Vec::new();
    for seed in 0..40u64 {
        let (arch, name) =
            [("2-6x2", "relu"), ("3-5-4", "abs"), ("2-7", "hard-tanh"), ("4-8", "relu")][seed as usize % 4];
        let net = network(arch, name, seed, 1, generic);
        let domain = cube(net.architecture().input_dim(), -2.0, 2.0);
        let options = XorOptions { threads: Some(1), seed, ..XorOptions::default() };
        let bound = xor::lower_bound(&net, &domain, &options, &AtomicU64::new(0), &GO_ON).expect("a bound");
        assert!(!bound.is_complete && bound.linear_regions.is_none());
        assert!(bound.confidence.is_some_and(|c| c > 0.999 && c < 1.0));
        let truth = count(&net, &domain).activation_regions;
        assert!(bound.activation_regions <= truth, "{arch} {name} {seed}: {} > {truth}", bound.activation_regions);
        logs.push((truth as f64 / bound.activation_regions as f64).log2());
        let again = XorOptions { threads: Some(3), ..options };
        let again = xor::lower_bound(&net, &domain, &again, &AtomicU64::new(0), &GO_ON).expect("a bound");
        assert_eq!(again.activation_regions, bound.activation_regions);
    }
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    assert!(mean > 1.0 && mean < 5.0, "{mean} factors of two on average");
}

/// Two parallel hyperplanes as far apart as 1e-9 and 3e-10 of their norm: the part between them is found, and so is that there
/// is none. Many rows have the same slope there, and whole numbers of all 300 columns would take minutes.
#[test]
fn thin_parts_of_many_dimensions_are_found() {
    let n_inputs = 300;
    for (gap, regions) in [(1e-9, 3), (3e-10, 3), (1e-14, 3), (0.0, 2)] {
        let slope: Vec<f64> = (0..n_inputs).map(|i| ((i * 37 % 101) as f64 - 50.0) / 64.0).collect();
        let norm = slope.iter().map(|a| a * a).sum::<f64>().sqrt();
        let middle = 0.5 * slope.iter().sum::<f64>();
        let weight = slope.iter().flat_map(|&a| [a, -a]).collect();
        let hidden = AffineWeights::new(weight, vec![-middle, middle + gap * norm]);
        let shape = Architecture::parse(&format!("{n_inputs}-2"), Activation::relu(), 1).expect("a shape");
        let net = Network::new(shape, vec![hidden, AffineWeights::new(vec![1.0, 0.75], vec![0.0])]).expect("fits");
        let found = count(&net, &cube(n_inputs, 0.0, 1.0));
        assert_eq!((found.activation_regions, found.linear_regions), (regions, Some(regions)), "{gap}");
        assert!(found.work.close_calls > 0, "{gap}");
    }
}
