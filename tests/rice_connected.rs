//! Expected crossings of convolutions, pools and skips against counts and closed forms.
//!
//! All methods have seeds of their own. Every difference is compared with its standard error, |z| < 4.9: the false-alarm rate of one
//! comparison is 1e-6, that of the some 220 comparisons of the table below is 2.2e-4. All is deterministic.

mod common;

use std::f64::consts::PI;

use common::connections::{Connection, connections};
use common::estimates::{EXPECTING, Z, run, z};
use linregions::engine::cpu::CpuEngine;
use linregions::engine::{Engine, Estimator, PathCounts, Precision};
use linregions::experiment::{Estimate, Plan};
use linregions::stats::{Density, Quantity};
use linregions::theory::infinite_width;

/// Architecture, activation, weights, bias, and further flags.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const TABLE: [Case; 44] = [
    // Convolutions, average pools.
    ("1x12-c4k3-c4k3s2-5", "relu", "he-normal", "normal:0.3", &[]),
    ("2x6x5-c4k3x2s2x1p1-c3k2", "relu", "he-normal", "normal:0.3", &[]),
    ("4x5x5-c4k3p1g2-c6k2g2-4", "leaky-relu:0.2", "lecun-normal", "normal:0.4", &[]),
    ("1x7x6-c3k3p1-avg2-c4k2-3", "relu", "he-normal", "normal:0.3", &[]),
    ("2x9-avg3s2p1-c4k3-avg", "abs", "lecun-normal", "normal:0.3", &[]),
    ("3x4x4-c4k2p0:1x1:0-c3k3p2-avg", "hard-tanh", "he-normal", "normal:0.3", &[]),
    ("2x7-c4k3p1-c8k3s2g2-4", "crelu", "he-normal", "normal:0.3", &[]),
    ("2x10-c8k5p2-c8k1-c3k10", "soft-threshold:0.4", "glorot-normal", "normal:0.3", &[("path", "polyline:4")]),
    ("2x5x5-c8k3-8", "abs", "he-normal", "zero", &[("path", "chord")]),
    ("1x8-c4k3p1-c4k3p1-c4k3p1", "relu6", "normal:0.8", "normal:0.5", &[("length", "30")]),
    // Skips: through maps, unrolled thresholding of the input, as they are, in blocks.
    ("5-7-6+-5+x2", "relu", "he-normal", "normal:0.2", &[]),
    ("8-12-12+x4", "soft-threshold:0.3", "lecun-normal", "zero", &[]),
    ("3-6-6~1-6~2-6~1~3", "relu", "lecun-normal", "normal:0.3", &[]),
    ("3-6-6~1-6~2-6~1~3", "hard-tanh", "he-normal", "normal:0.2", &[("path", "chord")]),
    ("3-[8-3]x3", "leaky-relu:0.1", "lecun-normal", "normal:0.3", &[]),
    ("4-6-[6-6]x2-[9-5]", "relu", "he-normal", "normal:0.2", &[]),
    ("2x5x5-c4k3p1-[c4k3p1-c4k3p1]-[c6k3s2p1-c6k3p1]-avg-4", "relu", "he-normal", "normal:0.2", &[]),
    ("1x8-c4k3p1-c4k3p1+-c4k3p1+1~2", "abs", "lecun-normal", "normal:0.4", &[]),
    ("6-6-12~1-8", "crelu", "lecun-normal", "normal:0.3", &[]),
    // Groups.
    ("4-6-6~1-[6-6]", "max-min", "lecun-normal", "normal:0.3", &[]),
    ("5-6-6~1-6+", "group-sort:3", "lecun-normal", "normal:0.3", &[]),
    ("3-6-5+1-5+", "maxout:3", "lecun-normal", "normal:0.3", &[]),
    ("2x7-c4k3p1-c3k3s2-4", "maxout:2", "he-normal", "normal:0.3", &[]),
    ("2x5x5-c4k3p1g2-avg2s1-c4k2-6", "max-min", "lecun-normal", "normal:0.3", &[]),
    ("1x8-c6k3p1-[c6k3p1-c6k3p1]-6", "group-sort:3", "lecun-normal", "normal:0.3", &[]),
    ("1x8-c3k3p1-c3k3p1+-4", "maxout:3", "lecun-normal", "normal:0.3", &[]),
    ("1x6-c6k3-c3k3p1~1-5", "maxout:2", "lecun-normal", "normal:0.3", &[]),
    // Max-pools: of values that several pre-activations may share, with edges, overlapping, of groups and of maps added.
    ("1x10-c4k3-max2-c3k2-5", "relu", "he-normal", "normal:0.3", &[]),
    ("2x6x6-c6k3p1g2-max2-c4k2-4", "relu", "he-normal", "normal:0.2", &[("path", "chord")]),
    ("1x9x7-c3k3x2s2p1-max3x2p1x0-5", "leaky-relu:0.2", "lecun-normal", "normal:0.3", &[]),
    ("2x8-c5k3p1-max3s1p1-c4k3p1-avg", "relu", "he-normal", "normal:0.3", &[]),
    ("1x8-c4k2-max3s2-c3k3", "abs", "lecun-normal", "normal:0.4", &[]),
    ("2x6x6-c4k3-max2-6", "hard-tanh", "he-normal", "normal:0.5", &[("length", "6")]),
    ("1x12-c4k3p1-c4k3p1+1-max4-c3k2-max2", "soft-threshold:0.4", "he-normal", "normal:0.3", &[]),
    ("1x6x6-c3k3-max4", "relu6", "normal:0.8", "normal:0.5", &[("length", "20")]),
    ("1x6x6-c3k3-max2-5", "relu", "lecun-normal", "normal:1.5", &[]),
    ("1x9-c4k3-max4s3", "spline", "he-normal", "normal:0.5", &[("length", "6")]),
    ("1x6-c6k4-max3-5", "relu", "he-normal", "normal:0.3", &[("path", "file")]),
    // Weights and biases without closed-form rates given the inputs.
    ("1x9-c4k3p1-c3k3s2", "relu", "torch", "torch", &[]),
    ("2x5x5-c3k3p1-[c3k3p1-c3k3p1]-avg2s1-4", "relu", "he-uniform", "normal:0.3", &[]),
    ("6-[8-6]x2", "abs", "orthogonal", "uniform:0.5", &[]),
    ("2x10-c4k3g2-avg2-c4k2+-3", "hard-tanh", "laplace:0.4", "uniform:0.4", &[]),
    ("8-12-12+x3", "soft-threshold:0.3", "he-normal", "uniform:0.2", &[]),
    // Images of which windows are alike, so that filters cross at several positions at once.
    ("1x6-c3k2-c4k2", "relu", "he-normal", "normal:0.3", &[("path", "file")]),
];

