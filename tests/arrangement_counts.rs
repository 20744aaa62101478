//! Regions counted one by one in exact arithmetic, against the formulas.
//!
//! A region is an open polyhedron with a point in it. The counter takes one unit after the other and keeps of every
//! region the parts that are not empty, by Fourier-Motzkin elimination over the rationals; it knows nothing of
//! characteristic polynomials or of general position.

use std::collections::{BTreeMap, BTreeSet};

use linregions::theory::regions::dense::*;
use linregions::theory::regions::piecewise::*;
use num_bigint::{BigInt, BigUint};
use num_rational::BigRational;
use num_traits::{One, Signed, Zero};

type Q = BigRational;

fn q(numerator: i64, denominator: i64) -> Q {
    Q::new(BigInt::from(numerator), BigInt::from(denominator))
}

/// The function <slope, x> + offset.
#[derive(Clone, Debug, PartialEq)]
struct Affine {
    slope: Vec<Q>,
    offset: Q,
}

impl Affine {
    fn constant(dim: usize, offset: Q) -> Self {
        Self { slope: vec![Q::zero(); dim], offset }
    }

    fn coordinate(dim: usize, i: usize) -> Self {
        let mut f = Self::constant(dim, Q::zero());
        f.slope[i] = Q::one();
        f
    }

    fn at(&self, x: &[Q]) -> Q {
        self.slope.iter().zip(x).fold(self.offset.clone(), |sum, (a, x)| sum + a * x)
    }

    fn plus(&self, factor: &Q, other: &Self) -> Self {
        let slope = self.slope.iter().zip(&other.slope).map(|(a, b)| a + factor * b).collect();
        Self { slope, offset: &self.offset + factor * &other.offset }
    }

    fn times(self, factor: &Q) -> Self {
        Self { slope: self.slope.into_iter().map(|a| a * factor).collect(), offset: self.offset * factor }
    }

    /// This function of the values of others.
    fn of(&self, values: &[Affine], dim: usize) -> Self {
        let start = Self::constant(dim, self.offset.clone());
        self.slope.iter().zip(values).fold(start, |sum, (a, f)| sum.plus(a, f))
    }

    /// A function that is negative where this one is below `other`; if they are the same, everywhere or nowhere.
    fn below(&self, other: &Self, if_same: bool) -> Self {
        let mut difference = self.plus(&q(-1, 1), other);
        if if_same && self == other {
            difference.offset = q(-1, 1);
        }
        difference
    }
}

fn coordinates(dim: usize) -> Vec<Affine> {
    (0..dim).map(|i| Affine::coordinate(dim, i)).collect()
}

/// A piece of a unit: functions that are all negative there, and what leaves the unit.
#[derive(Clone, Debug)]
struct Piece {
    conditions: Vec<Affine>,
    values: Vec<Affine>,
}

type Unit = Vec<Piece>;

/// The pieces between breakpoints in rising order, with slopes 0, 1, 2, ... On a breakpoint everywhere, a unit is in
/// the lower piece.
fn scalar(f: &Affine, breakpoints: &[Q]) -> Unit {
    let levels: Vec<Affine> = breakpoints.iter().map(|t| Affine::constant(f.slope.len(), t.clone())).collect();
    let piece = |p: usize| {
        let above = levels[..p].last().map(|t| t.below(f, false));
        let below = levels.get(p).map(|t| f.below(t, true));
        let zero = Affine::constant(f.slope.len(), Q::zero());
        let value = levels[..p].iter().fold(zero, |sum, t| sum.plus(&Q::one(), f).plus(&q(-1, 1), t));
        Piece { conditions: above.into_iter().chain(below).collect(), values: vec![value] }
    };
    (0..=levels.len()).map(piece).collect()
}

fn relu(f: &Affine) -> Unit {
    scalar(f, &[Q::zero()])
}

/// The pieces where each branch is the maximum, the first of equal ones.
fn maxout(branches: &[Affine]) -> Unit {
    let others = |j: usize| (0..branches.len()).filter(move |&i| i != j);
    let conditions = |j: usize| others(j).map(|i| branches[i].below(&branches[j], j < i)).collect();
    (0..branches.len()).map(|j| Piece { conditions: conditions(j), values: vec![branches[j].clone()] }).collect()
}

