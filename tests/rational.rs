//! The definitions in exact rational arithmetic, against the f64 reference and the engine in both precisions.
//!
//! The checker finds every point where some pre-activation meets a breakpoint, and evaluates pattern and slope in the
//! middle of every interval between such points: the definitions themselves, without a tie to break.

mod common;

use linregions::engine::Method;
use linregions::network::{Activation, AffineWeights, Architecture, Network};
use linregions::path::Path;
use linregions::random::Stream;
use linregions::trace::Trace;
use num_bigint::BigInt;
use num_rational::BigRational;

type Q = BigRational;

fn rational(x: f64) -> Q {
    Q::from_float(x).expect("a finite number")
}

#[derive(Debug, PartialEq, Eq)]
struct Counts {
    crossings: Vec<u64>,
    boundaries: u64,
    knots: u64,
}

impl Counts {
    fn of_trace(trace: &Trace, depth: usize) -> Self {
        Self {
            crossings: (0..depth).map(|l| trace.crossings_of_layer(l) as u64).collect(),
            boundaries: trace.boundaries.len() as u64,
            knots: trace.n_knots() as u64,
        }
    }
}

struct ExactNetwork {
    /// Per layer the rows of weights, out x in, and the biases; the read-out last.
    layers: Vec<(Vec<Vec<Q>>, Vec<Q>)>,
    breakpoints: Vec<Q>,
    slopes: Vec<Q>,
    intercepts: Vec<Q>,
    /// The path's vertices, as fractions of its length.
    vertices: Vec<Q>,
    start: Vec<Q>,
    end: Vec<Q>,
}

impl ExactNetwork {
    fn new(network: &Network, path: &Path) -> Self {
        let all = |values: &[f64]| values.iter().map(|&v| rational(v)).collect::<Vec<Q>>();
        let layer = |a: &AffineWeights<f64>| {
            let units = a.bias.len();
            let row = |u: usize| a.weight.iter().skip(u).step_by(units).map(|&w| rational(w)).collect();
            ((0..units).map(row).collect(), all(&a.bias))
        };
        let pieces = network.architecture().activation().pieces();
        Self {
            layers: network.affine().iter().map(layer).collect(),
            breakpoints: all(&pieces.breakpoints),
            slopes: all(&pieces.slopes),
            intercepts: all(&pieces.intercepts),
            vertices: path.positions().iter().map(|&p| rational(p) / rational(path.length())).collect(),
            start: all(path.vertex(0)),
            end: all(path.vertex(path.n_vertices() - 1)),
        }
    }

    /// Pieces below `z`.
    fn piece(&self, z: &Q) -> usize {
        self.breakpoints.iter().filter(|tau| *tau < z).count()
    }

    /// All pre-activations at fraction `t` of the path, layer by layer, and the outputs.
    fn evaluate(&self, t: &Q) -> Vec<Vec<Q>> {
        let mut h: Vec<Q> = self.start.iter().zip(&self.end).map(|(a, b)| a + t * (b - a)).collect();
        let mut values = Vec::new();
        for (rows, bias) in &self.layers {
            let dot = |row: &Vec<Q>| row.iter().zip(&h).fold(rational(0.0), |sum, (w, h)| sum + w * h);
            let z: Vec<Q> = rows.iter().zip(bias).map(|(row, b)| dot(row) + b).collect();
            h = z.iter().map(|z| &self.slopes[self.piece(z)] * z + &self.intercepts[self.piece(z)]).collect();
            values.push(z);
        }
        values
    }

    /// Every t in [0, 1] where some pre-activation meets a breakpoint, with the ends; and the fractions of intervals between
    /// earlier layers' points at which a layer's lie.
    fn meeting_points(&self) -> (Vec<Q>, Vec<Q>) {
        let mut points = self.vertices.clone();
        let mut fractions = Vec::new();
        for layer in 0..self.layers.len() - 1 {
            let values: Vec<Vec<Q>> = points.iter().map(|t| self.evaluate(t).swap_remove(layer)).collect();
            let mut new = Vec::new();
            for (ends, z) in points.windows(2).zip(values.windows(2)) {
                for (a, b) in z[0].iter().zip(&z[1]) {
                    for tau in &self.breakpoints {
                        if (a < tau && tau < b) || (b < tau && tau < a) {
                            let fraction = (tau - a) / (b - a);
                            new.push(&ends[0] + (&ends[1] - &ends[0]) * &fraction);
                            fractions.push(fraction);
                        }
                    }
                }
            }
            points.extend(new);
            points.sort();
            points.dedup();
        }
        (points, fractions)
    }