fn density(result: &Estimate, quantity: Quantity) -> Density {
    result.moments.density(quantity).expect("paths have a length")
}

#[test]
fn expected_and_counted_densities_agree() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("paths.csv");
    let rows = "path,x0,x1,x2,x3,x4,x5\na,0,0,0,-1,-1,-1\na,1,1,1,0,0,2\nb,1,2,1,2,1,2\nb,-1,0,-1,0,-1,0\n";
    std::fs::write(&file, rows).expect("writable");
    let file = format!("file:{}", file.display());
    // Constant at 0, up to 1.5, and down through 0, which is no breakpoint there.
    let spline = directory.path().join("spline.toml");
    let text = "breakpoints = [-1.0, 0.5]\nslopes = [0.0, 1.0, -2.0]\nanchor = [-1.0, 0.0]\n";
    std::fs::write(&spline, text).expect("writable");
    let spline = format!("spline:{}", spline.display());
    let mut compared = 0;
    for (arch, activation, weights, bias, more) in TABLE {
        let mut changes = vec![
            ("arch", arch),
            ("activation", if activation == "spline" { &spline } else { activation }),
            ("weights", weights),
            ("bias", bias),
            ("target-error", "0.4%"),
        ];
        changes.extend(
            more.iter().map(|&(flag, value)| if value == "file" { (flag, file.as_str()) } else { (flag, value) }),
        );
        let (_, exact) = run(&changes, "exact", "1");
        for (method, seed) in EXPECTING {
            // Layers that are not dense, weights that are not normal.
            if method == "rice-features" && (arch.contains('c') || !weights.contains("normal")) {
                continue;
            }
            let (plan, rice) = run(&changes, method, seed);
            let depth = plan.ensemble.network.architecture().depth();
            let quantities =
                [Quantity::Crossings, Quantity::Boundaries].into_iter().chain((0..depth).map(Quantity::LayerCrossings));
            let mut is_powerful = false;
            for quantity in quantities.filter(|&quantity| plan.knows(quantity)) {
                let (counted, expected) = (density(&exact, quantity), density(&rice, quantity));
                if counted.mean == 0.0 {
                    assert_eq!(expected.mean, 0.0, "{arch}: a pool");
                    continue;
                }
                let precise = |d: &Density| d.relative_error().is_some_and(|error| error <= 0.005);
                is_powerful |= precise(&counted) && precise(&expected);
                let z = z(&expected, &counted);
                assert!(z.abs() < Z, "{arch} {activation} {weights} {bias} {more:?} {method} {quantity:?}: {z}");
                compared += 1;
            }
            assert!(is_powerful, "{arch}");
        }
    }
    assert!(compared > 140, "{compared}");
}

