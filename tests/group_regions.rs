//! Exact counts of networks with groups of pre-activations (maxout, max-pooling, sorted groups), with CReLU and with skips: against the
//! trace on one input, rational arithmetic on two, a closed form, and equal networks of rectified units on more.

mod common;
mod planar;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::GO_ON;
use common::connections::members;
use common::regions::{cube, degenerate, generic};
use linregions::network::{Activation, ActivationKind, AffineWeights, Architecture, Layer, Network};
use linregions::path::Path;
use linregions::random::Stream;
use linregions::regions::plane::{self, Cell, Plane, Subdivision, Window};
use linregions::regions::tree::{self, TreeOptions};
use linregions::regions::xor::{self, XorOptions};
use linregions::regions::{Count, Domain, milp};
use linregions::theory::catalogue::{Direction, Shape, Value, region_bounds};
use linregions::trace::Trace;
use num_bigint::BigUint;

fn count(network: &Network, domain: &Domain) -> Count {
    let options = TreeOptions { threads: Some(1), journal: None };
    let dense = network.to_dense(&GO_ON).expect("small");
    let count = tree::count(&dense, domain, &options, &AtomicU64::new(0), &GO_ON).expect("a count");
    assert!(count.is_complete);
    count
}

/// Activation and linear regions.
fn regions(network: &Network, domain: &Domain) -> (u64, u64) {
    let count = count(network, domain);
    (count.activation_regions, count.linear_regions.expect("counted"))
}

/// A network whose weights are made of random words.
fn network(arch: &str, activation: &str, seed: u64, outputs: usize, value: impl Fn(u32) -> f64) -> Network {
    let architecture = Architecture::parse(arch, activation.parse().expect("known"), outputs).expect("a shape");
    let mut tensor = 0;
    let mut numbers = |n: u128| -> Vec<f64> {
        tensor += 1;
        let stream = Stream::new(seed, 0, tensor);
        (0..n as u64).map(|e| value(stream.word(e))).collect()
    };
    let affine = (0..=architecture.depth()).map(|l| {
        let map = architecture.affine_map(l);
        let skips = architecture.layers().get(l).map_or(&[][..], |layer| &layer.skips);
        AffineWeights {
            weight: numbers(map.n_weights()),
            bias: numbers(map.n_biases() as u128),
            skips: skips.iter().map(|skip| numbers(skip.map.map_or(0, |map| map.n_weights()))).collect(),
        }
    });
    let affine = affine.collect();
    Network::new(architecture, affine).expect("matching shapes")
}

/// On an interval: activation regions are boundaries and one, linear regions knots and one.
#[test]
fn intervals_agree_with_the_trace() {
    let mut invisible = 0;
    for seed in 0..60u64 {
        let (arch, activation) = [
            ("1-4x2", "maxout:3"),
            ("1-3x3", "maxout:2"),
            ("1-6x2", "group-sort:3"),
            ("1-4-8", "group-sort:4"),
            ("1-4x3", "max-min"),
            ("1-6-4", "crelu"),
            ("1-5-5~1-4+", "relu"),
            ("1-[4-4]x3", "leaky-relu:0.3"),
            ("1-4-4+1+-3+1", "maxout:2"),
            ("1-4-8+-8~1+2", "crelu"),
            ("1x1-c4k3p2-max2s1-c4k2p1-c4k2~2-max2", "relu"),
            ("1x1-c5k4p3-max3s1p1-4", "hard-tanh"),
            ("1x1-c4k3p2-c2k2-4", "max-min"),
            ("1x1-c3k3p2-9~1-3", "group-sort:3"),
            ("1x1-c2k3p2-c1k1~1-2", "maxout:2"),
        ][seed as usize % 15];
        let net = network(arch, activation, seed, 1 + (seed % 2) as usize, |w| 2.0 * generic(w));
        let path = Path::from_points(1, &[-1.5, 2.0]).expect("a path");
        let trace = Trace::reference(&net, &path).expect("finite");
        let expected = (trace.boundaries.len() as u64 + 1, trace.n_knots() as u64 + 1);
        assert_eq!(regions(&net, &cube(1, -1.5, 2.0)), expected, "{arch} {activation} {seed}");
        invisible += expected.0 - expected.1;
    }
    assert!(invisible > 30, "{invisible}");
}

