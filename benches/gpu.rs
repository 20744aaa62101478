//! The GPU engine on the device at hand, against the CPU engine on all cores: `cargo bench --bench gpu`.
//!
//! Options, after `--`: `--adapter N` (see `linregions devices`), `--peak TFLOPS` (of the device in f32, to print shares of it),
//! `--quick` (small shapes only; the rule for software devices).
//!
//! Counts are compared before any time is taken: 99 of 100 networks must have those of the CPU. Engines take turns; medians are
//! printed. The dense method is the sampled one on 1024 grid points, with the products that a script with dense batched matrices makes.

use std::time::{Duration, Instant};

use clap::Parser;
use linregions::engine::cpu::CpuEngine;
use linregions::engine::gpu::{AdapterChoice, GpuEngine, Profile, adapters};
use linregions::engine::{Engine, Estimator, Method, Precision};
use linregions::ensemble::Ensemble;
use linregions::network::{Activation, Architecture, BiasLaw, RandomNetwork, WeightLaw};
use linregions::path::{PathLaw, RandomPath, StartLaw};

#[derive(Parser)]
struct Options {
    #[arg(long)]
    adapter: Option<usize>,
    #[arg(long, value_name = "TFLOPS")]
    peak: Option<f64>,
    #[arg(long)]
    quick: bool,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

const ROUNDS: usize = 5;
const EXACT: Estimator = Estimator::Count(Method::Exact);
const DENSE: Estimator = Estimator::Count(Method::Sampled { grid: 1024 });

/// Expected crossings, from one point on each of so many paths.
const RICE: Estimator = Estimator::Rice { points: 1 };
const RICE_PATHS: u64 = 64;

fn main() {
    let options = Options::parse();
    let gpu = GpuEngine::new(options.adapter.map_or(AdapterChoice::Best, AdapterChoice::Number)).expect("a device");
    let cpu = CpuEngine::new(None, Precision::F32).expect("threads");
    let provenance = gpu.provenance();
    println!("GPU: {}, {}", provenance.adapter, provenance.driver);
    println!("CPU: {}, {} threads", cpu.provenance().adapter, cpu.networks_at_once());
    let is_software = adapters().iter().any(|a| a.is_software() && a.name == provenance.adapter);
    let quick = options.quick || is_software;

    let mut shapes = vec![("2-16x3", "segment"), ("2-64x3", "segment"), ("2-64x10", "segment")];
    if !quick {
        shapes.extend([
            ("2-64x50", "segment"),
            ("10-128x5", "segment"),
            ("64-512x10", "segment"),
            ("784-512x3", "chord"),
            ("784-1024x5", "chord"),
            ("784-4096x3", "chord"),
            ("3x32x32-c16k3p1-max2-[c16k3p1-c16k3p1]-c32k3s2p1-avg", "segment"),
        ]);
    }
    println!("\nExact counting, networks per second (medians of {ROUNDS} runs in turn)\n");
    println!("{:<12} {:>12} {:>12} {:>8} {:>14} {:>14}", "", "GPU", "CPU", "GPU/CPU", "dense on GPU", "exact/dense");
    for (shape, path) in &shapes {
        count(&gpu, &cpu, shape, path);
    }
    println!("\nExpected crossings with {RICE_PATHS} paths, networks per second (medians of {ROUNDS} runs in turn)\n");
    println!("{:<12} {:>12} {:>12} {:>8}", "", "GPU", "CPU", "GPU/CPU");
    for (shape, path) in shapes.iter().filter(|(shape, _)| !shape.contains('c')) {
        expect(&gpu, &cpu, shape, path);
    }
    println!("\nOne batch of exact counting, stage by stage: share of the time\n");
    for (shape, path) in &shapes {
        stages(&gpu, shape, path, options.peak);
    }
}

fn ensemble(shape: &str, path: &str) -> Ensemble {
    let architecture = Architecture::parse(shape, Activation::relu(), 1).expect("a valid shape");
    let dim = architecture.input_dim();
    let network = RandomNetwork::new(architecture, WeightLaw::HeNormal, BiasLaw::Normal(0.1), 5).expect("valid laws");
    let path = PathLaw::from_flags(path, StartLaw::Normal(1.0), 2.0, dim).expect("a valid law");
    Ensemble { network, path: RandomPath::new(path, dim, 5).expect("a valid law"), paths_per_network: 1 }
}

fn time(engine: &dyn Engine, ensemble: &Ensemble, estimator: Estimator, networks: u64) -> Duration {
    let start = Instant::now();
    engine.observe(ensemble, estimator, 0..networks, &false.into()).expect("finite weights");
    start.elapsed()
}

/// How many networks an engine counts in about a second.
fn in_a_second(engine: &dyn Engine, ensemble: &Ensemble, estimator: Estimator) -> u64 {
    // Kernels are compiled when they are first used, and batches find their size.
    for _ in 0..3 {
        time(engine, ensemble, estimator, 50);
    }
    let mut networks = 4;
    loop {
        let seconds = time(engine, ensemble, estimator, networks).as_secs_f64();
        if seconds > 0.3 {
            return ((networks as f64 / seconds) as u64).max(1);
        }
        networks *= 4;
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn count(gpu: &GpuEngine, cpu: &CpuEngine, shape: &str, path: &str) {
    let ensemble = ensemble(shape, path);
    let (on_gpu, on_cpu, dense) =
        (in_a_second(gpu, &ensemble, EXACT), in_a_second(cpu, &ensemble, EXACT), in_a_second(gpu, &ensemble, DENSE));
    let n = on_gpu.min(on_cpu).clamp(20, 2000);
    let counts = |engine: &dyn Engine| engine.count(&ensemble, Method::Exact, 0..n, &false.into()).expect("finite");
    let same = counts(gpu).iter().zip(&counts(cpu)).filter(|(a, b)| a.crossings == b.crossings).count() as u64;
    // Deep and wide networks have thousands of crossings each, of which one in 10^5 may round to the other side.
    let crossings: u64 = counts(cpu).iter().flat_map(|c| &c.crossings).sum();
    let allowed = n / 100 + crossings / 50_000 + 1;
    assert!(n - same <= allowed, "{shape}: {same} of {n} networks have the same counts");
    let rate = |engine: &dyn Engine, estimator, networks: u64| rate(engine, &ensemble, estimator, networks);
    let rates: Vec<(f64, f64, f64)> =
        (0..ROUNDS).map(|_| (rate(gpu, EXACT, on_gpu), rate(cpu, EXACT, on_cpu), rate(gpu, DENSE, dense))).collect();
    let of = |pick: fn(&(f64, f64, f64)) -> f64| median(rates.iter().map(pick).collect());
    println!(
        "{shape:<12} {:>12.4e} {:>12.4e} {:>8.2} {:>14.4e} {:>14.2}",
        of(|r| r.0),
        of(|r| r.1),
        of(|r| r.0 / r.1),
        of(|r| r.2),
        of(|r| r.0 / r.2)
    );
}

fn rate(engine: &dyn Engine, ensemble: &Ensemble, estimator: Estimator, networks: u64) -> f64 {
    networks as f64 / time(engine, ensemble, estimator, networks).as_secs_f64()
}

fn expect(gpu: &GpuEngine, cpu: &CpuEngine, shape: &str, path: &str) {
    let ensemble = Ensemble { paths_per_network: RICE_PATHS, ..ensemble(shape, path) };
    let total = |engine: &dyn Engine| -> f64 {
        let counts = engine.observe(&ensemble, RICE, 0..20, &false.into()).expect("finite weights");
        counts.iter().map(|c| c.boundaries as f64).sum()
    };
    let (ours, theirs) = (total(gpu), total(cpu));
    assert!((ours / theirs - 1.0).abs() < 1e-3, "{shape}: {ours} and {theirs} expected crossings");
    let (on_gpu, on_cpu) = (in_a_second(gpu, &ensemble, RICE), in_a_second(cpu, &ensemble, RICE));
    let rates: Vec<(f64, f64)> =
        (0..ROUNDS).map(|_| (rate(gpu, &ensemble, RICE, on_gpu), rate(cpu, &ensemble, RICE, on_cpu))).collect();
    let of = |pick: fn(&(f64, f64)) -> f64| median(rates.iter().map(pick).collect());
    println!("{shape:<12} {:>12.4e} {:>12.4e} {:>8.2}", of(|r| r.0), of(|r| r.1), of(|r| r.0 / r.1));
}

fn stages(gpu: &GpuEngine, shape: &str, path: &str, peak: Option<f64>) {
    let ensemble = ensemble(shape, path);
    let Profile { networks, stages, operations } =
        gpu.profile(&ensemble, Method::Exact, 1 << 16).expect("finite weights");
    let total: f64 = stages.iter().map(|s| s.seconds).sum();
    let of = |name: &str| stages.iter().filter(|s| s.stage == name).map(|s| s.seconds).sum::<f64>();
    let mut names: Vec<&str> = stages.iter().map(|s| s.stage).collect();
    names.sort_unstable();
    names.dedup();
    names.sort_by(|a, b| of(b).total_cmp(&of(a)));
    let shares: Vec<String> = names.iter().map(|name| format!("{name} {:.0} %", 100.0 * of(name) / total)).collect();
    // The layer that takes longest: the first ones of narrow inputs have next to nothing to do.
    let maps = ["affine", "convolution", "average_pool", "window_values", "add"];
    let in_maps = |layer: usize| {
        stages.iter().filter(move |s| maps.contains(&s.stage) && s.layer == layer).map(|s| s.seconds).sum::<f64>()
    };
    let longest = (0..operations.len()).max_by(|&a, &b| operations[a].total_cmp(&operations[b])).expect("a layer");
    let teraflops = operations[longest] / in_maps(longest) / 1e12;
    let share = peak.map_or(String::new(), |peak| format!(", {:.0} % of the peak", 100.0 * teraflops / peak));
    let architecture = ensemble.network.architecture();
    let drawn: u64 = architecture.affine_maps().take(operations.len()).map(|a| a.n_weights() as u64).sum();
    let gigabytes = 4.0 * drawn as f64 * networks as f64 / of("draw") / 1e9;
    println!(
        "{shape}: {networks} networks in {:.1} ms ({})\n  maps: {teraflops:.3} TFLOP/s in layer {}{share}; draw: {gigabytes:.1} GB/s",
        1e3 * total,
        shares.join(", "),
        longest + 1
    );
}
