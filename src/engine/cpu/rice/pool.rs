//! Rates of max-pools, from the pre-activations of the convolution before.
//!
//! A max-pool compares one filter's values at several positions. Given all layers before, the pre-activations z_p = <w, x_p> + b
//! there are jointly normal, with the patches x_p for covariances. The largest value changes where a linear form L of one or two of
//! them is at a level: where one is at a breakpoint, or where two have equal values on given pieces. That happens at the rate
//! density of L at the level, times the mean of |dL/dt| over the filters with L there for which the largest value does change. Such a
//! filter is made of the one at hand: its weights and bias less their part along L, and the level's part in its place, are independent of
//! that part, so that its law is the one asked for, and |dL/dt| of this one filter is right on average.

use std::ops::Range;

use super::inputs::Processes;
use crate::engine::cpu::real::Real;
use crate::network::{Affine, Convolution, Layer, Pieces, Windows};
use crate::theory::rice::normal_density;

/// Parts of the squares of two patches below which they are alike: such values never change places.
const ALIKE: f64 = 1e-11;

/// What is so near to an end of a piece, as a part of the numbers around, is on the breakpoint.
const AT_END: f64 = 1e-9;

/// A max-pool behind a convolution of normal weights.
pub(super) struct Pool {
    maps: Vec<Seen>,
    bias_std: f64,
    /// Filters that see the same.
    runs: Vec<Range<usize>>,
    /// Positions of the convolution.
    positions: usize,
    /// The positions that each window of the pool compares, once each, in their order.
    windows: Vec<Vec<usize>>,
    /// Those of the window at hand that are not like one before.
    distinct: Vec<usize>,
    pieces: Pieces<f64>,
    /// The pieces on which two values can be equal.
    meetings: Vec<[usize; 2]>,
    /// Patches there, each with its derivative behind it, times standard deviations of weights.
    patches: Vec<f64>,
    products: Products,
    filter: Filter,
}

/// What a convolution sees of a source.
struct Seen {
    source: usize,
    std: f64,
    map: Convolution,
    /// Of every position and value of its window the place in a channel's plane, if it is inside.
    places: Vec<Option<usize>>,
}

/// Inner products of the patches of a window: `[x_p, x_q]`, and `[x_p', x_q]` with the derivative x_p'.
#[derive(Default)]
struct Products {
    rows: usize,
    values: Vec<f64>,
    derivatives: Vec<f64>,
}

/// Pre-activations of a filter in the window at hand, and where an event has moved it.
#[derive(Default)]
struct Filter {
    z: Vec<f64>,
    dz: Vec<f64>,
    moved: Vec<f64>,
    values: Vec<f64>,
}

/// The form a z_i + b z_j.
#[derive(Clone, Copy)]
struct Form {
    i: usize,
    j: usize,
    a: f64,
    b: f64,
}

/// Of a max-pool at a point.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PoolRates {
    /// All changes of largest values.
    pub(super) crossings: f64,
    /// Those where a pre-activation of the convolution is at a breakpoint.
    pub(super) coinciding: f64,
}

impl Pool {
    /// The max-pool of these windows behind the convolutional layer `before`, which has these processes.
    pub(super) fn new(windows: &Windows, before: &Layer, processes: &Processes) -> Self {
        let pieces = before.activation.pieces().clone();
        let distinct = |places: &[usize]| {
            let mut distinct = places.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            distinct
        };
        let places: Vec<usize> = windows.places().collect();
        let seen = |(source, variance, map): (usize, f64, Convolution)| Seen {
            source,
            std: variance.sqrt(),
            map,
            places: map.windows.patches().collect(),
        };
        Self {
            maps: processes.convolutions().map(seen).collect(),
            bias_std: processes.bias_variance.sqrt(),
            runs: processes.runs.clone(),
            positions: processes.positions,
            windows: places.chunks_exact(windows.area()).map(distinct).collect(),
            meetings: meetings(&pieces),
            pieces,
            distinct: Vec::new(),
            patches: Vec::new(),
            products: Products::default(),
            filter: Filter::default(),
        }
    }