/// The pieces of every order of the values, equal ones in the order of their positions.
fn group_sort(values: &[Affine]) -> Unit {
    let mut orders = vec![vec![]];
    for i in 0..values.len() {
        let inserted = |order: &Vec<usize>, at: usize| [&order[..at], &[i], &order[at..]].concat();
        orders = orders.iter().flat_map(|order| (0..=i).map(move |at| inserted(order, at))).collect();
    }
    let neighbours = |pair: &[usize]| values[pair[0]].below(&values[pair[1]], pair[0] < pair[1]);
    let piece = |order: Vec<usize>| Piece {
        conditions: order.windows(2).map(neighbours).collect(),
        values: order.iter().map(|&i| values[i].clone()).collect(),
    };
    orders.into_iter().map(piece).collect()
}

/// The pre-activations of a layer.
fn entering_values(layer: &Layer) -> usize {
    match *layer {
        Layer::Maxout { units, rank } => units * rank,
        _ => layer.width(),
    }
}

/// The units of a layer with these pre-activations.
fn units_of(layer: &Layer, before: &[Affine]) -> Vec<Unit> {
    match *layer {
        Layer::Scalar { kappa, .. } => {
            let breakpoints: Vec<Q> = (1..kappa).map(|i| q(60 * i as i64 - 30 * kappa as i64, 1)).collect();
            before.iter().map(|f| scalar(f, &breakpoints)).collect()
        }
        Layer::Maxout { rank, .. } => before.chunks(rank).map(maxout).collect(),
        Layer::GroupSort { size, .. } => before.chunks(size).map(group_sort).collect(),
    }
}

/// A point where all functions are negative, if there is one: Fourier-Motzkin elimination of the last coordinate, and
/// back.
fn interior(dim: usize, limits: &[Affine]) -> Option<Vec<Q>> {
    if dim == 0 {
        return limits.iter().all(|f| f.offset.is_negative()).then(Vec::new);
    }
    let (mut lower, mut upper, mut projected) = (vec![], vec![], vec![]);
    for f in limits {
        let mut f = f.clone();
        let last = f.slope.pop().expect("a coordinate");
        match &last {
            a if a.is_zero() => projected.push(f),
            a if a.is_positive() => upper.push(f.times(&a.recip())),
            a => lower.push(f.times(&a.abs().recip())),
        }
    }
    projected.extend(lower.iter().flat_map(|f| upper.iter().map(|g| f.plus(&Q::one(), g))));
    let mut point = interior(dim - 1, &strongest(projected))?;
    let low = lower.iter().map(|f| f.at(&point)).max();
    let high = upper.iter().map(|f| -f.at(&point)).min();
    point.push(match (low, high) {
        (Some(low), Some(high)) => (low + high) / q(2, 1),
        (Some(low), None) => low + Q::one(),
        (None, Some(high)) => high - Q::one(),
        (None, None) => Q::zero(),
    });
    Some(point)
}

/// Of conditions with the same direction the one that implies the others.
fn strongest(limits: Vec<Affine>) -> Vec<Affine> {
    let mut offsets = BTreeMap::new();
    for f in limits {
        let size = f.slope.iter().find(|a| !a.is_zero()).map_or_else(Q::one, Q::abs);
        let f = f.times(&size.recip());
        let offset = offsets.entry(f.slope).or_insert_with(|| f.offset.clone());
        *offset = f.offset.max(offset.clone());
    }
    offsets.into_iter().map(|(slope, offset)| Affine { slope, offset }).collect()
}

/// A region: its pieces, unit by unit, its conditions, a point in it, and what leaves the units.
#[derive(Clone, Debug)]
struct Cell {
    pattern: Vec<usize>,
    limits: Vec<Affine>,
    point: Vec<Q>,
    values: Vec<Affine>,
}

impl Cell {
    fn whole_space(dim: usize) -> Self {
        Self { pattern: vec![], limits: vec![], point: vec![Q::zero(); dim], values: vec![] }
    }

