//! One hidden layer of the pipeline.

use pulp::{Simd, WithSimd};

use super::bends::{Bend, Follow};
use super::block::{Block, Place};
use super::groups::Switch;
use super::kinks::{Kinks, Turn};
use super::rows::{SCAN, are_equal, find_changed};
use super::units::Units;
use crate::engine::cpu::activate::activate;
use crate::engine::cpu::affine::{LayerMap, Rows};
use crate::engine::cpu::halt::Halt;
use crate::engine::cpu::real::{AllFinite, Real};
use crate::engine::knots::Layers;
use crate::network::{Affine, AffineWeights, Architecture};
use crate::trace::Crossing;

/// Additions to a row that take as long as copying a row to and fro.
const COPY: usize = 32;

/// A crossing between two vertices.
struct Inside<T> {
    fraction: T,
    unit: u32,
    breakpoint: u32,
}

/// One hidden layer of the pipeline.
pub(crate) struct Stage<T> {
    layer: usize,
    /// Its bit, see [`Layers`](crate::engine::knots::Layers).
    bit: u64,
    map: LayerMap<T>,
    /// Of every skip its source.
    skips: Vec<Place>,
    /// Of every skip whether it adds the inputs of the layer.
    of_inputs: Vec<bool>,
    /// The sources that later layers add, and their sizes.
    passed_on: Vec<(Place, usize)>,
    /// Number of pre-activations.
    width: usize,
    /// Products that each of them takes, in the mean; none where pools are among the maps, which repeat values exactly and take no time.
    pub(super) products: usize,
    units: Units<T>,
    /// Of units of one pre-activation.
    breakpoints: Vec<T>,
    /// Whether it is of account where the layer is constant.
    has_flat_piece: bool,
    /// Where units tell which boundaries are knots.
    kinks: Option<Kinks<T>>,
    /// Pre-activations, row-major: the carried vertices, then the block's.
    z: Vec<T>,
    /// What later layers add, row-major, for the same vertices.
    kept: Vec<T>,
    position: Vec<f64>,
    crossed: Vec<u64>,
    constant: Vec<u64>,
    rows: usize,
    carried: usize,
    /// Next vertex to pass on.
    cursor: usize,
    /// Crossings between the last vertex passed on and the next, by fraction, of which `next` and later are still to do.
    inside: Vec<Inside<T>>,
    next: usize,
    /// Room for the changes of groups.
    found: Vec<Switch<T>>,
    new_z: Vec<T>,
    /// Rows of the block whose pre-activations are computed.
    known: Vec<usize>,
    /// Of the last vertex taken, its place in its interval of the layer before.
    last_place: Option<T>,
    pub(super) out: Block<T>,
    /// The last row passed on in an earlier block.
    last_h: Vec<T>,
    passed_any: bool,
    pub(super) crossings: u64,
    pub(super) log: Option<Vec<Crossing>>,
}