    /// Bytes that one of these windows takes behind the layer `before`.
    pub(super) fn bytes(windows: &Windows, before: &Layer) -> u128 {
        let area = windows.area() as u128;
        let patch: u128 = before.maps().map(|map| map.fan_in() as u128 + 1).sum();
        let places = |map: &Affine| match map {
            Affine::Convolution(map) => 16 * map.windows.positions() as u128 * map.windows.area() as u128,
            _ => 0,
        };
        // A vector grows to twice what it needs.
        2 * (8 * area * (2 * patch + 2 * area + 4)
            + windows.positions() as u128 * (24 + 8 * area)
            + before.maps().map(places).sum::<u128>())
    }

    /// The rates at a point where sources and pre-activations of the convolution have these values and derivatives.
    pub(super) fn rates<'a, T: Real>(
        &mut self,
        source: impl Fn(usize) -> (&'a [T], &'a [T]),
        (z, dz): (&[T], &[T]),
    ) -> PoolRates {
        let mut rates = PoolRates::default();
        for run in self.runs.clone() {
            for window in 0..self.windows.len() {
                self.see(window, run.start, &source);
                for filter in run.clone() {
                    let units = self.distinct.iter().map(|position| filter * self.positions + position);
                    self.filter.z.clear();
                    self.filter.z.extend(units.clone().map(|unit| z[unit].to_f64()));
                    self.filter.dz.clear();
                    self.filter.dz.extend(units.map(|unit| dz[unit].to_f64()));
                    self.add_rates(&mut rates);
                }
            }
        }
        rates
    }

    /// Takes the products of the patches that a filter sees in a window of the pool.
    fn see<'a, T: Real>(&mut self, window: usize, filter: usize, source: &impl Fn(usize) -> (&'a [T], &'a [T])) {
        self.patches.clear();
        self.distinct.clear();
        for &position in &self.windows[window] {
            let row = self.patches.len();
            for derivatives in [false, true] {
                for seen in &self.maps {
                    let (values, rates) = source(seen.source);
                    let from = if derivatives { rates } else { values };
                    let Convolution { windows, filters, groups } = seen.map;
                    let first = filter / (filters / groups) * seen.map.channels_per_group();
                    let planes = from.chunks_exact(windows.plane()).skip(first).take(seen.map.channels_per_group());
                    let places = &seen.places[position * windows.area()..][..windows.area()];
                    for plane in planes {
                        let value = |place: &Option<usize>| place.map_or(0.0, |place| seen.std * plane[place].to_f64());
                        self.patches.extend(places.iter().map(value));
                    }
                }
                self.patches.push(if derivatives { 0.0 } else { self.bias_std });
            }
            // Of values that are equal all along the first is taken.
            let (before, patch) = self.patches.split_at(row);
            match before.chunks_exact(patch.len()).any(|other| other == patch) {
                true => self.patches.truncate(row),
                false => self.distinct.push(position),
            }
        }
        self.products.set(self.distinct.len(), &self.patches);
    }

    /// Adds the rates of the filter at hand.
    fn add_rates(&mut self, rates: &mut PoolRates) {
        let Pieces { breakpoints, slopes, intercepts } = &self.pieces;
        let rows = self.products.rows;
        for i in 0..rows {
            for (piece, &tau) in breakpoints.iter().enumerate() {
                let form = Form { i, j: i, a: 1.0, b: 0.0 };
                let Some(rate) = self.filter.move_to(form, tau, &self.products) else { continue };
                let constant = if slopes[piece] == 0.0 { piece } else { piece + 1 };
                self.filter.set_values(&self.pieces);
                self.filter.values[i] = slopes[constant] * tau + intercepts[constant];
                let [before, after] = self.filter.largest(i, [-slopes[piece], slopes[piece + 1]]);
                if before != after {
                    rates.crossings += rate;
                    rates.coinciding += rate;
                }
            }
            for j in i + 1..rows {
                for &[p, q] in &self.meetings {
                    let form = Form { i, j, a: slopes[p], b: -slopes[q] };
                    let level = intercepts[q] - intercepts[p];
                    let Some(rate) = self.filter.move_to(form, level, &self.products) else { continue };
                    let [x, y] = [i, j].map(|row| self.filter.moved[row]);
                    if piece_of(breakpoints, x) != p || piece_of(breakpoints, y) != q {
                        continue;
                    }
                    self.filter.set_values(&self.pieces);
                    let value = if slopes[q] == 0.0 { intercepts[q] } else { slopes[p] * x + intercepts[p] };
                    (self.filter.values[i], self.filter.values[j]) = (value, value);
                    // Of several equal constants the first alone changes places with what passes them.
                    let mut largest = self.filter.largest(if slopes[p] == 0.0 { j } else { i }, [-1.0, 1.0]);
                    largest.sort_unstable();
                    if largest == [i, j] {
                        rates.crossings += rate;
                    }
                }
            }
        }
    }
}

