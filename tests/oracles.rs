//! Closed forms and published numbers.
//!
//! Statistical tests are deterministic for their seed. Each states its size; |z| < 4.5 has a false-alarm rate of 7e-6 for
//! one comparison with a normal error.

mod common;

use std::f64::consts::PI;
use std::sync::Arc;

use linregions::engine::cpu::CpuEngine;
use linregions::engine::{Engine, Method, Precision};
use linregions::ensemble::Ensemble;
use linregions::network::{AffineWeights, Architecture, Network};
use linregions::path::{NamedPath, Path, PathLaw, RandomPath};
use linregions::theory::infinite_width;
use linregions::trace::Trace;

const Z: f64 = 4.5;

fn engine(precision: Precision) -> CpuEngine {
    CpuEngine::new(None, precision).expect("threads")
}

/// An ensemble whose networks are all counted on one given path.
fn on_path(changes: &[(&str, &str)], path: Path) -> Ensemble {
    let ensemble = common::ensemble(changes);
    let dim = path.dim();
    let paths = Arc::new(vec![NamedPath { name: "0".to_owned(), path }]);
    let law = PathLaw::File { file: "test".to_owned(), paths };
    Ensemble { path: RandomPath::new(law, dim, 0).expect("valid"), ..ensemble }
}

/// Mean and standard error, over networks, of each layer's crossings per unit.
fn crossings_per_unit(ensemble: &Ensemble, networks: u64) -> Vec<(f64, f64)> {
    let counts = engine(Precision::F32).count(ensemble, Method::Exact, 0..networks, &common::GO_ON).expect("finite");
    let layers = ensemble.network.architecture().layers();
    let of_layer = |l: usize| {
        let units = layers[l].affine.units() as f64;
        let values: Vec<f64> = counts.iter().map(|c| c.crossings[l] as f64 / units).collect();
        let mean = values.iter().sum::<f64>() / networks as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (networks - 1) as f64;
        (mean, (variance / networks as f64).sqrt())
    };
    (0..layers.len()).map(of_layer).collect()
}

/// One hidden layer: the pre-activations at the ends of a segment have correlation rho, and their signs differ with probability
/// arccos(rho) / pi. 20,000 networks of width 7.
#[test]
fn one_layer_crosses_with_the_angle_between_its_ends() {
    let (a, b) = ([0.5, -1.0, 2.0], [1.5, 1.0, -0.25]);
    let dot = |x: &[f64; 3], y: &[f64; 3]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    for (weight_variance, bias_std) in [(2.0 / 3.0, 0.3), (1.0 / 3.0, 1.0)] {
        let weights = if bias_std < 0.5 { "he-normal" } else { "lecun-normal" };
        let path = Path::from_points(3, &[a, b].concat()).expect("finite");
        let ensemble = on_path(&[("arch", "3-7"), ("weights", weights), ("bias", &format!("normal:{bias_std}"))], path);
        let covariance = |x, y| weight_variance * dot(x, y) + bias_std * bias_std;
        let rho = covariance(&a, &b) / (covariance(&a, &a) * covariance(&b, &b)).sqrt();
        let (mean, error) = crossings_per_unit(&ensemble, 20_000)[0];
        assert!(((mean - rho.acos() / PI) / error).abs() < Z, "{mean} ± {error}, expected {}", rho.acos() / PI);
    }
}

/// The network on (x, s) that is s times the network on x / s: biases multiply s, which every layer passes on in a unit of its own.
/// Its crossings on the polyline below are those of the network on the whole line.
fn homogeneous(network: &Network) -> Network {
    let layers = network.architecture().layers();
    let mut affine = Vec::new();
    for (ix, weights) in network.affine().iter().enumerate() {
        let readout = ix == layers.len();
        let units = weights.bias.len();
        let inputs = weights.weight.len() / units;
        let columns = units + usize::from(!readout);
        let mut weight = vec![0.0; (inputs + 1) * columns];
        for (i, row) in weights.weight.chunks_exact(units).chain([weights.bias.as_slice()]).enumerate() {
            weight[i * columns..][..units].copy_from_slice(row);
        }
        if !readout {
            weight[inputs * columns + units] = 1.0;
        }
        affine.push(AffineWeights::new(weight, vec![0.0; columns]));
    }
    let widths: Vec<usize> = layers.iter().map(|l| l.affine.units() + 1).collect();
    let activation = network.architecture().activation().clone();
    let inputs = network.architecture().input_dim() + 1;
    Network::new(Architecture::dense(inputs, &widths, activation, 1).expect("valid"), affine).expect("matching")
}

