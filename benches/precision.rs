//! Time to a given error: `cargo bench --bench precision`.
//!
//! - Whole processes of `linregions estimate --target-error 1%`, from start to end with all cores, counting exactly and on a grid and by expected
//!   crossings given weights and given features, against a straightforward exact counter on one thread with one path per network. Means
//!   agree before any time is taken, but for what the grid misses.
//! - What the two ways to place points of the Rice estimator gain: variance of a network's density with 32 paths, against independent paths
//!   and uniform points, with an implementation of its own.

use std::process::Command;
use std::time::{Duration, Instant};

use linregions::network::{Activation, Architecture, BiasLaw, Network, RandomNetwork, WeightLaw};
use linregions::path::{EvenPaths, Path, PathLaw, RandomPath, StartLaw};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

fn main() {
    println!("time to 1 % standard error: whole processes, medians in turn\n");
    println!(
        "{:<12} {:>12} {:>12} {:>12} {:>10} {:>14} {:>14} {:>18}",
        "ensemble",
        "counter, ms",
        "sampled, ms",
        "exact, ms",
        "rice, ms",
        "features, ms",
        "counter/rice",
        "counter/features"
    );
    for (shape, path) in [
        ("2-16x2", "segment"),
        ("2-64x3", "segment"),
        ("2-64x10", "segment"),
        ("10-128x5", "segment"),
        ("784-512x3", "chord"),
    ] {
        to_one_percent(shape, path);
    }
    println!("\nvariance of a network's density, 2-64x3 with 32 paths, over the square of the mean\n");
    println!("{:<20} {:>14} {:>14}", "", "uniform points", "Cauchy points");
    for (name, is_even) in [("independent paths", false), ("spread-out paths", true)] {
        let [uniform, cauchy] = [false, true].map(|is_cauchy| relative_variance(is_even, is_cauchy));
        println!("{name:<20} {uniform:>14.5} {cauchy:>14.5}");
    }
}

/// What a process printed of the crossings of all layers: networks, density and standard error.
struct Printed {
    networks: u64,
    density: f64,
    error: f64,
}

fn estimate(shape: &str, path: &str, method: &str) -> (Printed, Duration) {
    let flags = ["--target-error", "1%", "--engine", "cpu", "--format", "csv", "--quiet"];
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_linregions"))
        .args(["estimate", "--arch", shape, "--path", path, "--method", method])
        .args(flags)
        .output()
        .expect("the program starts");
    let time = start.elapsed();
    let mut csv = csv::Reader::from_reader(output.stdout.as_slice());
    let columns = csv.headers().expect("a header").clone();
    let row = csv.records().next().expect("crossings").expect("CSV");
    let number = |name: &str| -> f64 {
        let column = columns.iter().position(|column| column == name).expect("a column of the format");
        row[column].parse().expect("a number")
    };
    (Printed { networks: number("networks") as u64, density: number("mean_density"), error: number("std_error") }, time)
}

/// What the default grid misses at most.
const MISSED: f64 = 0.05;

fn to_one_percent(shape: &str, path: &str) {
    let methods = ["rice", "rice-features", "exact", "sampled"];
    let [rice, features, exact, sampled] = methods.map(|method| estimate(shape, path, method).0);
    let counted = count(shape, path, exact.networks);
    for (other, missed) in [(&exact, 0.0), (&features, 0.0), (&counted, 0.0), (&sampled, MISSED)] {
        let [more, less] = [other.density - rice.density, (1.0 - missed) * rice.density - other.density];
        let error = 4.9 * rice.error.hypot(other.error);
        assert!(more.max(less) < error, "{shape}: {} and {}", rice.density, other.density);
    }
    let rounds = 11;
    let mut times = [const { Vec::new() }; 5];
    for round in 0..rounds {
        for (times, method) in times.iter_mut().zip(methods) {
            times.push(estimate(shape, path, method).1);
        }
        // The slow one: its error is not what is in doubt.
        if round < 3 {
            let start = Instant::now();
            std::hint::black_box(count(shape, path, exact.networks));
            times[4].push(start.elapsed());
        }
    }
    let [rice, features, exact, sampled, counter] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e3
    });
    println!(
        "{shape:<12} {counter:>12.1} {sampled:>12.1} {exact:>12.1} {rice:>10.1} {features:>14.1} {:>14.1} {:>18.1}",
        counter / rice,
        counter / features
    );
}

