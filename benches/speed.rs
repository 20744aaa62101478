//! Ratios that matter, each measured in one run: `cargo bench --bench speed`.
//!
//! - drawing normal weights, against rand_distr's `StandardNormal` driven by rand's fastest generator, and against writing as much
//!   memory;
//! - counting exactly on given networks, against the matrix products that it cannot do without.
//!
//! Competitors take turns, so that a change of the machine's speed hits both; medians are printed. Every answer is
//! checked before its time is taken.

use std::hint::black_box;
use std::time::{Duration, Instant};

use linregions::engine::cpu::CpuEngine;
use linregions::engine::{Engine, Method, Precision};
use linregions::network::{Activation, Affine, Architecture, BiasLaw, Network, RandomNetwork, WeightLaw};
use linregions::path::{Path, PathLaw, RandomPath, StartLaw};
use linregions::random::{QuantileTable, StandardLaw, Stream};
use linregions::trace::Trace;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

/// The residual network of 20 layers of He, Zhang, Ren and Sun 2016 for images of 32 x 32.
const RESNET_20: &str = "3x32x32-c16k3p1-[c16k3p1-c16k3p1]x3-[c32k3s2p1-c32k3p1]-[c32k3p1-c32k3p1]x2-[c64k3s2p1-c64k3p1]\
                         -[c64k3p1-c64k3p1]x2-avg";

fn main() {
    println!("one thread; medians of runs in turn\n");
    draw_weights();
    println!();
    write_weights();
    println!();
    println!("{:<32} {:>12} {:>12} {:>8}", "exact counting, f32", "ms per line", "products", "ratio");
    for (name, shape, path, lines) in [
        ("2-64x3, segment", "2-64x3", "segment", 400),
        ("2-64x10, segment", "2-64x10", "segment", 400),
        ("64-512x10, segment", "64-512x10", "segment", 4),
        ("784-512x3, chord", "784-512x3", "chord", 40),
        ("3x32x32, 4 convolutions", "3x32x32-c16k3p1-c16k3p1-c32k3s2p1-c32k3p1-avg", "segment", 4),
        ("3x32x32, 20 residual layers", RESNET_20, "segment", 1),
    ] {
        count_exactly(name, shape, path, lines);
    }
}

/// Median times of two competitors in turn.
fn in_turn(rounds: usize, mut a: impl FnMut(), mut b: impl FnMut()) -> (Duration, Duration) {
    let time = |f: &mut dyn FnMut()| {
        let start = Instant::now();
        f();
        start.elapsed()
    };
    let (mut times_a, mut times_b): (Vec<_>, Vec<_>) =
        (0..=rounds).map(|_| (time(&mut a), time(&mut b))).skip(1).unzip();
    times_a.sort_unstable();
    times_b.sort_unstable();
    (times_a[rounds / 2], times_b[rounds / 2])
}

fn draw_weights() {
    const N: usize = 1 << 16;
    let table = QuantileTable::new(StandardLaw::Normal).expect("a law with a standard deviation");
    let mut values = vec![0.0f32; N];
    table.fill(&Stream::new(1, 2, 3), 1.0, &mut values);
    check_moments(&values);
    let mut others = vec![0.0f32; N];
    let mut rng = SmallRng::seed_from_u64(1);
    let mut draw = 0;
    let (ours, theirs) = in_turn(
        401,
        || {
            draw += 1;
            table.fill(&Stream::new(1, draw, 3), 0.7, black_box(&mut values));
        },
        || {
            for value in black_box(&mut others).iter_mut() {
                let standard: f32 = rng.sample(StandardNormal);
                *value = 0.7 * standard;
            }
        },
    );
    let rate = |time: Duration| N as f64 / time.as_secs_f64();
    println!("{:<32} {:>12} {:>12} {:>8}", "normal f32 values per second", "ours", "rand_distr", "ratio");
    println!("{:<32} {:>12.3e} {:>12.3e} {:>8.2}", "64 Ki values", rate(ours), rate(theirs), rate(ours) / rate(theirs));
}

/// Asks that mean and variance are those of the standard normal law, up to six standard errors.
fn check_moments(values: &[f32]) {
    let n = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
    let error = n.sqrt().recip();
    assert!(mean.abs() < 6.0 * error && (variance - 1.0).abs() < 6.0 * 2f64.sqrt() * error, "{mean} {variance}");
}

/// More values than any cache holds.
fn write_weights() {
    const N: usize = 1 << 26;
    let table = QuantileTable::new(StandardLaw::Normal).expect("a law with a standard deviation");
    let mut values = vec![0.0f32; N];
    table.fill(&Stream::new(1, 2, 3), 1.0, &mut values);
    check_moments(&values);
    let mut others = vec![0.0f32; N];
    let mut draw = 0;
    let (ours, writing) = in_turn(
        15,
        || {
            draw += 1;
            table.fill(&Stream::new(1, draw, 3), 0.7, black_box(&mut values));
        },
        || black_box(&mut others).fill(black_box(0.7)),
    );
    let rate = |time: Duration| N as f64 / time.as_secs_f64();
    println!("{:<32} {:>12} {:>12} {:>8}", "f32 values to memory per second", "drawn", "one value", "ratio");
    println!(
        "{:<32} {:>12.3e} {:>12.3e} {:>8.2}",
        "64 Mi values",
        rate(ours),
        rate(writing),
        rate(ours) / rate(writing)
    );
}

