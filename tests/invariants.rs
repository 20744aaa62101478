//! What must not change a count, for random networks of random shapes.

mod common;

use std::sync::LazyLock;

use linregions::engine::cpu::CpuEngine;
use linregions::engine::{Engine, Method, PathCounts, Precision};
use linregions::ensemble::Ensemble;
use linregions::network::{AffineWeights, Network};
use linregions::path::Path;
use linregions::trace::Trace;
use proptest::prelude::*;

fn count(network: &Network, path: &Path, precision: Precision, method: Method) -> PathCounts {
    static ENGINES: LazyLock<[CpuEngine; 2]> =
        LazyLock::new(|| [Precision::F32, Precision::F64].map(|p| CpuEngine::new(Some(1), p).expect("one thread")));
    let engine = &ENGINES[usize::from(precision == Precision::F64)];
    engine.count_given(network, &[path], method).expect("finite").remove(0)
}

fn exact(network: &Network, path: &Path) -> PathCounts {
    count(network, path, Precision::F64, Method::Exact)
}

fn reversed(path: &Path) -> Path {
    let points: Vec<f64> = (0..path.n_vertices()).rev().flat_map(|v| path.vertex(v).to_vec()).collect();
    Path::from_points(path.dim(), &points).expect("finite")
}

/// The network with the units of hidden layer `layer` changed: new unit u is old unit `from[u]` with its incoming weights and bias
/// times `gain[u]`, its outgoing weights times `outgoing[u]`.
fn rewired(network: &Network, layer: usize, from: &[usize], gain: &[f64], outgoing: &[f64]) -> Network {
    let mut affine: Vec<AffineWeights<f64>> = network.affine().to_vec();
    let old = &network.affine()[layer];
    let units = old.bias.len();
    affine[layer].weight =
        old.weight.chunks_exact(units).flat_map(|row| from.iter().zip(gain).map(|(&u, g)| row[u] * g)).collect();
    affine[layer].bias = from.iter().zip(gain).map(|(&u, g)| old.bias[u] * g).collect();
    let next = &network.affine()[layer + 1];
    let width = next.bias.len();
    affine[layer + 1].weight = from
        .iter()
        .zip(outgoing)
        .flat_map(|(&u, g)| next.weight[u * width..][..width].iter().map(move |w| w * g))
        .collect();
    let mut widths: Vec<usize> = network.architecture().layers().iter().map(|l| l.affine.units()).collect();
    widths[layer] = from.len();
    let architecture = linregions::network::Architecture::dense(
        network.architecture().input_dim(),
        &widths,
        network.architecture().activation().clone(),
        network.architecture().outputs(),
    );
    Network::new(architecture.expect("valid"), affine).expect("matching shapes")
}

fn ensembles() -> impl Strategy<Value = Ensemble> {
    let activation =
        prop::sample::select(vec!["relu", "leaky-relu:0.1", "abs", "hard-tanh", "relu6", "soft-threshold:0.5"]);
    let bias = prop::sample::select(vec!["normal:0.1", "normal:1", "uniform:0.5", "torch"]);
    let path = prop::sample::select(vec!["segment", "chord", "polyline:4", "through-origin"]);
    (1usize..5, prop::collection::vec(1usize..20, 1..5), activation, bias, path, any::<u32>()).prop_map(
        |(inputs, widths, activation, bias, path, seed)| {
            let arch = widths.iter().fold(inputs.to_string(), |text, n| format!("{text}-{n}"));
            let seed = seed.to_string();
            let flags =
                [("arch", arch.as_str()), ("activation", activation), ("bias", bias), ("path", path), ("seed", &seed)];
            common::ensemble(&flags)
        },
    )
}