    /// What of the cell is in a piece of a unit.
    fn part(&self, number: usize, piece: &Piece) -> Option<Self> {
        let limits = [&self.limits[..], &piece.conditions].concat();
        let inside = |point: &Vec<Q>| limits.iter().all(|f| f.at(point).is_negative());
        let known = Some(self.point.clone()).filter(inside);
        let point = known.or_else(|| interior(self.point.len(), &limits))?;
        assert!(inside(&point));
        let pattern = [&self.pattern[..], &[number]].concat();
        Some(Self { pattern, limits, point, values: [&self.values[..], &piece.values].concat() })
    }

    fn cut(self, units: &[Unit]) -> Vec<Self> {
        units.iter().fold(vec![self], |cells, unit| {
            let parts = |cell: &Self| unit.iter().enumerate().filter_map(|(p, c)| cell.part(p, c)).collect::<Vec<_>>();
            cells.iter().flat_map(parts).collect()
        })
    }
}

fn count(dim: usize, units: &[Unit]) -> usize {
    Cell::whole_space(dim).cut(units).len()
}

/// The activation regions of a network; pre-activations are functions of what leaves the layer before.
fn count_network(inputs: usize, network: &[(Layer, Vec<Affine>)]) -> usize {
    let mut cells = vec![Cell { values: coordinates(inputs), ..Cell::whole_space(inputs) }];
    for (layer, functions) in network {
        let cut = |cell: Cell| {
            let before: Vec<Affine> = functions.iter().map(|f| f.of(&cell.values, inputs)).collect();
            Cell { values: vec![], ..cell }.cut(&units_of(layer, &before))
        };
        cells = cells.into_iter().flat_map(cut).collect();
    }
    cells.len()
}

/// Splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn rational(&mut self) -> Q {
        q(self.below(399) as i64 - 199, self.below(7) as i64 + 1)
    }

    fn affine(&mut self, dim: usize) -> Affine {
        Affine { slope: (0..dim).map(|_| self.rational()).collect(), offset: self.rational() }
    }

    fn affines(&mut self, dim: usize, n: usize) -> Vec<Affine> {
        (0..n).map(|_| self.affine(dim)).collect()
    }

    fn layer(&mut self, dim: usize, layer: &Layer) -> Vec<Unit> {
        units_of(layer, &self.affines(dim, entering_values(layer)))
    }

    /// Branches that touch a paraboloid, so that every one is the maximum somewhere.
    fn tangents(&mut self, dim: usize, rank: usize) -> Vec<Affine> {
        let centre: Vec<Q> = (0..dim).map(|_| self.rational()).collect();
        let mut touching = |mut f: Affine| {
            f.offset = -f.slope.iter().zip(&centre).fold(Q::zero(), |sum, (a, c)| sum + a * (a + c));
            f
        };
        self.affines(dim, rank).into_iter().map(&mut touching).collect()
    }
}

fn big(n: usize) -> BigUint {
    BigUint::from(n)
}

fn relus(units: usize) -> Layer {
    Layer::Scalar { units, kappa: 2 }
}

#[test]
fn the_counter_knows_arrangements_one_can_draw() {
    for dim in 1..=3 {
        let axes: Vec<Unit> = (0..dim).map(|i| relu(&Affine::coordinate(dim, i))).collect();
        assert_eq!(count(dim, &axes), 1 << dim);
        assert_eq!(count(dim, &[]), 1);
        // Parallel hyperplanes; every order of the coordinates, whose differences span one dimension less.
        let levels = [-2, 0, 1, 5].map(|t| Affine { offset: q(t, 3), ..Affine::coordinate(dim, 0) });
        assert_eq!(count(dim, &levels.each_ref().map(relu)), 5);
        let coordinates = coordinates(dim);
        assert_eq!(count(dim, &[group_sort(&coordinates)]), [1, 2, 6][dim - 1]);
        assert_eq!(count(dim, &[maxout(&coordinates)]), dim);
    }
    // Lines through one point, and the three sides of a triangle.
    let line = |a: i64, b: i64, c: i64| relu(&Affine { slope: vec![q(a, 1), q(b, 1)], offset: q(c, 1) });
    assert_eq!(count(2, &[line(1, 0, 0), line(0, 1, 0), line(1, 1, 0), line(2, -1, 0)]), 8);
    assert_eq!(count(2, &[line(1, 0, 0), line(0, 1, 0), line(1, 1, -1)]), 7);
    // A polyhedron without interior is no region: a half-line, and a point where three half-planes meet.
    let [x, y] = [0, 1].map(|i| Affine::coordinate(2, i));
    let minus = |f: &Affine| f.clone().times(&q(-1, 1));
    assert!(interior(2, &[x.clone(), minus(&x), y.clone()]).is_none());
    assert!(interior(2, &[x.clone(), y.clone(), minus(&x.plus(&Q::one(), &y))]).is_none());
    assert!(interior(2, &[x.clone(), y.clone(), x.below(&y, false)]).is_some());
}

