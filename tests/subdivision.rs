//! Exact subdivisions of planes against the definitions in rational arithmetic, and against what must hold for all of them.

mod common;

use linregions::network::{Activation, AffineWeights, Architecture, BiasLaw, Network, RandomNetwork, WeightLaw};
use linregions::path::Path;
use linregions::random::Stream;
use linregions::regions::plane::{Plane, Source, Subdivision, Window};
use linregions::theory::expected::{GaussianLaw, regions_in_rectangle};
use linregions::trace::Trace;
use num_rational::BigRational;
use num_traits::{Signed, Zero};
use proptest::prelude::*;

type Q = BigRational;
type Point = [Q; 2];

fn rational(x: f64) -> Q {
    Q::from_float(x).expect("a finite number")
}

/// The definitions: a network evaluated at points, in fractions.
struct Exact<'a> {
    network: &'a Network,
    plane: &'a Plane,
}

/// An activation region: its polygon, its pattern and the values of the outputs at its corners.
struct Region {
    polygon: Vec<Point>,
    pattern: Vec<Vec<usize>>,
    outputs: Vec<Vec<Q>>,
}

impl Exact<'_> {
    /// Pre-activations of all layers, and the outputs.
    fn evaluate(&self, [u, v]: &Point) -> Vec<Vec<Q>> {
        let [along_u, along_v] = self.plane.directions();
        let input = self.plane.origin().iter().zip(along_u).zip(along_v);
        let mut h: Vec<Q> = input.map(|((o, a), b)| rational(*o) + rational(*a) * u + rational(*b) * v).collect();
        let mut values = Vec::new();
        for weights in self.network.affine() {
            let n = weights.bias.len();
            let unit = |unit: usize| {
                let products = h.iter().enumerate().map(|(i, h)| rational(weights.weight[i * n + unit]) * h);
                products.fold(rational(weights.bias[unit]), |sum, product| sum + product)
            };
            let z: Vec<Q> = (0..n).map(unit).collect();
            h = z.iter().map(|z| self.activated(z)).collect();
            values.push(z);
        }
        values
    }

    fn piece(&self, z: &Q) -> usize {
        self.network.architecture().activation().pieces().breakpoints.iter().filter(|tau| rational(**tau) < *z).count()
    }

    fn activated(&self, z: &Q) -> Q {
        let pieces = self.network.architecture().activation().pieces();
        let piece = self.piece(z);
        rational(pieces.slopes[piece]) * z + rational(pieces.intercepts[piece])
    }

    /// Every activation region with an area: polygons cut where a pre-activation meets a breakpoint, layer by layer.
    fn regions(&self, window: &Window) -> Vec<Region> {
        let corner = |[u, v]: &[f64; 2]| [rational(*u), rational(*v)];
        let mut polygons: Vec<Vec<Point>> = vec![window.corners().iter().map(corner).collect()];
        let breakpoints = &self.network.architecture().activation().pieces().breakpoints;
        let depth = self.network.architecture().depth();
        for layer in 0..depth {
            for unit in 0..self.network.affine()[layer].bias.len() {
                for tau in breakpoints {
                    let mut next = Vec::new();
                    for polygon in polygons {
                        let value = |p: &Point| &self.evaluate(p)[layer][unit] - rational(*tau);
                        let values: Vec<Q> = polygon.iter().map(value).collect();
                        next.extend(cut(polygon, &values));
                    }
                    polygons = next;
                }
            }
        }
        let region = |polygon: Vec<Point>| {
            let n = Q::from_integer(polygon.len().into());
            let middle = [0, 1].map(|axis| polygon.iter().map(|p| &p[axis]).sum::<Q>() / &n);
            let mut values = self.evaluate(&middle);
            values.truncate(depth);
            let pattern = values.iter().map(|z| z.iter().map(|z| self.piece(z)).collect()).collect();
            let outputs = polygon.iter().map(|p| self.evaluate(p).swap_remove(depth)).collect();
            Region { polygon, pattern, outputs }
        };
        polygons.into_iter().map(region).collect()
    }
}

/// The parts of a polygon on which an affine function with these values at its corners is not negative, and not positive.
fn cut(polygon: Vec<Point>, values: &[Q]) -> Vec<Vec<Point>> {
    if !(values.iter().any(Signed::is_positive) && values.iter().any(Signed::is_negative)) {
        return vec![polygon];
    }
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for (ix, point) in polygon.iter().enumerate() {
        let next = (ix + 1) % polygon.len();
        if !values[ix].is_negative() {
            above.push(point.clone());
        }
        if !values[ix].is_positive() {
            below.push(point.clone());
        }
        if (&values[ix] * &values[next]).is_negative() {
            let t = &values[ix] / (&values[ix] - &values[next]);
            let new = [0, 1].map(|axis| &point[axis] + (&polygon[next][axis] - &point[axis]) * &t);
            above.push(new.clone());
            below.push(new);
        }
    }
    vec![above, below]
}