fn draw(ensemble: &Ensemble) -> (Network, Path) {
    (ensemble.network.draw(0), ensemble.path.draw(0, 0, 1).expect("short"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn reversing_the_path_changes_nothing(ensemble in ensembles()) {
        let (network, path) = draw(&ensemble);
        let (there, back) = (exact(&network, &path), exact(&network, &reversed(&path)));
        prop_assert_eq!((there.crossings, there.boundaries), (back.crossings, back.boundaries));
        let there = Trace::reference(&network, &path).expect("finite");
        let back = Trace::reference(&network, &reversed(&path)).expect("finite");
        prop_assert_eq!(there.n_knots(), back.n_knots());
    }

    #[test]
    fn permuting_units_changes_nothing(ensemble in ensembles(), layer in 0usize..4, shift in 1usize..20) {
        let (network, path) = draw(&ensemble);
        let layer = layer % network.architecture().depth();
        let n = network.architecture().layers()[layer].affine.units();
        let from: Vec<usize> = (0..n).map(|u| (u + shift) % n).collect();
        let permuted = rewired(&network, layer, &from, &vec![1.0; n], &vec![1.0; n]);
        let (a, b) = (exact(&network, &path), exact(&permuted, &path));
        prop_assert_eq!((a.crossings, a.boundaries), (b.crossings, b.boundaries));
    }

    /// A copy of a unit crosses where the unit does: more crossings, the same boundaries and knots.
    #[test]
    fn duplicated_units_make_no_boundaries(ensemble in ensembles(), layer in 0usize..4, unit in 0usize..20) {
        let (network, path) = draw(&ensemble);
        let layer = layer % network.architecture().depth();
        let n = network.architecture().layers()[layer].affine.units();
        let unit = unit % n;
        let from: Vec<usize> = (0..n).chain([unit]).collect();
        // Halves add up exactly, so later layers see the same numbers.
        let outgoing: Vec<f64> = from.iter().map(|&u| if u == unit { 0.5 } else { 1.0 }).collect();
        let doubled = rewired(&network, layer, &from, &vec![1.0; n + 1], &outgoing);
        for precision in [Precision::F32, Precision::F64] {
            let (a, b) = (count(&network, &path, precision, Method::Exact), count(&doubled, &path, precision, Method::Exact));
            prop_assert_eq!(a.boundaries, b.boundaries);
        }
        let (a, b) = (Trace::reference(&network, &path).expect("finite"), Trace::reference(&doubled, &path).expect("finite"));
        prop_assert_eq!((a.boundaries.len(), a.n_knots()), (b.boundaries.len(), b.n_knots()));
        let of_unit = a.crossings.iter().filter(|c| (c.layer, c.unit) == (layer, unit)).count();
        prop_assert_eq!(b.crossings.len(), a.crossings.len() + of_unit);
    }

    /// A ReLU unit times a power of two, undone after it, is the same function without rounding.
    #[test]
    fn scaling_relu_units_by_powers_of_two_changes_nothing(ensemble in ensembles(), layer in 0usize..4, power in -8i32..8) {
        let (network, path) = draw(&ensemble);
        prop_assume!(network.architecture().activation().homogeneous_slopes().is_some());
        let layer = layer % network.architecture().depth();
        let n = network.architecture().layers()[layer].affine.units();
        let gain: Vec<f64> = (0..n).map(|u| if u % 2 == 0 { 2f64.powi(power) } else { 1.0 }).collect();
        let undo: Vec<f64> = gain.iter().map(|g| 1.0 / g).collect();
        let scaled = rewired(&network, layer, &(0..n).collect::<Vec<_>>(), &gain, &undo);
        for precision in [Precision::F32, Precision::F64] {
            let method = Method::Exact;
            prop_assert_eq!(count(&network, &path, precision, method), count(&scaled, &path, precision, method));
        }
    }

    #[test]
    fn grids_are_lower_bounds_that_grow_as_they_nest(ensemble in ensembles()) {
        let (network, path) = draw(&ensemble);
        let all = exact(&network, &path);
        let mut before = PathCounts { crossings: vec![0; all.crossings.len()], boundaries: 0, ..all.clone() };
        for doublings in 0..12 {
            let method = Method::Sampled { grid: (1 << doublings) + 1 };
            let sampled = count(&network, &path, Precision::F64, method);
            prop_assert!(sampled.crossings.iter().zip(&before.crossings).all(|(now, then)| now >= then), "{sampled:?} {before:?}");
            prop_assert!(sampled.crossings.iter().zip(&all.crossings).all(|(s, e)| s <= e), "{sampled:?} {all:?}");
            prop_assert!(sampled.boundaries >= before.boundaries && sampled.boundaries <= all.boundaries);
            prop_assert_eq!(sampled.knots, None);
            before = sampled;
        }
    }

    #[test]
    fn counts_are_consistent(ensemble in ensembles()) {
        let engine = CpuEngine::new(Some(1), Precision::F32).expect("one thread");
        for counts in engine.count(&ensemble, Method::Exact, 0..5, &common::GO_ON).expect("finite") {
            let crossings: u64 = counts.crossings.iter().sum();
            prop_assert!(counts.boundaries <= crossings);
            prop_assert!(counts.knots.is_some_and(|knots| knots <= counts.boundaries));
        }
    }
}

/// The same counts for any number of threads and any partition into batches.
#[test]
fn threads_and_batches_do_not_matter() {
    let ensemble = common::ensemble(&[("arch", "3-37-20x2"), ("activation", "hard-tanh"), ("paths-per-network", "3")]);
    for method in [Method::Exact, Method::Sampled { grid: 300 }] {
        let run = |threads, parts: &[u64]| -> Vec<PathCounts> {
            let engine = CpuEngine::new(Some(threads), Precision::F32).expect("threads");
            let ranges = parts.windows(2).map(|w| w[0]..w[1]);
            ranges.flat_map(|range| engine.count(&ensemble, method, range, &common::GO_ON).expect("finite")).collect()
        };
        let one = run(1, &[0, 60]);
        assert_eq!(one.len(), 180);
        assert_eq!(run(5, &[0, 1, 2, 31, 60]), one, "{method:?}");
        assert_eq!(run(2, &[0, 60]), one, "{method:?}");
    }
}
