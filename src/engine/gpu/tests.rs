//! The engine on a real device, where its internals are needed: batches of odd sizes, paths without room, lost devices.

use sha2::{Digest, Sha256};

use super::*;
use crate::engine::cpu::CpuEngine;
use crate::network::{AffineWeights, Architecture, RandomNetwork};
use crate::path::{PathLaw, RandomPath, StartLaw};

pub(super) static GO_ON: AtomicBool = AtomicBool::new(false);

pub(super) fn ensemble(shape: &str, weights: &str, bias: &str, path: &str, paths_per_network: u64) -> Ensemble {
    activated(shape, "relu", weights, bias, path, paths_per_network)
}

pub(super) fn activated(
    shape: &str,
    activation: &str,
    weights: &str,
    bias: &str,
    path: &str,
    paths_per_network: u64,
) -> Ensemble {
    let shape = Architecture::parse(shape, activation.parse().unwrap(), 1).unwrap();
    let dim = shape.input_dim();
    let network = RandomNetwork::new(shape, weights.parse().unwrap(), bias.parse().unwrap(), 5).unwrap();
    let law = PathLaw::from_flags(path, StartLaw::Normal(1.0), 2.0, dim).unwrap();
    Ensemble { network, path: RandomPath::new(law, dim, 5).unwrap(), paths_per_network }
}

pub(super) fn gpu(options: &Options) -> GpuEngine {
    GpuEngine::with_options(AdapterChoice::Best, options).expect("a device: see the README")
}

pub(super) fn count(engine: &dyn Engine, ensemble: &Ensemble, method: Method, networks: Range<u64>) -> Vec<PathCounts> {
    engine.count(ensemble, method, networks, &GO_ON).expect("no fault")
}

const METHODS: [Method; 2] = [Method::Exact, Method::Sampled { grid: 500 }];

/// A hash of all weights and biases of a draw's hidden layers.
fn hash(values: impl Iterator<Item = f32>) -> Vec<u8> {
    let mut hash = Sha256::new();
    values.for_each(|v| hash.update(v.to_bits().to_le_bytes()));
    hash.finalize().to_vec()
}

#[test]
fn weights_have_the_bits_of_the_cpu() {
    for (shape, activation, weights, bias) in [
        ("2-64x3", "relu", "he-normal", "normal:0.1"),
        ("3-5-70", "relu", "glorot-uniform", "torch"),
        ("1-1", "relu", "laplace:0.3", "uniform:1"),
        ("7-33x2", "relu", "student-t:3:0.1", "zero"),
        ("4-9-2", "relu", "orthogonal", "normal:1"),
        ("2-17x3", "maxout:3", "he-normal", "normal:0.1"),
        ("3-12-36", "group-sort:4", "torch", "torch"),
        ("2x7-c6k3p1g2-max2-c4k3-5", "relu", "he-normal", "normal:0.1"),
        ("1x5x6-c8k3x2s2-avg-6", "crelu", "torch", "uniform:0.3"),
        ("3-9-9~1-7+-7+1+2~3", "relu", "glorot-normal", "normal:0.2"),
        ("2x6x6-c3k3p1-[c3k3p1-c5k3s2p1]", "relu", "he-uniform", "zero"),
        ("4-6-6+-5+1", "relu", "orthogonal", "torch"),
    ] {
        let ensemble = activated(shape, activation, weights, bias, "segment", 1);
        let job = Job::Ensemble(&ensemble);
        let draws = [0, 3, 1 << 33];
        let mut lane = gpu(&Options::default()).lanes.remove(0).into_inner().unwrap();
        let plan = lane.plan(&job, Method::Exact, draws.len(), 3).unwrap();
        let inputs = job.inputs(&draws, 0..1, Method::Exact).unwrap();
        let on_device = lane.weights(&job, plan, &inputs);
        for (ix, &draw) in draws.iter().enumerate() {
            let mut layer_weights = AffineWeights::default();
            let layers = on_device.iter().enumerate().map(|(layer, on_device)| {
                ensemble.network.draw_layer(draw, layer, &mut layer_weights);
                let AffineWeights { weight, bias, skips } = &layer_weights;
                let n = weight.len() + bias.len() + skips.iter().map(Vec::len).sum::<usize>();
                let here = hash(weight.iter().chain(bias).chain(skips.iter().flatten()).copied());
                (here, hash(on_device[ix * n..][..n].iter().copied()))
            });
            for (layer, (here, there)) in layers.enumerate() {
                assert_eq!(here, there, "{shape} {weights} {bias}, draw {draw}, layer {layer}");
            }
        }
        let other = job.layer_weights(&[1], 0);
        assert_ne!(hash(other.iter().copied()), hash(on_device[0][..other.len()].iter().copied()), "draws differ");
    }
}

