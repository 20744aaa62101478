//! The pieces that the units of a layer are on along the path, and what follows of them for kinks.

use super::connected::{Joined, Repeated};
use super::kinks::Turn;
use crate::engine::cpu::real::Real;
use crate::network::{ActivationKind, Grouping, Layer, Pieces, pairs};

/// The activation pattern of a layer, by what its outputs do with kinks.
pub(super) enum Patterns<T> {
    /// One output of every pre-activation, or one after the other for every one of several functions. The piece of every pre-activation, and
    /// whether its slope is not 0, for every output.
    Functions { functions: Vec<Function<T>>, pieces: Vec<u32>, passes: Vec<u8> },
    /// The largest of several: of every unit which of them. Their pairs.
    Largest { grouping: Grouping, pairs: Vec<(usize, usize)>, rows: Vec<usize> },
    /// Sorted groups: of every output which pre-activation it is. The pairs of a group, and room for its rows.
    Sorted { grouping: Grouping, pairs: Vec<(usize, usize)>, rows: Vec<usize>, order: Vec<usize> },
}

/// A function of one pre-activation.
pub(super) struct Function<T> {
    breakpoints: Vec<T>,
    has_slope: Vec<bool>,
}

impl<T: Real> Patterns<T> {
    pub(super) fn new(layer: &Layer) -> Self {
        let (grouping, units) = (layer.grouping(), layer.affine.units());
        let function = |pieces: &Pieces<f64>| Function {
            breakpoints: pieces.breakpoints.iter().map(|&tau| T::from_f64(tau)).collect(),
            has_slope: pieces.slopes.iter().map(|&slope| slope != 0.0).collect(),
        };
        let functions = |functions: Vec<Function<T>>| Self::Functions {
            passes: vec![0; functions.len() * units],
            pieces: vec![0; units],
            functions,
        };
        match layer.activation.kind() {
            ActivationKind::Scalar(pieces) => functions(vec![function(pieces)]),
            ActivationKind::Crelu(pieces) => {
                let below = Pieces { slopes: vec![-1.0, 0.0], ..pieces.clone() };
                functions(vec![function(pieces), function(&below)])
            }
            ActivationKind::Maxout { rank } => {
                Self::Largest { grouping, pairs: pairs(*rank).collect(), rows: vec![0; layer.groups()] }
            }
            ActivationKind::GroupSort { size } => {
                Self::Sorted { grouping, pairs: pairs(*size).collect(), rows: vec![0; units], order: Vec::new() }
            }
        }
    }

    /// Takes the pieces on the interval between the first two vertices.
    pub(super) fn start(&mut self, here: &[T], after: &[T]) {
        let keys = |place: usize| (here[place], after[place]);
        match self {
            Self::Functions { functions, pieces, passes } => {
                for (unit, piece) in pieces.iter_mut().enumerate() {
                    let is_below = |tau: &&T| keys(unit) > (**tau, **tau);
                    *piece = functions[0].breakpoints.iter().filter(is_below).count() as u32;
                    set(functions, passes, unit, *piece, here.len());
                }
            }
            Self::Largest { grouping, rows, .. } => {
                for (unit, row) in rows.iter_mut().enumerate() {
                    let places = (0..grouping.size).map(|member| grouping.place(unit, member));
                    let larger = |top: usize, place: usize| if keys(place) > keys(top) { place } else { top };
                    *row = places.reduce(larger).expect("a unit has rows");
                }
            }
            Self::Sorted { grouping, rows, order, .. } => {
                for unit in 0..rows.len() / grouping.size {
                    sort(*grouping, unit, here, after, order);
                    place_all(*grouping, unit, order, rows);
                }
            }
        }
    }

