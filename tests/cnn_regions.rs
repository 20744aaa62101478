//! Convolutional networks as dense layers, and their regions: exact counts against the theorem on one layer of Xiong
//! et al. (2020), against its counterexample, and against bounds for several layers.

mod common;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64};

use common::GO_ON;
use linregions::ErrorKind;
use linregions::network::{Activation, Architecture, BiasLaw, Network, RandomNetwork, WeightLaw};
use linregions::path::Path;
use linregions::random::Stream;
use linregions::regions::plane::{Plane, Subdivision, Window};
use linregions::regions::tree::{self, TreeOptions};
use linregions::regions::{Domain, plane};
use linregions::theory::catalogue::{Direction, Shape, Value, region_bounds};
use linregions::trace::{Crossing, Trace};
use num_bigint::BigUint;

/// A network with generic weights and biases.
fn random(arch: &str, activation: &str, seed: u64) -> Network {
    let activation: Activation = activation.parse().expect("known");
    let shape = Architecture::parse(arch, activation, 2).expect("a shape");
    let bias: BiasLaw = "normal:0.5".parse().expect("a law");
    RandomNetwork::new(shape, WeightLaw::HeNormal, bias, seed).expect("a law").draw(0)
}

fn path(dim: usize, seed: u64) -> Path {
    let stream = Stream::new(seed, 1, 0);
    let number = |element| f64::from(stream.word(element)) / f64::from(u32::MAX) * 4.0 - 2.0;
    Path::from_points(dim, &(0..3 * dim as u64).map(number).collect::<Vec<f64>>()).expect("finite points")
}

fn crossings(network: &Network, path: &Path) -> Vec<Crossing> {
    let trace = Trace::reference(network, path).expect("finite");
    let mut crossings = trace.crossings;
    crossings.sort_by(|a, b| {
        (a.layer, a.unit, a.breakpoint).cmp(&(b.layer, b.unit, b.breakpoint)).then(a.position.total_cmp(&b.position))
    });
    crossings
}

const ARCHITECTURES: [&str; 12] = [
    "1x9-c3k2",
    "2x11-c4k3s2p1-c3k3-4",
    "3x12-c6k3g3-avg2-c4k2p1-max2-5",
    "1x5x4-c3k2",
    "2x6x7-c4k3x2s2x1p1x0-c4k2g2-6",
    "2x7x6-c3k3p2-avg3s2p1-c2k2-avg",
    "4x5x5-avg2s1-c8k3s2p1g4-c3k1-7-3",
    "1x8x8-c2k3-max3s2p1-c2k2-max-3",
    "3x4x4-max2s1-4",
    "1x9-c4k3p1-c4k3p1~1-c6k3s2p1+1-max2-5+",
    "7-5-5~1-4+x2",
    "7-5x3",
];
/// Convolutions whose filters maxout units join.
const OF_MAXOUT: [&str; 3] = ["2x7-c4k3-c3k2-5", "1x6x5-c2k3p1-avg2-c3k2-4", "1x9-c4k3p1-c4k3p1+1-6+"];
/// Convolutions whose filters are sorted in groups; layers of other orders take their outputs and add to theirs.
const OF_SORTED: [&str; 4] = [
    "2x7-c6k3-c6k2-6",
    "1x6x5-c6k3p1-avg2-c12k2g2-max-6",
    "1x9-c6k3p1-c6k3p1~1-c6k3p1+1-max2-12",
    "1x4x5-c6k3p1-avg3s1p1-c6k1~2-120~3-6+1",
];

/// All of them with two activations each.
fn cases() -> impl Iterator<Item = (&'static str, [&'static str; 2])> {
    let with = |activations| move |arch| (arch, activations);
    let plain = ARCHITECTURES.into_iter().map(with(["relu", "hard-tanh"]));
    let maxout = OF_MAXOUT.into_iter().map(with(["maxout:2", "maxout:3"]));
    let sorted = OF_SORTED.into_iter().map(with(["max-min", "group-sort:3"]));
    plain.chain(maxout).chain(sorted).chain([("1x8x9-c4k3p1-c2k3p1~1", ["maxout:2"; 2])])
}

