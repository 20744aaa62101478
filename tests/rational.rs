//! The definitions in exact rational arithmetic, against the f64 reference and the engine in both precisions.
//!
//! The checker finds every point where some pre-activation meets a breakpoint, and evaluates pattern and slope in the
//! middle of every interval between such points: the definitions themselves, without a tie to break.

mod common;

use linregions::engine::Method;
use linregions::network::{Activation, ActivationKind, AffineWeights, Architecture, Network};
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

/// An activation in exact arithmetic, by the definitions.
enum ExactActivation {
    Scalar {
        breakpoints: Vec<Q>,
        slopes: Vec<Q>,
        intercepts: Vec<Q>,
    },
    /// The largest of so many.
    Maxout(usize),
    /// So many in descending order.
    GroupSort(usize),
}

impl ExactActivation {
    fn new(activation: &Activation) -> Self {
        let all = |values: &[f64]| values.iter().map(|&v| rational(v)).collect();
        match activation.kind() {
            ActivationKind::Scalar(pieces) => Self::Scalar {
                breakpoints: all(&pieces.breakpoints),
                slopes: all(&pieces.slopes),
                intercepts: all(&pieces.intercepts),
            },
            ActivationKind::Maxout { rank } => Self::Maxout(*rank),
            ActivationKind::GroupSort { size } => Self::GroupSort(*size),
            other => panic!("{other:?} is not known here"),
        }
    }

    fn apply(&self, z: &[Q]) -> Vec<Q> {
        match self {
            Self::Scalar { breakpoints, slopes, intercepts } => {
                let piece = |z: &Q| breakpoints.iter().filter(|tau| *tau < z).count();
                z.iter().map(|z| &slopes[piece(z)] * z + &intercepts[piece(z)]).collect()
            }
            Self::Maxout(rank) => z.chunks_exact(*rank).map(|unit| unit.iter().max().expect("rows").clone()).collect(),
            Self::GroupSort(size) => {
                let mut h = z.to_vec();
                h.chunks_exact_mut(*size).for_each(|group| group.sort_by(|a, b| b.cmp(a)));
                h
            }
        }
    }

    /// Numbers that tell the pieces of a layer's units: scalar units by the pieces below, maxout units by the first of the largest rows,
    /// groups by whether the second row of each pair is above the first.
    fn pattern(&self, z: &[Q]) -> Vec<usize> {
        match self {
            Self::Scalar { breakpoints, .. } => {
                z.iter().map(|z| breakpoints.iter().filter(|tau| *tau < z).count()).collect()
            }
            Self::Maxout(rank) => {
                let first = |unit: &[Q]| unit.iter().position(|z| Some(z) == unit.iter().max()).expect("a largest row");
                z.chunks_exact(*rank).map(first).collect()
            }
            Self::GroupSort(size) => {
                let above = |group: &[Q]| -> Vec<usize> {
                    let pairs = (0..*size).flat_map(|i| (i + 1..*size).map(move |j| (i, j)));
                    pairs.map(|(i, j)| usize::from(group[j] > group[i])).collect()
                };
                z.chunks_exact(*size).flat_map(above).collect()
            }
        }
    }

    /// Crossings between two patterns: breakpoints between the pieces, units with another largest row, pairs in another order.
    fn crossings(&self, before: &[usize], after: &[usize]) -> u64 {
        let distance = |(a, b): (&usize, &usize)| match self {
            Self::Maxout(_) => u64::from(a != b),
            _ => a.abs_diff(*b) as u64,
        };
        before.iter().zip(after).map(distance).sum()
    }

    /// Functions of the pre-activations at whose zeros pieces change: distances from breakpoints, or differences in a group.
    /// With them the rows of the whole unit.
    fn switches<'a>(&self, z: &'a [Q]) -> Vec<(Q, &'a [Q])> {
        match self {
            Self::Scalar { breakpoints, .. } => {
                z.iter().flat_map(|z| breakpoints.iter().map(move |tau| (z - tau, std::slice::from_ref(z)))).collect()
            }
            Self::Maxout(size) | Self::GroupSort(size) => {
                let pairs = (0..*size).flat_map(|i| (i + 1..*size).map(move |j| (i, j)));
                let of_group = |group: &'a [Q]| pairs.clone().map(move |(i, j)| (&group[j] - &group[i], group));
                z.chunks_exact(*size).flat_map(of_group).collect()
            }
        }
    }
}