impl Products {
    /// Of so many patches, each with its derivative behind it.
    fn set(&mut self, rows: usize, patches: &[f64]) {
        self.rows = rows;
        let length = patches.len() / rows;
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        self.values.clear();
        self.derivatives.clear();
        for (x, dx) in patches.chunks_exact(length).map(|row| row.split_at(length / 2)) {
            for (y, _) in patches.chunks_exact(length).map(|row| row.split_at(length / 2)) {
                self.values.push(product(x, y));
                self.derivatives.push(product(dx, y));
            }
        }
    }
}

impl Filter {
    /// Moves the pre-activations to where a form is at a level; gives the rate at which it is there.
    fn move_to(&mut self, Form { i, j, a, b }: Form, level: f64, products: &Products) -> Option<f64> {
        let rows = products.rows;
        let with = |of: &[f64], row: usize| a * of[row * rows + i] + b * of[row * rows + j];
        let of_form = |of: &[f64]| a * with(of, i) + b * with(of, j);
        let variance = of_form(&products.values);
        let squares = a * a * products.values[i * rows + i] + b * b * products.values[j * rows + j];
        if variance <= ALIKE * squares {
            return None;
        }
        let excess = (a * self.z[i] + b * self.z[j] - level) / variance;
        let speed = a * self.dz[i] + b * self.dz[j] - of_form(&products.derivatives) * excess;
        self.moved.clear();
        self.moved.extend(self.z.iter().enumerate().map(|(row, z)| z - with(&products.values, row) * excess));
        Some(speed.abs() * normal_density(level / variance.sqrt()) / variance.sqrt())
    }

    /// The values of the moved pre-activations.
    fn set_values(&mut self, Pieces { breakpoints, slopes, intercepts }: &Pieces<f64>) {
        let value = |&z: &f64| {
            let piece = piece_of(breakpoints, z);
            slopes[piece] * z + intercepts[piece]
        };
        self.values.clear();
        self.values.extend(self.moved.iter().map(value));
    }

    /// Which value is the largest, the first of several, after each of these infinitesimal changes of value `row`.
    fn largest(&self, row: usize, changes: [f64; 2]) -> [usize; 2] {
        changes.map(|change| {
            let value = |k: usize| (self.values[k], if k == row { change } else { 0.0 });
            (1..self.values.len()).fold(0, |largest, k| if value(k) > value(largest) { k } else { largest })
        })
    }
}

/// The piece of a pre-activation; breakpoints are on the lower one.
fn piece_of(breakpoints: &[f64], z: f64) -> usize {
    breakpoints.iter().filter(|&&tau| z > tau).count()
}

/// Pairs of pieces on which two pre-activations have equal values along a line, but where it is that of a breakpoint.
fn meetings(Pieces { breakpoints, slopes, intercepts }: &Pieces<f64>) -> Vec<[usize; 2]> {
    let is_inside = |piece: usize, z: f64| {
        let near = |tau: f64| (z - tau).abs() <= AT_END * (1.0 + z.abs());
        piece_of(breakpoints, z) == piece && !breakpoints.iter().any(|&tau| near(tau))
    };
    let meets = |&[p, q]: &[usize; 2]| {
        let reaches =
            |piece: usize, flat: usize| is_inside(piece, (intercepts[flat] - intercepts[piece]) / slopes[piece]);
        match (slopes[p] == 0.0, slopes[q] == 0.0) {
            (true, true) => false,
            (true, false) => reaches(q, p),
            (false, true) => reaches(p, q),
            (false, false) => true,
        }
    };
    let all = 0..slopes.len();
    all.clone().flat_map(|p| all.clone().map(move |q| [p, q])).filter(meets).collect()
}
