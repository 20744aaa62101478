//! The engines against the f64 reference: equal counts, or a difference that rounding explains.
//!
//! The rounding bound is that of Higham and Mary, "A new approach to probabilistic rounding error analysis" (SIAM J. Sci.
//! Comput. 41, 2019): errors of a sum of n terms grow like the root of n, propagated through the layers as independent, times 8.
//! A crossing that one side has and the other has not must belong to an excursion beyond the breakpoint that is no
//! deeper than the bound; all others must be at a point where the exact pre-activation is within the bound of the breakpoint.

mod common;

use linregions::engine::{Method, Precision};
use linregions::network::{AffineWeights, Network};
use linregions::path::Path;
use linregions::trace::{Crossing, Trace};

/// A network with what explains differences of f32.
struct Explainer<'a> {
    network: &'a Network,
    path: &'a Path,
    /// Rounding bound of every pre-activation of every hidden layer.
    bounds: Vec<Vec<f64>>,
    positions: Vec<f64>,
}

impl<'a> Explainer<'a> {
    fn new(network: &'a Network, path: &'a Path, reference: &Trace) -> Self {
        let mut positions: Vec<f64> = path.positions().to_vec();
        positions.extend(reference.boundaries.iter().map(|b| b.position));
        positions.sort_by(f64::total_cmp);
        let mut this = Self { network, path, bounds: Vec::new(), positions };
        // Largest magnitude of each value along the path: piecewise linear between boundaries.
        let values: Vec<Vec<(Vec<f64>, Vec<f64>)>> = this.positions.iter().map(|&p| this.forward(p)).collect();
        let unit_roundoff = 0.5 * f64::from(f32::EPSILON);
        let input: Vec<f64> = (0..path.dim())
            .map(|i| (0..path.n_vertices()).map(|v| path.vertex(v)[i].abs()).fold(0.0, f64::max))
            .collect();
        let mut h_largest = input.clone();
        let mut h_error: Vec<f64> = input.iter().map(|x| x * unit_roundoff).collect();
        for (layer, (shape, weights)) in network.architecture().layers().iter().zip(network.affine()).enumerate() {
            let units = weights.bias.len();
            let slope = shape.activation.pieces().slopes.iter().fold(0.0, |m: f64, s| m.max(s.abs()));
            let growth = unit_roundoff * ((h_largest.len() + 2) as f64).sqrt();
            let mut z_error = Vec::new();
            for unit in 0..units {
                let column = weights.weight.iter().skip(unit).step_by(units);
                let (mut inherited, mut size) = (0.0, weights.bias[unit].abs());
                for ((w, e), h) in column.zip(&h_error).zip(&h_largest) {
                    inherited += (w * e).powi(2);
                    size += (w * h).abs();
                }
                let z_largest = values.iter().map(|v| v[layer].0[unit].abs()).fold(0.0, f64::max);
                z_error.push((inherited + (growth * size).powi(2) + (4.0 * unit_roundoff * z_largest).powi(2)).sqrt());
            }
            this.bounds.push(z_error.iter().map(|e| 8.0 * e).collect());
            h_largest = (0..units).map(|u| values.iter().map(|v| v[layer].1[u].abs()).fold(0.0, f64::max)).collect();
            h_error = z_error.iter().zip(&h_largest).map(|(e, h)| slope * e + 2.0 * unit_roundoff * h).collect();
        }
        this
    }

    /// Pre-activations and activations of every hidden layer at a position, in f64.
    fn forward(&self, position: f64) -> Vec<(Vec<f64>, Vec<f64>)> {
        let edge = self.path.positions().partition_point(|&p| p <= position).clamp(1, self.path.n_vertices() - 1) - 1;
        let mut h = vec![0.0; self.path.dim()];
        self.path.point_on_edge(edge, position, &mut h);
        let mut all = Vec::new();
        for (shape, weights) in self.network.architecture().layers().iter().zip(self.network.affine()) {
            let units = weights.bias.len();
            let mut z = weights.bias.clone();
            for (i, h) in h.iter().enumerate() {
                for (z, w) in z.iter_mut().zip(&weights.weight[i * units..]) {
                    *z += w * h;
                }
            }
            h = z.iter().map(|&z| shape.activation.pieces().value(z)).collect();
            all.push((z, h.clone()));
        }
        all
    }

    fn distance(&self, position: f64, layer: usize, unit: usize, tau: f64) -> f64 {
        (self.forward(position)[layer].0[unit] - tau).abs()
    }

    /// The largest distance from the breakpoint between two positions.
    fn depth(&self, from: f64, to: f64, layer: usize, unit: usize, tau: f64) -> f64 {
        let inner = self.positions.iter().copied().filter(|p| (from..=to).contains(p));
        inner.chain([from, to]).map(|p| self.distance(p, layer, unit, tau)).fold(0.0, f64::max)
    }