/// The same crossings of the same units, up to rounding: sums have other orders.
#[test]
fn dense_layers_have_the_crossings_of_their_networks() {
    for (ix, (arch, activations)) in cases().enumerate() {
        let mut n_crossings = 0;
        for activation in activations {
            let seed = ix as u64;
            let network = random(arch, activation, seed);
            let dense = network.to_dense(&GO_ON).expect("small");
            assert!(dense.architecture().is_dense());
            assert_eq!(matches!(dense, Cow::Borrowed(_)), network.architecture().is_dense());
            let path = path(network.architecture().input_dim(), seed);
            let (own, others) = (crossings(&network, &path), crossings(&dense, &path));
            n_crossings += own.len();
            assert_eq!(own.len(), others.len(), "{arch} {activation}");
            for (a, b) in own.iter().zip(&others) {
                let key = |c: &Crossing| (c.layer, c.unit, c.breakpoint, c.rising);
                assert_eq!(key(a), key(b), "{arch} {activation}");
                assert!((a.position - b.position).abs() < 1e-9, "{arch} {activation}: {a:?} {b:?}");
            }
            for vertex in 0..3 {
                let outputs = network.outputs(path.vertex(vertex)).into_iter().zip(dense.outputs(path.vertex(vertex)));
                assert!(outputs.into_iter().all(|(a, b)| (a - b).abs() < 1e-12 * (1.0 + a.abs())), "{arch}");
            }
        }
        assert!(n_crossings > 20, "{arch}: {n_crossings}");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    // 90,000 inputs x 355,216 units.
    let error = random("1x300x300-c4k3", "relu", 0).to_dense(&GO_ON).expect_err("256 GB").to_string();
    assert!(error.contains("GiB of memory") || error.contains("2^34 weights"), "{error}");
    let stopped = random("1x6-c2k1", "relu", 0).to_dense(&AtomicBool::new(true)).expect_err("a stop");
    assert_eq!(stopped.kind(), ErrorKind::Interrupted);
}

/// A slice of a network is that of its dense layers, in the same order: the same regions with the same patterns.
#[test]
fn slices_are_those_of_dense_layers() {
    for (ix, (arch, activations)) in cases().enumerate() {
        let network = random(arch, activations[0], ix as u64);
        let dense = network.to_dense(&GO_ON).expect("small");
        let points = path(network.architecture().input_dim(), ix as u64);
        let plane = Plane::through([0, 1, 2].map(|vertex| points.vertex(vertex))).expect("a plane");
        let window = Window::rectangle([-1.5, 2.0], [-1.5, 1.0]).expect("a window");
        let [own, other] =
            [&network, &*dense].map(|network| Subdivision::new(network, &plane, &window, &GO_ON).expect("regions"));
        let counts = |regions: &Subdivision| (regions.n_activation_regions(), regions.n_linear_regions());
        assert_eq!(counts(&own), counts(&other), "{arch}");
        assert!(own.n_activation_regions() > 1, "{arch}");
        assert_eq!(own.edges(), other.edges(), "{arch}");
        assert!((0..own.edges().len()).all(|edge| own.flips(edge) == other.flips(edge)), "{arch}");
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9 * (1.0 + a.abs());
        let gradients = |regions: &Subdivision| -> Vec<f64> {
            regions.cells().flat_map(|cell| cell.gradients().as_flattened().to_vec()).collect()
        };
        assert!(gradients(&own).into_iter().zip(gradients(&other)).all(|(a, b)| near(a, b)), "{arch}");
    }
}

/// Two inputs: by the tree and by subdivision of the plane, with layers of pooling between.
#[test]
fn the_plane_has_the_same_regions() {
    for (arch, activation) in [
        ("1x2-c4k1-avg2s1-5", "relu"),
        ("1x2-avg2s1p1-c3k2-4", "hard-tanh"),
        ("2x1x1-c6k1-c4k1g2-avg", "leaky-relu:0.3"),
    ] {
        let mut n_regions = 0;
        for seed in 0..3 {
            let network = random(arch, activation, seed);
            let dense = network.to_dense(&GO_ON).expect("small");
            let domain = Domain::new_box(vec![-2.0; 2], vec![2.0; 2]).expect("a box");
            let options = TreeOptions { threads: Some(1), journal: None };
            let tree = tree::count(&dense, &domain, &options, &AtomicU64::new(0), &GO_ON).expect("a count");
            let plane = plane::count(&dense, &domain, &GO_ON).expect("a count");
            n_regions += tree.activation_regions;
            assert_eq!(
                (tree.activation_regions, tree.linear_regions),
                (plane.activation_regions, plane.linear_regions),
                "{arch} {activation} {seed}"
            );
        }
        assert!(n_regions > 20, "{arch}: {n_regions}");
    }
}

/// Activation regions of the whole input space.
fn count(network: &Network) -> u64 {
    let options = TreeOptions { threads: Some(1), journal: None };
    let dense = network.to_dense(&GO_ON).expect("small");
    let count = tree::count(&dense, &Domain::Everywhere, &options, &AtomicU64::new(0), &GO_ON).expect("a count");
    assert!(count.is_complete);
    count.activation_regions
}

fn bound(network: &Network, id: &str) -> Option<BigUint> {
    let entries = region_bounds(&Shape::of_network(network.architecture()));
    match entries.into_iter().find(|entry| entry.id == id).expect("listed").value {
        Ok(Value::Count(count)) => Some(count),
        _ => None,
    }
}

/// Theorem 1 is about the mean over random weights of a layer; almost all weights have that number. In one dimension no exception is
/// known.
#[test]
fn one_layer_in_one_dimension_has_the_number_of_the_theorem() {
    for (arch, expected) in [
        ("1x3-c1k2", 4),
        ("1x3-c2k2", 15),
        ("1x3-c3k2", 40),
        ("1x3-c4k2", 85),
        ("1x3-c6k2", 259),
        ("1x4-c2k2", 55),
        ("1x4-c3k2s2", 49),
        ("1x5-c3k3s2", 63),
        ("1x5-c3k2", 1159),
        ("1x6-c2k3", 245),
        ("2x3-c3k2", 64),
        ("2x4-c3k2", 511),
        ("1x3x2-c5k2", 836),
        ("1x3x3-c3k3x1s2", 64),
    ] {
        for seed in 0..3 {
            let network = random(arch, if seed == 0 { "leaky-relu:0.5" } else { "relu" }, seed);
            assert_eq!(count(&network), expected, "{arch} seed {seed}");
            if seed > 0 {
                assert_eq!(bound(&network, "xiong_2020_one_layer"), Some(expected.into()), "{arch}");
            }
        }
    }
}

/// Where filters are shared in two dimensions the published formula is above what any weights reach.
#[test]
fn one_layer_in_two_dimensions_has_fewer_regions_than_the_formula() {
    for (arch, formula, expected) in
        [("1x3x3-c2k2", 256u32, 255), ("1x3x3-c3k2", 4013, 3998), ("1x3x4-c2k2", 4096, 4061)]
    {
        for seed in 0..3 {
            let network = random(arch, "relu", seed);
            assert_eq!(count(&network), expected, "{arch} seed {seed}");
            assert_eq!(bound(&network, "xiong_2020_one_layer"), Some(formula.into()));
            assert_eq!(bound(&network, "one_layer_regions"), Some(expected.into()));
        }
    }
    // One filter: as many regions as the formula says.
    assert_eq!((count(&random("1x3x3-c1k2", "relu", 0)), count(&random("1x2x2-c5k2", "relu", 0))), (16, 31));
}

/// Upper bounds hold for all weights. The lower bound of Theorem 2 is one on the best of them and says nothing of these.
#[test]
fn several_layers_stay_below_their_upper_bounds() {
    for arch in ["1x4-c2k2-c3k2", "1x5-c2k2-c2k2s2", "1x3x3-c2k2-c2k2", "1x6-c2k3p1-avg2-3", "2x4-c2k2p1g2-c2k3"] {
        for seed in 0..4 {
            let network = random(arch, "relu", seed);
            let counted = BigUint::from(count(&network));
            let mut n_bounds = 0;
            for entry in region_bounds(&Shape::of_network(network.architecture())) {
                let Ok(Value::Count(value)) = entry.value else { continue };
                if entry.direction != Direction::Lower {
                    assert!(counted <= value, "{arch} seed {seed}: {counted} > {value} of {}", entry.id);
                    n_bounds += 1;
                }
            }
            assert!(n_bounds >= 6, "{arch}");
        }
    }
}

/// Theorem 3 of Xiong et al. (2020) compares the largest numbers; here random networks are counted, ten of each architecture.
#[test]
fn convolutions_have_more_regions_per_parameter() {
    println!("| convolutional | parameters | regions | dense | parameters | regions |\n|---|---|---|---|---|---|");
    for (convolutional, dense) in [
        ("1x5-c3k2", "5-2"),
        ("2x4-c3k2", "8-2"),
        ("1x6-c2k3-c2k2", "6-2x2"),
        ("1x3x3-c2k2-c2k2", "9-3x2"),
        ("1x7-c2k3-avg2-c3k2", "7-3x2"),
    ] {
        let parameters = |arch: &str| random(arch, "relu", 0).architecture().n_hidden_parameters();
        assert!(parameters(dense) >= parameters(convolutional), "{convolutional}");
        let counts = |arch: &str| -> Vec<u64> { (0..10).map(|seed| count(&random(arch, "relu", seed))).collect() };
        let (ours, theirs) = (counts(convolutional), counts(dense));
        let mean = |counts: &[u64]| counts.iter().sum::<u64>() as f64 / counts.len() as f64;
        println!(
            "| `{convolutional}` | {} | {:.0} | `{dense}` | {} | {:.1} |",
            parameters(convolutional),
            mean(&ours),
            parameters(dense),
            mean(&theirs)
        );
        assert!(ours.iter().min() > theirs.iter().max(), "{convolutional}: {ours:?}, {dense}: {theirs:?}");
    }
}