impl<T: Real> Stage<T> {
    pub(crate) fn new(architecture: &Architecture, layer: usize, layers: &Layers, capacity: usize) -> Self {
        let shape = &architecture.layers()[layer];
        let width = shape.affine.units();
        let place = |source: usize| match source == layer {
            true => Place::Inputs,
            false => Place::Kept(architecture.kept_at(layer, source)),
        };
        let later = architecture.kept(layer + 1).iter();
        let passed_on: Vec<_> = later.map(|&source| (place(source), architecture.source_len(source))).collect();
        let kept_width = architecture.kept_len(layer + 1);
        let scalar = shape.activation.scalar();
        let kinks = matches!(layers, Layers::Units).then(|| Kinks::new(architecture, layer, capacity + 2));
        let kink_widths = kinks.as_ref().map_or([0; 2], Kinks::out_widths);
        Self {
            layer,
            bit: layers.bit(layer),
            map: LayerMap::new(shape),
            skips: shape.skips.iter().map(|skip| place(skip.source)).collect(),
            of_inputs: shape.skips.iter().map(|skip| skip.source == layer).collect(),
            passed_on,
            width,
            products: match shape.maps().any(|map| map.n_weights() == 0) {
                true => 0,
                false => (shape.maps().map(Affine::n_products).sum::<u128>() / width as u128) as usize,
            },
            units: Units::new(shape),
            breakpoints: shape.activation.breakpoints().iter().map(|&tau| T::from_f64(tau)).collect(),
            has_flat_piece: kinks.is_none() && scalar.is_some_and(|pieces| pieces.slopes.contains(&0.0)),
            kinks,
            z: vec![T::default(); width * (capacity + 2)],
            kept: vec![T::default(); kept_width * (capacity + 2)],
            position: vec![0.0; capacity + 2],
            crossed: vec![0; capacity + 2],
            constant: vec![0; capacity + 2],
            rows: 0,
            carried: 0,
            cursor: 0,
            inside: Vec::new(),
            next: 0,
            found: Vec::new(),
            new_z: vec![T::default(); width],
            known: Vec::new(),
            last_place: None,
            out: Block::new([shape.outputs(), kept_width], kink_widths, capacity),
            last_h: vec![T::default(); shape.outputs()],
            passed_any: false,
            crossings: 0,
            log: None,
        }
    }

    /// Forgets the path before. With `log`, crossings are kept one by one.
    pub(super) fn reset(&mut self, log: bool) {
        (self.rows, self.carried, self.cursor, self.crossings) = (0, 0, 0, 0);
        self.passed_any = false;
        if let Units::Grouped { groups, .. } = &mut self.units {
            groups.reset();
        }
        if let Some(kinks) = &mut self.kinks {
            kinks.reset();
        }
        self.out.clear();
        self.log = log.then(Vec::new);
    }

    /// Takes a block of vertices.
    pub(super) fn load(&mut self, input: &Block<T>, weights: &AffineWeights<T>) -> Result<(), Halt> {
        let (base, rows) = (self.carried, input.rows);
        self.rows = base + rows;
        self.compute(input, weights);
        for (row, mut kept) in self.kept.chunks_exact_mut(self.out.kept_width.max(1)).skip(base).take(rows).enumerate()
        {
            for &(place, len) in &self.passed_on {
                let Rows { values, stride, .. } = place.among(input.rows(None));
                let (to, rest) = kept.split_at_mut(len);
                to.copy_from_slice(&values[row * stride..][..len]);
                kept = rest;
            }
        }
        self.position[base..self.rows].copy_from_slice(&input.position[..rows]);
        self.crossed[base..self.rows].copy_from_slice(&input.crossed[..rows]);
        self.constant[base..self.rows].copy_from_slice(&input.constant[..rows]);
        if let Some(kinks) = &mut self.kinks {
            kinks.load(base, input);
        }
        self.cursor = base.saturating_sub(1);
        (self.next, self.carried) = (0, 0);
        self.inside.clear();
        let z = &self.z[base * self.width..self.rows * self.width];
        if !pulp::Arch::new().dispatch(AllFinite(z)) {
            return Err(Halt::Overflow { layer: self.layer });
        }
        if base == 2 && rows > 0 {
            self.settle_carried();
        }
        Ok(())
    }

