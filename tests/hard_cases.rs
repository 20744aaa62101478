//! The hard cases of the definitions, one by one, on the reference and on every engine.

mod common;

use std::sync::Arc;

use linregions::engine::Method;
use linregions::network::{AffineWeights, Architecture, Network};
use linregions::path::Path;
use linregions::trace::Trace;

/// Crossings, boundaries and knots of a network along a path, on which all implementations must agree.
fn counts(network: &Network, path: &Path) -> (usize, usize, usize) {
    let of = |trace: &Trace| (trace.crossings.len(), trace.boundaries.len(), trace.n_knots());
    let reference = of(&Trace::reference(network, path).expect("finite"));
    for (name, engine) in common::engines() {
        assert_eq!(of(&engine.trace(network, &[path], &common::GO_ON).expect("finite")[0]), reference, "{name}");
        let counted = &engine.count_given(network, &[path], Method::Exact).expect("finite")[0];
        let crossings: u64 = counted.crossings.iter().sum();
        assert_eq!((crossings as usize, counted.boundaries as usize), (reference.0, reference.1), "{name}");
    }
    reference
}

/// One unit per row of weights and bias on one input, read out by ones.
fn one_layer(activation: &str, units: &[(f64, f64)]) -> Network {
    let rows: Vec<[f64; 1]> = units.iter().map(|&(w, _)| [w]).collect();
    let rows: Vec<&[f64]> = rows.iter().map(<[f64; 1]>::as_slice).collect();
    let bias: Vec<f64> = units.iter().map(|&(_, b)| b).collect();
    common::network(activation, &[(&rows, &bias), (&[&vec![1.0; units.len()]], &[0.0])])
}

#[test]
fn a_path_through_the_breakpoint_crosses_once() {
    let unit = one_layer("relu", &[(1.0, 0.0)]);
    assert_eq!(counts(&unit, &common::line(&[-1.0, 2.0])), (1, 1, 1));
    // The crossing exactly on a vertex of the path, and with two vertices there.
    assert_eq!(counts(&unit, &common::line(&[-1.0, 0.0, 2.0])), (1, 1, 1));
    assert_eq!(counts(&unit, &common::line(&[-1.0, 0.0, 0.0, 2.0])), (1, 1, 1));
    assert_eq!(counts(&unit, &common::line(&[2.0, 0.0, -1.0])), (1, 1, 1));
}

#[test]
fn touching_the_breakpoint_is_no_crossing() {
    let unit = one_layer("relu", &[(1.0, 0.0)]);
    for points in [[1.0, 0.0, 1.0], [-1.0, 0.0, -1.0]] {
        assert_eq!(counts(&unit, &common::line(&points)), (0, 0, 0), "{points:?}");
    }
    // Nor is a start or an end on it.
    for points in [[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]] {
        assert_eq!(counts(&unit, &common::line(&points)), (0, 0, 0), "{points:?}");
    }
}

/// Crossings and touches exactly at vertices, at every place of the engine's blocks of vertices and at their ends.
#[test]
fn vertices_on_the_breakpoint_count_once_at_the_ends_of_blocks_too() {
    let network = one_layer("relu", &[(1.0, 0.0), (-1.0, 0.0), (1.0, -1.0)]);
    let pattern = [1.0, 0.0, 1.0, 0.0, -1.0, 0.0, -1.0, 0.0, 2.0, 1.0, 2.0];
    for shift in 0..pattern.len() {
        let points: Vec<f64> = pattern.iter().copied().cycle().skip(shift).take(1200).collect();
        let (crossings, boundaries, _) = counts(&network, &common::line(&points));
        assert!(boundaries > 200 && crossings > boundaries, "{crossings} {boundaries}");
    }
}