fn whole_line() -> Path {
    Path::from_points(2, &[-1.0, 0.0, -1.0, 1.0, 1.0, 1.0, 1.0, 0.0]).expect("finite")
}

/// On the whole line a layer of n units on one input crosses exactly n times.
#[test]
fn first_layer_has_one_crossing_per_unit_on_the_whole_line() {
    for shape in ["1-1", "1-13", "1-300"] {
        let ensemble = common::ensemble(&[("arch", shape), ("bias", "normal:1")]);
        for draw in 0..20 {
            let network = homogeneous(&ensemble.network.draw(draw));
            let counts = engine(Precision::F64).count_given(&network, &[&whole_line()], Method::Exact).expect("finite");
            assert_eq!(counts[0].crossings[0], network.affine()[0].bias.len() as u64 - 1, "{shape} draw {draw}");
        }
    }
}

/// At infinite width every layer crosses once per unit on the whole line, in the mean. 60 networks of width 512.
#[test]
fn deep_wide_networks_have_one_crossing_per_unit_on_the_whole_line() {
    let ensemble = common::ensemble(&[("arch", "1-512x3"), ("bias", "normal:1")]);
    let networks = 60;
    let mut per_unit = vec![Vec::new(); 3];
    for draw in 0..networks {
        let network = homogeneous(&ensemble.network.draw(draw));
        let counts = &engine(Precision::F32).count_given(&network, &[&whole_line()], Method::Exact).expect("finite")[0];
        per_unit.iter_mut().zip(&counts.crossings).for_each(|(all, &c)| all.push(c as f64 / 512.0));
    }
    for (layer, values) in per_unit.iter().enumerate().skip(1) {
        let mean = values.iter().sum::<f64>() / networks as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (networks - 1) as f64;
        let error = (variance / networks as f64).sqrt();
        assert!((mean - 1.0).abs() < Z * error && error < 0.02, "layer {layer}: {mean} ± {error}");
    }
}

/// Bias-free normal ReLU networks, exact at every width: a unit of layer l changes sign on a segment seen from the origin under the
/// angle psi with expectation (psi / pi) x the product over earlier layers of 1 - (n + 1) / 2^n. 10,000 networks.
///
/// Where a whole layer is inactive along an interval, all later pre-activations are exactly zero there, on the lower piece: units
/// that were on the upper one cross at its ends, without a change of sign. Those crossings coincide with one of an earlier
/// layer, changes of sign with none.
#[test]
fn bias_free_networks_follow_their_exact_law_at_small_width() {
    for widths in [vec![6, 6, 6, 6], vec![3, 5, 2, 9]] {
        let arch = widths.iter().fold("2".to_owned(), |text, n| format!("{text}-{n}"));
        let psi = 2.0f64;
        let path = Path::from_points(2, &[1.0, 0.0, 3.0 * psi.cos(), 3.0 * psi.sin()]).expect("finite");
        let law = common::ensemble(&[("arch", &arch), ("bias", "zero")]).network;
        let networks = 10_000;
        let mut sums = vec![(0.0, 0.0); widths.len()];
        for draw in 0..networks {
            let network = law.draw(draw);
            let trace = &engine(Precision::F64).trace(&network, &[&path], &common::GO_ON).expect("finite")[0];
            let mut sign_changes = vec![0.0; widths.len()];
            for group in trace.crossings.chunk_by(|a, b| a.position == b.position) {
                sign_changes[group[0].layer] += 1.0;
            }
            for ((sum, n), c) in sums.iter_mut().zip(&widths).zip(sign_changes) {
                let per_unit = c / f64::from(*n);
                *sum = (sum.0 + per_unit, sum.1 + per_unit * per_unit);
            }
        }
        let mut expected = psi / PI;
        for ((sum, squares), n) in sums.into_iter().zip(widths) {
            let mean = sum / networks as f64;
            let error = ((squares / networks as f64 - mean * mean) / networks as f64).sqrt();
            assert!(((mean - expected) / error).abs() < Z, "{arch}: {mean} ± {error}, expected {expected}");
            expected *= 1.0 - f64::from(n + 1) / f64::from(1u32 << n);
        }
    }
}

