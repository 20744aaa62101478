//! Integer quantile tables: random words to values of a standard law, with the same bits on every device.

use std::sync::{Arc, OnceLock};

use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};

use super::Stream;
use crate::error::{Error, Result};

const OCTAVES: usize = 32;
const CELL_BITS: u32 = 8;
const CELLS: usize = 1 << CELL_BITS;
/// Slopes stay below 2^20 so that a device without 64-bit integers can multiply them in two pieces.
const SLOPE_LIMIT: f64 = 1_048_576.0;
const VALUE_LIMIT: f64 = 2_147_483_648.0;
const MAX_LOG2_UNIT: i32 = 28;

/// A symmetric law with mean 0 and variance 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum StandardLaw {
    /// Normal.
    Normal,
    /// Uniform on (-sqrt 3, sqrt 3).
    Uniform,
    /// Laplace with scale 1 / sqrt 2.
    Laplace,
    /// Student's t with this many degrees of freedom (more than 2), divided by its standard deviation.
    StudentT(f64),
}

impl StandardLaw {
    /// Octave by octave, cell by cell: the quantiles at tail probabilities 2^-(octave + 2) (1 + cell/256).
    fn quantiles(self) -> Vec<f64> {
        let mut quantiles = vec![0.0; OCTAVES * CELLS];
        for (ix, octave) in quantiles.chunks_mut(CELLS).enumerate() {
            let unit = 0.25 * (-(ix as f64)).exp2();
            for cell in (0..CELLS).rev() {
                // From the middle outwards: the quintic through the last six is right to twelve digits.
                let guess = match octave[cell + 1..] {
                    [a, b, c, d, e, f, ..] => 6.0 * (a + e) - 15.0 * (b + d) + 20.0 * c - f,
                    [a, ..] => a,
                    [] => 1.0,
                };
                octave[cell] = self.upper_quantile(unit * (1.0 + cell as f64 / CELLS as f64), guess);
            }
        }
        quantiles
    }

    /// The x with P(X > x) = `p`, for 0 < `p` <= 1/2, from a `guess`.
    fn upper_quantile(self, p: f64, guess: f64) -> f64 {
        match self {
            Self::Uniform => 3f64.sqrt() * (1.0 - 2.0 * p),
            Self::Laplace => -libm::log(2.0 * p) * 0.5f64.sqrt(),
            Self::Normal => {
                let density = |x: f64| libm::exp(-0.5 * x * x) / (2.0 * std::f64::consts::PI).sqrt();
                solve(p, 7.0, guess, |x| 0.5 * libm::erfc(x * 0.5f64.sqrt()), density)
            }
            Self::StudentT(df) => {
                let law = StudentsT::new(0.0, 1.0, df).expect("degrees of freedom were checked");
                let unit = ((df - 2.0) / df).sqrt();
                let far = 2.0 * (df.sqrt() * p.powf(-1.0 / df) + 1.0);
                solve(p, far, guess / unit, |x| law.sf(x), |x| law.pdf(x)) * unit
            }
        }
    }
}

/// A step of Newton's method, as a part of the root, of which the square is below rounding.
const SETTLED: f64 = 1e-9;

/// The root of `tail(x) = p` in [0, `far`] by Newton's method, kept in its bracket by bisection.
fn solve(p: f64, far: f64, guess: f64, tail: impl Fn(f64) -> f64, density: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, far);
    let mut x = guess.min(far);
    for _ in 0..200 {
        let excess = tail(x) - p;
        if excess > 0.0 {
            low = x
        } else {
            high = x
        }
        // The step for log(tail): nearly straight in the tail, where the plain step would crawl.
        let step = (excess / p).ln_1p() * p * (1.0 + excess / p) / density(x);
        let newton = x + step;
        let next = if (low..=high).contains(&newton) { newton } else { 0.5 * (low + high) };
        // Newton squares the error: the next is as good as it gets.
        if (next - x).abs() <= SETTLED * x.max(1e-3) {
            return next;
        }
        x = next;
    }
    x
}