#[test]
fn a_unit_that_stays_on_its_breakpoint_is_on_the_lower_piece() {
    // The second input alone moves the unit; along (t, 0) it stays at zero.
    let network = common::network("relu", &[(&[&[0.0, 1.0]], &[0.0]), (&[&[1.0]], &[0.0])]);
    let path = |points: &[f64]| Path::from_points(2, points).expect("finite");
    assert_eq!(counts(&network, &path(&[0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0])), (2, 2, 2), "above, on it, above");
    assert_eq!(counts(&network, &path(&[0.0, -1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0])), (1, 1, 1), "below, on it, above");
    assert_eq!(counts(&network, &path(&[0.0, -1.0, 0.0, 0.0, 1.0, 0.0, 1.0, -1.0])), (0, 0, 0), "below, on it, below");
    assert_eq!(counts(&network, &path(&[0.0, 0.0, 1.0, 0.0, 1.0, 1.0])), (1, 1, 1), "on it from the start, above");
}

#[test]
fn several_breakpoints_are_crossed_one_by_one() {
    let unit = one_layer("hard-tanh", &[(1.0, 0.0)]);
    assert_eq!(counts(&unit, &common::line(&[-2.0, 2.0])), (2, 2, 2));
    assert_eq!(counts(&unit, &common::line(&[-2.0, 1.0])), (1, 1, 1));
    assert_eq!(counts(&unit, &common::line(&[-1.0, 1.0])), (0, 0, 0));
    assert_eq!(counts(&unit, &common::line(&[2.0, -1.0, 2.0])), (2, 2, 2));
}

#[test]
fn coincident_crossings_are_one_boundary() {
    let twins = one_layer("relu", &[(1.0, 0.5), (2.0, 1.0), (-1.0, -0.5)]);
    assert_eq!(counts(&twins, &common::line(&[-2.0, 2.0])), (3, 1, 1));
    // relu(x) - relu(-x) = x: the pattern changes, the output's slope does not.
    let identity = common::network("relu", &[(&[&[1.0], &[-1.0]], &[0.0, 0.0]), (&[&[1.0, -1.0]], &[0.0])]);
    assert_eq!(counts(&identity, &common::line(&[-1.0, 1.0])), (2, 1, 0));
}

#[test]
fn kinks_that_die_downstream_are_no_knots() {
    // The second layer is inactive wherever the first one has its kink.
    let network = common::network("relu", &[(&[&[1.0]], &[0.0]), (&[&[1.0]], &[-1.0]), (&[&[1.0]], &[0.0])]);
    assert_eq!(counts(&network, &common::line(&[-1.0, 2.0])), (2, 2, 1));
    // A read-out that does not look at the unit.
    let ignored = common::network("relu", &[(&[&[1.0], &[1.0]], &[0.0, -1.0]), (&[&[0.0, 1.0]], &[0.0])]);
    assert_eq!(counts(&ignored, &common::line(&[-1.0, 2.0])), (2, 2, 1));
}

#[test]
fn a_path_without_length_or_crossings_has_none() {
    let network = common::ensemble(&[("arch", "2-64x3")]).network.draw(0);
    assert_eq!(counts(&network, &Path::from_points(2, &[0.3, 0.4]).expect("finite")), (0, 0, 0));
    assert_eq!(counts(&network, &Path::from_points(2, &[0.3, 0.4, 0.3, 0.4]).expect("finite")), (0, 0, 0));
    let dead = one_layer("relu", &[(1.0, -100.0), (-1.0, -100.0)]);
    assert_eq!(counts(&dead, &common::line(&[-1.0, 1.0])), (0, 0, 0));
    let identity = one_layer("identity", &[(1.0, 0.0), (-2.0, 1.0)]);
    assert_eq!(counts(&identity, &common::line(&[-1.0, 1.0])), (0, 0, 0));
}

