//! Expected crossings against counts and closed forms.
//!
//! All methods have seeds of their own. Every difference is compared with its standard error, |z| < 4.9: the false-alarm rate of
//! one comparison is 1e-6, that of the some 340 comparisons of the table below is 3.4e-4. All is deterministic.

mod common;

use std::f64::consts::PI;
use std::fmt::Write as _;

use common::estimates::{EXPECTING, Z, run, z};
use linregions::engine::cpu::CpuEngine;
use linregions::engine::{Engine, Estimator, Precision};
use linregions::error::ErrorKind;
use linregions::experiment::{Estimate, Plan, allocate};
use linregions::stats::{Density, Quantity};
use linregions::theory::infinite_width;

/// Architecture, activation, weights, bias, and further flags.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const TABLE: [Case; 43] = [
    // Depths and widths.
    ("2-64x3", "relu", "he-normal", "normal:0.1", &[]),
    ("2-64", "relu", "he-normal", "normal:0.1", &[]),
    ("2-2x2", "relu", "he-normal", "normal:0.5", &[]),
    ("3-3x5", "leaky-relu:0.2", "he-normal", "normal:0.5", &[]),
    ("4-16x10", "relu", "he-normal", "normal:0.3", &[]),
    ("6-16x20", "relu", "he-normal", "normal:0.2", &[]),
    ("10-128x3", "relu", "he-normal", "normal:0.1", &[]),
    ("40-512x2", "relu", "he-normal", "normal:0.1", &[]),
    ("20-30-10-50-2-9", "abs", "lecun-normal", "normal:0.3", &[]),
    ("100-40x3", "relu", "he-normal", "normal:0.1", &[("path", "chord")]),
    // Activations.
    ("4-16x5", "abs", "lecun-normal", "normal:0.5", &[]),
    ("3-24x3", "hard-tanh", "he-normal", "normal:0.3", &[]),
    ("3-24x3", "relu6", "normal:1.5", "normal:1", &[("start", "normal:2")]),
    ("3-24x4", "soft-threshold:0.5", "he-normal", "normal:0.3", &[]),
    ("5-20x3", "spline", "glorot-normal", "normal:0.4", &[]),
    ("2-31x2", "hard-tanh", "glorot-normal", "normal:0.1", &[("length", "40")]),
    // Groups.
    ("2-6x3", "crelu", "he-normal", "normal:0.3", &[]),
    ("3-8x3", "crelu", "torch", "torch", &[]),
    ("2-5x3", "maxout:2", "he-normal", "normal:0.3", &[]),
    ("4-12x4", "maxout:3", "lecun-normal", "normal:0.3", &[]),
    ("3-20x2", "maxout:7", "normal:0.2", "normal:0.5", &[]),
    ("3-16x3", "max-min", "lecun-normal", "normal:0.3", &[]),
    ("5-20x3", "group-sort:5", "lecun-normal", "normal:0.5", &[]),
    ("3-9x3", "maxout:3", "lecun-normal", "zero", &[("path", "chord")]),
    // Weights and biases without closed-form rates given the inputs.
    ("4-32x3", "relu", "he-uniform", "normal:0.3", &[]),
    ("3-40x3", "relu", "torch", "torch", &[]),
    ("4-32x3", "leaky-relu:0.1", "glorot-uniform", "uniform:0.5", &[]),
    ("4-32x2", "relu", "laplace:0.3", "normal:0.2", &[]),
    ("4-24x2", "hard-tanh", "student-t:5:0.3", "uniform:0.3", &[]),
    ("5-17x4", "relu", "orthogonal", "normal:0.2", &[]),
    ("16-20-12", "abs", "orthogonal", "uniform:0.5", &[]),
    ("3-32x3", "relu", "he-normal", "uniform:0.3", &[]),
    ("3-16x3", "abs", "lecun-normal", "uniform:3", &[]),
    ("6-24x2", "relu", "uniform:0.5", "torch", &[("path", "polyline:4")]),
    // Biases that are zero, without layers that fall silent.
    ("3-33x3", "relu", "he-normal", "zero", &[("path", "chord")]),
    ("4-5x6", "leaky-relu:0.3", "lecun-normal", "zero", &[("path", "polyline:4")]),
    ("3-20x3", "soft-threshold:0.5", "he-normal", "zero", &[]),
    // Paths.
    ("3-32x3", "relu", "he-normal", "normal:0.2", &[("path", "through-origin"), ("length", "3")]),
    ("3-32x3", "relu", "he-normal", "normal:0.2", &[("path", "polyline:6"), ("start", "uniform:1")]),
    ("3-32x3", "relu", "he-normal", "normal:0.2", &[("start", "origin"), ("length", "5")]),
    ("2-16x2", "relu", "he-normal", "normal:0.1", &[("length", "300")]),
    ("2-32x2", "relu", "he-normal", "normal:0.5", &[("path", "file")]),
    ("3-32x2", "relu", "he-normal", "normal:0.5", &[("path", "data")]),
];