/// The comparison sees a mean and a map that are left out.
#[test]
fn slightly_different_shapes_do_not_agree() {
    for (arch, other) in [
        ("3-6-6~1-6~2-6~3", "3-6-6-6-6"),
        ("3-6-6+", "3-6-6"),
        ("2x6-c3k3p1-c3k3p1~1-c3k3p1~2", "2x6-c3k3p1-c3k3p1-c3k3p1"),
    ] {
        let (_, rice) = run(&[("arch", other), ("activation", "hard-tanh"), ("target-error", "0.4%")], "rice", "2");
        let (_, exact) = run(&[("arch", arch), ("activation", "hard-tanh"), ("target-error", "0.4%")], "exact", "1");
        let z = z(&density(&rice, Quantity::Crossings), &density(&exact, Quantity::Crossings));
        assert!(z.abs() > Z, "{arch} {other}: {z}");
    }
}

/// Windows that are alike cross together: boundaries are fewer than expected crossings, and are left out.
#[test]
fn windows_that_are_alike_leave_boundaries_open() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("paths.csv");
    std::fs::write(&file, "path,x0,x1,x2,x3\na,0,0,0,0\na,1,1,1,2\n").expect("writable");
    let file = format!("file:{}", file.display());
    let given = [("arch", "1x4-c4k2-5"), ("path", file.as_str()), ("target-error", "1%")];
    let (plan, rice) = run(&given, "rice", "2");
    assert!(!plan.knows(Quantity::Boundaries) && plan.headline() == Quantity::Crossings);
    let (_, exact) = run(&given, "exact", "1");
    let crossings = density(&exact, Quantity::Crossings);
    assert!(z(&density(&rice, Quantity::Crossings), &crossings).abs() < Z);
    assert!(z(&crossings, &density(&exact, Quantity::Boundaries)) > Z);
    for (arch, knows) in [
        ("1x4-c4k2-5", true),
        ("1x2-avg3s1p1-c4k1-5", false),
        ("1x4-avg3s1p1-c4k1-5", true),
        ("1x8-c4k3p1-max2-5", true),
        ("1x8-c4k3p1-max3s2-5", false),
        ("1x8-c4k3p1-max8s2-5", true),
    ] {
        let plan = common::plan(&[("arch", arch), ("method", "rice")]);
        assert_eq!(plan.knows(Quantity::Boundaries), knows, "{arch}");
    }
}

