//! Ratios that matter, each measured in one run: `cargo bench --bench speed`.
//!
//! - drawing normal weights, against rand_distr's `StandardNormal` driven by rand's fastest generator;
//! - counting exactly on given networks, against the matrix products that it cannot do without.
//!
//! Competitors take turns, so that a change of the machine's speed hits both; medians are printed. Every answer is
//! checked before its time is taken.

use std::hint::black_box;
use std::time::{Duration, Instant};

use linregions::engine::cpu::CpuEngine;
use linregions::engine::{Engine, Method, Precision};
use linregions::network::{Activation, Architecture, BiasLaw, Network, RandomNetwork, WeightLaw};
use linregions::path::{Path, PathLaw, RandomPath, StartLaw};
use linregions::random::{QuantileTable, StandardLaw, Stream};
use linregions::trace::Trace;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

fn main() {
    println!("one thread; medians of runs in turn\n");
    draw_weights();
    println!();
    println!("{:<32} {:>12} {:>12} {:>8}", "exact counting, f32", "ms per line", "products", "ratio");
    for (shape, path) in [("2-64x3", "segment"), ("2-64x10", "segment"), ("784-512x3", "chord")] {
        count_exactly(shape, path);
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
    let moments = |values: &[f32]| {
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / N as f64;
        (mean, values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / N as f64)
    };
    table.fill(&Stream::new(1, 2, 3), 1.0, &mut values);
    let (mean, variance) = moments(&values);
    // Six standard errors.
    assert!(mean.abs() < 6.0 / 256.0 && (variance - 1.0).abs() < 6.0 * 2f64.sqrt() / 256.0, "{mean} {variance}");
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

fn count_exactly(shape: &str, path: &str) {
    let architecture = Architecture::parse(shape, Activation::relu(), 1).expect("a valid shape");
    let dim = architecture.input_dim();
    let law = RandomNetwork::new(architecture, WeightLaw::HeNormal, BiasLaw::Normal(0.1), 5).expect("valid laws");
    let path_law = PathLaw::from_flags(path, StartLaw::Normal(1.0), 2.0, dim).expect("a valid law");
    let paths = RandomPath::new(path_law, dim, 5).expect("a valid law");
    let engine = CpuEngine::new(Some(1), Precision::F32).expect("one thread");
    let (mut counting, mut products) = (Vec::new(), Vec::new());
    for draw in 0..5 {
        let network = law.draw(draw);
        let lines: Vec<Path> = (0..40).map(|p| paths.draw(draw, p, 40).expect("a finite path")).collect();
        let lines: Vec<&Path> = lines.iter().collect();
        let counts = engine.count_given(&network, &lines, Method::Exact).expect("finite weights");
        let traced = Trace::reference(&network, lines[0]).expect("finite weights");
        let exact = traced.crossings.len() as u64;
        let counted: u64 = counts[0].crossings.iter().sum();
        assert!(counted.abs_diff(exact) <= 2 + exact / 500, "{shape}: counted {counted}, reference {exact}");
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
    let (ours, limit) = (ms(counting[2]), ms(products[2]));
    println!("{:<32} {ours:>12.4} {limit:>12.4} {:>8.2}", format!("{shape}, {path}"), ours / limit);
}

/// Rows of each layer's matrix product: the path's ends and the crossings of the layers before.
fn rows_per_layer(crossings: &[u64]) -> Vec<usize> {
    let before = crossings.iter().scan(2, |rows, &c| {
        *rows += c as usize;
        Some(*rows - c as usize)
    });
    before.collect()
}

/// The matrix products alone, with the same library, on memory of the right sizes.
struct Matrices {
    weights: Vec<Vec<f32>>,
    sizes: Vec<(usize, usize)>,
    h: Vec<f32>,
    z: Vec<f32>,
}

impl Matrices {
    fn new(network: &Network, rows: &[Vec<usize>]) -> Self {
        let sizes: Vec<(usize, usize)> =
            network.architecture().layers().iter().map(|l| (l.affine.inputs(), l.affine.units())).collect();
        let most = rows.iter().flatten().max().expect("a path");
        let widest = sizes.iter().map(|&(a, b)| a.max(b)).max().expect("a layer");
        let weights = network.affine().iter().map(|a| a.weight.iter().map(|&w| w as f32).collect());
        Self { weights: weights.collect(), sizes, h: vec![0.5; most * widest], z: vec![0.0; most * widest] }
    }

    #[allow(unsafe_code)]
    fn multiply(&mut self, rows: &[usize]) {
        for ((&rows, &(inputs, units)), weights) in rows.iter().zip(&self.sizes).zip(&self.weights) {
            // SAFETY: `h` and `z` hold the largest number of rows at the largest width, `weights` inputs x units.
            unsafe {
                gemm::gemm(
                    units,
                    rows,
                    inputs,
                    self.z.as_mut_ptr(),
                    units as isize,
                    1,
                    false,
                    weights.as_ptr(),
                    units as isize,
                    1,
                    self.h.as_ptr(),
                    inputs as isize,
                    1,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
            black_box(&mut self.z);
        }
    }
}