    /// Writes which outputs have kinks at a vertex at which the pattern does not change, by which pre-activations are reached.
    #[inline(always)]
    pub(super) fn pass(&self, reached: &[u8], repeated: Repeated, kinks: &mut [u8]) {
        match self {
            Self::Functions { passes, .. } => {
                let Repeated { run, times } = repeated;
                // A function after the other.
                for (kinks, passes) in
                    kinks.chunks_exact_mut(reached.len() * times).zip(passes.chunks_exact(reached.len() * times))
                {
                    let groups = kinks.chunks_exact_mut(run * times).zip(passes.chunks_exact(run * times));
                    for ((kinks, passes), reached) in groups.zip(reached.chunks_exact(run)) {
                        if let [reached] = *reached {
                            kinks.iter_mut().zip(passes).for_each(|(kink, &passes)| *kink = passes & reached);
                            continue;
                        }
                        for (kinks, passes) in kinks.chunks_exact_mut(run).zip(passes.chunks_exact(run)) {
                            let values = kinks.iter_mut().zip(passes).zip(reached);
                            values.for_each(|((kink, &passes), &reached)| *kink = passes & reached);
                        }
                    }
                }
            }
            Self::Largest { rows, .. } | Self::Sorted { rows, .. } => {
                kinks.iter_mut().zip(rows).for_each(|(kink, &row)| *kink = reached[repeated.place(row)]);
            }
        }
    }

    /// As [`Patterns::pass`], where planes of outputs are joined that are repeated as pre-activations; says whether they are.
    #[inline(always)]
    pub(super) fn pass_joined(&self, reached: &[u8], repeated: Repeated, joined: Joined, kinks: &mut [u8]) -> bool {
        let (Self::Functions { passes, .. }, Joined { plane, channels }) = (self, joined) else { return false };
        if channels == 1 || plane != repeated.run {
            return false;
        }
        // A single plane of pre-activations reached is as much as there can be.
        let is_one = reached.len() == plane;
        let mut of_plane =
            reached.chunks_exact(plane).flat_map(|reached| (0..repeated.times).map(move |_| reached)).cycle();
        for (kinks, passes) in kinks.chunks_exact_mut(plane).zip(passes.chunks_exact(plane * channels)) {
            kinks.fill(0);
            for (ix, passes) in passes.chunks_exact(plane).enumerate() {
                if is_one && ix.is_multiple_of(4) && kinks == reached {
                    break;
                }
                let reached = if is_one { reached } else { of_plane.next().expect("it goes on") };
                let values = kinks.iter_mut().zip(passes).zip(reached);
                values.for_each(|((kink, &passes), &reached)| *kink |= passes & reached);
            }
        }
        true
    }

    /// Changes the pattern by what is told of a vertex, with these pre-activations before, at and after it, and writes the kinks of the
    /// outputs that take part.
    pub(super) fn pass_turns(
        &mut self,
        turns: &[(usize, Turn)],
        vertex: usize,
        z: [&[T]; 3],
        reached: impl Fn(usize) -> bool,
        kinks: &mut [u8],
    ) {
        for &(_, Turn { unit, switch, rising }) in turns.iter().filter(|turn| turn.0 == vertex) {
            match self {
                Self::Functions { functions, pieces, passes } => {
                    let below = if rising { z[0][unit] } else { z[2][unit] };
                    for (ix, function) in functions.iter().enumerate() {
                        let [lower, upper] = [switch, switch + 1].map(|piece| function.has_slope[piece]);
                        // It is not constant above the breakpoint; below it may be.
                        let kink = upper || (lower && below != function.breakpoints[switch]);
                        kinks[ix * z[1].len() + unit] = u8::from(kink);
                    }
                    pieces[unit] = step(pieces[unit], rising);
                    set(functions, passes, unit, pieces[unit], z[1].len());
                }
                Self::Largest { grouping, pairs, rows } => {
                    let (i, j) = pairs[switch];
                    let after = grouping.place(unit, if rising { j } else { i });
                    let before = std::mem::replace(&mut rows[unit], after);
                    kinks[unit] = u8::from(selected(before, after, &reached, z));
                }
                Self::Sorted { grouping, rows, order, .. } => {
                    sort(*grouping, unit, z[1], z[2], order);
                    let places = order
                        .iter()
                        .enumerate()
                        .map(|(rank, &row)| (grouping.place(unit, rank), grouping.place(unit, row)));
                    // All pairs of the group that turn here at once: later ones find it done.
                    for (output, after) in places {
                        let before = std::mem::replace(&mut rows[output], after);
                        if before != after {
                            kinks[output] = u8::from(selected(before, after, &reached, z));
                        }
                    }
                }
            }
        }
    }