fn area(polygon: &[Point]) -> Q {
    let twice = |ix: usize| {
        let [p, q] = [&polygon[ix], &polygon[(ix + 1) % polygon.len()]];
        &p[0] * &q[1] - &p[1] * &q[0]
    };
    (0..polygon.len()).map(twice).sum::<Q>() / rational(2.0)
}

impl Region {
    /// The outputs' affine maps: value at the origin and gradient, from three corners that are not on one line.
    fn maps(&self) -> Vec<[Q; 3]> {
        let [a, b, c] = [0, 1, 2].map(|k| &self.polygon[k]);
        let [b, c] = [b, c].map(|p| [&p[0] - &a[0], &p[1] - &a[1]]);
        let det = &b[0] * &c[1] - &b[1] * &c[0];
        let map = |output: usize| {
            let value = |k: usize| &self.outputs[k][output];
            let (rise_b, rise_c) = (value(1) - value(0), value(2) - value(0));
            let du = (&rise_b * &c[1] - &rise_c * &b[1]) / &det;
            let dv = (&rise_c * &b[0] - &rise_b * &c[0]) / &det;
            [value(0) - &du * &a[0] - &dv * &a[1], du, dv]
        };
        (0..self.outputs[0].len()).map(map).collect()
    }

    /// Whether two regions have more than points in common.
    fn touches(&self, other: &Self) -> bool {
        let sides = |region: &Self| -> Vec<[Point; 2]> {
            let n = region.polygon.len();
            (0..n).map(|ix| [region.polygon[ix].clone(), region.polygon[(ix + 1) % n].clone()]).collect()
        };
        let others = sides(other);
        sides(self).iter().any(|[p, q]| {
            let d = [&q[0] - &p[0], &q[1] - &p[1]];
            // Along the side and across it.
            let place = |r: &Point| {
                let e = [&r[0] - &p[0], &r[1] - &p[1]];
                (&e[0] * &d[0] + &e[1] * &d[1], &e[0] * &d[1] - &e[1] * &d[0])
            };
            let length = place(q).0;
            others.iter().any(|[r, s]| {
                let ((r, away_r), (s, away_s)) = (place(r), place(s));
                let (low, high) = if r < s { (r, s) } else { (s, r) };
                away_r.is_zero() && away_s.is_zero() && low < length && high.is_positive()
            })
        })
    }
}

/// Groups of regions with one affine map that are connected through sides.
fn n_linear_regions(regions: &[Region]) -> usize {
    let maps: Vec<Vec<[Q; 3]>> = regions.iter().map(Region::maps).collect();
    let mut group: Vec<usize> = (0..regions.len()).collect();
    for a in 0..regions.len() {
        for b in 0..a {
            if group[a] != group[b] && maps[a] == maps[b] && regions[a].touches(&regions[b]) {
                let (from, to) = (group[a], group[b]);
                group.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
            }
        }
    }
    group.sort_unstable();
    group.dedup();
    group.len()
}

fn subdivide(network: &Network, plane: &Plane, window: &Window) -> Subdivision {
    Subdivision::new(network, plane, window, &common::GO_ON).expect("a small network")
}

fn pattern_of(network: &Network, cell: linregions::regions::plane::Cell) -> Vec<Vec<usize>> {
    let layers = network.architecture().layers().iter().enumerate();
    layers.map(|(layer, shape)| (0..shape.affine.units()).map(|unit| cell.piece(layer, unit)).collect()).collect()
}