/// A line by its invariants: |x0|^2, <x0, d>, |d|^2; and the window of t in x0 + t d.
struct Window {
    activation: &'static str,
    arch: &'static str,
    weights: &'static str,
    bias: &'static str,
    invariants: [f64; 3],
    window: [f64; 2],
    /// Expected crossings per unit and layer.
    expected: &'static [f64],
}

impl Window {
    fn path(&self) -> Path {
        let dim = self.arch.split('-').next().and_then(|n| n.parse().ok()).expect("an input dimension");
        let [x0_norm2, x0_dot_d, d_norm2] = self.invariants;
        let along = x0_dot_d / d_norm2.sqrt();
        let across = (x0_norm2 - along * along).sqrt();
        let mut points = vec![0.0; 2 * dim];
        for (row, t) in points.chunks_exact_mut(dim).zip(self.window) {
            row[0] = along + t * d_norm2.sqrt();
            if dim > 1 {
                row[1] = across;
            }
        }
        Path::from_points(dim, &points).expect("finite")
    }

    fn ensemble(&self) -> Ensemble {
        let flags =
            [("arch", self.arch), ("activation", self.activation), ("weights", self.weights), ("bias", self.bias)];
        on_path(&flags, self.path())
    }
}

/// Infinite-width values to 12 digits, computed independently; hard tanh to 4.
const WINDOWS: [Window; 6] = [
    Window {
        activation: "relu",
        arch: "1-512x5",
        weights: "he-normal",
        bias: "normal:1",
        invariants: [0.0, 0.0, 1.0],
        window: [-1.0, 1.0],
        expected: &[0.608173447969, 0.5, 0.435905783151, 0.391826552031, 0.359017035971],
    },
    Window {
        activation: "relu",
        arch: "1-512x3",
        weights: "he-normal",
        bias: "normal:0.1",
        invariants: [0.0, 0.0, 1.0],
        window: [0.0, 2.0],
        expected: &[0.488750731682, 0.484097748744, 0.480531890818],
    },
    Window {
        activation: "relu",
        arch: "784-512x4",
        weights: "he-normal",
        bias: "normal:0.1",
        invariants: [100.0, -30.0, 120.0],
        window: [0.0, 1.0],
        expected: &[0.308349255679, 0.303606157544, 0.299082383521, 0.294761067817],
    },
    Window {
        activation: "leaky-relu:0.1",
        arch: "10-10x4",
        // Variance 1.5 / 10.
        weights: "normal:0.3872983346207417",
        bias: "normal:0.5",
        invariants: [4.0, 1.0, 2.0],
        window: [-1.0, 2.0],
        expected: &[0.414126609496, 0.372716794764, 0.334722689182, 0.299623064191],
    },
    Window {
        activation: "abs",
        arch: "3-512x3",
        weights: "lecun-normal",
        bias: "normal:0.7071067811865476",
        invariants: [2.0, 0.0, 1.0],
        window: [-2.0, 2.0],
        expected: &[0.521236409607, 0.464559054398, 0.423476961122],
    },
    Window {
        activation: "hard-tanh",
        arch: "1-512x4",
        weights: "he-normal",
        bias: "normal:0.3",
        invariants: [0.0, 0.0, 1.0],
        window: [-1.0, 1.0],
        expected: &[0.9782, 0.9584, 1.1707, 1.3888],
    },
];