/// Counts the crossings of so many networks with one path each in the straightforward way: all vertices of the path so far
/// through one layer after the other, in f64 by the same matrix products, new vertices where signs change.
fn count(shape: &str, path: &str, networks: u64) -> Printed {
    let architecture = Architecture::parse(shape, Activation::relu(), 1).expect("a valid shape");
    let dim = architecture.input_dim();
    let mut rng = SmallRng::seed_from_u64(3);
    let mut normals =
        |n: usize, std: f64| -> Vec<f64> { (0..n).map(|_| std * rng.sample::<f64, _>(StandardNormal)).collect() };
    let (mut lengths, mut crossings) = (Vec::new(), Vec::new());
    for _ in 0..networks {
        let start = normals(dim, 1.0);
        let direction = normals(dim, 1.0);
        let norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        let end: Vec<f64> = match path {
            "segment" => start.iter().zip(&direction).map(|(x, u)| x + 2.0 * u / norm).collect(),
            _ => direction,
        };
        lengths.push(start.iter().zip(&end).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt());
        let mut h = [start, end].concat();
        let mut total = 0;
        for layer in architecture.layers() {
            let (inputs, units) = (layer.affine.inputs(), layer.affine.units());
            let weights = normals(inputs * units, (2.0 / inputs as f64).sqrt());
            let bias = normals(units, 0.1);
            let rows = h.len() / inputs;
            let mut z: Vec<f64> = (0..rows).flat_map(|_| bias.iter().copied()).collect();
            multiply(&h, &weights, &mut z, [rows, inputs, units]);
            h.clear();
            for row in 0..rows {
                let here = &z[row * units..][..units];
                h.extend(here.iter().map(|&z| z.max(0.0)));
                let Some(next) = z.get((row + 1) * units..(row + 2) * units) else { break };
                let crosses =
                    |(unit, (a, b)): (usize, (&f64, &f64))| ((*a > 0.0) != (*b > 0.0)).then(|| (-a / (b - a), unit));
                let mut found: Vec<(f64, usize)> = here.iter().zip(next).enumerate().filter_map(crosses).collect();
                found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
                total += found.len();
                for (fraction, unit) in found {
                    let first = h.len();
                    h.extend(here.iter().zip(next).map(|(a, b)| (a + fraction * (b - a)).max(0.0)));
                    h[first + unit] = 0.0;
                }
            }
        }
        crossings.push(total as f64);
    }
    let n = networks as f64;
    let mean_length = lengths.iter().sum::<f64>() / n;
    let density = crossings.iter().sum::<f64>() / n / mean_length;
    let squares: f64 = crossings.iter().zip(&lengths).map(|(c, l)| (c - density * l).powi(2)).sum();
    Printed { networks, density, error: (squares / (n * (n - 1.0))).sqrt() / mean_length }
}