/// Networks of two inputs.
const PLANES: [(&str, &str); 18] = [
    // Deep and narrow ones keep what their cells are made of.
    ("2-3x7", "maxout:2"),
    ("2-3-3-3~1-3x2-3~2-3+1", "relu"),
    ("2-3x2", "maxout:3"),
    ("2-4-2-3", "maxout:2"),
    ("2-2-1-2", "maxout:4"),
    ("2-4x2", "max-min"),
    ("2-6-3", "group-sort:3"),
    ("2-4-2-2", "group-sort:2"),
    ("2-6-4", "crelu"),
    ("2-4-4~1-3+", "relu"),
    ("2-3-3+1+-2+1", "maxout:2"),
    ("1x2-c3k2p1-max2s1-3", "relu"),
    ("1x1x2-c2k2p1-max2s1-c2k1~2-avg", "leaky-relu:0.5"),
    // Groups of filters, and skips from and to other orders.
    ("1x2-c4k2p1-c2k2-2", "max-min"),
    ("1x2-c3k2p1-c3k1~1-3", "group-sort:3"),
    ("1x2-c2k2p1-6~1-2+1", "max-min"),
    ("1x2-c4k1-avg2s1p1-c4k1~2", "max-min"),
    ("1x2-c2k2p1-c1k1~1-2", "maxout:2"),
];

/// Everything on two inputs against rational arithmetic, generic and degenerate, visible and not.
#[test]
fn planes_agree_with_rational_arithmetic() {
    let (mut merged, mut close_calls, mut n_regions) = (0, 0, 0);
    for seed in 0..3 * PLANES.len() as u64 {
        let (arch, activation) = PLANES[seed as usize % PLANES.len()];
        let outputs = 1 + (seed % 3) as usize % 2;
        let (lower, upper) = ([-1.0, -1.25], [1.5, 1.0]);
        let domain = Domain::new_box(lower.to_vec(), upper.to_vec()).expect("a box");
        for (kind, net) in [
            ("generic", network(arch, activation, seed, outputs, generic)),
            ("degenerate", network(arch, activation, seed, outputs, degenerate)),
        ] {
            let exact = planar::count(&net, lower, upper);
            let count = count(&net, &domain);
            let found = (count.activation_regions, count.linear_regions.expect("counted"));
            assert_eq!(found, exact, "{kind} {arch} {activation} {seed}");
            let dense = net.to_dense(&GO_ON).expect("small");
            let plane = plane::count(&dense, &domain, &GO_ON).expect("a count");
            assert_eq!(
                (plane.activation_regions, plane.linear_regions),
                (exact.0, Some(exact.1)),
                "{kind} {arch} {activation} {seed} by the plane"
            );
            merged += exact.0 - exact.1;
            n_regions += exact.0;
            close_calls += count.work.close_calls;
            // A large box has every region of the plane.
            let everywhere = regions(&net, &Domain::Everywhere);
            assert_eq!(
                everywhere,
                planar::count(&net, [-1e9; 2], [1e9; 2]),
                "{kind} {arch} {activation} {seed} on R^2"
            );
        }
    }
    assert!(merged > 100 && close_calls > 100 && n_regions > 1000, "{merged} {close_calls} {n_regions}");
}