struct ExactNetwork {
    /// Per layer the rows of weights, out x in, and the biases; the read-out last.
    layers: Vec<(Vec<Vec<Q>>, Vec<Q>)>,
    activation: ExactActivation,
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
        Self {
            layers: network.affine().iter().map(layer).collect(),
            activation: ExactActivation::new(network.architecture().activation()),
            vertices: path.positions().iter().map(|&p| rational(p) / rational(path.length())).collect(),
            start: all(path.vertex(0)),
            end: all(path.vertex(path.n_vertices() - 1)),
        }
    }

    /// All pre-activations at fraction `t` of the path, layer by layer, and the outputs.
    fn evaluate(&self, t: &Q) -> Vec<Vec<Q>> {
        let mut h: Vec<Q> = self.start.iter().zip(&self.end).map(|(a, b)| a + t * (b - a)).collect();
        let mut values = Vec::new();
        for (rows, bias) in &self.layers {
            let dot = |row: &Vec<Q>| row.iter().zip(&h).fold(rational(0.0), |sum, (w, h)| sum + w * h);
            let z: Vec<Q> = rows.iter().zip(bias).map(|(row, b)| dot(row) + b).collect();
            h = if values.len() + 1 < self.layers.len() { self.activation.apply(&z) } else { Vec::new() };
            values.push(z);
        }
        values
    }

    /// Every t in [0, 1] where pieces can change, with the ends; and the fractions of intervals between earlier layers' points
    /// at which a layer's lie.
    fn meeting_points(&self) -> (Vec<Q>, Vec<Q>) {
        let zero = rational(0.0);
        let mut points = self.vertices.clone();
        let mut fractions = Vec::new();
        for layer in 0..self.layers.len() - 1 {
            let values: Vec<Vec<Q>> = points.iter().map(|t| self.evaluate(t).swap_remove(layer)).collect();
            let mut new = Vec::new();
            for (ends, z) in points.windows(2).zip(values.windows(2)) {
                let ends_of_switches = self.activation.switches(&z[0]).into_iter().zip(self.activation.switches(&z[1]));
                for ((a, rows_a), (b, rows_b)) in ends_of_switches {
                    if !((a < zero && zero < b) || (b < zero && zero < a)) {
                        continue;
                    }
                    let fraction = &a / (&a - &b);
                    let rows = rows_a.iter().zip(rows_b).map(|(a, b)| a + &fraction * (b - a));
                    let rows: Vec<Q> = rows.collect();
                    // Two rows of a maxout unit that meet below the largest change nothing.
                    let n_largest = rows.iter().filter(|z| Some(*z) == rows.iter().max()).count();
                    if matches!(self.activation, ExactActivation::Maxout(_)) && n_largest == 1 {
                        continue;
                    }
                    new.push(&ends[0] + (&ends[1] - &ends[0]) * &fraction);
                    fractions.push(fraction);
                }
            }
            points.extend(new);
            points.sort();
            points.dedup();
        }
        (points, fractions)
    }

    /// Number of times a unit is on a breakpoint, or two rows are equal, and it leaves on the side it came from.
    fn touches(&self) -> usize {
        let zero = rational(0.0);
        let (points, _) = self.meeting_points();
        let values: Vec<Vec<Vec<Q>>> = points.iter().map(|t| self.evaluate(t)).collect();
        let touches = |z: &[Vec<Vec<Q>>], layer: usize| {
            let values = |v: usize| self.activation.switches(&z[v][layer]).into_iter().map(|(value, _)| value);
            let triples = values(0).zip(values(1)).zip(values(2));
            let is_touch = |(before, at): &(Q, Q), after: &Q| {
                *at == zero && *before != zero && (*before < zero) == (*after < zero)
            };
            triples.filter(|(ends, after)| is_touch(ends, after)).count()
        };
        let layers = 0..self.layers.len() - 1;
        values.windows(3).map(|z| layers.clone().map(|layer| touches(z, layer)).sum::<usize>()).sum()
    }

    fn count(&self) -> Counts {
        let (points, _) = self.meeting_points();
        let two = rational(2.0);
        let depth = self.layers.len() - 1;
        let intervals = points.windows(2).map(|ends| {
            let middle = self.evaluate(&((&ends[0] + &ends[1]) / &two));
            let pattern: Vec<Vec<usize>> = middle[..depth].iter().map(|z| self.activation.pattern(z)).collect();
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
                counts.crossings[layer] += self.activation.crossings(a, b);
            }
            counts.boundaries += u64::from(before != after);
            counts.knots += u64::from(before != after && slope_before != slope_after);
        }
        counts
    }
}

