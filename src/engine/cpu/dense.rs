//! Dense layers as matrix products, without the inputs that are zero in all rows.
//!
//! Along a short path most units of a wide layer stay on one piece. Those that stay silent add nothing to the next layer, and where they are many, a
//! product with the others alone takes less time than it takes to put these together.

use std::sync::atomic::AtomicBool;

use pulp::{Simd, WithSimd};

use super::affine::Rows;
use super::drawn::Drawn;
use super::halt::{Halt, check};
use super::product::add_product;
use super::real::Real;
use crate::network::RandomMatrix;

/// Narrower products are too short to gain.
const NARROWEST: usize = 128;

/// Rows of a product that take as long as copying the weights.
const COPY: usize = 16;

/// Wide products are sums over so many inputs at a time, whose weights stay in the cache. What is left out changes none of these sums, so that
/// equal rows of different blocks have equal products.
const CHUNK: usize = 256;

/// So few weights take as long to draw as to leave out.
const FEW_WEIGHTS: usize = 256;

/// A dense layer without its biases.
pub(super) struct DenseMap<T> {
    inputs: usize,
    /// For every input whether it is zero in all rows that count.
    silent: Vec<bool>,
    /// The others of a chunk.
    live: Vec<usize>,
    /// What the rows that count have there, one after the other.
    values: Vec<T>,
    /// The weights of the live inputs of a chunk.
    weights: Vec<T>,
}

impl<T: Real> DenseMap<T> {
    pub(super) fn new(inputs: usize) -> Self {
        Self { inputs, silent: Vec::new(), live: Vec::new(), values: Vec::new(), weights: Vec::new() }
    }

    /// Bytes that it holds for blocks of so many rows.
    pub(super) fn bytes(inputs: usize, units: usize, rows: u128) -> u128 {
        let (chunk, of_input) = (chunk(inputs, units), size_of::<(bool, usize)>() as u128);
        of_input * inputs as u128 + size_of::<T>() as u128 * chunk as u128 * (rows + units as u128)
    }

    /// Adds its product with every row of inputs to a row of `z`.
    pub(super) fn add(&mut self, weight: &[T], rows: Rows<T>, units: usize, z: &mut [T]) {
        let (n, chunk) = (z.len() / units, chunk(self.inputs, units));
        let may_gain = chunk == CHUNK && n > COPY;
        if may_gain {
            pulp::Arch::new().dispatch(FindSilent { rows, n, silent: &mut self.silent, inputs: self.inputs });
        }
        for (first, weight) in (0..self.inputs).step_by(chunk).zip(weight.chunks(chunk * units)) {
            let inputs = first..self.inputs.min(first + chunk);
            if may_gain {
                self.live.clear();
                self.live.extend(inputs.clone().filter(|&input| !self.silent[input]));
                if (inputs.len() - self.live.len()) * n > COPY * self.live.len() {
                    self.add_live(weight, first, rows, units, z);
                    continue;
                }
            }
            let left = match rows.picked {
                None => (&rows.values[first..], [rows.stride, 1]),
                Some(_) => {
                    self.values.clear();
                    (0..n).for_each(|ix| self.values.extend_from_slice(&rows.row(ix)[inputs.clone()]));
                    (self.values.as_slice(), [inputs.len(), 1])
                }
            };
            add_product([n, inputs.len(), units], left, (weight, [units, 1]), (z, units));
        }
    }

    /// Adds its product with weights that are drawn here and now, but for those of inputs that are zero in all rows.
    pub(super) fn add_drawn(
        &mut self,
        matrix: &RandomMatrix,
        drawn: &mut Drawn<T>,
        rows: Rows<T>,
        units: usize,
        z: &mut [T],
        stop: &AtomicBool,
    ) -> Result<(), Halt> {
        let n = z.len() / units;
        self.live.clear();
        if units < NARROWEST {
            self.live.extend(0..self.inputs);
        } else {
            pulp::Arch::new().dispatch(FindSilent { rows, n, silent: &mut self.silent, inputs: self.inputs });
            let gaps = self.silent.chunk_by_mut(|a, b| a == b).filter(|gap| gap[0]);
            gaps.filter(|gap| gap.len() * units < FEW_WEIGHTS).for_each(|gap| gap.fill(false));
            self.live.extend((0..self.inputs).filter(|&input| !self.silent[input]));
        }
        for live in self.live.chunks(Drawn::<T>::inputs_at_once(units)) {
            check(stop)?;
            let weights = drawn.of_inputs(matrix, live, units);
            let has_gaps = live[live.len() - 1] - live[0] >= live.len();
            let left = if has_gaps || rows.picked.is_some() {
                gather(rows, n, live, &mut self.values);
                (self.values.as_slice(), [live.len(), 1])
            } else {
                (&rows.values[live[0]..], [rows.stride, 1])
            };
            add_product([n, live.len(), units], left, (weights, [units, 1]), (z, units));
        }
        Ok(())
    }