    /// Number of times a unit is on a breakpoint and leaves it on the side it came from.
    fn touches(&self) -> usize {
        let (points, _) = self.meeting_points();
        let values: Vec<Vec<Vec<Q>>> = points.iter().map(|t| self.evaluate(t)).collect();
        let touches = |z: &[Vec<Vec<Q>>], layer: usize, unit: usize| {
            let [before, at, after] = [0, 1, 2].map(|v| &z[v][layer][unit]);
            self.breakpoints.iter().filter(|tau| at == *tau && before != at && (before < at) == (after < at)).count()
        };
        let units = |layer: usize| 0..self.layers[layer].1.len();
        let layers = 0..self.layers.len() - 1;
        let of_triple = |z: &[Vec<Vec<Q>>]| -> usize {
            layers.clone().flat_map(|l| units(l).map(move |u| (l, u))).map(|(l, u)| touches(z, l, u)).sum()
        };
        values.windows(3).map(of_triple).sum()
    }

    fn count(&self) -> Counts {
        let (points, _) = self.meeting_points();
        let two = rational(2.0);
        let depth = self.layers.len() - 1;
        let intervals = points.windows(2).map(|ends| {
            let middle = self.evaluate(&((&ends[0] + &ends[1]) / &two));
            let pattern: Vec<Vec<usize>> =
                middle[..depth].iter().map(|z| z.iter().map(|z| self.piece(z)).collect()).collect();
            let (low, high) = (self.evaluate(&ends[0]), self.evaluate(&ends[1]));
            let slope: Vec<Q> =
                low[depth].iter().zip(&high[depth]).map(|(a, b)| (b - a) / (&ends[1] - &ends[0])).collect();
            (pattern, slope)
        });
        let intervals: Vec<(Vec<Vec<usize>>, Vec<Q>)> = intervals.collect();
        let mut counts = Counts { crossings: vec![0; depth], boundaries: 0, knots: 0 };
        for pair in intervals.windows(2) {
            let ((before, slope_before), (after, slope_after)) = (&pair[0], &pair[1]);
            for (layer, (a, b)) in before.iter().zip(after).enumerate() {
                counts.crossings[layer] += a.iter().zip(b).map(|(a, b)| a.abs_diff(*b) as u64).sum::<u64>();
            }
            counts.boundaries += u64::from(before != after);
            counts.knots += u64::from(before != after && slope_before != slope_after);
        }
        counts
    }
}

#[test]
fn random_networks_have_their_exact_counts() {
    let mut boundaries = 0;
    for (seed, activation) in
        ["relu", "leaky-relu:0.25", "abs", "hard-tanh", "relu6", "soft-threshold:0.5", "identity"].iter().enumerate()
    {
        for shape in ["1-5x3", "2-7-3-4", "3-1-6", "2-4x4"] {
            let ensemble = common::ensemble(&[
                ("arch", shape),
                ("activation", activation),
                ("bias", "normal:0.5"),
                ("weights", "normal:1"),
                ("length", "6"),
                ("seed", &seed.to_string()),
            ]);
            for draw in 0..6 {
                // The same numbers everywhere: the path in f32, as the engine reads it.
                let path = ensemble.path.draw(draw, 0, 1).expect("a short path");
                let dim = path.dim();
                let points: Vec<f64> = [path.vertex(0), path.vertex(path.n_vertices() - 1)]
                    .concat()
                    .iter()
                    .map(|&x| f64::from(x as f32))
                    .collect();
                let path = Path::from_points(dim, &points).expect("finite points");
                let network = ensemble.network.draw(draw);
                let exact = ExactNetwork::new(&network, &path).count();
                boundaries += exact.boundaries;
                let depth = network.architecture().depth();
                let place = format!("{shape} {activation} draw {draw}");
                let reference = Trace::reference(&network, &path).expect("finite");
                assert_eq!(Counts::of_trace(&reference, depth), exact, "reference, {place}");
                for (name, engine) in common::engines() {
                    let traced = engine.trace(&network, &[&path], &common::GO_ON).expect("finite");
                    assert_eq!(Counts::of_trace(&traced[0], depth), exact, "{name}, {place}");
                }
            }
        }
    }
    assert!(boundaries > 1000, "the test saw only {boundaries} boundaries");
}