#[test]
fn expected_and_counted_densities_agree() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path.display().to_string()
    };
    let spline = "breakpoints = [-0.8, 0.1, 1.2]\nslopes = [0.3, -0.7, 1.1, 0.0]\nanchor = [0.0, 0.4]\n";
    let spline = format!("spline:{}", file("zigzag.toml", spline));
    let paths = "path,x0,x1\na,-2,0.3\na,2,0.1\nb,1,1\nb,1,-2\nb,0.2,0.1\n";
    let paths = format!("file:{}", file("paths.csv", paths));
    let mut rows = "x,y,z\n".to_owned();
    (0..40).for_each(|i| writeln!(rows, "{},{},{}", i % 7 - 3, i % 5 - 2, i % 3).expect("memory"));
    let data = format!("data:{}", file("rows.csv", &rows));

    let mut compared = 0;
    for (arch, activation, weights, bias, more) in TABLE {
        let activation = if activation == "spline" { &spline } else { activation };
        let mut changes = vec![
            ("arch", arch),
            ("activation", activation),
            ("weights", weights),
            ("bias", bias),
            ("target-error", "0.3%"),
        ];
        changes.extend(more.iter().map(|&(flag, value)| match (flag, value) {
            ("path", "file") => (flag, paths.as_str()),
            ("path", "data") => (flag, data.as_str()),
            other => other,
        }));
        let (_, exact) = run(&changes, "exact", "1");
        for (method, seed) in EXPECTING {
            // Weights that are not normal.
            if method == "rice-features" && !weights.contains("normal") {
                continue;
            }
            let (plan, rice) = run(&changes, method, seed);
            let depth = plan.ensemble.network.architecture().depth();
            let quantities =
                [Quantity::Crossings, Quantity::Boundaries].into_iter().chain((0..depth).map(Quantity::LayerCrossings));
            for quantity in quantities {
                let density = |result: &Estimate| result.moments.density(quantity).expect("paths have a length");
                let (counted, expected) = (density(&exact), density(&rice));
                if quantity == Quantity::Boundaries {
                    let precise = |d: &Density| d.relative_error().is_some_and(|error| error <= 0.003);
                    assert!(precise(&counted) && precise(&expected), "{arch} {activation}: no power");
                }
                let z = z(&expected, &counted);
                assert!(z.abs() < Z, "{arch} {activation} {weights} {bias} {more:?} {method} {quantity:?}: {z}");
                compared += 1;
            }
        }
    }
    assert!(compared > 300, "{compared}");
}

/// The comparison sees a bias that is 10 % off.
#[test]
fn a_slightly_different_law_does_not_agree() {
    let law = |bias| [("arch", "4-16x3"), ("bias", bias), ("target-error", "0.3%")];
    let density = |(_, result): (Plan, Estimate)| result.moments.density(Quantity::Boundaries).expect("defined");
    let counted = density(run(&law("normal:0.5"), "exact", "1"));
    for (method, seed) in EXPECTING {
        let expected = density(run(&law("normal:0.55"), method, seed));
        assert!(z(&expected, &counted).abs() > Z, "{method}: {counted:?} {expected:?}");
    }
}

/// Expected crossings of every layer on every path, in true units.
fn expect(engine: &dyn Engine, changes: &[(&str, &str)], points: usize, networks: u64) -> Vec<(f64, Vec<f64>)> {
    let plan = common::plan(&[changes, &[("method", "rice")]].concat());
    let counts = engine.expect(&plan.ensemble, points, 0..networks, &common::GO_ON).expect("finite");
    let unit = Estimator::Rice { points }.unit(&plan.ensemble);
    counts.iter().map(|c| (c.length, c.crossings.iter().map(|&x| x as f64 * unit).collect())).collect()
}