#[test]
fn the_counter_has_the_region_of_every_point() {
    let mut random = Random(7);
    for layer in [
        Layer::Scalar { units: 4, kappa: 3 },
        Layer::Maxout { units: 4, rank: 3 },
        Layer::GroupSort { groups: 2, size: 4 },
    ] {
        for dim in 1..=3 {
            let units = random.layer(dim, &layer);
            let patterns: BTreeSet<Vec<usize>> =
                Cell::whole_space(dim).cut(&units).into_iter().map(|c| c.pattern).collect();
            let mut met = BTreeSet::new();
            for draw in 0..1000 {
                let x: Vec<Q> = (0..dim).map(|_| random.rational() / q([5, 50, 500][draw % 3], 1)).collect();
                let holds = |piece: &Piece| piece.conditions.iter().all(|f| f.at(&x).is_negative());
                // No piece holds on a boundary.
                let pattern: Option<Vec<usize>> = units.iter().map(|unit| unit.iter().position(holds)).collect();
                met.extend(pattern);
            }
            assert!(met.is_subset(&patterns), "{layer:?} {dim}");
            assert!(3 * met.len() > patterns.len(), "{layer:?} {dim}: {} of {}", met.len(), patterns.len());
        }
    }
}

#[test]
fn scalar_units_in_general_position_have_the_maximum() {
    let mut random = Random(1);
    for (kappa, most) in [(2, 5), (3, 5), (4, 4), (5, 2)] {
        for (units, dim) in (0..=most).flat_map(|units| (1..=3).map(move |dim| (units, dim))) {
            let layer = Layer::Scalar { units, kappa };
            let regions = big(count(dim, &random.layer(dim, &layer)));
            assert_eq!(regions, layer_maximum(&layer, dim), "{layer:?} {dim}");
            assert_eq!(regions, goujon_2024_upper(dim, &[layer]));
            if kappa == 2 {
                assert_eq!(regions, zaslavsky_1975(units, dim));
                assert_eq!(regions, serra_2018_upper(dim, &[units]));
            }
        }
    }
}

#[test]
fn sorted_groups_in_general_position_have_the_maximum() {
    let mut random = Random(2);
    for (size, most) in [(1, 2), (2, 5), (3, 4), (4, 2), (5, 1)] {
        for (groups, dim) in (1..=most).flat_map(|groups| (1..=3).map(move |dim| (groups, dim))) {
            let layer = Layer::GroupSort { groups, size };
            let regions = big(count(dim, &random.layer(dim, &layer)));
            assert_eq!(regions, layer_maximum(&layer, dim), "{layer:?} {dim}");
            assert!(regions <= goujon_2024_upper(dim, &[layer]));
        }
    }
}

#[test]
fn maxout_units_do_not_exceed_their_maximum_and_reach_it() {
    let mut random = Random(3);
    // Units, rank, dimension, what the bound allows.
    for (units, rank, dim, maximum) in
        [(2, 3, 2, 9), (3, 3, 2, 19), (2, 4, 2, 16), (2, 3, 3, 9), (3, 3, 3, 27), (5, 2, 3, 26), (4, 3, 2, 33)]
    {
        let layer = Layer::Maxout { units, rank };
        assert_eq!(layer_maximum(&layer, dim), big(maximum));
        assert!(big(maximum) <= serra_2018_maxout_upper(dim, &[layer]).unwrap());
        let (mut best, mut draws) = (0, 0);
        while draws < 200 || best < maximum && draws < 1000 {
            let tangents = |random: &mut Random| (0..units).map(|_| maxout(&random.tangents(dim, rank))).collect();
            let drawn: Vec<Unit> = if draws % 2 == 0 { tangents(&mut random) } else { random.layer(dim, &layer) };
            best = best.max(count(dim, &drawn));
            draws += 1;
            assert!(best <= maximum, "{layer:?} {dim}: {best}");
        }
        assert_eq!(best, maximum, "{layer:?} {dim}: the best of {draws} draws");
    }
}