/// What holds for every subdivision: a conforming complex of strictly convex cells that fill the window, with different patterns, of
/// which neighbours differ in the unit that made their edge.
fn check_complex(network: &Network, regions: &Subdivision) {
    let (v, e, f) = (regions.vertices().len(), regions.edges().len(), regions.n_activation_regions());
    assert_eq!(v + f, e + 1, "Euler's formula");
    let total: f64 = regions.cells().map(|cell| cell.area()).sum();
    let expected = regions.window().area();
    assert!((total - expected).abs() <= 1e-12 * expected, "{total} {expected}");
    let mut patterns: Vec<Vec<Vec<usize>>> = regions.cells().map(|cell| pattern_of(network, cell)).collect();
    for (ix, edge) in regions.edges().iter().enumerate() {
        let (first, second) = edge.cells;
        for cell in [Some(first), second].into_iter().flatten() {
            let cell = regions.cell(cell as usize);
            let corner = cell.edges().position(|other| other == ix as u32).expect("the cell has the edge");
            let vertices: Vec<u32> = cell.vertices().collect();
            let mut ends = [vertices[corner], vertices[(corner + 1) % vertices.len()]];
            if cell.ix() != first as usize {
                ends.reverse();
            }
            assert_eq!(ends, edge.ends, "the edge runs around its first cell, and against the second");
        }
        match (edge.source, second) {
            (Source::Window { .. }, None) => assert!(regions.flips(ix).is_empty() && !regions.is_knot(ix)),
            (Source::Unit { layer, unit, breakpoint }, Some(second)) => {
                let place = (layer as usize, unit as usize);
                assert_eq!(regions.flips(ix).first(), Some(&place));
                let [a, b] = [first, second].map(|cell| regions.cell(cell as usize).piece(place.0, place.1));
                assert_eq!((a.min(b), a.max(b)), (breakpoint as usize, breakpoint as usize + 1));
            }
            other => panic!("{other:?}"),
        }
    }
    patterns.sort_unstable();
    patterns.dedup();
    assert_eq!(patterns.len(), f, "every cell has a pattern of its own");
}

/// Pattern, area and gradients of a region.
type Summary = (Vec<Vec<usize>>, f64, Vec<[f64; 2]>);

/// Compares a subdivision with the definitions; gives its counts.
fn check_exactly(network: &Network, plane: &Plane, window: &Window) -> (usize, usize) {
    let regions = subdivide(network, plane, window);
    check_complex(network, &regions);
    let exact = Exact { network, plane }.regions(window);
    assert_eq!(regions.n_activation_regions(), exact.len());
    assert_eq!(regions.n_linear_regions(), n_linear_regions(&exact));
    let mut here: Vec<Summary> =
        regions.cells().map(|cell| (pattern_of(network, cell), cell.area(), cell.gradients().to_vec())).collect();
    let float = |q: &Q| num_traits::ToPrimitive::to_f64(q).expect("a number");
    let gradient = |region: &Region| region.maps().iter().map(|[_, du, dv]| [float(du), float(dv)]).collect();
    let mut there: Vec<Summary> =
        exact.iter().map(|r| (r.pattern.clone(), float(&area(&r.polygon)), gradient(r))).collect();
    here.sort_by(|a, b| a.0.cmp(&b.0));
    there.sort_by(|a, b| a.0.cmp(&b.0));
    let scale = window.area();
    for (a, b) in here.iter().zip(&there) {
        assert_eq!(a.0, b.0);
        assert!((a.1 - b.1).abs() <= 1e-12 * scale, "area {} {}", a.1, b.1);
        for (a, b) in a.2.iter().flatten().zip(b.2.iter().flatten()) {
            assert!((a - b).abs() <= 1e-9 * (1.0 + b.abs()), "gradient {a} {b}");
        }
    }
    (exact.len(), regions.n_linear_regions())
}

const ACTIVATIONS: [&str; 7] =
    ["relu", "leaky-relu:0.25", "abs", "hard-tanh", "relu6", "soft-threshold:0.5", "identity"];

/// Five pieces without rounding.
fn zigzag() -> Activation {
    Activation::spline("zigzag", vec![-1.5, -0.25, 0.5, 2.0], vec![0.5, -1.0, 0.0, 2.0, -0.5], [0.0, 0.25])
        .expect("valid")
}

/// Three pieces, with intercepts that f64 rounds: taken literally they would leave gaps at the breakpoints.
fn rounded_zigzag() -> Activation {
    Activation::spline("rounded", vec![0.1, 0.3], vec![0.1, 0.7, -0.3], [0.7, 0.1]).expect("valid")
}

/// Whole numbers below `n`, for one case.
fn dice(seed: u64, case: u64) -> impl FnMut(usize) -> usize {
    let stream = Stream::new(seed, case, 0);
    let mut at = 0;
    move |n| {
        at += 1;
        stream.word(at) as usize % n
    }
}