/// One hidden layer of ReLU: on a chord, n arccos(rho) / pi crossings, rho the correlation of a unit's pre-activations at its
/// ends. Points lie where crossings do, so one is enough for the exact value of every single path.
#[test]
fn one_layer_has_its_closed_form_on_every_path() {
    for (precision, tolerance) in [(Precision::F32, 2e-6), (Precision::F64, 1e-8)] {
        let engine = CpuEngine::new(Some(2), precision).expect("threads");
        for (bias, std) in [("normal:0.3", 0.3f64), ("zero", 0.0)] {
            let flags = [("arch", "5-37"), ("path", "chord"), ("bias", bias), ("paths-per-network", "20")];
            let plan = common::plan(&flags);
            for (ix, (length, crossings)) in expect(&engine, &flags, 1, 10).iter().enumerate() {
                // The first path of a network is that of the law.
                let ix = ix as u64;
                if !ix.is_multiple_of(20) {
                    continue;
                }
                let path = plan.ensemble.path.draw(ix / 20, 0, 20).expect("finite");
                assert_eq!(path.length(), *length);
                let product = |a: usize, b: usize| {
                    let dot: f64 = path.vertex(a).iter().zip(path.vertex(b)).map(|(x, y)| x * y).sum();
                    0.4 * dot + std * std
                };
                let rho = product(0, 1) / (product(0, 0) * product(1, 1)).sqrt();
                let exact = 37.0 * rho.acos() / PI;
                assert!((crossings[0] / exact - 1.0).abs() < tolerance, "{bias} path {ix}: {crossings:?} {exact}");
            }
        }
    }
}

/// One hidden layer with other breakpoints: the infinite-width law holds at every width. 20,000 points on every path: within 4.9
/// standard errors (each false-alarm rate 1e-6), which are below 0.2 %.
#[test]
fn one_layer_with_other_breakpoints_has_its_closed_form() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("paths.csv");
    let file_law = format!("file:{}", file.display());
    for (activation, bias) in [("hard-tanh", "normal:0.3"), ("relu6", "normal:1"), ("soft-threshold:0.5", "zero")] {
        for points in ["-2,1,0.5,1", "0.1,0.1,3,-0.2", "5,0,-40,3"] {
            let [x0, y0, x1, y1]: [&str; 4] = points.split(',').collect::<Vec<_>>().try_into().expect("two points");
            std::fs::write(&file, format!("path,x0,x1\na,{x0},{y0}\na,{x1},{y1}\n")).expect("writable");
            let flags = [
                ("arch", "2-7"),
                ("activation", activation),
                ("bias", bias),
                ("path", &file_law),
                ("paths-per-network", "20000"),
            ];
            let engine = CpuEngine::new(None, Precision::F32).expect("threads");
            let values: Vec<f64> = expect(&engine, &flags, 1, 1).iter().map(|(_, crossings)| crossings[0]).collect();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let error = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
            let ensemble = common::ensemble(&flags);
            let path = ensemble.path.draw(0, 0, 1).expect("given");
            let exact = 7.0 * infinite_width::crossings_per_unit(&ensemble.network, &path).expect("applies")[0];
            let place = format!("{activation} {bias} {points}: {mean} ± {error}, exactly {exact}");
            assert!((mean - exact).abs() < Z * error && error < 0.01 * exact, "{place}");
        }
    }
}

/// Bits do not depend on threads, and numbers hardly on precision.
#[test]
fn threads_and_precision_do_not_matter() {
    for flags in [
        [("arch", "3-17x3"), ("activation", "hard-tanh"), ("weights", "he-normal"), ("bias", "normal:0.2")],
        [("arch", "3-17x3"), ("activation", "relu"), ("weights", "laplace:0.4"), ("bias", "normal:0.2")],
        [("arch", "2-300"), ("activation", "abs"), ("weights", "he-normal"), ("bias", "normal:0.1")],
        [("arch", "3-1x2"), ("activation", "leaky-relu:0.5"), ("weights", "he-normal"), ("bias", "normal:0.5")],
    ] {
        let changes = [&flags[..], &[("paths-per-network", "90")]].concat();
        let engine = |threads, precision| CpuEngine::new(Some(threads), precision).expect("threads");
        let one = expect(&engine(1, Precision::F32), &changes, 3, 20);
        assert_eq!(one, expect(&engine(5, Precision::F32), &changes, 3, 20));
        let double = expect(&engine(2, Precision::F64), &changes, 3, 20);
        // A point within rounding of a kink can be on its other side: at most one path in 200.
        let differs = |a: &[f64], b: &[f64]| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-4 * b.abs().max(1e-3));
        let different = one.iter().zip(&double).filter(|(a, b)| differs(&a.1, &b.1)).count();
        assert!(one.len() == 1800 && different <= 9, "{flags:?}: {different}");
    }
}