/// A table that turns a random word into a value of a [`StandardLaw`] by integer arithmetic.
///
/// Word bits: one sign bit and 31 bits that make an odd 32-bit integer u; the tail probability is u / 2^33, so the table
/// is symmetric and has no zero and no infinity. The leading-zero count of u picks one of 32 octaves of the tail, the
/// next 8 bits one of 256 cells, the other 23 bits interpolate in fixed point. The magnitude is an integer number of
/// units; it is cut to 24 significant bits, so its conversion to f32 is exact on every device, and
/// one f32 multiplication by (standard deviation x unit) ends it.
///
/// For the normal law the unit is 2^-28, the error against the exact quantile below 1e-6, the largest value 6.34. Laws
/// with a longer tail have a larger unit: 2^-27 for Laplace, 2^-19 for Student's t with 3 degrees of freedom. The cut at tail
/// probability 2^-33 takes 0.03 % off the standard deviation of the latter, and 0.6 % off that with 2.5.
#[derive(Clone, Debug)]
pub struct QuantileTable {
    /// Octave-major, then cell: the value at the cell's small-probability end in the low half, the fall over the cell in the
    /// high half.
    entries: Box<Entries>,
    log2_unit: i32,
}

impl QuantileTable {
    /// The table of a law.
    ///
    /// # Errors
    /// Student's t needs 2.5 degrees of freedom (with 2 it has no standard deviation) and at most 10^6.
    pub fn new(law: StandardLaw) -> Result<Self> {
        if let StandardLaw::StudentT(df) = law
            && !(2.5..=1e6).contains(&df)
        {
            return Err(Error::usage(format!(
                "student-t with {df} degrees of freedom: give 2.5 to 1000000 (with 2 the law has no standard deviation)"
            )));
        }
        let ends = law.quantiles();
        let next = |ix: usize| match (ix / CELLS, ix % CELLS) {
            (0, c) if c + 1 == CELLS => 0.0,
            (o, c) if c + 1 == CELLS => ends[(o - 1) * CELLS],
            _ => ends[ix + 1],
        };
        let steepest = (0..ends.len()).map(|ix| ends[ix] - next(ix)).fold(0.0, f64::max);
        let log2_unit = (1..=MAX_LOG2_UNIT)
            .rev()
            .find(|&k| {
                let scale = f64::from(k).exp2();
                ends[(OCTAVES - 1) * CELLS] * scale < VALUE_LIMIT - 1.0 && steepest * scale < SLOPE_LIMIT - 2.0
            })
            .expect("every admitted law fits");
        let scale = f64::from(log2_unit).exp2();
        let fixed = |x: f64| (x * scale).round() as u64;
        let mut entries = Box::new([0; OCTAVES * CELLS]);
        for (ix, entry) in entries.iter_mut().enumerate() {
            let value = fixed(ends[ix]);
            *entry = (value - fixed(next(ix))) << 32 | value;
        }
        Ok(Self { entries, log2_unit })
    }

    /// The table of a law, made once per process for the laws without parameter.
    ///
    /// # Errors
    /// Those of [`QuantileTable::new`].
    pub fn shared(law: StandardLaw) -> Result<Arc<Self>> {
        static TABLES: [OnceLock<Arc<QuantileTable>>; 3] = [const { OnceLock::new() }; 3];
        let slot = match law {
            StandardLaw::Normal => &TABLES[0],
            StandardLaw::Uniform => &TABLES[1],
            StandardLaw::Laplace => &TABLES[2],
            StandardLaw::StudentT(_) => return Self::new(law).map(Arc::new),
        };
        if let Some(table) = slot.get() {
            return Ok(Arc::clone(table));
        }
        let table = Arc::new(Self::new(law)?);
        Ok(Arc::clone(slot.get_or_init(|| table)))
    }

    /// Base-2 logarithm of the number of units in 1.
    pub fn log2_unit(&self) -> i32 {
        self.log2_unit
    }

    /// Its entries: for each octave and cell the value at the cell's small-probability end (low half) and the fall over the cell.
    #[cfg(feature = "gpu")]
    pub(crate) fn entries(&self) -> &[u64] {
        &*self.entries
    }

    /// The factor that turns units into values of standard deviation `std`.
    pub fn scale(&self, std: f64) -> f32 {
        std as f32 * f32::from_bits((127 - self.log2_unit as u32) << 23)
    }