fn expect(engine: &dyn Engine, plan: &Plan, points: usize, networks: u64) -> Vec<(f64, Vec<f64>)> {
    let counts: Vec<PathCounts> = engine.expect(&plan.ensemble, points, 0..networks, &common::GO_ON).expect("finite");
    let unit = Estimator::Rice { points }.unit(&plan.ensemble);
    counts.iter().map(|c| (c.length, c.crossings.iter().map(|&x| x as f64 * unit).collect())).collect()
}

/// One convolutional layer of rectified linear units: on a chord, the sum over filters and windows of arccos(rho) / pi, with rho the
/// correlation of the pre-activations at its ends. The mean over 20,000 points on one path is within 4.9 standard errors, which are
/// below 0.5 % (seed 0, false-alarm rate 1e-6 each).
#[test]
fn one_convolutional_layer_has_its_closed_form() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("paths.csv");
    let law = format!("file:{}", file.display());
    let engine = CpuEngine::new(None, Precision::F32).expect("threads");
    for (shape, bias, std) in
        [("2x4x3-c3k3x2s1p1", "normal:0.3", 0.3f64), ("1x11-c5k4s3", "normal:0.1", 0.1), ("4x4x4-c4k3g2", "zero", 0.0)]
    {
        let ends = |dim: usize| {
            [3usize, 5].map(|salt| (0..dim).map(|i| ((i * salt * 7 + salt) % 11) as f64 - 4.5).collect::<Vec<_>>())
        };
        let dim = common::ensemble(&[("arch", shape)]).network.architecture().input_dim();
        let ends = ends(dim);
        let row = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        let names: Vec<String> = (0..dim).map(|i| format!("x{i}")).collect();
        let text = format!("path,{}\na,{}\na,{}\n", names.join(","), row(&ends[0]), row(&ends[1]));
        std::fs::write(&file, text).expect("writable");
        let flags =
            [("arch", shape), ("bias", bias), ("path", &law), ("method", "rice"), ("paths-per-network", "20000")];
        let plan = common::plan(&flags);
        let values: Vec<f64> = expect(&engine, &plan, 1, 1).iter().map(|(_, crossings)| crossings[0]).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let error = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
        // Windows do not depend on the draw.
        let network = plan.ensemble.network.draw(0);
        let variance = plan.ensemble.network.weights().variance(network.architecture().layers()[0].affine);
        let angle = |(list, _): &(Vec<Connection>, f64)| {
            let [q, s, r] = [(0, 0), (1, 1), (0, 1)].map(|(a, b)| {
                let products = list.iter().map(|c| ends[a][c.place] * ends[b][c.place]);
                variance * products.sum::<f64>() + std * std
            });
            (r / (q * s).sqrt()).clamp(-1.0, 1.0).acos() / PI
        };
        let exact: f64 = connections(&network, 0).iter().map(angle).sum();
        let place = format!("{shape} {bias}: {mean} ± {error}, exactly {exact}");
        assert!((mean - exact).abs() < Z * error && error < 0.005 * exact, "{place}");
    }
}