#[test]
fn infinite_width_predictions_match_independent_values() {
    for window in &WINDOWS {
        let ensemble = window.ensemble();
        let path = ensemble.path.draw(0, 0, 1).expect("short");
        let predicted = infinite_width::crossings_per_unit(&ensemble.network, &path).expect("applies");
        let tolerance = if window.activation == "hard-tanh" { 1e-4 } else { 1e-11 };
        for (a, b) in predicted.iter().zip(window.expected) {
            assert!((a - b).abs() < tolerance, "{} {}: {predicted:?}", window.arch, window.activation);
        }
    }
}

/// One law through the general recursion with quadrature and through the closed form: a spline that is a ReLU but for a breakpoint
/// far away.
#[test]
fn quadrature_and_closed_form_agree() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("far.toml");
    let text = "breakpoints = [0.0, 1e9]\nslopes = [0.0, 1.0, 0.5]\nanchor = [0.0, 0.0]\n";
    std::fs::write(&file, text).expect("writable");
    let spline = format!("spline:{}", file.display());
    let path = Path::from_points(2, &[-3.0, 0.2, 5.0, 1.0, 5.0, -40.0]).expect("finite");
    let predict = |activation: &str| {
        let flags = [("arch", "2-8x4"), ("activation", activation), ("bias", "normal:0.4")];
        infinite_width::crossings_per_unit(&common::ensemble(&flags).network, &path).expect("applies")
    };
    for (general, closed) in predict(&spline).iter().zip(predict("relu")) {
        assert!((general - closed).abs() < 1e-9, "{general} {closed}");
    }
}

/// Breakpoints that are crossed far from where the line is nearest to the origin: one hard tanh unit w x without bias, w normal,
/// on [d, -3] to [d, 3] crosses when |w x| passes 1. The values per unit length are those of
/// an adaptive quadrature.
#[test]
fn quadrature_finds_far_breakpoints() {
    for (d, expected) in [(0.3, 0.246_705), (0.03, 0.2463), (0.01, 0.2463), (0.001, 0.2463)] {
        let path = Path::from_points(2, &[d, -3.0, d, 3.0]).expect("finite");
        let flags = [("arch", "2-1"), ("activation", "hard-tanh"), ("weights", "normal:1"), ("bias", "zero")];
        let predicted =
            infinite_width::crossings_per_unit(&common::ensemble(&flags).network, &path).expect("applies")[0] / 6.0;
        let digits = if d == 0.3 { 1e-6 } else { 1e-4 };
        assert!((predicted - expected).abs() < digits, "{d}: {predicted}");
    }
}

/// The infinite-width density of every layer, averaged over the path law of these flags.
fn averaged(changes: &[(&str, &str)]) -> Vec<f64> {
    infinite_width::density(&common::ensemble(changes)).expect("short").expect("applies")
}

/// The average over random segments in the plane, against a quadrature of the Cauchy law over the normal start; and that over paths of a law
/// with preferred directions, which is one over fixed paths.
#[test]
fn path_laws_are_averaged_evenly() {
    let density = averaged(&[("arch", "2-64")])[0];
    assert!((density / 11.379_012_62 - 1.0).abs() < 1e-8, "{density}");
    // Nothing depends on the seed, but above 16 random numbers a path hardly.
    for (arch, start, tolerance) in
        [("20-64", "normal:1", 0.0), ("2-64", "uniform:1", 0.0), ("20-64", "uniform:1", 0.01)]
    {
        let [a, b] = ["0", "5"].map(|seed| averaged(&[("arch", arch), ("start", start), ("seed", seed)])[0]);
        assert!((a / b - 1.0).abs() <= tolerance, "{arch} {start}: {a} {b}");
    }
    // One line through the origin: the angle at the root of bias variance / weight variance, on either side.
    let angle = (1.0f64 / 0.1).atan();
    let through = averaged(&[("arch", "2-64"), ("path", "through-origin")])[0];
    assert!((through - 64.0 * angle / PI).abs() < 1e-9, "{through}");
}