/// A network of multiples of 1/8, some of whose units are copies of others, opposite or dead.
fn coarse_network(pick: &mut impl FnMut(usize) -> usize, inputs: usize, max_width: usize) -> Network {
    let activation = match pick(8) {
        7 => zigzag(),
        known => ACTIVATIONS[known].parse().expect("known"),
    };
    let widths: Vec<usize> = (0..=pick(3)).map(|_| 1 + pick(max_width)).collect();
    let sizes = [&[inputs], widths.as_slice(), &[1 + pick(2)]].concat();
    let mut layer = |pair: &[usize]| {
        let (inputs, units) = (pair[0], pair[1]);
        let fine = pick(2) == 0;
        let mut number = |zero: usize| match pick(4 + zero) {
            0..4 if fine => (pick(33) as f64 - 16.0) / 8.0,
            0..4 => [-1.0, 1.0, 0.5, -2.0][pick(4)],
            _ => 0.0,
        };
        let mut rows: Vec<Vec<f64>> = (0..units).map(|_| (0..inputs).map(|_| number(2)).collect()).collect();
        let mut bias: Vec<f64> = (0..units).map(|_| number(4)).collect();
        for unit in 1..units {
            let sign = [0.0, 0.0, 0.0, 1.0, -1.0, 2.0][pick(6)];
            if sign != 0.0 {
                let model = pick(unit);
                rows[unit] = rows[model].iter().map(|w| sign * w).collect();
                bias[unit] = sign * bias[model];
            }
        }
        let weight = (0..inputs).flat_map(|i| rows.iter().map(move |row| row[i]).collect::<Vec<_>>()).collect();
        AffineWeights::new(weight, bias)
    };
    let affine = sizes.windows(2).map(&mut layer).collect();
    let architecture = Architecture::dense(inputs, &widths, activation, sizes[sizes.len() - 1]).expect("valid");
    Network::new(architecture, affine).expect("matching shapes")
}

fn windows() -> [Window; 3] {
    [
        Window::rectangle([-2.0, 2.0], [-2.0, 2.0]).expect("valid"),
        Window::polygon(vec![[-1.0, -1.5], [2.0, 0.0], [0.25, 3.0]]).expect("valid"),
        Window::rectangle([0.0, 1.0], [-0.125, 2.0]).expect("valid"),
    ]
}

#[test]
fn coarse_networks_have_their_exact_regions() {
    let (mut regions, mut merged, mut close, mut coincident, mut concurrent) = (0u64, 0u64, 0u64, 0u64, 0u64);
    for case in 0..600 {
        let mut pick = dice(5, case);
        let network = coarse_network(&mut pick, 2, 5);
        let window = &windows()[pick(3)];
        let (activation, linear) = check_exactly(&network, &Plane::of_inputs(), window);
        regions += activation as u64;
        merged += u64::from(linear < activation);
        let found = subdivide(&network, &Plane::of_inputs(), window);
        close += u64::from(found.close_calls() > 0);
        coincident += u64::from((0..found.edges().len()).any(|edge| found.flips(edge).len() > 1));
        let mut degree = vec![0; found.vertices().len()];
        found.edges().iter().flat_map(|edge| edge.ends).for_each(|end| degree[end as usize] += 1);
        concurrent += u64::from(degree.iter().any(|&n| n > 4));
    }
    let seen = [regions, merged, close, coincident, concurrent];
    assert!(seen.iter().zip([3000, 100, 100, 100, 20]).all(|(seen, least)| *seen > least), "{seen:?}");
}

#[test]
fn small_random_networks_have_their_exact_regions() {
    for (draw, activation) in (0..).zip(ACTIVATIONS) {
        let shape = Architecture::parse("2-5-4-3", activation.parse().expect("known"), 2).expect("valid");
        let law = RandomNetwork::new(shape, WeightLaw::HeNormal, BiasLaw::Normal(0.5), 11).expect("valid");
        check_exactly(&law.draw(draw), &Plane::of_inputs(), &windows()[draw as usize % 3]);
    }
}

/// One hidden layer of lines in general position, in a window that holds all their intersections: Zaslavsky's number.
#[test]
fn one_generic_layer_has_zaslavskys_number() {
    for n in [1usize, 2, 3, 7, 20, 33] {
        // Tangents of a parabola: no two parallel, no three through a point, and all meet at |u| <= 1.
        let slope = |k: usize| (2 * k + 1) as f64 / n as f64 - 1.0;
        let weight = (0..n).map(|k| 2.0 * slope(k)).chain((0..n).map(|_| -1.0)).collect();
        let bias = (0..n).map(|k| -slope(k) * slope(k)).collect();
        let readout = AffineWeights::new((0..n).map(|k| 1.0 + k as f64).collect(), vec![0.0]);
        let shape = Architecture::dense(2, &[n], Activation::relu(), 1).expect("valid");
        let network = Network::new(shape, vec![AffineWeights::new(weight, bias), readout]).expect("matching shapes");
        let regions = subdivide(&network, &Plane::of_inputs(), &Window::rectangle([-9.0, 9.0], [-9.0, 9.0]).unwrap());
        check_complex(&network, &regions);
        let expected = 1 + n + n * (n - 1) / 2;
        assert_eq!((regions.n_activation_regions(), regions.n_linear_regions()), (expected, expected));
        assert_eq!(regions.edges_per_layer()[0].edges, n * n, "n lines, each cut by the n - 1 others");
    }
}