/// A max-pool of two positions, without other breakpoints: on a line from x to y, pre-activations of a filter change places with
/// probability arccos(rho) / pi, with rho the correlation of their differences at its ends. The mean over 40,000 networks is within 4.9
/// standard errors, which are below 0.5 % (seed 0, false-alarm rate 1e-6).
#[test]
fn max_pools_of_two_positions_have_their_closed_form() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("paths.csv");
    let law = format!("file:{}", file.display());
    let (x, y) = ([1.0, -0.5, 2.0, 0.25, 0.5, -1.0], [-1.0, 1.5, 0.75, -2.0, 1.0, 0.5]);
    let row = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
    std::fs::write(
        &file,
        format!(
            "path,x0,x1,x2,x3,x4,x5
a,{}
a,{}
",
            row(&x),
            row(&y)
        ),
    )
    .expect("writable");
    let flags = [
        ("arch", "1x6-c5k3-max2"),
        ("activation", "identity"),
        ("bias", "normal:0.3"),
        ("path", &law),
        ("method", "rice"),
    ];
    let plan = common::plan(&flags);
    let engine = CpuEngine::new(None, Precision::F32).expect("threads");
    let values: Vec<f64> = expect(&engine, &plan, 1, 40_000).iter().map(|(_, crossings)| crossings[1]).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let error = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
    let of_window = |first: usize| {
        let difference = |x: &[f64; 6]| [0, 1, 2].map(|k| x[first + k + 1] - x[first + k]);
        let (a, b) = (difference(&x), difference(&y));
        let product = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        (product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()).acos() / PI
    };
    let exact = 5.0 * (of_window(0) + of_window(2));
    let place = format!("{mean} ± {error}, exactly {exact}");
    assert!((mean - exact).abs() < Z * error && error < 0.005 * exact, "{place}");
}

/// Bits do not depend on threads, and numbers hardly on precision.
#[test]
fn threads_and_precision_do_not_matter() {
    for (arch, weights) in [
        ("2x5x5-c4k3p1-[c4k3p1-c4k3p1]-[c6k3s2p1-c6k3p1]-avg-4", "he-normal"),
        ("2x9-c4k3p1g2-avg2-c4k2+", "he-normal"),
        ("2x9-c4k3p1g2-avg2-c4k2+-[4-4]", "laplace:0.3"),
        ("2x9-c4k3p1g2-max2-c4k2-4", "he-normal"),
    ] {
        let flags = [("arch", arch), ("weights", weights), ("bias", "normal:0.3"), ("paths-per-network", "70")];
        let plan = common::plan(&[&flags[..], &[("method", "rice")]].concat());
        let engine = |threads, precision| CpuEngine::new(Some(threads), precision).expect("threads");
        let one = expect(&engine(1, Precision::F32), &plan, 3, 10);
        assert_eq!(one, expect(&engine(5, Precision::F32), &plan, 3, 10));
        let double = expect(&engine(2, Precision::F64), &plan, 3, 10);
        // A point within rounding of a kink can be on its other side: at most one path in 100.
        let differs = |a: &[f64], b: &[f64]| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-4 * b.abs().max(1e-3));
        let different = one.iter().zip(&double).filter(|(a, b)| differs(&a.1, &b.1)).count();
        assert!(one.len() == 700 && different <= 7, "{arch}: {different}");
    }
}