    /// The value of one random word: an exact integer number of units, times `scale`.
    pub fn value(&self, word: u32, scale: f32) -> f32 {
        value(&self.entries, word, scale)
    }

    /// Appends the values of random words, with standard deviation `std`.
    pub(crate) fn append(&self, words: &[u32], std: f64, values: &mut Vec<f64>) {
        const TILE: usize = 128;
        let scale = self.scale(std);
        let mut bits = [0; TILE];
        for words in words.chunks(TILE) {
            let bits = &mut bits[..words.len()];
            bits.copy_from_slice(words);
            pulp::Arch::new().dispatch(Convert { entries: &self.entries, scale, bits: &mut *bits });
            values.extend(bits.iter().map(|&bits| f64::from(f32::from_bits(bits))));
        }
    }

    /// Value `element` of a stream.
    pub fn element(&self, stream: &Stream, element: u64, std: f64) -> f32 {
        self.value(stream.word(element), self.scale(std))
    }

    /// Fills `values` with values `0, 1, 2, ...` of a stream, with standard deviation `std`.
    pub fn fill(&self, stream: &Stream, std: f64, values: &mut [f32]) {
        self.fill_from(stream, 0, std, values);
    }

    /// Fills `values` with values `first, first + 1, ...` of a stream, with standard deviation `std`.
    pub fn fill_from(&self, stream: &Stream, first: u64, std: f64, values: &mut [f32]) {
        // Few enough for the fastest cache, which they pass through twice: as words, then as values in the same place.
        const TILE: usize = 2048;
        let scale = self.scale(std);
        for (element, tile) in (first..).step_by(TILE).zip(values.chunks_mut(TILE)) {
            let bits = pulp::bytemuck::cast_slice_mut(tile);
            stream.words(element, bits);
            pulp::Arch::new().dispatch(Convert { entries: &self.entries, scale, bits });
        }
    }
}

type Entries = [u64; OCTAVES * CELLS];

#[inline(always)]
fn value(entries: &Entries, word: u32, scale: f32) -> f32 {
    let (ix, fraction) = place(word);
    interpolate(look_up(entries, ix), fraction, word, scale)
}

/// The entry of a word, octave and cell of its tail probability, and how far the probability is inside the cell, in units of
/// 2^-32.
#[inline(always)]
fn place(word: u32) -> (u32, u32) {
    const DIGITS: u32 = f32::MANTISSA_DIGITS - 1;
    const LARGEST: u32 = 0.5f32.to_bits() + ((OCTAVES as u32) << DIGITS) - 1;
    // Exponent and first digits of a float, as few machines count zeros in vectors. The probability has a bit more than
    // the word, which is 1. A bit that is cleared below the cell stops every carry of rounding.
    let magnitude = word & 0x7FFF_FFFF;
    let float = (magnitude & !(magnitude >> (CELL_BITS + 2))) as i32 as f32 + 0.5;
    // Octaves count the exponent down, cells the digits up.
    let ix = (LARGEST - float.to_bits()) >> (DIGITS - CELL_BITS) ^ (CELLS as u32 - 1);
    let octave = ix >> CELL_BITS;
    (ix, (word << 1 | 1) << octave << (1 + CELL_BITS))
}

/// The value at an entry's small-probability end and the fall over its cell.
#[inline(always)]
fn look_up(entries: &Entries, ix: u32) -> (u32, u32) {
    let entry = entries[ix as usize & (OCTAVES * CELLS - 1)];
    (entry as u32, (entry >> 32) as u32)
}

#[inline(always)]
fn interpolate((end, fall): (u32, u32), fraction: u32, word: u32, scale: f32) -> f32 {
    let magnitude = end.wrapping_sub(((u64::from(fall) * u64::from(fraction)) >> 32) as u32);
    // A float would round up to 7 low bits away. The highest bit, moved 24 places down, clears the first of them, so that the
    // others are less than a half and are cut.
    let rounds_down = magnitude & !(magnitude >> f32::MANTISSA_DIGITS);
    f32::from_bits((rounds_down as i32 as f32).to_bits() | (word & 0x8000_0000)) * scale
}

/// The conversion of words to the bits of their values, compiled to vector instructions.
struct Convert<'a> {
    entries: &'a Entries,
    scale: f32,
    bits: &'a mut [u32],
}