/// The cells of a subdivision are convex, cover the window, meet in whole edges, and have the patterns of their points.
#[test]
fn subdivisions_are_complexes_of_convex_cells() {
    let mut n_cells = 0;
    for (ix, (arch, activation)) in PLANES.into_iter().enumerate() {
        for (is_generic, values) in [(true, generic as fn(u32) -> f64), (false, degenerate)] {
            let net = network(arch, activation, 100 + ix as u64, 2, values);
            let dense = net.to_dense(&GO_ON).expect("small");
            let window = Window::rectangle([-1.0, 1.5], [-2.0, 1.0]).expect("a window");
            let regions = Subdivision::new(&dense, &Plane::of_inputs(), &window, &GO_ON).expect("a subdivision");
            let place = format!("{arch} {activation}");
            let area: f64 = regions.cells().map(|cell| cell.area()).sum();
            assert!((area - 7.5).abs() < 1e-9, "{place}: {area}");
            // Euler: a window has no hole.
            let [v, e, f] = [regions.vertices().len(), regions.edges().len(), regions.n_activation_regions()];
            assert_eq!(v + f, e + 1, "{place}: {v} vertices, {e} edges, {f} cells");
            for cell in regions.cells() {
                let corners: Vec<[f64; 2]> = cell.polygon().collect();
                let n = corners.len();
                for k in 0..n {
                    let [p, q, r] = [0, 1, 2].map(|step| corners[(k + step) % n]);
                    let turn = (q[0] - p[0]) * (r[1] - q[1]) - (q[1] - p[1]) * (r[0] - q[0]);
                    assert!(turn > 0.0, "{place}: cell {} turns by {turn} at corner {k}", cell.ix());
                }
                let centre = [0, 1].map(|axis| corners.iter().map(|p| p[axis]).sum::<f64>() / n as f64);
                // Elsewhere units may be on their breakpoints all over a cell, up to rounding.
                if is_generic && cell.area() > 1e-6 {
                    assert_eq!(pieces(&net, &centre), of_cell(&net, cell), "{place}: cell {}", cell.ix());
                }
            }
            for (ix, edge) in regions.edges().iter().enumerate() {
                assert_eq!(regions.flips(ix).is_empty(), edge.cells.1.is_none(), "{place}: edge {ix}");
            }
            n_cells += f;
        }
    }
    assert!(n_cells > 300, "{n_cells}");
}

/// What [`Cell::piece`] says, at a point.
fn pieces(network: &Network, point: &[f64]) -> Vec<Vec<usize>> {
    let mut values = vec![point.to_vec()];
    let mut all = Vec::new();
    for (layer, weights) in network.architecture().layers().iter().zip(network.affine()) {
        let image = layer.pre_activations(weights, &values[values.len() - 1], |source| &values[source]);
        let z: Vec<f64> = (0..layer.groups()).flat_map(|unit| members(layer, unit)).map(|place| image[place]).collect();
        all.push(match layer.activation.kind() {
            ActivationKind::Scalar(pieces) | ActivationKind::Crelu(pieces) => {
                z.iter().map(|&z| pieces.lower_piece(z)).collect()
            }
            ActivationKind::Maxout { rank } => {
                let top = |unit: &[f64]| (1..*rank).fold(0, |top, row| if unit[row] > unit[top] { row } else { top });
                z.chunks(*rank).map(top).collect()
            }
            ActivationKind::GroupSort { size } => {
                let place = |row: usize| {
                    let group = &z[row / size * size..][..*size];
                    let is_before =
                        |other: usize| group[other] > z[row] || group[other] == z[row] && other < row % size;
                    (0..*size).filter(|&other| is_before(other)).count()
                };
                (0..z.len()).map(place).collect()
            }
            _ => panic!("a new kind of activation"),
        });
        values.push(layer.activate(&image));
    }
    all
}

fn of_cell(network: &Network, cell: Cell) -> Vec<Vec<usize>> {
    let layers = network.architecture().layers().iter().enumerate();
    let n_units = |layer: &Layer| match layer.activation.kind() {
        ActivationKind::GroupSort { .. } => layer.outputs(),
        _ => layer.groups(),
    };
    layers.map(|(ix, layer)| (0..n_units(layer)).map(|unit| cell.piece(ix, unit)).collect()).collect()
}

/// The numbers of regions of generic layers of sorted groups: sums of coefficients of the product over all groups of (1 + t) (1 + 2 t) ...
/// (1 + (g - 1) t), a braid arrangement for each, up to the power of the dimension.
#[test]
fn one_generic_layer_of_sorted_groups_has_its_polynomial() {
    for (inputs, width, size, expected) in
        [(1, 3, 3, 4), (2, 3, 3, 6), (2, 4, 4, 18), (3, 4, 4, 24), (2, 5, 5, 46), (4, 6, 3, 36), (3, 8, 2, 15)]
    {
        let net = network(&format!("{inputs}-{width}"), &format!("group-sort:{size}"), 3, 2, generic);
        assert_eq!(regions(&net, &Domain::Everywhere), (expected, expected), "{inputs}-{width} in groups of {size}");
    }
}