    /// Changes the pattern where a unit changes piece at a new vertex with these pre-activations before another, and adds the kinks of its
    /// outputs.
    #[inline(always)]
    pub(super) fn cross(&mut self, turn: Turn, z: &[T], next: &[T], mut add: impl FnMut(usize)) {
        let Turn { unit, switch, rising } = turn;
        match self {
            Self::Functions { functions, pieces, passes } => {
                pieces[unit] = step(pieces[unit], rising);
                set(functions, passes, unit, pieces[unit], z.len());
                (0..functions.len()).for_each(|ix| add(ix * z.len() + unit));
            }
            Self::Largest { grouping, pairs, rows } => {
                let (i, j) = pairs[switch];
                rows[unit] = grouping.place(unit, if rising { j } else { i });
                add(unit);
            }
            Self::Sorted { grouping, pairs, rows, order } => {
                sort(*grouping, unit, z, next, order);
                place_all(*grouping, unit, order, rows);
                let (i, j) = pairs[switch];
                let ranks = order.iter().enumerate().filter(|(_, row)| **row == i || **row == j);
                ranks.for_each(|(rank, _)| add(grouping.place(unit, rank)));
            }
        }
    }
}

/// The piece next to one.
fn step(piece: u32, rising: bool) -> u32 {
    if rising { piece + 1 } else { piece.saturating_sub(1) }
}

/// Sets what the outputs of a pre-activation of so many do with kinks on a piece.
fn set<T>(functions: &[Function<T>], passes: &mut [u8], unit: usize, piece: u32, width: usize) {
    for (ix, Function { has_slope, .. }) in functions.iter().enumerate() {
        passes[ix * width + unit] = u8::from(has_slope[(piece as usize).min(has_slope.len() - 1)]);
    }
}

/// The rows of a group from the highest to the lowest; of those equal the higher afterwards comes first, of those the first.
fn sort<T: Real>(grouping: Grouping, unit: usize, here: &[T], after: &[T], order: &mut Vec<usize>) {
    let keys = |member: usize| {
        let place = grouping.place(unit, member);
        (here[place], after[place])
    };
    order.clear();
    order.extend(0..grouping.size);
    order.sort_by(|&a, &b| keys(b).partial_cmp(&keys(a)).expect("finite pre-activations"));
}

fn place_all(grouping: Grouping, unit: usize, order: &[usize], rows: &mut [usize]) {
    for (rank, &row) in order.iter().enumerate() {
        rows[grouping.place(unit, rank)] = grouping.place(unit, row);
    }
}