    /// Computes the pre-activations of a block by the layer's map: of all its vertices, or of the last and those without bends where it is
    /// worthwhile to have the others follow and exact enough.
    fn compute(&mut self, input: &Block<T>, weights: &AffineWeights<T>) {
        let (base, width) = (self.carried, self.width);
        let z = &mut self.z[..self.rows * width];
        let with_bends = input.places[..input.rows].iter().flatten().count();
        // Behind silent units a pre-activation is its bias: where that is a breakpoint, it must be so to the last digit.
        let is_bias = |tau: &T| weights.bias.iter().fold(false, |any, bias| any | (bias == tau));
        let follow = with_bends * self.products >= COPY * input.rows && !self.breakpoints.iter().any(is_bias);
        let is_computed = |row: usize| !follow || row + 1 == input.rows || input.places[row].is_none();
        self.known.clear();
        self.known.extend((0..input.rows).filter(|&row| is_computed(row)));
        let rows = input.rows((self.known.len() < input.rows).then_some(&self.known));
        let skips = self.skips.iter().map(|&place| place.among(rows));
        self.map.apply(weights, rows[0], skips, &mut z[base * width..][..self.known.len() * width]);
        for (ix, &row) in self.known.iter().enumerate().rev().take_while(|(ix, row)| ix != *row) {
            z.copy_within((base + ix) * width..(base + ix + 1) * width, (base + row) * width);
        }
        if self.known.len() < input.rows {
            pulp::Arch::new().dispatch(Follow {
                input,
                known: &self.known,
                carried: base,
                before: self.last_place,
                z,
                slope: &mut self.new_z,
                map: &self.map,
                weights,
                of_inputs: &self.of_inputs,
            });
        }
        self.last_place = input.rows.checked_sub(1).and_then(|last| input.places[last]);
    }

    /// Units that fell onto a breakpoint at the last vertex of the block before: do they go on falling?
    fn settle_carried(&mut self) {
        for breakpoint in 0..self.breakpoints.len() {
            let tau = self.breakpoints[breakpoint];
            for unit in 0..self.width {
                let z = |row: usize| self.z[row * self.width + unit];
                if z(1) == tau && z(0) > tau && z(2) <= tau {
                    self.cross_at_vertex(1, unit, breakpoint, false);
                }
            }
        }
    }

    /// Passes vertices on until the output block is full (`false`) or all but the last are passed on (`true`).
    #[inline(always)]
    fn pass(&mut self) -> bool {
        loop {
            while self.next < self.inside.len() {
                if self.out.is_full() {
                    return false;
                }
                self.pass_crossings();
            }
            if self.cursor + 1 >= self.rows {
                return true;
            }
            if self.out.is_full() {
                return false;
            }
            self.scan(self.cursor);
            self.pass_vertex(self.cursor);
            self.cursor += 1;
        }
    }

    /// Finds the crossings between vertex `i` and the next, and at vertex `i`.
    #[inline(always)]
    fn scan(&mut self, i: usize) {
        self.inside.clear();
        self.next = 0;
        self.scan_units(i);
        self.scan_groups(i);
        self.inside.sort_unstable_by(|a, b| a.fraction.partial_cmp(&b.fraction).expect("finite pre-activations"));
    }

    #[inline(always)]
    fn scan_units(&mut self, i: usize) {
        for breakpoint in 0..self.breakpoints.len() {
            for first in (0..self.width).step_by(SCAN) {
                let (a, b) = self.z[i * self.width..][..2 * self.width].split_at(self.width);
                let mut changed = find_changed(&a[first..], &b[first..], self.breakpoints[breakpoint]);
                while changed != 0 {
                    self.resolve(i, first + changed.trailing_zeros() as usize, breakpoint);
                    changed &= changed - 1;
                }
            }
        }
    }

    #[inline(always)]
    fn scan_groups(&mut self, i: usize) {
        let Units::Grouped { groups, .. } = &mut self.units else { return };
        let (a, b) = self.z[i * self.width..][..2 * self.width].split_at(self.width);
        let mut found = std::mem::take(&mut self.found);
        groups.scan(a, b, &mut found);
        for Switch { fraction, unit, pair, rising } in found.drain(..) {
            match fraction {
                None => self.cross_at_vertex(i, unit, pair, rising),
                Some(fraction) => self.cross_inside(i, fraction, unit, pair, rising),
            }
        }
        self.found = found;
    }