/// One layer without biases, exact at every width. A unit sees the ends of a chord as independent numbers, with opposite signs half of
/// the time, and a segment as a normal number that moves by length x cos(angle).
#[test]
fn averages_without_biases_are_closed_forms() {
    let averaged = |dim: usize, path: &str| {
        averaged(&[("arch", &format!("{dim}-64")), ("bias", "zero"), ("path", path), ("length", "3")])[0]
    };
    // E |p - q| is sqrt 2 times the mean of the root of a sum of squares: root of pi / 2, twice that of 2 / pi, 3/4 of that of 2 pi.
    for (dim, mean) in [(2, (PI / 2.0).sqrt()), (3, 2.0 * (2.0 / PI).sqrt()), (4, 0.75 * (2.0 * PI).sqrt())] {
        for path in ["chord", "polyline:3"] {
            let (density, expected) = (averaged(dim, path), 32.0 / (2f64.sqrt() * mean));
            assert!((density / expected - 1.0).abs() < 1e-6, "{dim} {path}: {density} {expected}");
        }
    }
    // The mean over the angle, with density sin(angle)^(dim - 2), by the rule of middles.
    let normal = |x: f64| 0.5 * libm::erfc(-x / 2f64.sqrt());
    for dim in [2, 4, 8] {
        let angles = (0..10_000).map(|ix| PI * (f64::from(ix) + 0.5) / 10_000.0);
        let weights = |angle: f64| angle.sin().powi(dim - 2);
        let crossed: f64 = angles.clone().map(|x| weights(x) * (normal(3.0 * x.cos().abs()) - 0.5)).sum();
        let expected = 64.0 / 3.0 * crossed / angles.map(weights).sum::<f64>();
        let density = averaged(dim as usize, "segment");
        assert!((density / expected - 1.0).abs() < 1e-6, "{dim}: {density} {expected}");
    }
}