/// Whether an output has a kink at a vertex that is one pre-activation before it and another after it, where both are equal. If they are so
/// all along the interval on one side, the output is a single one of them; never mind whether it is constant there.
fn selected<T: Real>(before: usize, after: usize, reached: &impl Fn(usize) -> bool, z: [&[T]; 3]) -> bool {
    if z[2][before] == z[2][after] { reached(before) } else { reached(after) || z[0][before] != z[0][after] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Architecture;

    fn patterns(text: &str, activation: &str) -> (Patterns<f64>, usize) {
        let architecture = Architecture::parse(text, activation.parse().unwrap(), 1).unwrap();
        (Patterns::new(&architecture.layers()[0]), architecture.layers()[0].outputs())
    }

    /// What a layer makes of a vertex with these pre-activations before, at and after it, where units turn.
    fn pass(text: &str, activation: &str, reached: &[u8], z: [&[f64]; 3], turns: &[(usize, usize, bool)]) -> Vec<u8> {
        let (mut patterns, outputs) = patterns(text, activation);
        let mut kinks = vec![1; outputs];
        patterns.start(z[0], z[1]);
        patterns.pass(reached, Repeated { run: reached.len(), times: 1 }, &mut kinks);
        let turn = |&(unit, switch, rising): &(usize, usize, bool)| (5, Turn { unit, switch, rising });
        // Those of another vertex are left for later.
        let turns: Vec<_> = turns.iter().map(turn).chain([(6, Turn { unit: 0, switch: 0, rising: true })]).collect();
        patterns.pass_turns(&turns, 5, z, |unit| reached[unit] != 0, &mut kinks);
        let mut afterwards = vec![1; outputs];
        patterns.pass(&vec![1; reached.len()], Repeated { run: reached.len(), times: 1 }, &mut afterwards);
        let (mut fresh, _) = self::patterns(text, activation);
        let mut expected = afterwards.clone();
        fresh.start(z[1], z[2]);
        fresh.pass(&vec![1; reached.len()], Repeated { run: reached.len(), times: 1 }, &mut expected);
        assert_eq!(afterwards, expected, "{activation}: the pattern after the vertex");
        kinks
    }

    const ON: u8 = 1;
    const OFF: u8 = 0;

    #[test]
    fn kinks_end_on_flat_pieces() {
        let inside = [-2.0, -0.5, 0.5, 2.0, 0.5];
        let reached = [ON, ON, ON, ON, OFF];
        let of = |activation| pass("1-5", activation, &reached, [&inside; 3], &[]);
        assert_eq!(of("relu"), [OFF, OFF, ON, ON, OFF]);
        assert_eq!(of("hard-tanh"), [OFF, ON, ON, OFF, OFF]);
        assert_eq!(of("soft-threshold:1"), [ON, OFF, OFF, ON, OFF]);
        assert_eq!(of("abs"), [ON, ON, ON, ON, OFF]);
        assert_eq!(pass("1-4", "crelu", &[ON, ON], [&[1.0, -1.0]; 3], &[]), [ON, OFF, OFF, ON]);
        // On the breakpoint: from above or below and back, from one side to the other, and from a stretch on it.
        let (before, here, after) = ([1.0, -1.0, 1.0, -1.0, 1.0, 0.0], [0.0; 6], [2.0, -2.0, -2.0, 2.0, 0.0, 1.0]);
        let turns = [(2, 0, false), (3, 0, true), (4, 0, false), (5, 0, true)];
        let of = |reached| pass("1-6", "relu", &[reached; 6], [&before, &here, &after], &turns);
        assert_eq!((of(ON), of(OFF)), (vec![ON, OFF, ON, ON, ON, ON], vec![OFF, OFF, ON, ON, ON, ON]));
        // The upper piece is the flat one: nothing bends where the other is not used.
        let z = [&[0.5, 1.0, 1.5][..], &[1.0; 3], &[1.5; 3]];
        assert_eq!(pass("1-3", "hard-tanh", &[OFF; 3], z, &[(0, 1, true), (1, 1, true)]), [ON, OFF, OFF]);
    }

    #[test]
    fn kinks_pass_where_they_are_selected() {
        let z = [1.0, 3.0, 2.0];
        assert_eq!(pass("1-1", "maxout:3", &[OFF, ON, OFF], [&z; 3], &[]), [ON]);
        assert_eq!(pass("1-1", "maxout:3", &[ON, OFF, ON], [&z; 3], &[]), [OFF]);
        assert_eq!(pass("1-3", "group-sort:3", &[ON, OFF, OFF], [&z; 3], &[]), [OFF, OFF, ON]);
        // One row after the other; and where both are equal from there on or until then, the other one.
        let turns = |reached: [u8; 2], z: [[f64; 2]; 3], rising| {
            pass("1-1", "maxout:2", &reached, [&z[0], &z[1], &z[2]], &[(0, 0, rising)])[0]
        };
        assert_eq!(turns([OFF, OFF], [[2.0, 1.0], [2.0, 2.0], [2.0, 3.0]], true), ON);
        let until = [[1.0, 2.0], [2.0, 2.0], [2.0, 2.0]];
        assert_eq!((turns([ON, OFF], until, false), turns([OFF, ON], until, false)), (OFF, ON));
        let from = [[2.0, 2.0], [2.0, 2.0], [2.0, 3.0]];
        assert_eq!((turns([ON, OFF], from, true), turns([OFF, ON], from, true)), (OFF, ON));
        let z = [&[5.0, 1.0, 4.0, 0.0][..], &[5.0, 3.0, 3.0, 2.0], &[5.0, 4.0, 1.0, 0.0]];
        assert_eq!(pass("1-4", "group-sort:4", &[OFF, OFF, OFF, ON], z, &[(0, 3, false)]), [OFF, ON, ON, ON]);
        // Channels in pairs at each of two positions.
        let z = [1.0, 1.0, 2.0, 2.0];
        assert_eq!(pass("1x2-c2k1", "max-min", &[OFF, ON, OFF, OFF], [&z; 3], &[]), [OFF, OFF, OFF, ON]);
    }

    #[test]
    fn joined_planes_are_those_of_all_channels() {
        for (text, activation, joins) in [
            ("2x3x3-c6k2", "relu", vec![2, 3, 6]),
            ("4x3x3-c6k2g2", "relu", vec![2, 3, 6]),
            ("4x9-c12k3g2", "crelu", vec![2, 3]),
            ("3x70-c4k3", "hard-tanh", vec![4]),
        ] {
            let architecture = Architecture::parse(text, activation.parse().unwrap(), 1).unwrap();
            let layer = &architecture.layers()[0];
            let (mut patterns, repeated, width) = (Patterns::new(layer), Repeated::of(layer), layer.affine.units());
            for case in 0..20 {
                let z: Vec<f64> =
                    (0..width).map(|ix| ((ix * 7 + case * 13) % 11) as f64 - 4.5 - case as f64 / 4.0).collect();
                patterns.start(&z, &z);
                let is_reached = |ix: usize| u8::from(ix % (case + 1) == case / 2);
                let reached: Vec<u8> = (0..width / repeated.times).map(is_reached).collect();
                let mut kinks = vec![1; layer.outputs()];
                patterns.pass(&reached, repeated, &mut kinks);
                for &channels in &joins {
                    let joined = Joined { plane: repeated.run, channels };
                    let mut planes = vec![1; joined.len(kinks.len())];
                    assert!(patterns.pass_joined(&reached, repeated, joined, &mut planes));
                    let mut expected = vec![0; planes.len()];
                    kinks.iter().enumerate().for_each(|(output, &kink)| expected[joined.place(output)] |= kink);
                    assert_eq!(planes, expected, "{text}, case {case}, {channels} channels");
                }
                assert!(!patterns.pass_joined(&reached, repeated, Joined { plane: 1, channels: 2 }, &mut kinks));
            }
        }
    }

    #[test]
    fn units_that_cross_have_kinks() {
        for (text, activation, crossed, z, next, turn, expected) in [
            (
                "1-3",
                "relu",
                [-1.0, 1.0, 1.0, 0.0],
                [-1.0, 0.0, 1.0, 0.0],
                [-1.0, -1.0, 1.0, 0.0],
                (1, 0, false),
                vec![1],
            ),
            (
                "1-6",
                "crelu",
                [-1.0, 1.0, 1.0, 0.0],
                [-1.0, 0.0, 1.0, 0.0],
                [-1.0, -1.0, 1.0, 0.0],
                (1, 0, false),
                vec![1, 4],
            ),
            (
                "1-1",
                "maxout:4",
                [0.0, 1.0, 3.0, 2.0],
                [0.0, 1.0, 3.0, 3.0],
                [0.0, 1.0, 3.0, 4.0],
                (0, 5, true),
                vec![0],
            ),
            (
                "1-4",
                "group-sort:4",
                [2.0, 3.0, 1.0, 1.0],
                [2.0, 3.0, 1.0, 2.0],
                [2.0, 3.0, 1.0, 2.5],
                (0, 2, true),
                vec![1, 2],
            ),
        ] {
            let (mut patterns, outputs) = patterns(text, activation);
            let width = if outputs == 3 || outputs == 6 { 3 } else { 4 };
            patterns.start(&crossed[..width], &z[..width]);
            let mut kinks = vec![0; outputs];
            let (unit, switch, rising) = turn;
            patterns.cross(Turn { unit, switch, rising }, &z[..width], &next[..width], |output| kinks[output] = 1);
            let found: Vec<usize> = (0..outputs).filter(|&output| kinks[output] != 0).collect();
            assert_eq!(found, expected, "{activation}");
            // What comes after.
            let (mut fresh, _) = self::patterns(text, activation);
            fresh.start(&z[..width], &next[..width]);
            for reached in 0..width {
                let of = |patterns: &Patterns<f64>| {
                    let mut kinks = vec![0; outputs];
                    let reached: Vec<u8> = (0..width).map(|unit| u8::from(unit == reached)).collect();
                    patterns.pass(&reached, Repeated { run: width, times: 1 }, &mut kinks);
                    kinks
                };
                assert_eq!(of(&patterns), of(&fresh), "{activation}");
            }
        }
    }
}