#[test]
fn maxout_units_of_one_input_have_as_many_pieces_as_their_branches_that_show() {
    let mut random = Random(4);
    for (units, rank) in (1..=4).flat_map(|units| (1..=5).map(move |rank| (units, rank))) {
        let layer = Layer::Maxout { units, rank };
        let all_show: Vec<Unit> = (0..units).map(|_| maxout(&random.tangents(1, rank))).collect();
        assert_eq!(big(count(1, &all_show)), layer_maximum(&layer, 1), "{layer:?}");
        // At random not all show, and breakpoints of several units add up.
        let drawn = random.layer(1, &layer);
        let breakpoints: usize = drawn.iter().map(|unit| count(1, std::slice::from_ref(unit)) - 1).sum();
        assert_eq!(count(1, &drawn), breakpoints + 1);
        assert!(big(breakpoints + 1) <= layer_maximum(&layer, 1));
    }
}

#[test]
fn special_positions_have_fewer_regions() {
    let mut random = Random(5);
    for dim in 1..=3 {
        let fs = random.affines(dim, 4);
        let with = |f: Affine| fs.iter().chain([&f]).map(relu).collect::<Vec<_>>();
        let fewer = layer_maximum(&relus(4), dim);
        assert!(fewer < layer_maximum(&relus(5), dim));
        // A unit twice, once with another scale, and units that do not depend on the input.
        let specials = [
            fs[0].clone(),
            fs[0].clone().times(&q(-5, 3)),
            Affine::constant(dim, q(2, 1)),
            Affine::constant(dim, q(0, 1)),
        ];
        for special in specials {
            assert_eq!(big(count(dim, &with(special))), fewer);
        }
        // Without biases all hyperplanes meet: twice as many regions as in one dimension less.
        let central = fs.iter().map(|f| relu(&Affine { offset: Q::zero(), ..f.clone() })).collect::<Vec<_>>();
        assert_eq!(big(count(dim, &central)), layer_maximum(&relus(3), dim - 1) * 2u32);
        // A parallel hyperplane meets no more than the other three.
        let parallel = big(count(dim, &with(Affine { offset: &fs[0].offset + q(1, 1), ..fs[0].clone() })));
        assert_eq!(parallel, &fewer + layer_maximum(&relus(3), dim - 1));
        assert!(dim == 1 || parallel < layer_maximum(&relus(5), dim));

        // Two equal values in a group, and a branch twice in a maxout unit.
        let twice = [&fs[..], &fs[1..2]].concat();
        assert_eq!(
            big(count(dim, &[group_sort(&twice)])),
            layer_maximum(&Layer::GroupSort { groups: 1, size: 4 }, dim)
        );
        let other = maxout(&random.affines(dim, 3));
        assert_eq!(count(dim, &[maxout(&twice), other.clone()]), count(dim, &[maxout(&fs), other.clone()]));
        let flat = maxout(&[1, 2, 2].map(|t| Affine::constant(dim, q(t, 1))));
        assert_eq!(count(dim, &[other.clone(), flat]), count(dim, &[other]));
    }
}

#[test]
fn the_counter_notices_a_missing_hyperplane() {
    let mut random = Random(6);
    for dim in 1..=3 {
        let fs = random.affines(dim, 5);
        let all = count(dim, &fs.iter().map(relu).collect::<Vec<_>>());
        let hard_tanh = |f: &Affine| scalar(f, &[q(-1, 1), q(1, 1)]);
        let all_bent = count(dim, &fs[..3].iter().map(hard_tanh).collect::<Vec<_>>());
        for missing in 0..5 {
            let rest = fs.iter().enumerate().filter(|&(i, _)| i != missing).map(|(_, f)| relu(f)).collect::<Vec<_>>();
            // What goes is what the others cut out of the hyperplane.
            assert_eq!(big(all - count(dim, &rest)), layer_maximum(&relus(4), dim - 1));
        }
        for missing in 0..3 {
            let bend = |(i, f)| if i == missing { scalar(f, &[q(1, 1)]) } else { hard_tanh(f) };
            let rest = fs[..3].iter().enumerate().map(bend).collect::<Vec<_>>();
            assert_eq!(
                big(all_bent - count(dim, &rest)),
                layer_maximum(&Layer::Scalar { units: 2, kappa: 3 }, dim - 1)
            );
        }
    }
}