fn count_exactly(name: &str, shape: &str, path: &str, n_lines: u64) {
    let architecture = Architecture::parse(shape, Activation::relu(), 1).expect("a valid shape");
    let dim = architecture.input_dim();
    let law = RandomNetwork::new(architecture, WeightLaw::HeNormal, BiasLaw::Normal(0.1), 5).expect("valid laws");
    let path_law = PathLaw::from_flags(path, StartLaw::Normal(1.0), 2.0, dim).expect("a valid law");
    let paths = RandomPath::new(path_law, dim, 5).expect("a valid law");
    let engine = CpuEngine::new(Some(1), Precision::F32).expect("one thread");
    let (mut counting, mut products) = (Vec::new(), Vec::new());
    let n_draws = if n_lines > 1 { 5 } else { 1 };
    for draw in 0..n_draws {
        let network = law.draw(draw);
        let lines: Vec<Path> = (0..n_lines).map(|p| paths.draw(draw, p, n_lines).expect("a finite path")).collect();
        let lines: Vec<&Path> = lines.iter().collect();
        let counts = engine.count_given(&network, &lines, Method::Exact).expect("finite weights");
        let traced = Trace::reference(&network, lines[0]).expect("finite weights");
        let exact = traced.crossings.len() as u64;
        let counted: u64 = counts[0].crossings.iter().sum();
        assert!(counted.abs_diff(exact) <= 2 + exact / 500, "{name}: counted {counted}, reference {exact}");
        let rows: Vec<Vec<usize>> = counts.iter().map(|c| rows_per_layer(&c.crossings)).collect();
        let mut matrices = Matrices::new(&network, &rows);
        let (ours, limit) = in_turn(
            if dim > 100 { 3 } else { 21 },
            || drop(black_box(engine.count_given(&network, &lines, Method::Exact))),
            || rows.iter().for_each(|rows| matrices.multiply(rows)),
        );
        counting.push(ours / lines.len() as u32);
        products.push(limit / lines.len() as u32);
    }
    counting.sort_unstable();
    products.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let middle = counting.len() / 2;
    let (ours, limit) = (ms(counting[middle]), ms(products[middle]));
    println!("{:<32} {ours:>12.4} {limit:>12.4} {:>8.2}", name, ours / limit);
}

/// Rows of each layer's matrix product: the path's ends and the crossings of the layers before.
fn rows_per_layer(crossings: &[u64]) -> Vec<usize> {
    let before = crossings.iter().scan(2, |rows, &c| {
        *rows += c as usize;
        Some(*rows - c as usize)
    });
    before.collect()
}

/// The matrix products alone, with the same library, on memory of the right sizes: a dense layer's of all rows, a convolution's of its
/// filters with the patches of all windows for each row.
struct Matrices {
    weights: Vec<Vec<f32>>,
    maps: Vec<Affine>,
    h: Vec<f32>,
    z: Vec<f32>,
}

impl Matrices {
    fn new(network: &Network, rows: &[Vec<usize>]) -> Self {
        let layers = network.architecture().layers().iter();
        let maps: Vec<Affine> = layers.map(|l| l.affine).collect();
        let most = *rows.iter().flatten().max().expect("a path");
        let memory = |map: &Affine| match map {
            Affine::Convolution(map) => map.patch().max(map.filters) * map.windows.positions(),
            _ => most * map.inputs().max(map.units()),
        };
        let largest = maps.iter().map(memory).max().expect("a layer");
        let weights = network.affine().iter().map(|a| a.weight.iter().map(|&w| w as f32).collect());
        Self { weights: weights.collect(), maps, h: vec![0.5; largest], z: vec![0.0; largest] }
    }

    fn multiply(&mut self, rows: &[usize]) {
        for ((&rows, map), weights) in rows.iter().zip(&self.maps).zip(&self.weights) {
            match map {
                Affine::Dense { inputs, units } => product([rows, *inputs, *units], &self.h, weights, &mut self.z),
                Affine::Convolution(map) => {
                    let sizes = [map.filters, map.patch(), map.windows.positions()];
                    (0..rows).for_each(|_| product(sizes, weights, &self.h, &mut self.z));
                }
                _ => {}
            }
        }
    }
}

/// The product of matrices of rows x inner and inner x columns.
#[allow(unsafe_code)]
fn product([rows, inner, columns]: [usize; 3], left: &[f32], right: &[f32], out: &mut [f32]) {
    assert!(left.len() >= rows * inner && right.len() >= inner * columns && out.len() >= rows * columns);
    // SAFETY: the strides stay inside the three slices by the assertion above.
    unsafe {
        gemm::gemm(
            columns,
            rows,
            inner,
            out.as_mut_ptr(),
            columns as isize,
            1,
            false,
            right.as_ptr(),
            columns as isize,
            1,
            left.as_ptr(),
            inner as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
    black_box(out);
}