/// The same function by rectified units: each pair of rows (a, b) becomes max(a - b, 0), of which b is a linear map of what is before.
///
/// Weights are whole numbers over 8, so that products have no rounding.
fn rectified(network: &Network) -> Network {
    let architecture = network.architecture();
    let is_sorted = matches!(architecture.activation().kind(), ActivationKind::GroupSort { .. });
    let widths: Vec<usize> = architecture.layers().iter().map(|layer| layer.affine.units() / 2).collect();
    let mut text = architecture.input_dim().to_string();
    for (l, width) in widths.iter().enumerate() {
        // Every earlier source has a part in what comes in.
        text += &format!("-{width}");
        (0..l).for_each(|source| text += &format!("+{source}"));
    }
    let shape = Architecture::parse(&text, Activation::relu(), 1).expect("a shape");
    // Outputs of the layer before as combinations of sources (the input and rectified layers) and a constant.
    let dim = architecture.input_dim();
    let mut outputs: Vec<(Vec<Vec<f64>>, f64)> =
        (0..dim).map(|i| (vec![(0..dim).map(|j| f64::from(u8::from(i == j))).collect()], 0.0)).collect();
    let mut affine = Vec::new();
    for (l, weights) in network.affine().iter().enumerate() {
        let n_rows = weights.bias.len();
        let row = |r: usize| {
            let mut sum: (Vec<Vec<f64>>, f64) =
                (outputs[0].0.iter().map(|part| vec![0.0; part.len()]).collect(), weights.bias[r]);
            for (i, (parts, constant)) in outputs.iter().enumerate() {
                let w = weights.weight[i * n_rows + r];
                sum.1 += w * constant;
                for (to, from) in sum.0.iter_mut().flatten().zip(parts.iter().flatten()) {
                    *to += w * from;
                }
            }
            sum
        };
        let rows: Vec<(Vec<Vec<f64>>, f64)> = (0..n_rows).map(row).collect();
        let is_readout = l == widths.len();
        let units: Vec<(Vec<Vec<f64>>, f64)> = match is_readout {
            true => rows.clone(),
            false => rows
                .chunks_exact(2)
                .map(|pair| {
                    let parts = pair[0].0.iter().zip(&pair[1].0);
                    let parts = parts.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - b).collect()).collect();
                    (parts, pair[0].1 - pair[1].1)
                })
                .collect(),
        };
        let matrix = |part: usize| -> Vec<f64> {
            (0..units[0].0[part].len()).flat_map(|i| units.iter().map(move |unit| unit.0[part][i])).collect()
        };
        let bias = units.iter().map(|unit| unit.1).collect();
        affine.push(AffineWeights { weight: matrix(l), bias, skips: (0..l).map(matrix).collect() });
        if is_readout {
            break;
        }
        let n_units = units.len();
        outputs = rows
            .chunks_exact(2)
            .enumerate()
            .flat_map(|(u, pair)| {
                let unit = |sign: f64| (0..n_units).map(|v| if u == v { sign } else { 0.0 }).collect::<Vec<f64>>();
                let with = |(parts, constant): &(Vec<Vec<f64>>, f64), sign: f64| {
                    (parts.iter().cloned().chain([unit(sign)]).collect(), *constant)
                };
                // max(a, b) = b + max(a - b, 0), min(a, b) = a - max(a - b, 0).
                let smaller = is_sorted.then(|| with(&pair[0], -1.0));
                [with(&pair[1], 1.0)].into_iter().chain(smaller)
            })
            .collect();
    }
    // The read-out takes the last layer alone: what it has of earlier ones does not change regions of the last activation, but linear ones.
    let last = affine.pop().expect("a read-out");
    let depth = widths.len();
    let text = format!("{text}-1{}", (0..depth).map(|source| format!("+{source}")).collect::<String>());
    let shape_with_sum = Architecture::parse(&text, Activation::relu(), 1).expect("a shape");
    assert_eq!(shape.depth() + 1, shape_with_sum.depth());
    let mut layers = shape_with_sum.layers().to_vec();
    layers[depth].activation = std::sync::Arc::new(Activation::identity());
    let shape = Architecture::of_layers(vec![dim], layers, 1).expect("the same layers");
    affine.push(last);
    affine.push(AffineWeights::new(vec![1.0], vec![0.0]));
    Network::new(shape, affine).expect("matching shapes")
}

