//! Knots where units see a part of what comes before: those that counting finds against the slopes of the output, by which the reference
//! decides.

mod common;

use linregions::engine::{Engine, Method, PathCounts};
use linregions::ensemble::Ensemble;
use linregions::trace::Trace;

/// What is hidden on the paths of some networks.
#[derive(Debug, Default)]
struct Seen {
    boundaries: u64,
    /// Boundaries that are no knots.
    hidden: u64,
    /// Paths on which the counts are the reference's, and others.
    same: u64,
    other: u64,
}

/// Counts on so many draws of an ensemble, with the traces of the same.
fn compare(engine: &dyn Engine, ensemble: &Ensemble, draws: u64, place: &str) -> Seen {
    let counted = engine.count(ensemble, Method::Exact, 0..draws, &common::GO_ON).expect("finite");
    let mut seen = Seen::default();
    for (ix, counts) in counted.iter().enumerate() {
        let (draw, path_ix) = (ix as u64 / ensemble.paths_per_network, ix as u64 % ensemble.paths_per_network);
        let network = ensemble.network.draw(draw);
        let path = ensemble.path.draw(draw, path_ix, ensemble.paths_per_network).expect("short");
        // Its own crossings: rounding decides which are there, not which of them are knots.
        let traced = &engine.trace(&network, &[&path], &common::GO_ON).expect("finite")[0];
        let PathCounts { boundaries, knots, .. } = *counts;
        assert_eq!(boundaries, traced.boundaries.len() as u64, "{place}, draw {draw}");
        assert_eq!(knots, Some(traced.n_knots() as u64), "{place}, draw {draw}");
        let reference = Trace::reference(&network, &path).expect("finite");
        let is_same = (boundaries, knots) == (reference.boundaries.len() as u64, Some(reference.n_knots() as u64));
        seen.boundaries += boundaries;
        seen.hidden += boundaries - knots.expect("the exact method");
        *if is_same { &mut seen.same } else { &mut seen.other } += 1;
    }
    seen
}

/// Software devices take seconds to trace what a processor does in milliseconds.
fn draws_of(engine: &str) -> u64 {
    if engine == "gpu" { 8 } else { 100 }
}