/// Adds a product of row-major matrices.
#[allow(unsafe_code)]
fn multiply(h: &[f64], weights: &[f64], z: &mut [f64], [rows, inputs, units]: [usize; 3]) {
    assert!(h.len() == rows * inputs && weights.len() == inputs * units && z.len() == rows * units);
    // SAFETY: the strides stay inside the slices, whose lengths were just checked.
    unsafe {
        gemm::gemm(
            units,
            rows,
            inputs,
            z.as_mut_ptr(),
            units as isize,
            1,
            true,
            weights.as_ptr(),
            units as isize,
            1,
            h.as_ptr(),
            inputs as isize,
            1,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Variance between networks of the density from 32 points on a path each, over the square of its mean.
fn relative_variance(is_even: bool, is_cauchy: bool) -> f64 {
    const NETWORKS: u64 = 2000;
    const PATHS: u64 = 32;
    let architecture = Architecture::parse("2-64x3", Activation::relu(), 1).expect("a valid shape");
    let law = RandomNetwork::new(architecture, WeightLaw::HeNormal, BiasLaw::Normal(0.1), 5).expect("valid laws");
    let start = StartLaw::Normal(1.0);
    let paths = RandomPath::new(PathLaw::from_flags("segment", start, 2.0, 2).expect("a law"), 2, 5).expect("a law");
    let mut even = EvenPaths::new(&paths);
    let mut rng = SmallRng::seed_from_u64(7);
    let mut path = paths.draw(0, 0, PATHS).expect("short");
    let densities: Vec<f64> = (0..NETWORKS)
        .map(|draw| {
            let network = law.draw(draw);
            even.go_to(draw);
            let sum: f64 = (0..PATHS)
                .map(|ix| {
                    let mut place = [rng.random::<f64>()];
                    if is_even {
                        even.path(ix, PATHS, &mut path).expect("short");
                        even.places(ix, &mut place);
                    } else {
                        path = paths.draw(draw, ix, PATHS).expect("short");
                    }
                    let (position, density) =
                        if is_cauchy { on_cauchy(&path, place[0]) } else { (2.0 * place[0], 0.5) };
                    rate(&network, &path, position) / density / 2.0
                })
                .sum();
            sum / PATHS as f64
        })
        .collect();
    let mean = densities.iter().sum::<f64>() / NETWORKS as f64;
    let squares: f64 = densities.iter().map(|d| (d / mean - 1.0).powi(2)).sum();
    let error = (squares / (NETWORKS - 1) as f64 / NETWORKS as f64).sqrt();
    assert!((mean / 33.95 - 1.0).abs() < 4.9 * error, "{mean} is not the density of 2-64x3");
    squares / (NETWORKS - 1) as f64
}

/// Position and density of a point by the location law of the first layer: variance of weights 1, of biases 0.01.
fn on_cauchy(path: &Path, place: f64) -> (f64, f64) {
    let (start, direction) = (path.vertex(0), path.direction(0));
    let from: f64 = start.iter().zip(&direction).map(|(x, u)| x * u).sum();
    let distance2: f64 = start.iter().zip(&direction).map(|(x, u)| (x - from * u).powi(2)).sum();
    let width = (distance2 + 0.01).sqrt();
    let [a, b] = [from, from + path.length()].map(|t| (t / width).atan());
    let t = width * (a + place * (b - a)).tan();
    ((t - from).clamp(0.0, path.length()), width / (width * width + t * t) / (b - a))
}

/// The expected crossing rate at a position of a segment, given all layers but the last.
fn rate(network: &Network, path: &Path, position: f64) -> f64 {
    let mut x = vec![0.0; path.dim()];
    // An edge through the origin has a vertex there.
    let edge = path.positions().partition_point(|&p| p <= position).clamp(1, path.n_vertices() - 1) - 1;
    path.point_on_edge(edge, position, &mut x);
    let (mut h, mut dh) = (x, path.direction(edge));
    let mut total = 0.0;
    for (layer, affine) in network.architecture().layers().iter().zip(network.affine()) {
        let variance = 2.0 / h.len() as f64;
        let dot = |a: &[f64], b: &[f64]| variance * a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (q, r, s) = (dot(&h, &h) + 0.01, dot(&h, &dh), dot(&dh, &dh));
        let units = layer.affine.units();
        total += units as f64 * (s * q - r * r).max(0.0).sqrt() / (std::f64::consts::PI * q);
        let product = |row: &[f64], unit: usize| -> f64 {
            row.iter().enumerate().map(|(i, h)| h * affine.weight[i * units + unit]).sum()
        };
        let z: Vec<f64> = (0..units).map(|u| product(&h, u) + affine.bias[u]).collect();
        dh = (0..units).map(|u| if z[u] > 0.0 { product(&dh, u) } else { 0.0 }).collect();
        h = z.iter().map(|z| z.max(0.0)).collect();
    }
    total
}