    /// The crossings of one unit through one breakpoint, without excursions that rounding can make or hide.
    fn deep(&self, mut crossings: Vec<Crossing>, tau: f64) -> Vec<Crossing> {
        loop {
            let n = crossings.len();
            let Some(first) = crossings.first().copied() else { return crossings };
            let (layer, unit) = (first.layer, first.unit);
            let bound = self.bounds[layer][unit];
            let at = |ix: usize| crossings[ix].position;
            let shallow = |from, to| self.depth(from, to, layer, unit, tau) <= bound;
            if shallow(0.0, at(0)) {
                crossings.remove(0);
            } else if shallow(at(n - 1), self.path.length()) {
                crossings.pop();
            } else if let Some(ix) = (0..n - 1).find(|&ix| shallow(at(ix), at(ix + 1))) {
                crossings.drain(ix..=ix + 1);
            } else {
                return crossings;
            }
        }
    }

    /// Number of crossings in which two traces differ; an error where rounding does not explain it.
    fn compare(&self, reference: &Trace, engine: &Trace) -> Result<usize, String> {
        let mut mismatches = 0;
        for (layer, shape) in self.network.architecture().layers().iter().enumerate() {
            for (breakpoint, &tau) in shape.activation.pieces().breakpoints.iter().enumerate() {
                for unit in 0..shape.affine.units() {
                    let of = |trace: &Trace| -> Vec<Crossing> {
                        let wanted = |c: &&Crossing| (c.layer, c.unit, c.breakpoint) == (layer, unit, breakpoint);
                        trace.crossings.iter().filter(wanted).copied().collect()
                    };
                    let (mut exact, mut rounded) = (of(reference), of(engine));
                    if exact.len() != rounded.len() {
                        mismatches += exact.len().abs_diff(rounded.len());
                        (exact, rounded) = (self.deep(exact, tau), self.deep(rounded, tau));
                    }
                    let place = format!("layer {layer} unit {unit} breakpoint {breakpoint}");
                    if exact.len() != rounded.len() || exact.iter().zip(&rounded).any(|(a, b)| a.rising != b.rising) {
                        return Err(format!("{place}: {exact:?} against {rounded:?}"));
                    }
                    for crossing in rounded {
                        let distance = self.distance(crossing.position, layer, unit, tau);
                        if distance > self.bounds[layer][unit] {
                            return Err(format!(
                                "{place} is {distance:e} from its breakpoint at {}",
                                crossing.position
                            ));
                        }
                    }
                }
            }
        }
        Ok(mismatches)
    }
}

const ACTIVATIONS: [&str; 7] =
    ["relu", "leaky-relu:0.1", "abs", "hard-tanh", "relu6", "soft-threshold:0.5", "identity"];

/// Hundreds of random networks of all activations on every engine, widths 1 to 300 and depths 1 to 12.
#[test]
fn engines_differ_from_the_reference_only_where_rounding_explains_it() {
    let (mut networks, mut crossings, mut mismatches) = (0, 0, 0);
    let shapes =
        ["1-1", "2-3x12", "1-17x3", "2-64x3", "2-64x10", "3-1-9-2", "10-128-33", "5-300", "4-65-7x4", "30-16x2"];
    for (seed, shape) in shapes.iter().enumerate() {
        for activation in ACTIVATIONS {
            // Keeps the chaotic activations from making millions of crossings.
            let weights = if activation == "soft-threshold:0.5" { "normal:0.1" } else { "he-normal" };
            let ensemble = common::ensemble(&[
                ("arch", shape),
                ("activation", activation),
                ("weights", weights),
                ("path", if seed % 2 == 0 { "segment" } else { "polyline:3" }),
                ("seed", &seed.to_string()),
            ]);
            for draw in 0..4 {
                let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
                let reference = Trace::reference(&network, &path).expect("finite");
                let place = format!("{shape} {activation} draw {draw}");
                let explainer = Explainer::new(&network, &path, &reference);
                for (name, engine) in common::engines() {
                    let traced = &engine.trace(&network, &[&path], &common::GO_ON).expect("finite")[0];
                    if engine.provenance().precision == Precision::F32 {
                        let compared = explainer.compare(&reference, traced);
                        mismatches += compared.unwrap_or_else(|e| panic!("{name}, {place}: {e}"));
                    } else {
                        assert_eq!(traced.crossings.len(), reference.crossings.len(), "{name}, {place}");
                        assert_eq!(traced.boundaries.len(), reference.boundaries.len(), "{name}, {place}");
                        assert_eq!(traced.n_knots(), reference.n_knots(), "{name}, {place}");
                    }
                }
                networks += 1;
                crossings += reference.crossings.len();
            }
        }
    }
    println!("{networks} networks, {crossings} crossings, {mismatches} explained mismatches");
    assert!(networks >= 280 && crossings > 10_000, "{networks} networks with {crossings} crossings");
    assert!(mismatches * 1000 <= crossings, "{mismatches} of {crossings}");
}