#[test]
fn pairs_of_rows_are_rectified_units_with_skips() {
    let eighths = |word: u32| f64::from(word % 33) / 8.0 - 2.0;
    let mut n_regions = 0;
    for (arch, activation) in
        [("3-4x2", "maxout:2"), ("4-3-4", "maxout:2"), ("3-6-4", "max-min"), ("2-4x3", "max-min"), ("5-4-2", "max-min")]
    {
        for seed in 0..3 {
            let net = network(arch, activation, seed, 1, eighths);
            let other = rectified(&net);
            let (dim, point) = (net.architecture().input_dim(), [0.5, -1.25, 2.0, 0.75, -0.5]);
            assert_eq!(net.outputs(&point[..dim]), other.outputs(&point[..dim]), "{arch} {activation}");
            let domain = cube(dim, -2.0, 2.0);
            let expected = regions(&other, &domain);
            assert_eq!(regions(&net, &domain), expected, "{arch} {activation} {seed}");
            n_regions += expected.0;
        }
    }
    assert!(n_regions > 500, "{n_regions}");
}

/// Rows x, 2 x and 0 are equal on one line: the regions on its sides have it from different pairs of rows, and both from above.
#[test]
fn rows_that_meet_on_one_line_are_joined_where_it_is_invisible() {
    let hidden: (&[&[f64]], &[f64]) = (&[&[1.0, 0.0], &[2.0, 0.0], &[0.0, 0.0]], &[0.0; 3]);
    for (readout, linear) in [(1.0, 2), (0.0, 1)] {
        let last: [&[f64]; 1] = [&[readout]];
        let net = common::network("maxout:3", &[hidden, (&last, &[0.0])]);
        assert_eq!(regions(&net, &Domain::Everywhere), (2, linear), "read-out {readout}");
    }
}

/// |z| is the sum of both outputs of CReLU.
#[test]
fn crelu_has_the_regions_of_absolute_values() {
    for (arch, twice, seed) in [("3-5-4", "3-10-8", 0), ("4-6", "4-12", 1), ("3-4x2", "3-8x2", 2)] {
        let abs = network(arch, "abs", seed, 2, generic);
        let shape = Architecture::parse(twice, "crelu".parse().expect("known"), 2).expect("a shape");
        let double = |(l, weights): (usize, &AffineWeights<f64>)| {
            let weight = weights.weight.repeat(if l > 0 { 2 } else { 1 });
            AffineWeights::new(weight, weights.bias.clone())
        };
        let net = Network::new(shape, abs.affine().iter().enumerate().map(double).collect()).expect("matching shapes");
        let domain = cube(net.architecture().input_dim(), -1.0, 1.0);
        assert_eq!(regions(&net, &domain), regions(&abs, &domain), "{arch}");
    }
}

/// More inputs than planes have: no fewer regions than patterns at many points, and no more than every bound allows.
#[test]
fn counts_lie_between_patterns_that_are_met_and_bounds() {
    for (arch, activation, seed) in [
        ("1x1x3-c2k1x2-max1x2-3", "relu", 0),
        ("1x4-c3k3-max2", "relu", 1),
        ("3-3x2", "maxout:3", 2),
        ("3-3-3", "group-sort:3", 3),
        ("1x3-c2k2-c2k1~1-max2", "leaky-relu:0.5", 4),
        ("1x3-c4k2-2", "max-min", 5),
    ] {
        let net = network(arch, activation, seed, 1, generic);
        let dim = net.architecture().input_dim();
        let n = regions(&net, &cube(dim, -2.0, 2.0)).0;
        let stream = Stream::new(seed, 7, 0);
        let point =
            |k: usize| -> Vec<f64> { (0..dim).map(|i| 2.0 * generic(stream.word((k * dim + i) as u64))).collect() };
        let met: BTreeSet<Vec<Vec<usize>>> = (0..200_000).map(|k| pieces(&net, &point(k))).collect();
        // Few are too small to be met.
        assert!(met.len() as u64 <= n && n <= met.len() as u64 * 5 / 4, "{arch} {activation}: {} {n}", met.len());
        for entry in region_bounds(&Shape::of_network(net.architecture())) {
            if let (Direction::Upper | Direction::Exact, Ok(Value::Count(bound))) = (entry.direction, &entry.value) {
                assert!(*bound >= BigUint::from(n), "{arch} {activation}: {n} above {} {bound}", entry.id);
            }
        }
    }
}