    /// A unit is above a breakpoint at one of vertices `i` and `i + 1` and not at the other: where does it change piece?
    #[inline(always)]
    fn resolve(&mut self, i: usize, unit: usize, breakpoint: usize) {
        let tau = self.breakpoints[breakpoint];
        let z = |row: usize| self.z[row * self.width + unit];
        let (a, b) = (z(i), z(i + 1));
        if a == tau {
            // Rises from the breakpoint: a change unless it came from above or the path starts here.
            if i > 0 && z(i - 1) <= tau {
                self.cross_at_vertex(i, unit, breakpoint, true);
            }
        } else if b == tau {
            // Falls onto the breakpoint: a change unless it rises again or the path ends; the next block may tell.
            if i + 2 < self.rows && z(i + 2) <= tau {
                self.cross_at_vertex(i + 1, unit, breakpoint, false);
            }
        } else {
            self.cross_inside(i, (tau - a) / (b - a), unit, breakpoint, b > tau);
        }
    }

    #[inline(always)]
    fn cross_inside(&mut self, i: usize, fraction: T, unit: usize, breakpoint: usize, rising: bool) {
        self.inside.push(Inside { fraction, unit: unit as u32, breakpoint: breakpoint as u32 });
        self.record(|position| between(&position[i..], fraction), unit, breakpoint, rising);
    }

    fn cross_at_vertex(&mut self, vertex: usize, unit: usize, breakpoint: usize, rising: bool) {
        self.crossed[vertex] |= self.bit;
        if let Some(kinks) = &mut self.kinks {
            kinks.turn(vertex, Turn { unit, switch: breakpoint, rising });
        }
        self.record(|position| position[vertex], unit, breakpoint, rising);
    }

    #[inline(always)]
    fn record(&mut self, position: impl Fn(&[f64]) -> f64, unit: usize, breakpoint: usize, rising: bool) {
        self.crossings += 1;
        if let Some(log) = &mut self.log {
            log.push(Crossing { position: position(&self.position), layer: self.layer, unit, breakpoint, rising });
        }
    }

    #[inline(always)]
    fn pass_vertex(&mut self, i: usize) {
        let row = self.out.rows;
        let z = &self.z[i * self.width..][..self.width];
        let h = &mut self.out.h[row * self.out.width..][..self.out.width];
        match &self.units {
            Units::Scalar { pieces, .. } => activate(pieces, z.iter().copied(), h),
            Units::Several(activation) | Units::Grouped { activation, .. } => activation.apply(z, h),
        }
        let n = self.out.kept_width;
        self.out.kept[row * n..][..n].copy_from_slice(&self.kept[i * n..][..n]);
        self.out.places[row] = None;
        let mut crossed = self.crossed[i];
        if let Some(kinks) = &mut self.kinks {
            crossed = kinks.pass_vertex(&self.z[..self.rows * self.width], i, crossed, &mut self.out);
        }
        self.finish_row(self.position[i], crossed, self.constant[i]);
    }