/// Rounded intercepts make gaps of about 1e-17 at the breakpoints of a spline. Where a unit of the next layer is within such a gap
/// of its breakpoint, at a corner that two cells share, both must see it on the same side.
#[test]
fn splines_have_no_gaps() {
    let spline = rounded_zigzag();
    let pieces = spline.pieces().clone();
    let first = AffineWeights::new(vec![1.0, 0.0, 0.0, 1.0], vec![0.0; 2]);
    let readout = AffineWeights::new(vec![1.0], vec![0.0]);
    for (at, tau) in [(0.1, 0.1), (0.3, 0.1), (0.1, 0.3), (0.3, 0.3)] {
        let near: f64 = tau - pieces.value(at) - pieces.value(0.0);
        for ulps in -40i64..=40 {
            let bias = f64::from_bits((near.to_bits() as i64 + ulps) as u64);
            let second = AffineWeights::new(vec![1.0; 2], vec![bias]);
            let shape = Architecture::dense(2, &[2, 1], spline.clone(), 1).expect("valid");
            let network = Network::new(shape, vec![first.clone(), second, readout.clone()]).expect("matching shapes");
            let window = Window::rectangle([-0.5, 0.5], [0.0, 0.5]).expect("valid");
            check_complex(&network, &subdivide(&network, &Plane::of_inputs(), &window));
        }
    }
}