    /// Adds the product of the live inputs of a chunk, of which `first` is the first input.
    fn add_live(&mut self, weight: &[T], first: usize, rows: Rows<T>, units: usize, z: &mut [T]) {
        let (n, live) = (z.len() / units, self.live.as_slice());
        gather(rows, n, live, &mut self.values);
        self.weights.clear();
        live.iter().for_each(|input| self.weights.extend_from_slice(&weight[(input - first) * units..][..units]));
        let (left, right) = ((self.values.as_slice(), [live.len(), 1]), (self.weights.as_slice(), [units, 1]));
        add_product([n, live.len(), units], left, right, (z, units));
    }

    /// Adds so much of the column of weights of an input to a row.
    #[inline(always)]
    pub(super) fn add_column(weight: &[T], input: usize, factor: T, z: &mut [T]) {
        let column = &weight[input * z.len()..][..z.len()];
        z.iter_mut().zip(column).for_each(|(z, &w)| *z += factor * w);
    }
}

/// What `n` rows have at some inputs, one row after the other.
fn gather<T: Real>(rows: Rows<T>, n: usize, inputs: &[usize], values: &mut Vec<T>) {
    values.clear();
    for ix in 0..n {
        let row = rows.row(ix);
        values.extend(inputs.iter().map(|&input| row[input]));
    }
}

/// Inputs that are multiplied at a time.
fn chunk(inputs: usize, units: usize) -> usize {
    if inputs.min(units) < NARROWEST { inputs } else { CHUNK }
}

/// Looks for inputs that are zero in all of `n` rows, compiled to vector instructions.
struct FindSilent<'a, T> {
    rows: Rows<'a, T>,
    n: usize,
    inputs: usize,
    silent: &'a mut Vec<bool>,
}

impl<T: Real> WithSimd for FindSilent<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        // Where no input is silent, a few rows tell.
        const FEW: usize = 8;
        self.silent.clear();
        self.silent.resize(self.inputs, true);
        for first in (0..self.n).step_by(FEW) {
            for ix in first..self.n.min(first + FEW) {
                self.silent.iter_mut().zip(self.rows.row(ix)).for_each(|(silent, &h)| *silent &= h == T::default());
            }
            if !self.silent.contains(&true) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, so that any order of summation is exact, with inputs that are silent in all, in no and in some rows, and weights that would
    /// show if one of the wrong inputs were left out.
    #[test]
    fn leaves_out_what_is_zero_alone() {
        let (inputs, units, n) = (2 * CHUNK + 71, 131, 40);
        let weight: Vec<f32> = (0..inputs * units).map(|ix| ((ix * 7) % 11) as f32 - 5.0).collect();
        let value = |row: usize, input: usize| match input % 3 {
            0 if row != 7 || input != 33 => 0.0,
            // Once in all rows.
            1 if row != input % n => -0.0,
            _ => ((row * 5 + input) % 9) as f32 + 1.0,
        };
        let stride = inputs + 3;
        let mut values = vec![f32::NAN; stride * n];
        for (row, values) in values.chunks_exact_mut(stride).enumerate() {
            values[..inputs].iter_mut().enumerate().for_each(|(input, v)| *v = value(row, input));
        }
        let odd: Vec<usize> = (0..n).filter(|row| row % 5 != 3).collect();
        for picked in [None, Some(&odd)] {
            let rows = Rows { values: &values, stride, picked: picked.map(Vec::as_slice) };
            let row = |ix: usize| picked.map_or(ix, |picked| picked[ix]);
            let mut z = vec![1.0; units * picked.map_or(n, Vec::len)];
            let mut map = DenseMap::new(inputs);
            map.add(&weight, rows, units, &mut z);
            let is_live = |input: &usize| (0..z.len() / units).any(|ix| value(row(ix), *input) != 0.0);
            let live = (inputs - inputs % CHUNK..inputs).filter(is_live).count();
            assert!(live > 10 && live < inputs % CHUNK - 10 && map.live.len() == live, "{live}");
            for (ix, z) in z.iter().enumerate() {
                let (row, unit) = (row(ix / units), ix % units);
                let sum: f32 = (0..inputs).map(|input| value(row, input) * weight[input * units + unit]).sum();
                assert_eq!(*z, sum + 1.0, "row {row}, unit {unit}");
            }
        }
    }

    /// A row among rows like itself, among others with so many live inputs that none are left out, and among more, where a quarter is.
    #[test]
    fn equal_rows_of_different_blocks_have_equal_products() {
        let (inputs, units) = (2 * CHUNK + 71, 131);
        let fraction = |ix: usize| (ix as f32 * 0.618_034).fract() - 0.5;
        let weight: Vec<f32> = (0..inputs * units).map(|ix| fraction(7 * ix)).collect();
        let value =
            |row: usize, input: usize| if (input * 3 + row / 20).is_multiple_of(4) { fraction(input) } else { 0.0 };
        let products = |n: usize| {
            let values: Vec<f32> = (0..n * inputs).map(|ix| value(ix / inputs, ix % inputs)).collect();
            let mut z = vec![0.25; n * units];
            let mut map = DenseMap::new(inputs);
            map.add(&weight, Rows { values: &values, stride: inputs, picked: None }, units, &mut z);
            (z[..units].to_vec(), map.live.len())
        };
        let [(alone, few), (all, more), (among, as_many)] = [20, 47, 59].map(products);
        assert!(0 < few && few < more && more == as_many);
        assert!(alone == all && alone == among);
    }
}