/// Stopped anywhere, on any number of threads, a count goes on from its journal to the same result.
#[test]
fn counts_of_maxout_go_on_from_their_journal() {
    let directory = tempfile::tempdir().expect("a directory");
    let net = network("2-14x3", "maxout:3", 11, 1, generic);
    let domain = cube(2, -3.0, 3.0);
    let expected = regions(&net, &domain);
    let journal = directory.path().join("count.journal");
    let run = |threads: usize, stop: &AtomicBool, found: &AtomicU64| {
        let options = TreeOptions { threads: Some(threads), journal: Some(journal.clone()) };
        tree::count(&net, &domain, &options, found, stop).expect("a count")
    };
    let whole = run(1, &GO_ON, &AtomicU64::new(0));
    assert_eq!((whole.activation_regions, whole.linear_regions), (expected.0, Some(expected.1)));
    let bytes = std::fs::read(&journal).expect("readable");
    assert!(bytes.iter().filter(|&&b| b == b'\n').count() > 20);
    for (cut, threads) in [(bytes.len() / 3, 1), (bytes.len() / 2, 3), (bytes.len(), 2)] {
        std::fs::write(&journal, &bytes[..cut]).expect("writable");
        let found = AtomicU64::new(0);
        let again = run(threads, &GO_ON, &found);
        assert_eq!((again.activation_regions, again.linear_regions), (expected.0, Some(expected.1)), "cut at {cut}");
        assert_eq!(found.load(Ordering::Relaxed), expected.0);
    }
}

/// Another formulation and another solver, with skips and average pooling between.
#[test]
fn mixed_integer_programs_find_the_same_regions() {
    for (arch, seed) in [("2-4-4~1-3+", 0), ("1x3-c2k2-avg2s1-3", 1), ("2-[3-4]-2+1", 2), ("1x3-c2k2-avg2", 3)] {
        let net = network(arch, "relu", seed, 1, generic);
        let domain = cube(net.architecture().input_dim(), -1.0, 1.5);
        let dense = net.to_dense(&GO_ON).expect("small");
        let by_program = milp::count(&dense, &domain, &AtomicU64::new(0), &GO_ON).expect("a count");
        assert_eq!(by_program.activation_regions, count(&net, &domain).activation_regions, "{arch} {seed}");
    }
    let pooled = network("2-4", "maxout:2", 0, 1, generic);
    let message = |e: linregions::Error| e.to_string();
    let error =
        milp::count(&pooled, &cube(2, 0.0, 1.0), &AtomicU64::new(0), &GO_ON).map_err(message).expect_err("groups");
    assert!(error.contains("is about relu, not maxout:2; use --method tree"), "{error}");
    let options = XorOptions::default();
    let error = xor::lower_bound(&pooled, &cube(2, 0.0, 1.0), &options, &AtomicU64::new(0), &GO_ON).map_err(message);
    let error = error.expect_err("groups");
    assert!(error.contains("hidden layer 1 has maxout:2: use --method tree"), "{error}");
}

/// Parity constraints are about bits of any layers, those with skips too.
#[test]
fn probable_bounds_hold_with_skips_and_crelu() {
    for (arch, activation, seed) in [("3-6-6~1", "relu", 0), ("3-8-4", "crelu", 1)] {
        let net = network(arch, activation, seed, 1, generic);
        let domain = cube(3, -2.0, 2.0);
        let options = XorOptions { threads: Some(1), seed, ..XorOptions::default() };
        let bound = xor::lower_bound(&net, &domain, &options, &AtomicU64::new(0), &GO_ON).expect("a bound");
        let truth = count(&net, &domain).activation_regions;
        assert!(
            bound.activation_regions > 1 && bound.activation_regions <= truth,
            "{} {truth}",
            bound.activation_regions
        );
    }
}