/// The most regions that networks with random parameters have.
fn best_of(draws: usize, inputs: usize, layers: &[Layer], random: &mut Random) -> BigUint {
    let draw = |draw: usize| {
        let mut dim = inputs;
        let mut network = vec![];
        for layer in layers {
            let mut functions = random.affines(dim, entering_values(layer));
            // What leaves a layer is larger than what enters it; biases to match cut more.
            if draw % 2 == 1 && !network.is_empty() {
                functions.iter_mut().for_each(|f| f.offset *= q(40, 1));
            }
            network.push((*layer, functions));
            dim = layer.width();
        }
        big(count_network(inputs, &network))
    };
    (0..draws).map(draw).max().unwrap_or_default()
}

#[test]
fn rectified_networks_do_not_exceed_the_upper_bounds() {
    let mut random = Random(8);
    let mut check = |inputs: usize, widths: &[usize], sharp: bool| {
        let layers: Vec<Layer> = widths.iter().map(|&n| relus(n)).collect();
        let [serra, montufar] = [serra_2018_upper, montufar_2017_upper].map(|bound| bound(inputs, widths));
        let best = best_of(100, inputs, &layers, &mut random);
        assert_eq!(hinz_vandegeer_2019_upper(inputs, widths), serra);
        assert_eq!(layer_polynomial_upper(inputs, &layers), montufar);
        assert!(serra <= montufar && montufar <= raghu_2017_upper(inputs, widths));
        assert!(best <= serra, "{inputs} {widths:?}: {best}");
        assert!(!sharp || best == serra, "{inputs} {widths:?}: {best}");
    };
    // Layers so narrow that the best of some random networks has what the bound allows, and others.
    for widths in [&[1, 1][..], &[1, 3], &[2, 1], &[2, 2]] {
        check(2, widths, true);
    }
    check(1, &[1, 1], true);
    check(3, &[2, 2], true);
    for (inputs, widths) in [(1, &[2, 2][..]), (1, &[3, 3]), (2, &[3, 2]), (2, &[3, 3]), (2, &[2, 2, 2]), (3, &[3, 2])]
    {
        check(inputs, widths, false);
    }
}

#[test]
fn other_networks_do_not_exceed_the_layer_polynomials() {
    let mut random = Random(9);
    let maxout = |units, rank| Layer::Maxout { units, rank };
    let sorted = |groups, size| Layer::GroupSort { groups, size };
    let bent = |units, kappa| Layer::Scalar { units, kappa };
    for layers in [
        [maxout(1, 3), maxout(1, 3)],
        [maxout(2, 2), maxout(2, 2)],
        [maxout(2, 3), maxout(1, 3)],
        [sorted(1, 2), sorted(1, 2)],
        [sorted(1, 3), sorted(1, 3)],
        [sorted(2, 2), sorted(2, 2)],
        [bent(1, 3), bent(2, 3)],
        [bent(2, 3), sorted(1, 3)],
        [sorted(1, 2), maxout(2, 2)],
    ] {
        for inputs in 1..=2 {
            let best = best_of(60, inputs, &layers, &mut random);
            let upper = layer_polynomial_upper(inputs, &layers);
            assert!(best <= upper && upper <= goujon_2024_upper(inputs, &layers), "{inputs} {layers:?}: {best}");
            let maxouts = montufar_ren_zhang_2021_upper(inputs, &layers).ok();
            assert_eq!(maxouts.is_some(), layers.iter().all(|layer| matches!(layer, Layer::Maxout { .. })));
            assert!(maxouts.is_none_or(|bound| bound == upper));
            assert!(serra_2018_maxout_upper(inputs, &layers).ok().is_none_or(|bound| upper <= bound));
        }
    }
}