#[test]
fn layers_without_breakpoints_cross_nothing() {
    let engine = CpuEngine::new(Some(1), Precision::F32).expect("a thread");
    let all = expect(&engine, &[("arch", "3-8x2"), ("activation", "identity")], 2, 5);
    assert!(all.iter().all(|(length, crossings)| (length - 2.0).abs() < 1e-9 && crossings == &[0.0, 0.0]));
    let still = expect(&engine, &[("arch", "3-8x2"), ("length", "0")], 2, 5);
    assert!(still.iter().all(|(length, crossings)| *length == 0.0 && crossings == &[0.0, 0.0]));
}

#[test]
fn what_has_no_rates_is_refused_with_its_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("origin.csv");
    std::fs::write(&file, "path,x0,x1\na,-1,-1\na,2,2\n").expect("writable");
    let through = format!("file:{}", file.display());
    for (changes, message) in [
        (vec![("weights", "laplace:0.2")], "--weights laplace:0.2 has no closed-form crossing rate"),
        (vec![("weights", "orthogonal")], "--weights orthogonal has no closed-form"),
        (vec![("path", "through-origin")], "all units cross at the origin"),
        (vec![("path", through.as_str())], "all units cross at the origin"),
        (vec![("arch", "1-8")], "all units cross at the origin"),
    ] {
        let flags = [&changes[..], &[("bias", "zero"), ("method", "rice")]].concat();
        let error = Plan::from_flags(&common::flags(&flags)).expect_err(message);
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains(message), "{error}");
        // With a bias all of them have rates.
        common::plan(&[&changes[..], &[("bias", "normal:0.1"), ("method", "rice")]].concat());
    }
    let error = Plan::from_flags(&common::flags(&[("points", "3")])).expect_err("exact has no points");
    assert!(error.to_string().contains("--points is about --method rice"), "{error}");
}

/// Numbers whose squares, or that themselves, are beyond f32.
#[test]
fn overflow_names_draw_and_layer() {
    for weights in ["normal:1e30", "laplace:1e30", "normal:1e19"] {
        let engine = CpuEngine::new(Some(1), Precision::F32).expect("a thread");
        let plan = common::plan(&[
            ("arch", "2-8x3"),
            ("activation", "abs"),
            ("weights", weights),
            ("bias", "normal:1"),
            ("method", "rice"),
        ]);
        let error = engine.expect(&plan.ensemble, 1, 7..9, &common::GO_ON).expect_err("too large");
        assert!(error.to_string().contains("draw 7, layer") && error.to_string().contains("f64"), "{error}");
        let wide = CpuEngine::new(Some(1), Precision::F64).expect("a thread");
        wide.expect(&plan.ensemble, 1, 7..9, &common::GO_ON).expect("within f64");
    }
}

/// Calls from another thread pool, which would take more of its own work while it waits.
#[test]
fn engines_can_be_called_from_other_pools() {
    use rayon::prelude::*;
    let engine = CpuEngine::new(Some(2), Precision::F32).expect("threads");
    let changes = [("arch", "2-4"), ("paths-per-network", "1")];
    let sums: Vec<f64> = (0..3000).into_par_iter().map(|_| expect(&engine, &changes, 1, 1)[0].1[0]).collect();
    assert!(sums.iter().all(|sum| *sum == sums[0]));
}

/// Where the points of a path seem to explain all that differs between paths, a pilot knows this to a standard error only: without it these seeds
/// take 1024, 1024 and 256 points on every path.
#[test]
fn points_are_no_more_than_a_pilot_can_tell() {
    for seed in ["1", "7", "19"] {
        let flags =
            [("method", "rice"), ("arch", "784-100x2"), ("path", "chord"), ("target-error", "1%"), ("seed", seed)];
        let mut plan = common::plan(&flags);
        let engine = CpuEngine::new(Some(1), Precision::F32).expect("a thread");
        let allocation = allocate(&mut plan, &engine, &common::GO_ON).expect("a pilot").expect("a choice");
        assert!(allocation.points.is_some_and(|points| (1..=16).contains(&points)), "seed {seed}: {allocation}");
    }
}