/// Networks whose weights are small whole numbers meet their breakpoints in all the ways there are: many units at once, exactly at
/// vertices, touching, along whole intervals, dead. Those whose meeting points are binary fractions have no rounding in f32.
#[test]
fn small_whole_numbers_hit_every_hard_case() {
    let (mut cases, mut coincident, mut touched, mut hidden) = (0, 0, 0, 0);
    for case in 0..4000 {
        let stream = Stream::new(2024, case, 0);
        let mut at = 0;
        let mut pick = |n: usize| {
            at += 1;
            stream.word(at) as usize % n
        };
        let activation = ["relu", "abs", "hard-tanh", "soft-threshold:1", "leaky-relu:0.5"][pick(5)];
        let widths: Vec<usize> = (0..=pick(3)).map(|_| 1 + pick(3)).collect();
        let sizes = [&[1], widths.as_slice(), &[1 + pick(2)]].concat();
        let affine = sizes.windows(2).map(|pair| AffineWeights {
            weight: (0..pair[0] * pair[1]).map(|_| [-2.0, -1.0, -1.0, 0.0, 1.0, 1.0, 2.0][pick(7)]).collect(),
            bias: (0..pair[1]).map(|_| [-1.0, -0.5, 0.0, 0.0, 0.5, 1.0][pick(6)]).collect(),
        });
        let affine = affine.collect();
        let activation: Activation = activation.parse().expect("known");
        let architecture = Architecture::dense(1, &widths, activation, sizes[sizes.len() - 1]).expect("valid");
        let network = Network::new(architecture, affine).expect("matching shapes");
        let path = common::line(&[-2.0, 2.0]);
        let checker = ExactNetwork::new(&network, &path);
        let (exact, (points, fractions)) = (checker.count(), checker.meeting_points());
        let binary = |t: &Q| t.denom().bits() <= 10 && t.denom().trailing_zeros() == Some(t.denom().bits() - 1);
        if !points.iter().chain(&fractions).all(binary) {
            continue;
        }
        cases += 1;
        let crossings: u64 = exact.crossings.iter().sum();
        coincident += u64::from(crossings > exact.boundaries);
        touched += u64::from(checker.touches() > 0);
        hidden += u64::from(exact.boundaries > exact.knots);
        let depth = network.architecture().depth();
        let reference = Trace::reference(&network, &path).expect("finite");
        assert_eq!(Counts::of_trace(&reference, depth), exact, "reference, case {case}: {network:?}");
        for (name, engine) in common::engines() {
            let traced = engine.trace(&network, &[&path], &common::GO_ON).expect("finite");
            assert_eq!(Counts::of_trace(&traced[0], depth), exact, "{name}, case {case}");
            let counted = &engine.count_given(&network, &[&path], Method::Exact).expect("finite")[0];
            assert_eq!(
                (&counted.crossings, counted.boundaries),
                (&exact.crossings, exact.boundaries),
                "{name}, case {case}"
            );
            for grid in [2, 9, 65] {
                let sampled = &engine.count_given(&network, &[&path], Method::Sampled { grid }).expect("finite")[0];
                let lower = sampled.crossings.iter().zip(&exact.crossings).all(|(s, e)| s <= e);
                assert!(
                    lower && sampled.boundaries <= exact.boundaries,
                    "{name}, grid {grid}, case {case}: {sampled:?} {exact:?}"
                );
            }
        }
    }
    assert!(
        cases > 1000 && coincident > 200 && touched > 200 && hidden > 200,
        "{cases} {coincident} {touched} {hidden}"
    );
}

/// The checker itself can fail: one weight moved is one count changed.
#[test]
fn a_moved_weight_changes_the_exact_count() {
    let weights = |bias: f64| common::network("relu", &[(&[&[1.0], &[1.0]], &[0.0, bias]), (&[&[1.0, 1.0]], &[0.0])]);
    let path = common::line(&[-1.0, 1.0]);
    let count = |bias| ExactNetwork::new(&weights(bias), &path).count();
    assert_eq!(count(0.0), Counts { crossings: vec![2], boundaries: 1, knots: 1 });
    assert_eq!(count(0.5), Counts { crossings: vec![2], boundaries: 2, knots: 2 });
    assert_eq!(count(1.0), Counts { crossings: vec![1], boundaries: 1, knots: 1 });
    assert_eq!(BigInt::from(2), BigInt::from(count(-0.5).boundaries));
}