/// Whatever fits on the device, the counts are the same: little memory, one path at a time, the least limits a device may have.
#[test]
fn sizes_of_batches_do_not_matter() {
    for (shape, activation, path, paths_per_network) in [
        ("2-33-17", "relu", "segment", 1),
        ("3-20x3", "relu", "polyline:4", 37),
        ("3-13-5", "maxout:3", "polyline:3", 7),
        ("2-20x3", "group-sort:4", "segment", 5),
        ("2x5-c3k3p1-max2s1-[c3k3p1-c4k3p1]-avg2-4", "relu", "polyline:3", 5),
        ("2x5-c3k3p1-max2s1-[c3k3p1-c4k3p1]-avg2-4", "maxout:3", "polyline:3", 5),
        ("3-8-8+1-6+-6+1+3", "crelu", "segment", 7),
    ] {
        let ensemble = activated(shape, activation, "he-normal", "normal:0.3", path, paths_per_network);
        for method in METHODS {
            let expected = count(&gpu(&Options::default()), &ensemble, method, 10..32);
            assert_eq!(expected.len() as u64, 22 * paths_per_network);
            let least = Some(wgpu::Limits::defaults());
            for (memory, limits) in [(None, least.clone()), (Some(400 << 10), None), (Some(100 << 10), least)] {
                let options = Options { memory, limits, rows: None };
                let counts = count(&gpu(&options), &ensemble, method, 10..32);
                assert_eq!(counts, expected, "{shape} {method:?} in {memory:?} bytes");
            }
        }
    }
}

/// The first guess has room for a part of a network's paths only, later ones for those of several networks.
#[test]
fn networks_in_parts_are_completed() {
    let ensemble = ensemble("3-20x2", "he-normal", "normal:0.3", "segment", 37);
    let expected = count(&gpu(&Options::default()), &ensemble, Method::Exact, 0..12);
    let options = Options { memory: Some(16 << 20), rows: Some(4000), ..Options::default() };
    assert_eq!(count(&gpu(&options), &ensemble, Method::Exact, 0..12), expected);
}

#[test]
fn passes_over_a_grid_join() {
    // Without biases units are exactly on their breakpoints along whole stretches, across the ends of passes, too.
    for (bias, activation) in [
        ("normal:0.1", "relu"),
        ("zero", "relu"),
        ("normal:0.1", "maxout:3"),
        ("zero", "maxout:2"),
        ("normal:0.1", "max-min"),
        ("zero", "group-sort:4"),
        ("zero", "crelu"),
        ("zero", "leaky-relu:0.1"),
        ("zero", "maxout:5"),
        ("normal:0.1", "group-sort:3"),
    ] {
        let shape = match activation {
            "relu" => "2-9x4",
            "leaky-relu:0.1" => "1x6-c4k3p1-max2-[c4k3p1-c4k3p1]-3",
            "maxout:5" => "1x6-c4k3p1-max2-[c4k3p1-c4k3p1]-3",
            "group-sort:3" => "1x6-c6k3p1-[c6k3p1-c6k3p1]-avg2-6",
            _ => "2-8x3",
        };
        let ensemble = activated(shape, activation, "he-normal", bias, "segment", 1);
        let method = Method::Sampled { grid: 40_001 };
        let one = count(&gpu(&Options::default()), &ensemble, method, 0..6);
        let parts = count(&gpu(&Options { memory: Some(300 << 10), ..Options::default() }), &ensemble, method, 0..6);
        assert_eq!(one, parts, "{bias} {activation}");
        let cpu = count(&CpuEngine::new(None, Precision::F32).unwrap(), &ensemble, method, 0..6);
        let total = |counts: &[PathCounts]| counts.iter().flat_map(|c| &c.crossings).sum::<u64>();
        assert!(total(&cpu).abs_diff(total(&one)) <= 2, "{} {}", total(&cpu), total(&one));
    }
}