#[test]
fn what_has_no_rates_is_refused_with_its_reason() {
    for (arch, activation, bias, message) in [
        (
            "1x8-max2-c4k3-3",
            "relu",
            "normal:0.1",
            "hidden layer 1: compares values that are not those of the convolution",
        ),
        ("1x8-c4k3-avg2-max2", "relu", "normal:0.1", "hidden layer 3: compares values"),
        ("1x8-c4k3p1-c4k3p1~1-max2", "relu", "normal:0.1", "hidden layer 3: compares values"),
        ("1x9-c4k1-max2", "relu", "normal:0.1", "hidden layer 2: compares multiples of single numbers"),
        ("1x8-c4k3-max2", "max-min", "normal:0.1", "hidden layer 2: compares values"),
        ("1x8x8-c4k3-max2-3", "relu", "zero", "a window of the max-pooling in hidden layer 2 falls silent"),
        ("1x8x8-c4k3-max2-3", "relu", "uniform:0.1", "independent normal weights and normal or zero biases"),
        ("3-18-6~1", "maxout:3", "normal:0.1", "hidden layer 2: maxout units of rank 3"),
        ("1x9-c4k1-5", "relu", "zero", "hidden layer 1 see one number of the input"),
        ("1x9-c4k2p1-5", "relu", "zero", "hidden layer 1 see one number of the input"),
        ("1x9-avg-5", "abs", "zero", "hidden layer 2 see one number of the input"),
        ("4-4-4~1", "relu", "zero", "layers that add outputs as they are"),
        ("1x9-c3k3-c3k3-8", "relu", "normal:1e-9", "fall silent"),
        ("1x9-c3k3-max2-c3k3-8", "relu", "normal:1e-9", "fall silent"),
        ("1x9-c3k3-avg2-c3k3-8", "relu", "normal:1e-9", "fall silent"),
    ] {
        let flags = [("arch", arch), ("activation", activation), ("bias", bias), ("method", "rice")];
        let error = Plan::from_flags(&common::flags(&flags)).expect_err(arch).to_string();
        assert!(error.starts_with("--method rice") && error.contains(message), "{error}");
    }
    for (arch, bias) in [
        ("1x8x8-c4k3-max1-3", "normal:0.1"),
        ("1x8x8-c4k3p1-c4k3p1+-max2-3", "normal:0.1"),
        ("2x9-c4k1-max2", "normal:0.1"),
        ("2x9-c4k1-5", "zero"),
        ("1x9-avg-5+", "zero"),
        ("1x9-c24k3-c24k3-8", "normal:1e-9"),
        ("1x9-c24k3-max2-c24k3-8", "normal:1e-9"),
        ("1x9-c24k3-avg2-c24k3-8", "normal:1e-9"),
        ("4-4-4+x3", "normal:1e-9"),
    ] {
        common::plan(&[("arch", arch), ("bias", bias), ("method", "rice")]);
    }
}

/// Layers of 256 channels against the limit of many: on one path, differences of every layer are within 4.9 standard errors (false-alarm rate
/// 1e-6 each) and what the finite width may take, layer l / 256 of the value.
#[test]
fn many_channels_have_the_infinite_width_density() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("paths.csv");
    let law = format!("file:{}", file.display());
    for (arch, activation) in [
        ("1x6-c256k3p1-c256k3s2-256", "relu"),
        ("2x3x4-c256k2x3p1x0-c256k2g2-256", "hard-tanh"),
        ("1x5-c256k3p1-c256k3p1+-256+", "soft-threshold:0.3"),
        ("6-256-256+-256+1", "relu6"),
        ("1x6-c256k3p1-c256k3-256", "max-min"),
        ("1x6-c256k3p1-c256k3-256", "maxout:3"),
    ] {
        let dim = common::ensemble(&[("arch", arch)]).network.architecture().input_dim();
        let row = |salt: usize| (0..dim).map(move |i| (((i * 5 + 3) * salt % 17) as f64 / 8.0 - 1.0).to_string());
        let names: Vec<String> = (0..dim).map(|i| format!("x{i}")).collect();
        let [start, end] = [3, 7].map(|salt| row(salt).collect::<Vec<_>>().join(","));
        std::fs::write(&file, format!("path,{}\na,{start}\na,{end}\n", names.join(","))).expect("writable");
        let flags = [
            ("arch", arch),
            ("activation", activation),
            ("weights", "lecun-normal"),
            ("bias", "normal:0.3"),
            ("path", law.as_str()),
            ("target-error", "0.3%"),
        ];
        let (plan, rice) = run(&flags, "rice", "2");
        let limit = infinite_width::density(&plan.ensemble).expect("short").expect("applies");
        for (layer, expected) in limit.into_iter().enumerate() {
            let Density { mean, std_error, .. } = density(&rice, Quantity::LayerCrossings(layer));
            let error = std_error.expect("many networks");
            let finite_width = (layer + 1) as f64 / 256.0 * expected;
            let place = format!("{arch} {activation} layer {}: {mean} ± {error}, in the limit {expected}", layer + 1);
            assert!((mean - expected).abs() < Z * error + finite_width, "{place}");
            assert!(error < 0.01 * expected, "{place}");
        }
    }
}
