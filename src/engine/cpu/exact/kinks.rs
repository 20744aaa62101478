//! Kinks of values, vertex by vertex: where they go from layer to layer, and where they die.
//!
//! A pre-activation has a kink at a vertex if a value has that it is connected to. A unit passes it on unless it is on a piece of slope 0
//! there, and makes one where it changes piece itself. Pieces are known from one change to the next.
//!
//! Kinks are bytes, 0 or 1, of which vector instructions take many at a time.

use pulp::{Simd, WithSimd};

use super::block::{Block, Place};
use super::connected::{Connected, Joined, Repeated, any, join};
use super::patterns::Patterns;
use crate::engine::cpu::real::Real;
use crate::engine::knots::Layers;
use crate::network::{Affine, Architecture};

/// The kinks of a layer.
pub(super) struct Kinks<T> {
    /// The maps of the layer, and where the kinks are in the input blocks of the values that they are applied to, and how many.
    maps: Vec<(Place, usize, Connected)>,
    /// Those of the sources that later layers add.
    passed_on: Vec<(Place, usize)>,
    patterns: Patterns<T>,
    /// Changes of piece at vertices that are to come.
    turns: Vec<(usize, Turn)>,
    started: bool,
    /// Number of pre-activations.
    width: usize,
    /// Number of kinks that are passed on.
    kept_width: usize,
    /// How pre-activations share what follows.
    repeated: Repeated,
    /// What is told apart of the outputs, and room for all.
    joined: Joined,
    outputs: Vec<u8>,
    /// Whether a pre-activation has a kink by what comes in, row-major, for the vertices that the stage has; and what is passed on.
    reached: Vec<u8>,
    kept: Vec<u8>,
}

/// A unit changes piece.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    pub(super) unit: usize,
    /// Which breakpoint or pair, see [`Crossing`](crate::trace::Crossing).
    pub(super) switch: usize,
    pub(super) rising: bool,
}

impl<T: Real> Kinks<T> {
    /// Of a layer, with room for so many vertices.
    pub(super) fn new(architecture: &Architecture, layer: usize, capacity: usize) -> Self {
        let shape = &architecture.layers()[layer];
        let len = |source: usize| Joined::of(architecture, source).len(architecture.source_len(source));
        let place = |source: usize| match source == layer {
            true => Place::Inputs,
            false => Place::Kept(kept_before(architecture, layer, source)),
        };
        let of_map = |source: usize, map: Option<&Affine>| {
            let joined = Joined::of(architecture, source);
            (place(source), len(source), map.map_or(Connected::Same, |map| Connected::new(map, joined)))
        };
        let skips = shape.skips.iter().map(|skip| of_map(skip.source, skip.map.as_ref()));
        let passed_on: Vec<_> =
            architecture.kept(layer + 1).iter().map(|&source| (place(source), len(source))).collect();
        let kept_width = passed_on.iter().map(|(_, len)| len).sum();
        let (width, repeated) = (shape.affine.units(), Repeated::of(shape));
        Self {
            maps: [of_map(layer, Some(&shape.affine))].into_iter().chain(skips).collect(),
            passed_on,
            patterns: Patterns::new(shape),
            turns: Vec::new(),
            started: false,
            width,
            kept_width,
            repeated,
            joined: Joined::of(architecture, layer + 1),
            outputs: vec![0; shape.outputs()],
            reached: vec![0; width / repeated.times * capacity],
            kept: vec![0; kept_width * capacity],
        }
    }

    /// Kinks of outputs and kept ones in a row of the output blocks.
    pub(super) fn out_widths(&self) -> [usize; 2] {
        [self.joined.len(self.outputs.len()), self.kept_width]
    }

    /// Bytes that it holds and that output blocks have for it, in blocks of so many rows.
    pub(super) fn bytes(architecture: &Architecture, layer: usize, rows: u128) -> u128 {
        let shape = &architecture.layers()[layer];
        let (units, outputs) = (shape.affine.units(), shape.outputs());
        let kept = kept_before(architecture, layer + 1, usize::MAX);
        let values = units / Repeated::of(shape).times + Joined::of(architecture, layer + 1).len(outputs) + 2 * kept;
        // Of every row; of units and outputs their piece and what they do with kinks.
        values as u128 * rows + (8 * units + 2 * outputs) as u128 + shape.maps().map(Connected::bytes).sum::<u128>()
    }

    /// Forgets the path before.
    pub(super) fn reset(&mut self) {
        self.started = false;
        self.turns.clear();
    }

    /// Takes a block of vertices behind `base` others.
    pub(super) fn load(&mut self, base: usize, input: &Block<T>) {
        pulp::Arch::new().dispatch(Load { kinks: self, base, input });
    }

    /// Takes note of a change of piece at a vertex that is to come.
    pub(super) fn turn(&mut self, vertex: usize, turn: Turn) {
        self.turns.push((vertex, turn));
    }