#[test]
fn paths_without_room_are_counted_again() {
    for (shape, activation) in [
        ("2-64x3", "relu"),
        ("2-21x3", "maxout:5"),
        ("2-40x3", "group-sort:4"),
        ("2-40-40+1-30+x2", "crelu"),
        ("2x5x5-c8k3p1-max2s1-[c8k3p1-c8k3p1]-9", "relu"),
        ("2x5x5-c8k3p1-max2s1-[c8k3p1-c8k3p1]-8", "max-min"),
    ] {
        let ensemble = activated(shape, activation, "he-normal", "normal:0.1", "segment", 2);
        let expected = count(&gpu(&Options::default()), &ensemble, Method::Exact, 0..40);
        for rows in [1, 2, 3, 17, 40] {
            let engine = gpu(&Options { rows: Some(rows), ..Options::default() });
            let place = format!("{activation}, room for {rows} rows");
            assert_eq!(count(&engine, &ensemble, Method::Exact, 0..40), expected, "{place}");
            // What it has learned is enough from then on.
            assert_eq!(count(&engine, &ensemble, Method::Exact, 0..40), expected, "{place}");
        }
    }
}

#[test]
fn a_lost_device_is_opened_again_once() {
    let ensemble = ensemble("2-20x2", "he-normal", "normal:0.1", "segment", 1);
    let expected = count(&gpu(&Options::default()), &ensemble, Method::Exact, 0..30);
    let engine = gpu(&Options::default());
    for method in METHODS {
        engine.lane().machine.losses_to_come = 1;
        let counts = count(&engine, &ensemble, method, 0..30);
        assert_eq!(counts.len(), 30);
        assert!(method != Method::Exact || counts == expected);
    }
    engine.lane().machine.losses_to_come = 2;
    let error = engine.count(&ensemble, Method::Exact, 0..30, &GO_ON).unwrap_err().to_string();
    assert!(error.contains("lost twice"), "{error}");
    // And again later, when the driver has recovered.
    assert_eq!(count(&engine, &ensemble, Method::Exact, 0..30), expected);
}

#[test]
fn too_little_memory_halves_the_batches() {
    let ensemble = ensemble("2-20x2", "he-normal", "normal:0.1", "segment", 1);
    let expected = count(&gpu(&Options::default()), &ensemble, Method::Exact, 0..50);
    let engine = gpu(&Options::default());
    let before = engine.lane().machine.memory();
    engine.lane().machine.shortages_to_come = 3;
    assert_eq!(count(&engine, &ensemble, Method::Exact, 0..50), expected);
    assert_eq!(engine.lane().machine.memory(), before / 8);
    engine.lane().machine.shortages_to_come = usize::MAX;
    let error = engine.count(&ensemble, Method::Exact, 0..50, &GO_ON).unwrap_err().to_string();
    assert!(error.contains("out of memory"), "{error}");
}

#[test]
fn several_devices_share_the_draws() {
    let adapter = || adapter::take(AdapterChoice::Best).expect("a device").swap_remove(0);
    let three = GpuEngine::on(vec![adapter(), adapter(), adapter()], &Options::default()).unwrap();
    assert!(three.provenance().adapter.starts_with("3 x "), "{:?}", three.provenance());
    let ensemble = ensemble("2-20x2", "he-normal", "normal:0.1", "segment", 3);
    let one = count(&gpu(&Options::default()), &ensemble, Method::Exact, 7..300);
    assert_eq!(count(&three, &ensemble, Method::Exact, 7..300), one);
}

/// Batches after one that another device did not finish do not count.
#[test]
fn results_end_at_the_first_gap() {
    let batch = |first: u64, networks: u64| -> (u64, Counts) {
        let path = |boundaries| PathCounts { length: 1.0, crossings: vec![], boundaries, knots: None };
        (first, (first..first + networks).map(|draw| vec![path(draw), path(draw)]).collect())
    };
    let draws = |batches: Vec<(u64, Counts)>| -> Vec<u64> {
        unbroken(5, batches).iter().step_by(2).map(|counts| counts.boundaries).collect()
    };
    assert_eq!(draws(vec![batch(7, 3), batch(5, 2), batch(10, 1)]), [5, 6, 7, 8, 9, 10]);
    assert_eq!(draws(vec![batch(11, 4), batch(5, 2), batch(7, 3)]), [5, 6, 7, 8, 9]);
    assert_eq!(draws(vec![batch(6, 4)]), [0; 0]);
}