/// Without biases a network is linear on rays: on a line through the origin the only boundary is the origin.
#[test]
fn bias_free_networks_have_one_boundary_through_the_origin() {
    for activation in ["relu", "leaky-relu:0.1", "abs"] {
        for shape in ["1-7x3", "3-64x4", "20-33-5"] {
            let flags = [("arch", shape), ("activation", activation), ("bias", "zero"), ("path", "through-origin")];
            let ensemble = common::ensemble(&flags);
            for draw in 0..10 {
                let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
                let (crossings, boundaries, knots) = counts(&network, &path);
                assert_eq!((boundaries, knots), (1, 1), "{shape} {activation}");
                assert!(crossings >= network.architecture().layers()[0].affine.units());
                // Nor does it matter where on the path the origin is: here at three quarters, where fractions round.
                let end: Vec<f64> = (0..path.dim()).map(|i| f64::from(1 + i as u32 % 3)).collect();
                let lopsided: Vec<f64> = end.iter().map(|x| -3.0 * x).chain(end.iter().copied()).collect();
                let lopsided = Path::from_points(end.len(), &lopsided).expect("finite");
                let (_, boundaries, knots) = counts(&network, &lopsided);
                assert_eq!((boundaries, knots), (1, 1), "{shape} {activation}");
            }
        }
    }
}

/// A path of length 10^4 crosses nearly every unit's whole line: about one crossing a unit, all near the origin.
#[test]
fn long_paths_keep_their_crossings() {
    let flags = [("arch", "2-64x3"), ("length", "1e4"), ("path", "through-origin"), ("bias", "normal:1")];
    let ensemble = common::ensemble(&flags);
    let mut total = 0;
    for draw in 0..20 {
        let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("finite"));
        let (crossings, boundaries, _) = counts(&network, &path);
        assert_eq!(crossings, boundaries);
        total += crossings;
    }
    // 192 units: networks vary by about a fifth, their mean by a twentieth.
    assert!((150..230).contains(&(total / 20)), "{}", total / 20);
}

/// Without biases, too, where breakpoints away from zero are crossed near the origin of a path 10^7 long.
#[test]
fn long_paths_keep_the_crossings_of_other_breakpoints() {
    for activation in ["hard-tanh", "soft-threshold:0.5"] {
        let flags = [("arch", "3-16x2"), ("length", "1e7"), ("path", "through-origin"), ("bias", "zero")];
        let ensemble = common::ensemble(&[&flags[..], &[("activation", activation)]].concat());
        for draw in 0..10 {
            let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("finite"));
            let (crossings, boundaries, _) = counts(&network, &path);
            assert!(crossings >= 32 && crossings == boundaries, "{activation}: {crossings} {boundaries}");
        }
    }
}

/// |x|, then soft thresholding of |x| - 2 at 0.5, then the hard tanh of twice that, on -4 .. 4: kinks where |x| is 0, 1.5, 2.5, 1 and
/// 3, of which the first is hidden, since the last unit is below -1 there.
#[test]
fn layers_may_have_activations_of_their_own() {
    let activations = ["abs", "soft-threshold:0.5", "hard-tanh"];
    let layers = activations.map(|name| (1, Arc::new(name.parse().expect("known"))));
    let architecture = Architecture::new(1, layers.to_vec(), 1).expect("valid");
    let affine = [(1.0, 0.0), (1.0, -2.0), (2.0, 0.0), (1.0, 0.0)]
        .map(|(weight, bias)| AffineWeights::new(vec![weight], vec![bias]));
    let network = Network::new(architecture, affine.to_vec()).expect("valid");
    let path = common::line(&[-4.0, 4.0]);
    assert_eq!(counts(&network, &path), (9, 9, 8));
    let trace = Trace::reference(&network, &path).expect("finite");
    let found: Vec<(f64, usize, bool)> =
        trace.crossings.iter().zip(&trace.boundaries).map(|(c, b)| (c.position - 4.0, c.layer, b.is_knot)).collect();
    let expected = [(-3.0, 2), (-2.5, 1), (-1.5, 1), (-1.0, 2), (0.0, 0), (1.0, 2), (1.5, 1), (2.5, 1), (3.0, 2)];
    assert_eq!(found, expected.map(|(x, layer)| (x, layer, x != 0.0)));
}