/// Units of one input, and weights of their sum that maps each of the n + 1 pieces onto [0, 1], from 0 to 1 or back.
fn zigzag(n: usize) -> (Vec<Affine>, Affine) {
    // Slopes 2, -1, 1, -1, ..., scaled so that n + 1 pieces fill [0, 1]: the one unit that looks left gives the first
    // slope.
    let scale = q(2 * n as i64 + 1, 2);
    let slope = |i: usize| &scale * q(if i == 0 { 2 } else { 1 - 2 * (i as i64 % 2) }, 1);
    let left = (n - 1) / 2 * 2;
    let mut knot = Q::zero();
    let mut units = vec![];
    let mut sum = Affine::constant(n, Q::zero());
    for i in 0..n {
        knot += slope(i).abs().recip();
        let to_the_right = Affine { slope: vec![Q::one()], offset: -knot.clone() };
        sum.slope[i] = slope(i + 1) - slope(i);
        if i == left {
            sum.offset = -&sum.slope[i] * &knot;
        }
        units.push(if i == left { to_the_right.times(&q(-1, 1)) } else { to_the_right });
    }
    (units, sum)
}

/// Zigzags of every input, layer after layer, and a last layer on their sums.
fn folded(inputs: usize, folds: &[usize], last: &[Affine]) -> Vec<(Layer, Vec<Affine>)> {
    let mut network = vec![];
    let mut sums = coordinates(inputs);
    for &n in folds {
        let (units, sum) = zigzag(n);
        let entering =
            |f: &Affine| units.iter().map(|g| g.of(std::slice::from_ref(f), f.slope.len())).collect::<Vec<_>>();
        network.push((relus(n * inputs), sums.iter().flat_map(entering).collect()));
        let leaving = coordinates(n * inputs);
        sums = leaving.chunks(n).map(|values| sum.of(values, n * inputs)).collect();
    }
    network.push((relus(last.len()), last.iter().map(|f| f.of(&sums, sums[0].slope.len())).collect()));
    network
}

#[test]
fn the_maximum_on_one_input_is_reached() {
    // Three units with round numbers: 8 - 12 h1 + 7 h2 - 10 h3 goes up, down, up and down on [0, 1].
    let mut network = vec![];
    for regions in [4, 16, 64] {
        let coordinate = Affine::coordinate(1, 0);
        let read_out = Affine { slope: [-12, 7, -10].map(|a| q(a, 1)).to_vec(), offset: q(8, 1) };
        let entering = if network.is_empty() { coordinate } else { read_out };
        let unit = |sign: i64, t: i64| {
            let mut f = entering.clone().times(&q(sign, 1));
            f.offset += q(t, 10);
            f
        };
        network.push((relus(3), vec![unit(1, -1), unit(1, -6), unit(-1, 8)]));
        let widths = vec![3; network.len()];
        assert_eq!(count_network(1, &network), regions);
        assert_eq!(serra_2018_one_input(1, &widths).unwrap(), big(regions));
        assert_eq!(serra_2018_upper(1, &widths), big(regions));
        assert_eq!(zigzag_lower(1, &vec![relus(3); network.len()]).unwrap(), big(regions));
    }
    for widths in [&[3, 3][..], &[4, 3], &[5, 4], &[3, 6], &[3, 4, 5]] {
        let (last, before) = widths.split_last().unwrap();
        let regions = big(count_network(1, &folded(1, before, &zigzag(*last).0)));
        assert_eq!(regions, serra_2018_one_input(1, widths).unwrap(), "{widths:?}");
        assert_eq!(regions, serra_2018_lower(1, widths).unwrap());
    }
}

#[test]
fn lower_bounds_are_reached_by_folding() {
    let mut random = Random(10);
    for (inputs, per_input, last) in [(1, 4, 5), (2, 3, 6), (2, 4, 6)] {
        // Hyperplanes that are close to the middle of the cube, so that all their regions meet it.
        let mut close = random.affines(inputs, last);
        for f in &mut close {
            f.offset = &f.offset / q(10_000, 1) - f.slope.iter().sum::<Q>() / q(2, 1);
        }
        let widths = [inputs * per_input, last];
        let regions = big(count_network(inputs, &folded(inputs, &[per_input], &close)));
        assert_eq!(regions, serra_2018_lower(inputs, &widths).unwrap(), "{widths:?}");
        assert!(regions > montufar_2014_lower(inputs, &widths).unwrap());
        assert!(regions > pascanu_2013_lower(inputs, &widths).unwrap());
        assert!(regions <= serra_2018_upper(inputs, &widths));
    }
}