    /// Keeps the vertices from `first` to the last, number `end`, for the next block.
    pub(super) fn carry(&mut self, first: usize, end: usize) {
        let all = |width: usize| first * width..end * width;
        self.reached.copy_within(all(self.width / self.repeated.times), 0);
        self.kept.copy_within(all(self.kept_width), 0);
    }

    /// Writes the kinks of the outputs at the next row of `out`, vertex `row` of these pre-activations `z`, row-major; returns its bits, of
    /// which `crossed` says whether it is a boundary.
    #[inline(always)]
    pub(super) fn pass_vertex(&mut self, z: &[T], row: usize, crossed: u64, out: &mut Block<T>) -> u64 {
        if crossed == 0 {
            self.start(z, row);
            return 0;
        }
        let (kinks, kept) = rows_of(out);
        kept.copy_from_slice(&self.kept[row * self.kept_width..][..self.kept_width]);
        let width = self.width / self.repeated.times;
        let reached = &self.reached[row * width..][..width];
        let turns = self.turns.iter().any(|(vertex, _)| *vertex == row);
        if !turns && self.patterns.pass_joined(reached, self.repeated, self.joined, kinks) {
            return bits(kinks);
        }
        self.patterns.pass(reached, self.repeated, &mut self.outputs);
        if turns {
            let z = [row - 1, row, row + 1].map(|row| &z[row * self.width..][..self.width]);
            let is_reached = |unit: usize| reached[self.repeated.place(unit)] != 0;
            self.patterns.pass_turns(&self.turns, row, z, is_reached, &mut self.outputs);
            self.turns.retain(|(vertex, _)| *vertex != row);
        }
        let Joined { plane, channels } = self.joined;
        for (kinks, outputs) in kinks.chunks_exact_mut(plane).zip(self.outputs.chunks_exact(plane * channels)) {
            kinks.copy_from_slice(&outputs[..plane]);
            outputs.chunks_exact(plane).skip(1).for_each(|outputs| join(kinks, outputs));
        }
        bits(kinks)
    }

    /// Takes the pieces that the path begins on.
    fn start(&mut self, z: &[T], row: usize) {
        if !std::mem::replace(&mut self.started, true) {
            let of_row = |row: usize| z.get(row * self.width..(row + 1) * self.width);
            let here = of_row(row).expect("a vertex of the stage");
            self.patterns.start(here, of_row(row + 1).unwrap_or(here));
        }
    }

    /// As [`Kinks::pass_vertex`], at a new vertex, where only units that change piece have kinks; `z` are its pre-activations, which
    /// groups look at, `next` those of the next that is not new.
    #[inline(always)]
    pub(super) fn pass_crossings(
        &mut self,
        turns: impl Iterator<Item = Turn>,
        z: &[T],
        next: &[T],
        out: &mut Block<T>,
    ) -> u64 {
        let (kinks, kept) = rows_of(out);
        kept.fill(0);
        kinks.fill(0);
        turns.for_each(|turn| self.patterns.cross(turn, z, next, |output| kinks[self.joined.place(output)] = 1));
        1 | Layers::KINKED
    }
}

/// [`Kinks::load`], compiled to vector instructions.
struct Load<'a, T> {
    kinks: &'a mut Kinks<T>,
    base: usize,
    input: &'a Block<T>,
}

impl<T: Real> WithSimd for Load<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Kinks { maps, passed_on, kept_width, repeated, reached, kept, width, .. } = self.kinks;
        let width = *width / repeated.times;
        for (row, to) in (0..self.input.rows).zip(self.base..) {
            let mut kept = &mut kept[to * *kept_width..][..*kept_width];
            let reached = &mut reached[to * width..][..width];
            reached.fill(0);
            if self.input.crossed[row] == 0 {
                kept.fill(0);
                continue;
            }
            let values = |place: Place, len: usize| &place.among(self.input.kinks()).row(row)[..len];
            for (place, len, connected) in &mut *maps {
                connected.reach(values(*place, *len), *repeated, reached);
            }
            for &(place, len) in &*passed_on {
                let (to, after) = kept.split_at_mut(len);
                to.copy_from_slice(values(place, len));
                kept = after;
            }
        }
    }
}

/// Where the kinks of a source begin among all that are kept before a layer.
fn kept_before(architecture: &Architecture, layer: usize, source: usize) -> usize {
    let before = architecture.kept(layer).iter().take_while(|&&kept| kept < source);
    before.map(|&kept| Joined::of(architecture, kept).len(architecture.source_len(kept))).sum()
}

/// The kinks at the next row of a block, and those of the values kept.
fn rows_of<T>(out: &mut Block<T>) -> (&mut [u8], &mut [u8]) {
    let (row, [width, kept_width]) = (out.rows, out.kink_widths);
    (&mut out.kinks[row * width..][..width], &mut out.kept_kinks[row * kept_width..][..kept_width])
}

/// The bits of a boundary with these kinks.
#[inline(always)]
fn bits(kinks: &[u8]) -> u64 {
    1 | if any(kinks) { Layers::KINKED } else { 0 }
}