/// The negative control: a weight that is off by a thousandth is no rounding.
#[test]
fn a_wrong_weight_is_not_explained_by_rounding() {
    let ensemble = common::ensemble(&[("arch", "2-64x3")]);
    for draw in 0..5 {
        let (network, path) = (ensemble.network.draw(draw), ensemble.path.draw(draw, 0, 1).expect("short"));
        let reference = Trace::reference(&network, &path).expect("finite");
        let mut affine: Vec<AffineWeights<f64>> = network.affine().to_vec();
        let active = reference.crossings.iter().find(|c| c.layer == 0).expect("a crossing of layer 1");
        affine[0].weight[active.unit] *= 1.001;
        let wrong = Network::new(network.architecture().clone(), affine).expect("the same shape");
        for (_, engine) in common::f32_engines() {
            let traced = &engine.trace(&wrong, &[&path], &common::GO_ON).expect("finite")[0];
            Explainer::new(&network, &path, &reference).compare(&reference, traced).expect_err("unexplained");
        }
    }
}

/// `count` draws the networks that `draw` gives, and its rule for knots is the slope of the output.
#[test]
fn counting_draws_equals_tracing_them() {
    let (mut hidden, mut dead) = (0, 0);
    for (shape, activation, bias) in [
        ("1-3x6", "relu", "normal:0.5"),
        ("2-2x3", "relu", "normal:1"),
        ("2-4x4", "hard-tanh", "normal:1"),
        ("3-5-1-5", "relu6", "uniform:1"),
        ("2-3x5", "leaky-relu:0.1", "torch"),
        ("2-33-17", "relu", "normal:0.1"),
        ("1-2x4", "soft-threshold:0.5", "normal:1"),
    ] {
        let plan = common::plan(&[
            ("arch", shape),
            ("activation", activation),
            ("bias", bias),
            ("length", "8"),
            ("paths-per-network", "2"),
        ]);
        for (name, engine) in common::engines() {
            let counts = engine.count(&plan.ensemble, Method::Exact, 100..180, &common::GO_ON).expect("finite");
            for (ix, counts) in counts.iter().enumerate() {
                let (draw, path_ix) = (100 + ix as u64 / 2, ix as u64 % 2);
                let network = plan.ensemble.network.draw(draw);
                let path = plan.ensemble.path.draw(draw, path_ix, 2).expect("short");
                let traced = &engine.trace(&network, &[&path], &common::GO_ON).expect("finite")[0];
                let depth = network.architecture().depth();
                let layers: Vec<u64> = (0..depth).map(|l| traced.crossings_of_layer(l) as u64).collect();
                let place = format!("{name}, {shape} {activation} draw {draw} path {path_ix}");
                assert_eq!(counts.crossings, layers, "{place}");
                assert_eq!(counts.boundaries, traced.boundaries.len() as u64, "{place}");
                assert_eq!(counts.knots, Some(traced.n_knots() as u64), "{place}");
                assert_eq!(counts.length, traced.length, "{place}");
                hidden += u64::from(counts.knots != Some(counts.boundaries));
                dead += u64::from(counts.boundaries == 0);
            }
        }
    }
    assert!(hidden > 50 && dead > 5, "hidden kinks on {hidden} paths, none at all on {dead}");
}

/// Blocks of vertices are a matter of memory alone: polylines of more vertices than a block has count as their edges do.
#[test]
fn long_paths_stream_through_blocks_unchanged() {
    for (shape, activation) in [("2-9x3", "relu"), ("2-40-11", "hard-tanh"), ("1-5x2", "abs")] {
        let anchors = "polyline:1500";
        let ensemble =
            common::ensemble(&[("arch", shape), ("activation", activation), ("path", anchors), ("bias", "normal:0.5")]);
        let (network, path) = (ensemble.network.draw(3), ensemble.path.draw(3, 0, 1).expect("finite"));
        let reference = Trace::reference(&network, &path).expect("finite");
        assert!(reference.crossings.len() > 2000, "{}", reference.crossings.len());
        let depth = network.architecture().depth();
        let layers: Vec<u64> = (0..depth).map(|l| reference.crossings_of_layer(l) as u64).collect();
        for (name, engine) in common::engines() {
            if engine.provenance().precision == Precision::F64 {
                let counts = &engine.count_given(&network, &[&path], Method::Exact).expect("finite")[0];
                assert_eq!(
                    (&counts.crossings, counts.boundaries),
                    (&layers, reference.boundaries.len() as u64),
                    "{shape}"
                );
            } else {
                let single = &engine.trace(&network, &[&path], &common::GO_ON).expect("finite")[0];
                let compared = Explainer::new(&network, &path, &reference).compare(&reference, single);
                compared.unwrap_or_else(|e| panic!("{name}, {shape}: {e}"));
            }
        }
    }
}