#[test]
fn random_networks_have_their_exact_counts() {
    let any_width = ["1-5x3", "2-7-3-4", "3-1-6", "2-4x4"];
    let (even, triple) = (["1-6x3", "2-8-2-4", "3-2-6", "2-4x4"], ["1-6x3", "2-9-3-6", "3-3-6", "2-3x4"]);
    let mut boundaries = 0;
    for (seed, (activation, shapes)) in [
        ("relu", any_width),
        ("leaky-relu:0.25", any_width),
        ("abs", any_width),
        ("hard-tanh", any_width),
        ("relu6", any_width),
        ("soft-threshold:0.5", any_width),
        ("identity", any_width),
        ("maxout:2", any_width),
        ("maxout:3", any_width),
        ("maxout:5", any_width),
        ("max-min", even),
        ("group-sort:3", triple),
    ]
    .into_iter()
    .enumerate()
    {
        for shape in shapes {
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
/// vertices, touching, along whole intervals, dead. The reference decides them exactly; those whose meeting points are binary
/// fractions have no rounding in f32, either.
fn check_small_whole_numbers(seed: u64, cases: u64, activations: &[&str]) {
    let (mut checked, mut coincident, mut touched, mut hidden) = (0, 0, 0, 0);
    for case in 0..cases {
        let stream = Stream::new(seed, case, 0);
        let mut at = 0;
        let mut pick = |n: usize| {
            at += 1;
            stream.word(at) as usize % n
        };
        let activation: Activation = activations[pick(activations.len())].parse().expect("known");
        let group = if let ActivationKind::GroupSort { size } = activation.kind() { *size } else { 1 };
        let most = if group == 1 { 3 } else { 2 };
        let widths: Vec<usize> = (0..=pick(3)).map(|_| group * (1 + pick(most))).collect();
        let outputs = 1 + pick(2);
        let architecture = Architecture::dense(1, &widths, activation, outputs).expect("valid");
        let affine = architecture.affine_maps().map(|map| {
            let weight = (0..map.n_weights()).map(|_| [-2.0, -1.0, -1.0, 0.0, 1.0, 1.0, 2.0][pick(7)]).collect();
            AffineWeights::new(weight, (0..map.units()).map(|_| [-1.0, -0.5, 0.0, 0.0, 0.5, 1.0][pick(6)]).collect())
        });
        let affine = affine.collect();
        let network = Network::new(architecture, affine).expect("matching shapes");
        let path = common::line(&[-2.0, 2.0]);
        let checker = ExactNetwork::new(&network, &path);
        let (exact, (points, fractions)) = (checker.count(), checker.meeting_points());
        let depth = network.architecture().depth();
        let reference = Trace::reference(&network, &path).expect("finite");
        assert_eq!(Counts::of_trace(&reference, depth), exact, "reference, case {case}: {network:?}");
        let binary = |t: &Q| t.denom().bits() <= 10 && t.denom().trailing_zeros() == Some(t.denom().bits() - 1);
        if !points.iter().chain(&fractions).all(binary) {
            continue;
        }
        checked += 1;
        let crossings: u64 = exact.crossings.iter().sum();
        coincident += u64::from(crossings > exact.boundaries);
        touched += u64::from(checker.touches() > 0);
        hidden += u64::from(exact.boundaries > exact.knots);
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
        checked > 1000 && coincident > 200 && touched > 200 && hidden > 200,
        "{checked} {coincident} {touched} {hidden}"
    );
}

#[test]
fn small_whole_numbers_hit_every_hard_case() {
    check_small_whole_numbers(2024, 4000, &["relu", "abs", "hard-tanh", "soft-threshold:1", "leaky-relu:0.5"]);
}

/// Equal rows, several that meet at one point on the largest and below it, ties along whole intervals.
#[test]
fn small_whole_numbers_hit_every_hard_case_of_groups() {
    check_small_whole_numbers(2025, 5000, &["maxout:2", "maxout:3", "maxout:4", "max-min", "group-sort:3"]);
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