/// Narrow networks, in which units that are constant hide many kinks; at least so many of the thousand boundaries are no knots.
#[test]
fn kinks_end_at_units_that_are_constant() {
    for (shape, activation, bias, least) in [
        // Convolutions: odd images, strides, padding on one side, groups, one channel for each filter.
        ("1x9-c2k3-c2k3s2-c1k2", "relu", "normal:0.5", 100),
        ("2x7x5-c2k3x2-c3k2s2x1p1x0-c1k2", "relu", "normal:0.5", 100),
        ("4x7-c4k3p1g2-c4k3p1g4-c2k3g2-c1k3", "relu", "normal:0.5", 100),
        ("1x5x5-c3k3p1-c3k3p1g3-c3k3p1g3-c3k3g3", "relu", "uniform:1", 100),
        ("1x11-c2k3p1-c2k3p1-c2k3p1-2-2", "hard-tanh", "normal:1", 100),
        ("1x9-c2k5p2-c2k3-c1k3-3", "soft-threshold:0.7", "normal:0.3", 100),
        ("2x9-c2k3-c2k3-c2k2", "leaky-relu:0.1", "normal:0.5", 0),
        // Pools, with and without overlap, with padding; one alone at the end, which hides what is not the largest.
        ("1x9-c2k3-max2-c2k2-max", "relu", "normal:0.5", 100),
        ("2x7x7-c2k3-max3s2p1-c2k2-max", "relu", "normal:0.2", 100),
        ("1x9-c3k3-avg2-c2k2-avg", "relu", "normal:0.5", 100),
        ("2x7x6-c2k3p1-avg3x2s2x1p1x0-c2k2s2-max2-1", "relu", "normal:0.5", 100),
        ("1x6x6-max2s1-c1k3-max", "leaky-relu:0.1", "normal:0.5", 100),
        ("1x11-c2k3-max3s2p1-c1k2", "hard-tanh", "normal:1", 100),
        // Skips: the same, by matrices and past convolutions with strides.
        ("2-2-2~1-2-2~3-2", "relu", "normal:1", 100),
        ("2-[2-2]x3-1-2", "relu", "normal:1", 100),
        ("1x7-c2k3p1-[c2k3p1-c2k3p1]x2-c1k3-max", "relu", "normal:0.5", 100),
        ("2x5x5-c2k3p1-[c2k3p1-c3k3s2p1]-[c3k3p1-c3k3p1]-avg-2", "relu", "normal:0.7", 100),
        ("1x8-c2k3p1-c2k3p1~1-avg2-c2k2-2+1", "hard-tanh", "normal:1", 100),
        ("2-1-2-1+x70", "relu", "normal:1", 100),
        // Units of several pre-activations, and of several outputs.
        ("1x9-c2k3-c2k3-max-2-1", "maxout:3", "normal:1", 50),
        ("2x7-c4k3p1-c4k3-max2-4", "maxout:2", "normal:0.5", 50),
        ("1x9-c4k3-max-4-2", "max-min", "normal:0.5", 50),
        ("1x9-c3k3p1-[c3k3p1-c3k3p1]-max3-3", "group-sort:3", "normal:0.5", 50),
        ("1x9-c2k3-c2k2-max2-2-2", "crelu", "normal:0.5", 20),
        ("2-4-8~1-2-2", "crelu", "normal:1", 0),
    ] {
        let changes = [("arch", shape), ("activation", activation), ("bias", bias), ("length", "8")];
        let ensemble =
            common::ensemble(&[&changes[..], &[("path", "polyline:3"), ("paths-per-network", "2")]].concat());
        for (name, engine) in common::engines() {
            let place = format!("{name}, {shape} {activation}");
            let draws = draws_of(name);
            let seen = compare(engine, &ensemble, draws, &place);
            assert!(seen.boundaries > 3 * draws && 1000 * seen.hidden >= least * seen.boundaries, "{place}: {seen:?}");
            let most = if name == "cpu f64" { 0 } else { 4 };
            assert!(seen.other <= most, "{place}: {seen:?}");
        }
    }
}

/// Without biases whole layers are exactly on their breakpoints, and units change piece at vertices that are there already.
#[test]
fn kinks_at_vertices_are_followed() {
    let (mut boundaries, mut hidden) = (0, 0);
    for (shape, activation) in [
        ("1x5-c1k2-c1k2-c1k2", "relu"),
        ("1x6-c1k3-max2-c2k1-2", "relu"),
        ("1x6-c2k3p1-c2k3p1~1-max3-1", "relu"),
        ("2-1-1~1-1-1-2", "relu"),
        ("1x6-c1k3-c2k1-max2-2", "abs"),
        ("1x7-c2k3-max2-c2k2-2-2", "crelu"),
        ("1x7-c2k3-c2k1-max3-2", "maxout:2"),
        ("1x7-c4k3-max2-c2k1-2", "max-min"),
        ("1x6x5-c2k3-max2s1-[c2k3p1-c2k3p1]-avg-2", "relu"),
    ] {
        for path in ["segment", "through-origin", "polyline:3"] {
            let ensemble = common::ensemble(&[
                ("arch", shape),
                ("activation", activation),
                ("bias", "zero"),
                ("path", path),
                ("length", "8"),
            ]);
            for (name, engine) in common::engines() {
                let seen = compare(engine, &ensemble, draws_of(name), &format!("{name}, {shape} {activation} {path}"));
                (boundaries, hidden) = (boundaries + seen.boundaries, hidden + seen.hidden);
            }
        }
    }
    assert!(boundaries > 2 * hidden && hidden > 10_000, "{hidden} of {boundaries} boundaries are no knots");
}