impl pulp::WithSimd for Convert<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        convert(self.entries, self.scale, self.bits);
    }
}

/// A function of its own, so that the compiler knows that table and bits do not overlap.
#[inline(always)]
fn convert(entries: &Entries, scale: f32, bits: &mut [u32]) {
    // Step by step with memory in between: the look-up becomes a gather, the rest plain arithmetic on vectors of 32-bit lanes.
    const LANES: usize = 64;
    let (mut indices, mut fractions) = ([0; LANES], [0; LANES]);
    let (mut ends, mut falls) = ([0; LANES], [0; LANES]);
    let (tiles, rest) = bits.as_chunks_mut::<LANES>();
    for tile in tiles {
        for lane in 0..LANES {
            (indices[lane], fractions[lane]) = place(tile[lane]);
        }
        for lane in 0..LANES {
            (ends[lane], falls[lane]) = look_up(entries, indices[lane]);
        }
        for lane in 0..LANES {
            tile[lane] = interpolate((ends[lane], falls[lane]), fractions[lane], tile[lane], scale).to_bits();
        }
    }
    for bits in rest {
        *bits = value(entries, *bits, scale).to_bits();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_meets_at_cell_ends_and_is_monotone() {
        for law in [StandardLaw::Normal, StandardLaw::Uniform, StandardLaw::Laplace, StandardLaw::StudentT(2.5)] {
            let table = QuantileTable::new(law).unwrap();
            let words = (0..31).flat_map(|bit| [(1u32 << bit) - 1, 1 << bit, (1 << bit) + 1]);
            let mut words: Vec<u32> = words.chain((0..5000).map(|i| i * 429_496)).filter(|w| w >> 31 == 0).collect();
            words.sort_unstable();
            let values: Vec<f32> = words.iter().map(|&w| table.value(w, table.scale(1.0))).collect();
            assert!(values.is_sorted_by(|a, b| a >= b), "{law:?}");
            assert!(words.iter().zip(&values).all(|(&w, &v)| table.value(w | 1 << 31, table.scale(1.0)) == -v));
        }
    }

    #[test]
    fn filling_equals_single_values_at_odd_lengths() {
        let table = QuantileTable::new(StandardLaw::Normal).unwrap();
        let stream = Stream::new(3, 1, 4);
        for len in [0, 1, 63, 64, 65, 1023, 1024, 1025, 3001] {
            let mut values = vec![f32::NAN; len];
            for first in [0, 1, 2, 3, 4, 1021, 1 << 32] {
                table.fill_from(&stream, first, 0.7, &mut values);
                assert!(
                    values.iter().zip(first..).all(|(&v, element)| v == table.element(&stream, element, 0.7)),
                    "length {len} from {first}"
                );
            }
            let mut words = vec![0; len];
            stream.words(0, &mut words);
            let mut appended = vec![0.5];
            table.append(&words, 0.7, &mut appended);
            table.fill(&stream, 0.7, &mut values);
            let expected: Vec<f64> = [0.5].into_iter().chain(values.iter().map(|&v| f64::from(v))).collect();
            assert_eq!(appended, expected, "length {len}");
            assert!(
                values.iter().enumerate().all(|(e, &v)| v == table.element(&stream, e as u64, 0.7)),
                "length {len}"
            );
        }
    }

    /// Leading zeros, products of 64 bits and cuts to 24, against the floats that stand for them.
    #[test]
    fn values_are_those_of_the_definition() {
        for law in [StandardLaw::Normal, StandardLaw::Uniform, StandardLaw::Laplace, StandardLaw::StudentT(2.5)] {
            let table = QuantileTable::new(law).unwrap();
            let scale = table.scale(0.7);
            let ends = (0..=32).flat_map(|bit| (-300..300).map(move |i| ((1i64 << bit) + i) as u32));
            for word in ends.chain((0..=u32::MAX).step_by(4099)) {
                let probability = word << 1 | 1;
                let octave = probability.leading_zeros();
                let scaled = u64::from(probability << octave);
                let entry = table.entries[octave as usize * CELLS + (scaled >> 23) as usize % CELLS];
                let units = (entry & 0xFFFF_FFFF) - (((entry >> 32) * (scaled & 0x7F_FFFF)) >> 23);
                let cut = 40 - units.leading_zeros().min(40);
                let magnitude = (units >> cut << cut) as f32 * scale;
                let value = if word >> 31 == 1 { -magnitude } else { magnitude };
                assert_eq!(table.value(word, scale).to_bits(), value.to_bits(), "{law:?}: {word}");
            }
        }
    }

    /// The bound that the documentation states, against quantiles of an independent library.
    #[test]
    fn normal_table_is_within_a_millionth_of_the_quantile() {
        let table = QuantileTable::new(StandardLaw::Normal).unwrap();
        assert_eq!(table.log2_unit(), 28);
        let normal = statrs::distribution::Normal::standard();
        for word in (0..1 << 14).map(|i: u32| i << 17 | 0x1_2345).chain(0..1000) {
            let tail = f64::from(word << 1 | 1) / 2f64.powi(33);
            let error = f64::from(table.value(word, table.scale(1.0))) + normal.inverse_cdf(tail);
            // One f32 rounding of a value below 8 comes on top.
            assert!(error.abs() < 1e-6 + 4.8e-7, "word {word}: {error:e}");
        }
        let largest = table.value(0, table.scale(1.0));
        assert!((6.33..6.35).contains(&largest), "{largest}");
    }

    /// With many degrees of freedom Student's t is nearly normal: divided by its standard deviation, the difference is about
    /// (x^3 - 3 x) / (4 df).
    #[test]
    fn student_t_tends_to_the_normal_law() {
        let normal = QuantileTable::new(StandardLaw::Normal).unwrap();
        for df in [1e3, 1e4, 1e5, 1e6] {
            let table = QuantileTable::new(StandardLaw::StudentT(df)).unwrap();
            for word in (0..1 << 14).map(|i: u32| i << 17 | 1).chain([0, 1, 100]) {
                let (x, y) = (normal.value(word, normal.scale(1.0)), table.value(word, table.scale(1.0)));
                let (x, y) = (f64::from(x), f64::from(y));
                let expected = (x.powi(3) - 3.0 * x) / (4.0 * df);
                let second_order = (x.abs() + 1.0).powi(5) / (10.0 * df * df);
                assert!((y - x - expected).abs() < second_order + 3e-6, "{df}: {x} {y}");
            }
        }
    }

    /// The variance of each table, octave by octave of its tail, and the units and cuts that the documentation states.
    #[test]
    fn tables_have_variance_one_but_for_their_cut() {
        for (law, log2_unit, std) in [
            (StandardLaw::Normal, 28, 1.0),
            (StandardLaw::Uniform, 28, 1.0),
            (StandardLaw::Laplace, 27, 1.0),
            (StandardLaw::StudentT(3.0), 19, 0.9997),
            (StandardLaw::StudentT(2.5), 17, 0.994),
        ] {
            let table = QuantileTable::new(law).unwrap();
            let scale = table.scale(1.0);
            let octave_mean = |octave: u32| {
                // The words w with 2 w + 1 in [2^(31 - octave), 2^(32 - octave)).
                let (first, n) =
                    (if octave == 31 { 0 } else { 1u32 << (30 - octave) }, 1u32 << (30u32.saturating_sub(octave)));
                let step = (n / 4096).max(1);
                let words = (0..n / step).map(|i| first + i * step + step / 2);
                let squares: f64 = words.map(|w| f64::from(table.value(w, scale)).powi(2)).sum();
                squares / f64::from(n / step)
            };
            let variance: f64 = (0..32).map(|o: u32| 0.5f64.powi(o.min(30) as i32 + 1) * octave_mean(o)).sum();
            assert!((variance.sqrt() - std).abs() < 1e-4, "{law:?}: {}", variance.sqrt());
            assert_eq!(table.log2_unit(), log2_unit, "{law:?}");
        }
    }

    #[test]
    fn laws_without_standard_deviation_are_refused() {
        for df in [f64::NAN, -1.0, 1.0, 2.0, 2.4, f64::INFINITY] {
            assert!(QuantileTable::new(StandardLaw::StudentT(df)).is_err(), "{df}");
        }
    }
}