    /// Passes on the next new vertex, where one or several units cross at the same fraction.
    #[inline(always)]
    fn pass_crossings(&mut self) {
        let (i, first) = (self.cursor - 1, self.next);
        let fraction = self.inside[first].fraction;
        let (a, rest) = self.z[i * self.width..].split_at(self.width);
        let from_a = T::ONE - fraction;
        let z = a.iter().zip(&rest[..self.width]).map(|(&a, &b)| from_a * a + fraction * b);
        let crossings = self.inside[self.next..].iter().take_while(|c| c.fraction == fraction);
        let h = &mut self.out.h[self.out.rows * self.out.width..][..self.out.width];
        let mut place = None;
        match &self.units {
            Units::Scalar { pieces, at_breakpoints, bends } => {
                activate(pieces, z, h);
                for crossing in crossings {
                    let (unit, breakpoint) = (crossing.unit as usize, crossing.breakpoint as usize);
                    h[unit] = at_breakpoints[breakpoint];
                    let (a, b) = (a[unit], rest[unit]);
                    let change = bends[breakpoint] * if b > a { b - a } else { a - b };
                    self.out.bends.push(Bend { row: self.out.rows, output: unit, change });
                    self.next += 1;
                }
                place = Some(fraction);
            }
            Units::Several(activation) => {
                self.new_z.iter_mut().zip(z).for_each(|(to, z)| *to = z);
                for crossing in crossings {
                    self.new_z[crossing.unit as usize] = self.breakpoints[crossing.breakpoint as usize];
                    self.next += 1;
                }
                activation.apply(&self.new_z, h);
            }
            Units::Grouped { groups, activation, .. } => {
                self.new_z.iter_mut().zip(z).for_each(|(to, z)| *to = z);
                for crossing in crossings {
                    let (i, j) = groups.rows(crossing.unit as usize, crossing.breakpoint as usize);
                    self.new_z[j] = self.new_z[i];
                    self.next += 1;
                }
                activation.apply(&self.new_z, h);
            }
        }
        let n = self.out.kept_width;
        let (a, b) = self.kept[i * n..][..2 * n].split_at(n);
        for ((kept, &a), &b) in self.out.kept[self.out.rows * n..][..n].iter_mut().zip(a).zip(b) {
            *kept = from_a * a + fraction * b;
        }
        self.out.places[self.out.rows] = place;
        let mut crossed = self.bit;
        if let Some(kinks) = &mut self.kinks {
            let turns = self.inside[first..self.next].iter().map(|crossing| {
                let (unit, switch) = (crossing.unit as usize, crossing.breakpoint as usize);
                let rising = match &self.units {
                    Units::Scalar { .. } | Units::Several(_) => rest[unit] > self.breakpoints[switch],
                    Units::Grouped { groups, .. } => {
                        let (i, j) = groups.rows(unit, switch);
                        rest[j] > rest[i]
                    }
                };
                Turn { unit, switch, rising }
            });
            crossed = kinks.pass_crossings(turns, &self.new_z, &rest[..self.width], &mut self.out);
        }
        self.finish_row(between(&self.position[i..], fraction), crossed, self.constant[i + 1]);
    }

    #[inline(always)]
    fn finish_row(&mut self, position: f64, crossed: u64, constant: u64) {
        let row = self.out.rows;
        self.out.position[row] = position;
        self.out.crossed[row] = crossed;
        let is_constant = self.has_flat_piece && constant & self.bit == 0 && self.is_constant(row);
        self.out.constant[row] = if is_constant { constant | self.bit } else { constant };
        self.out.rows += 1;
    }

    /// Whether the layer's activations are the same at output row `row` as at the one before.
    #[inline(always)]
    fn is_constant(&self, row: usize) -> bool {
        match row.checked_sub(1) {
            Some(before) => are_equal(self.out.row(before), self.out.row(row)),
            None => self.passed_any && are_equal(&self.last_h, self.out.row(row)),
        }
    }

    /// Passes on the vertex held back, the last of the path.
    pub(super) fn pass_last(&mut self) {
        self.pass_vertex(self.carried - 1);
    }

    /// Keeps the last two vertices for the next block.
    pub(super) fn carry(&mut self) {
        self.carried = self.rows.min(2);
        let first = self.rows - self.carried;
        self.z.copy_within(first * self.width..self.rows * self.width, 0);
        let n = self.out.kept_width;
        self.kept.copy_within(first * n..self.rows * n, 0);
        self.position.copy_within(first..self.rows, 0);
        self.crossed.copy_within(first..self.rows, 0);
        if let Some(kinks) = &mut self.kinks {
            kinks.carry(first, self.rows);
        }
        self.constant.copy_within(first..self.rows, 0);
    }

    /// Empties the output block once the next stage has taken it.
    pub(super) fn release(&mut self) {
        if let Some(last) = self.out.rows.checked_sub(1) {
            self.last_h.copy_from_slice(self.out.row(last));
            self.passed_any = true;
        }
        self.out.clear();
    }
}

/// [`Stage::pass`], compiled to vector instructions.
pub(super) struct Pass<'a, T>(pub(super) &'a mut Stage<T>);

impl<T: Real> WithSimd for Pass<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> bool {
        self.0.pass()
    }
}

/// Position at a fraction of the interval between the first two positions.
fn between<T: Real>(positions: &[f64], fraction: T) -> f64 {
    (positions[0] + fraction.to_f64() * (positions[1] - positions[0])).min(positions[1])
}