/// The average of deep layers with any activation against one over random paths: 4,000 each.
#[test]
fn averages_of_deep_layers_are_those_of_random_paths() {
    for (arch, activation, path, bias) in [
        ("2-8x3", "hard-tanh", "segment", "normal:0.3"),
        ("3-8x2", "soft-threshold:0.4", "chord", "zero"),
        ("5-8x3", "maxout:3", "segment", "normal:0.1"),
        ("1-8x3", "relu", "polyline:3", "normal:0.5"),
        ("20-8x2", "leaky-relu:0.2", "segment", "normal:1"),
    ] {
        let flags = [("arch", arch), ("activation", activation), ("path", path), ("bias", bias)];
        let ensemble = common::ensemble(&flags);
        let paths: Vec<Path> = (0..4_000).map(|k| ensemble.path.draw(k, 0, 1).expect("short")).collect();
        let layers = ensemble.network.architecture().layers();
        let crossings: Vec<Vec<f64>> = paths
            .iter()
            .map(|path| infinite_width::crossings_per_unit(&ensemble.network, path).expect("applies"))
            .collect();
        let n = paths.len() as f64;
        let length = paths.iter().map(Path::length).sum::<f64>() / n;
        for (layer, density) in averaged(&flags).into_iter().enumerate() {
            let expected = density / layers[layer].groups() as f64;
            let residual = |(path, crossings): (&Path, &Vec<f64>)| crossings[layer] - expected * path.length();
            let residuals: Vec<f64> = paths.iter().zip(&crossings).map(residual).collect();
            let mean = residuals.iter().sum::<f64>() / n;
            let error = (residuals.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
            assert!(error < 0.02 * expected * length, "{flags:?}");
            assert!((mean / error).abs() < Z, "{flags:?}, layer {layer}: {mean} ± {error}");
        }
    }
}

/// Counts at width 512 against the infinite-width law. 150 networks, 100 where the input is large; the finite width itself
/// may take layer l / width of the value.
#[test]
fn wide_networks_have_the_infinite_width_density() {
    // The leaky window's own variances are those of width 10: at 512 the law is another, and so are the values.
    let leaky = Window { arch: "10-512x3", weights: "he-normal", expected: &[], ..WINDOWS[3] };
    for window in WINDOWS.iter().filter(|w| w.arch.contains("512")).chain([&leaky]) {
        let networks = if window.arch.starts_with("784") { 100 } else { 150 };
        let predicted =
            infinite_width::crossings_per_unit(&window.ensemble().network, &window.path()).expect("applies");
        let measured = crossings_per_unit(&window.ensemble(), networks);
        for (layer, ((mean, error), expected)) in measured.iter().zip(&predicted).enumerate() {
            let finite_width = (layer + 1) as f64 / 512.0 * expected;
            let place = format!("{} {} layer {}", window.arch, window.activation, layer + 1);
            assert!(
                (mean - expected).abs() < Z * error + finite_width,
                "{place}: {mean} ± {error}, expected {expected}"
            );
            assert!(*error < 0.025 * expected, "{place}: the test has no power");
        }
    }
}

/// h -> 2 max(h, 0) - 4 max(h - 1/2, 0) folds [0, 1] onto itself: L layers of two units have 2^L - 1 knots there, at the
/// multiples of 2^-L.
fn tents(depth: usize) -> Network {
    let first: (&[&[f64]], &[f64]) = (&[&[2.0], &[4.0]], &[0.0, -2.0]);
    let middle: (&[&[f64]], &[f64]) = (&[&[2.0, -2.0], &[4.0, -4.0]], &[0.0, -2.0]);
    let readout: (&[&[f64]], &[f64]) = (&[&[1.0, -1.0]], &[0.0]);
    let mut layers = vec![first];
    layers.extend(std::iter::repeat_n(middle, depth - 1));
    layers.push(readout);
    common::network("relu", &layers)
}

#[test]
fn tents_have_all_their_knots() {
    let path = common::line(&[0.0, 1.0]);
    for depth in 1..=20 {
        let network = tents(depth);
        let knots = (1 << depth) - 1;
        for precision in [Precision::F32, Precision::F64] {
            let counts = &engine(precision).count_given(&network, &[&path], Method::Exact).expect("finite")[0];
            assert_eq!(counts.boundaries, knots, "depth {depth} {precision:?}");
            assert_eq!(counts.crossings.iter().sum::<u64>(), knots, "depth {depth} {precision:?}");
        }
        if depth <= 14 {
            let trace = Trace::reference(&network, &path).expect("finite");
            assert_eq!((trace.boundaries.len() as u64, trace.n_knots() as u64), (knots, knots), "depth {depth}");
            let step = 0.5f64.powi(depth as i32);
            assert!(trace.boundaries.iter().enumerate().all(|(k, b)| b.position == (k + 1) as f64 * step));
        }
    }
}

/// Three units a layer reach the largest possible number of pieces on one input, 4^L (Serra, Tjandraatmadja and Ramalingam 2018).
#[test]
fn three_units_a_layer_make_four_to_the_depth_pieces() {
    let readout = [-12.0, 7.0, -10.0];
    let signs = [1.0, 1.0, -1.0];
    let thresholds = [-0.1, -0.6, 0.8];
    let next: Vec<Vec<f64>> = signs.iter().map(|s| readout.iter().map(|w| s * w).collect()).collect();
    let next: Vec<&[f64]> = next.iter().map(Vec::as_slice).collect();
    let next_bias: Vec<f64> = signs.iter().zip(thresholds).map(|(s, t)| s * 8.0 + t).collect();
    for depth in 1..=6 {
        let mut layers: Vec<(&[&[f64]], &[f64])> = vec![(&[&[1.0], &[1.0], &[-1.0]], &thresholds)];
        layers.extend(std::iter::repeat_n((next.as_slice(), next_bias.as_slice()), depth - 1));
        let last: (&[&[f64]], &[f64]) = (&[&readout], &[8.0]);
        layers.push(last);
        let network = common::network("relu", &layers);
        let trace = Trace::reference(&network, &common::line(&[0.0, 1.0])).expect("finite");
        assert_eq!(trace.n_knots() + 1, 4usize.pow(depth as u32), "depth {depth}");
    }
}