/// Everything that needs no rounding to go wrong, by hand: (network, activation regions, linear regions).
#[test]
fn hard_cases_by_hand() {
    let window = Window::rectangle([-1.0, 1.0], [-1.0, 1.0]).expect("valid");
    let none: &[f64] = &[0.0];
    type Layers<'a> = &'a [(&'a [&'a [f64]], &'a [f64])];
    let cases: [(&str, &str, Layers, usize, usize); 12] = [
        ("two units on one line", "relu", &[(&[&[1.0, 2.0], &[2.0, 4.0]], &[0.0; 2]), (&[&[1.0, 1.0]], none)], 2, 2),
        ("opposite units", "relu", &[(&[&[1.0, 2.0], &[-1.0, -2.0]], &[0.0; 2]), (&[&[1.0, 1.0]], none)], 2, 2),
        ("kinks that cancel", "relu", &[(&[&[1.0, 2.0], &[1.0, 2.0]], &[0.0; 2]), (&[&[3.0, -3.0]], none)], 2, 1),
        ("linear after all", "relu", &[(&[&[1.0, 2.0], &[-1.0, -2.0]], &[0.0; 2]), (&[&[1.0, -1.0]], none)], 2, 1),
        (
            // 2/3 is no binary number: the third line makes a triangle of size 1e-17.
            "three lines that nearly meet in a point",
            "relu",
            &[(&[&[3.0, 0.0], &[0.0, 3.0], &[1.0, 1.0]], &[-1.0, -1.0, -2.0 / 3.0]), (&[&[1.0, 1.0, 1.0]], none)],
            7,
            7,
        ),
        (
            "three lines through the origin",
            "relu",
            &[(&[&[1.0, 0.1], &[0.1, 1.0], &[0.3, 0.7]], &[0.0; 3]), (&[&[1.0, 1.0, 1.0]], none)],
            6,
            6,
        ),
        ("parallel lines", "hard-tanh", &[(&[&[3.0, 3.0]], none), (&[&[1.0]], none)], 3, 3),
        ("a line along a side of the window", "relu", &[(&[&[1.0, 0.0]], &[1.0]), (&[&[1.0]], none)], 1, 1),
        ("a unit always on its breakpoint", "relu", &[(&[&[0.0, 0.0]], none), (&[&[1.0]], none)], 1, 1),
        ("a dead layer", "relu", &[(&[&[1.0, 0.0]], &[0.0]), (&[&[1.0]], &[-5.0]), (&[&[1.0]], none)], 2, 1),
        // |u| touches 0 along a line without passing it.
        ("a breakpoint touched", "abs", &[(&[&[1.0, 0.0]], none), (&[&[1.0]], none), (&[&[1.0]], none)], 2, 2),
        // relu(u) is exactly 0 on half of the window: the second layer flips together with the first.
        ("flips of two layers", "relu", &[(&[&[1.0, 0.0]], none), (&[&[1.0]], none), (&[&[1.0]], none)], 2, 2),
    ];
    for (name, activation, layers, n_activation, n_linear) in cases {
        let network = common::network(activation, layers);
        let counts = check_exactly(&network, &Plane::of_inputs(), &window);
        assert_eq!(counts, (n_activation, n_linear), "{name}");
    }
}

fn random_law(shape: &str, activation: &str, bias_std: f64, seed: u64) -> RandomNetwork {
    let shape = Architecture::parse(shape, activation.parse().expect("known"), 1).expect("valid");
    RandomNetwork::new(shape, WeightLaw::HeNormal, BiasLaw::Normal(bias_std), seed).expect("valid")
}

/// Cells that a segment between two inner points of the window meets, where it meets no vertex.
fn cells_on_segment(regions: &Subdivision, p: [f64; 2], q: [f64; 2]) -> (usize, usize) {
    let side = |[u, v]: [f64; 2], [a, b]: [[f64; 2]; 2]| (b[0] - a[0]) * (v - a[1]) - (b[1] - a[1]) * (u - a[0]) > 0.0;
    let crosses =
        |ends: [[f64; 2]; 2]| side(p, ends) != side(q, ends) && side(ends[0], [p, q]) != side(ends[1], [p, q]);
    let crossed =
        regions.edges().iter().enumerate().filter(|(_, edge)| crosses(edge.ends.map(|end| regions.vertex(end))));
    crossed.fold((1, 1), |(activation, linear), (ix, _)| (activation + 1, linear + usize::from(regions.is_knot(ix))))
}

/// Segments in random planes pass as many regions as the f64 reference finds on them; gives how many. `check` sees every subdivision.
fn regions_on_segments(shape: &str, activation: &str, seed: u64, check: impl Fn(&Network, &Subdivision)) -> usize {
    let law = random_law(shape, activation, 0.3, seed);
    let mut passed = 0;
    for draw in 0..4 {
        let network = law.draw(draw);
        let dim = network.architecture().input_dim();
        let mut pick = dice(seed + 100, draw);
        let mut vector = || (0..dim).map(|_| pick(2001) as f64 / 1000.0 - 1.0).collect::<Vec<f64>>();
        let plane = Plane::orthonormal(vector(), [vector(), vector()]).expect("in general position");
        let window = Window::rectangle([-2.0, 1.0], [-1.0, 2.5]).expect("valid");
        let regions = subdivide(&network, &plane, &window);
        check(&network, &regions);
        for _ in 0..25 {
            let mut point = || [pick(2_900_001) as f64 / 1e6 - 1.95, pick(3_400_001) as f64 / 1e6 - 0.95];
            let (p, q) = (point(), point());
            let path = Path::from_points(dim, &[plane.input(p), plane.input(q)].concat()).expect("finite");
            let trace = Trace::reference(&network, &path).expect("finite");
            let expected = (trace.boundaries.len() + 1, trace.n_knots() + 1);
            assert_eq!(cells_on_segment(&regions, p, q), expected, "{shape} {activation} draw {draw}");
            passed += expected.0;
        }
    }
    passed
}

#[test]
fn segments_pass_the_regions_that_a_trace_finds() {
    let shapes = [
        ("2-16x3", "relu"),
        ("2-12x2", "hard-tanh"),
        ("5-9-8-7", "abs"),
        ("3-2x6", "relu"),
        ("7-20x2", "relu6"),
        ("2x6-c4k3g2-avg2-c4k2-4", "hard-tanh"),
    ];
    let passed =
        (0..).zip(shapes).map(|(seed, (arch, activation))| regions_on_segments(arch, activation, seed, check_complex));
    assert!(passed.sum::<usize>() > 4000);
}

#[test]
fn segments_pass_the_regions_of_pools_and_groups_of_filters() {
    let shapes = [
        ("1x4x5-c3k3p1-max2-6", "relu"),
        ("1x9-c4k3p1-c4k3p1~1-36~2-4+1", "max-min"),
        ("1x3x4-c2k2-c3k2p1-avg2-3", "maxout:2"),
        ("1x8-c6k3-avg2-c6k1g2~2-max-3", "group-sort:3"),
    ];
    let passed =
        (0..).zip(shapes).map(|(seed, (arch, activation))| regions_on_segments(arch, activation, seed, |_, _| {}));
    assert!(passed.sum::<usize>() > 4000);
}

/// The dense layers of this image would take 115 GiB.
#[test]
fn images_are_sliced_without_their_matrices() {
    let network = random_law("1x300x300-c2k3-max2-3", "relu", 0.3, 1).draw(0);
    network.to_dense(&common::GO_ON).expect_err("as matrices");
    let dim = network.architecture().input_dim();
    let mut pick = dice(1, 0);
    let mut vector = || (0..dim).map(|_| pick(2001) as f64 / 1000.0 - 1.0).collect::<Vec<f64>>();
    let plane = Plane::orthonormal(vector(), [vector(), vector()]).expect("in general position");
    let regions = subdivide(&network, &plane, &Window::rectangle([-0.03, 0.03], [-0.03, 0.03]).expect("valid"));
    let (p, q) = ([-0.029, -0.028], [0.0285, 0.029]);
    let path = Path::from_points(dim, &[plane.input(p), plane.input(q)].concat()).expect("finite");
    let trace = Trace::reference(&network, &path).expect("finite");
    let expected = (trace.boundaries.len() + 1, trace.n_knots() + 1);
    assert_eq!(cells_on_segment(&regions, p, q), expected);
    assert!(expected.1 > 5, "{expected:?}");
}

/// A plane through three points is the input plane of the network whose first layer is composed with it.
#[test]
fn a_slice_equals_the_composed_network() {
    for case in 0..40 {
        let mut pick = dice(77, case);
        let network = coarse_network(&mut pick, 4, 5);
        let mut vector = || (0..4).map(|_| (pick(17) as f64 - 8.0) / 8.0).collect::<Vec<f64>>();
        let (origin, u, v) = (vector(), vector(), vector());
        let Ok(plane) = Plane::new(origin.clone(), [u.clone(), v.clone()]) else { continue };
        let first = &network.affine()[0];
        let units = first.bias.len();
        let product = |x: &[f64], unit: usize| (0..4).map(|i| first.weight[i * units + unit] * x[i]).sum::<f64>();
        // Multiples of 1/64: without rounding.
        let weight = [&u, &v].into_iter().flat_map(|d| (0..units).map(|unit| product(d, unit))).collect();
        let bias = (0..units).map(|unit| first.bias[unit] + product(&origin, unit)).collect();
        let mut affine = network.affine().to_vec();
        affine[0] = AffineWeights::new(weight, bias);
        let shape = network.architecture();
        let widths: Vec<usize> = shape.layers().iter().map(|layer| layer.affine.units()).collect();
        let composed = Architecture::dense(2, &widths, shape.activation().clone(), shape.outputs()).expect("valid");
        let composed = Network::new(composed, affine).expect("matching shapes");
        let window = &windows()[pick(3)];
        let counts = check_exactly(&network, &plane, window);
        let [here, there] = [subdivide(&network, &plane, window), subdivide(&composed, &Plane::of_inputs(), window)];
        assert_eq!(counts, (there.n_activation_regions(), there.n_linear_regions()));
        assert!(here.vertices().zip(there.vertices()).all(|(a, b)| (a[0] - b[0]).hypot(a[1] - b[1]) < 1e-12));
        assert_eq!(here.edges(), there.edges());
    }
}

/// Mean number of regions of random networks and its standard error.
fn mean_regions(shape: &str, bias_std: f64, n: u64, half_width: f64) -> (f64, f64) {
    let law = random_law(shape, "relu", bias_std, 1);
    let window = Window::rectangle([-half_width, half_width], [-half_width, half_width]).expect("valid");
    let counts: Vec<f64> =
        (0..n).map(|k| subdivide(&law.draw(k), &Plane::of_inputs(), &window).n_activation_regions() as f64).collect();
    let mean = counts.iter().sum::<f64>() / n as f64;
    let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    (mean, (variance / n as f64).sqrt())
}

/// Seed 1, 400 networks. One hidden layer has exactly the expected number 1 + E X + E B / 2 of its law at every width; |z| < 4.9 has
/// a false-alarm rate of 1e-6 each.
#[test]
fn one_layer_has_the_expected_number_of_regions() {
    for (n, bias_std, half_width) in [(40, 1.0, 1.0), (9, 0.5, 2.0), (25, 0.1, 0.3)] {
        let law = GaussianLaw { inputs: 2, weight_gain: 2.0, bias_variance: bias_std * bias_std, slopes: [1.0, 0.0] };
        let side = [-half_width, half_width];
        let expected = regions_in_rectangle(&law, &[n], side, side);
        let (mean, error) = mean_regions(&format!("2-{n}"), bias_std, 400, half_width);
        let z = (mean - expected) / error;
        assert!(z.abs() < 4.9, "{n}: {mean} +- {error}, expected {expected}");
    }
}

/// Deep networks have the means that an independent simulation (grid-free, another program) found, given with its standard errors.
/// Seed 1, 40 networks; |z| < 4.9, false-alarm rate 1e-6 each. At infinite width they would have the third number.
#[test]
fn deep_networks_have_their_simulated_numbers_of_regions() {
    for (shape, bias_variance, simulated, error, limit) in [
        ("2-20x2", 1.0, 233.0, 4.7, 241.8),
        ("2-40x2", 1.0, 902.0, 24.0, 917.1),
        ("2-30x3", 0.25, 1906.0, 40.0, 1988.0),
        ("2-64x2", 0.25, 4289.0, 93.0, 4385.0),
        ("2-20x5", 0.25, 1682.0, 58.0, 2096.0),
    ] {
        let (mean, own) = mean_regions(shape, f64::sqrt(bias_variance), 40, 1.0);
        let z = (mean - simulated) / f64::hypot(own, error);
        assert!(z.abs() < 4.9 && own < 0.12 * mean, "{shape}: {mean} +- {own}, simulated {simulated} +- {error}");
        assert!((0.7..1.05).contains(&(mean / limit)), "{shape}: {mean}, infinite width {limit}");
    }
}

/// All boundaries of a network without biases pass through the origin, which exact arithmetic finds again in every layer.
#[test]
fn networks_without_biases_have_wedges() {
    let shape = Architecture::parse("2-24x3", Activation::relu(), 1).expect("valid");
    let law = RandomNetwork::new(shape, WeightLaw::HeNormal, BiasLaw::Zero, 3).expect("valid");
    let network = law.draw(0);
    // The reference along a polygon around the origin.
    let ring: Vec<f64> = (0..=64)
        .flat_map(|k| {
            let (sin, cos) = (f64::from(k % 64) * std::f64::consts::TAU / 64.0).sin_cos();
            [cos, sin]
        })
        .collect();
    let trace = Trace::reference(&network, &Path::from_points(2, &ring).expect("finite")).expect("finite");
    for window in [&windows()[0], &Window::rectangle([-0.1, 3.0], [-7.0, 0.001]).expect("valid")] {
        let regions = subdivide(&network, &Plane::of_inputs(), window);
        check_complex(&network, &regions);
        assert_eq!(regions.n_activation_regions(), trace.boundaries.len());
        assert!(regions.close_calls() > 0);
        let origin = regions.vertices().filter(|[u, v]| u.hypot(*v) < 1e-9).count();
        assert_eq!(origin, 1, "one vertex for all of them");
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let network = random_law("2-20x3", "relu", 0.2, 4).draw(0);
    let window = Window::rectangle([-3.0, 3.0], [-3.0, 3.0]).expect("valid");
    let on = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("threads");
        let regions = pool.install(|| subdivide(&network, &Plane::of_inputs(), &window));
        let vertices: Vec<[u64; 2]> = regions.vertices().map(|p| p.map(f64::to_bits)).collect();
        let gradients: Vec<[f64; 2]> = regions.cells().flat_map(|cell| cell.gradients().to_vec()).collect();
        (vertices, regions.edges().to_vec(), gradients, regions.close_calls())
    };
    let one = on(1);
    assert!(one.1.len() > 1000);
    assert!(on(2) == one && on(7) == one);
}

#[test]
fn what_cannot_be_done_is_said() {
    let network = random_law("2-20x3", "relu", 0.2, 4).draw(0);
    let window = &windows()[0];
    let message = |network: &Network, plane: &Plane, stop: bool| {
        let stop = std::sync::atomic::AtomicBool::new(stop);
        Subdivision::new(network, plane, window, &stop).unwrap_err().to_string()
    };
    let plane = Plane::through([&[0.0; 3], &[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0]]).expect("a plane");
    let dimension = message(&network, &plane, false);
    assert!(dimension.contains("dimension 3") && dimension.contains("2 inputs"), "{dimension}");
    let stopped = message(&network, &Plane::of_inputs(), true);
    assert!(stopped.starts_with("interrupted"), "{stopped}");
    let huge = common::network("relu", &[(&[&[1e200, 1e200]], &[0.0]), (&[&[1e200]], &[0.0]), (&[&[1.0]], &[0.0])]);
    let overflow = message(&huge, &Plane::of_inputs(), false);
    assert!(overflow.contains("layer 2") && overflow.contains("range of f64"), "{overflow}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

    /// Any network and window: a complex of convex cells with patterns of their own.
    #[test]
    fn subdivisions_are_complexes(
        shape in prop::sample::select(vec!["2-1", "2-13", "2-7x3", "2-3-9-2-5", "2-2x7", "2-30-3"]),
        activation in prop::sample::select(
            ACTIVATIONS.iter().map(|name| name.parse().expect("known")).chain([zigzag(), rounded_zigzag()]).collect::<Vec<Activation>>()
        ),
        bias in prop::sample::select(vec![1e-12, 0.01, 1.0]),
        seed in 0u64..1000,
        centre in prop::array::uniform2(-3.0f64..3.0),
        size in prop::sample::select(vec![1e-9, 1e-3, 1.0, 1e3]),
    ) {
        let shape = Architecture::parse(shape, activation, 1).expect("valid");
        let law = RandomNetwork::new(shape, WeightLaw::HeNormal, BiasLaw::Normal(bias), seed).expect("valid");
        let network = law.draw(0);
        let [u, v] = centre.map(|c| [c - size, c + size]);
        let regions = subdivide(&network, &Plane::of_inputs(), &Window::rectangle(u, v).expect("valid"));
        check_complex(&network, &regions);
    }
}