/// A network whose layers have other activations each: rows are as wide as each needs, whatever comes before.
#[test]
fn activations_of_all_kinds_follow_each_other() {
    let cpu = CpuEngine::new(None, Precision::F32).unwrap();
    for (case, layers) in [
        [(9, "relu"), (5, "maxout:3"), (12, "group-sort:4"), (7, "hard-tanh"), (6, "max-min"), (5, "abs")],
        [(4, "max-min"), (33, "maxout:2"), (1, "maxout:7"), (8, "relu"), (15, "group-sort:5"), (3, "maxout:3")],
        [(70, "maxout:2"), (9, "abs"), (9, "relu6"), (9, "group-sort:3"), (66, "max-min"), (2, "leaky-relu:0.1")],
        [(8, "crelu"), (5, "abs"), (66, "crelu"), (9, "maxout:3"), (2, "crelu"), (6, "max-min")],
    ]
    .into_iter()
    .enumerate()
    {
        let layer = |(width, name): (usize, &str)| (width, std::sync::Arc::new(name.parse().unwrap()));
        let shape = Architecture::new(3, layers.into_iter().map(layer).collect(), 2).unwrap();
        let network =
            RandomNetwork::new(shape, "he-normal".parse().unwrap(), "normal:0.5".parse().unwrap(), 5).unwrap();
        let law = PathLaw::from_flags("polyline:3", StartLaw::Normal(1.0), 4.0, 3).unwrap();
        let ensemble = Ensemble { network, path: RandomPath::new(law, 3, 5).unwrap(), paths_per_network: 2 };
        for method in METHODS {
            let (here, there) =
                (count(&gpu(&Options::default()), &ensemble, method, 0..20), count(&cpu, &ensemble, method, 0..20));
            let same = here.iter().zip(&there).filter(|(a, b)| a == b).count();
            println!("case {case} {method:?}: {same} of 40 paths are the same");
            assert!(same >= 38, "case {case} {method:?}: {same} of 40");
            assert!(here.iter().map(|c| c.boundaries).sum::<u64>() > 400);
            let little = gpu(&Options { memory: Some(400 << 10), rows: Some(3), ..Options::default() });
            assert_eq!(count(&little, &ensemble, method, 0..20), here, "case {case} {method:?} with little memory");
        }
    }
}

#[test]
fn asked_to_stop_it_returns_complete_networks() {
    let ensemble = ensemble("2-64x3", "he-normal", "normal:0.1", "segment", 2);
    let adapter = || adapter::take(AdapterChoice::Best).expect("a device").swap_remove(0);
    let engine = GpuEngine::on(vec![adapter(), adapter(), adapter()], &Options::default()).unwrap();
    assert_eq!(engine.count(&ensemble, Method::Exact, 0..100, &AtomicBool::new(true)).unwrap(), []);
    for milliseconds in [300, 450, 600] {
        let stop = AtomicBool::new(false);
        let counts = std::thread::scope(|scope| {
            let run = scope.spawn(|| engine.count(&ensemble, Method::Exact, 0..u64::MAX, &stop).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(milliseconds));
            stop.store(true, Ordering::Relaxed);
            run.join().unwrap()
        });
        assert!(counts.len().is_multiple_of(2));
        assert_eq!(counts, count(&engine, &ensemble, Method::Exact, 0..counts.len() as u64 / 2));
    }
}

/// Long paths of tiny networks: many bytes, little work.
#[cfg(target_os = "linux")]
fn bulky() -> Ensemble {
    ensemble("1-2", "he-normal", "normal:1", "polyline:80000", 1)
}

/// Runs the next test in a process of its own, whose memory it limits.
#[cfg(target_os = "linux")]
#[test]
fn a_device_without_memory_takes_smaller_batches() {
    let program = std::env::current_exe().unwrap();
    let mut child = std::process::Command::new("timeout");
    child.args(["-k", "5", "300"]).arg(program);
    let test = "engine::gpu::tests::in_a_process_with_little_memory";
    let output = child.args(["--exact", test, "--ignored", "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "limits the memory of its process: the test before runs it in one of its own"]
fn in_a_process_with_little_memory() {
    let ensemble = bulky();
    let small = Options { memory: Some(64 << 20), ..Options::default() };
    // All kernels are compiled before memory is short.
    let expected = count(&gpu(&small), &ensemble, Method::Exact, 0..8);
    let engine = gpu(&Options { memory: Some(1 << 30), ..Options::default() });
    count(&engine, &ensemble, Method::Exact, 0..1);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let kib: u64 = size.trim().trim_end_matches("kB").trim().parse().unwrap();
    let limit = format!("--as={}", (kib << 10) + (40 << 20));
    let pid = std::process::id().to_string();
    assert!(std::process::Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap().success());
    assert_eq!(count(&engine, &ensemble, Method::Exact, 0..8), expected);
    assert!(engine.lane().machine.memory() < 1 << 30, "there was memory for all");
}
