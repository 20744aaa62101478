//! Exact number of regions of an affine hyperplane arrangement whose offsets are generic.
//!
//! Some of the hyperplanes `<a_i, x> = b_i`, with generic offsets `b_i`, have a point in common exactly if their
//! normals are linearly independent. So every interval below a flat of the arrangement is Boolean, and Zaslavsky's
//! theorem (1975) gives as many regions as there are independent subsets of the normals `a_1, ..., a_n`, the empty one
//! included. This number depends on the matroid of the normals only, so it may be computed over any field that
//! represents the same matroid; here it is the prime field with `2^61 - 1` elements.

mod tableau;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use num_bigint::BigUint;

use self::tableau::*;
use super::Inapplicable;
use super::conv::ConvLayer;

/// The modulus of all matrix arithmetic here, the Mersenne prime `2^61 - 1`.
pub const PRIME: u64 = (1 << 61) - 1;

/// Most normals that [`independent_sets`] accepts. With at most 64 every intermediate count fits into 128 bits.
pub const MAX_NORMALS: usize = 64;

/// Most matrix entries (normals times dimension) that are accepted.
pub const MAX_ENTRIES: usize = 10_000_000;

/// Elementary steps after which [`independent_sets`] gives up; they take in the order of two seconds.
pub const WORK_LIMIT: u64 = 500_000_000;

/// Words held by the table of minors already counted (128 MiB); beyond it minors are counted again.
const MEMO_WORDS: usize = 1 << 24;

/// Refuses matrices whose storage or elimination would be too large.
fn check_size(n: usize, d: usize) -> Result<(), Inapplicable> {
    let entries = n.saturating_mul(d);
    if entries > MAX_ENTRIES {
        return Err(Inapplicable(format!(
            "{n} normals of dimension {d}: at most {MAX_ENTRIES} entries in all are accepted"
        )));
    }
    if entries as u64 * n.min(d) as u64 > WORK_LIMIT {
        return Err(Inapplicable(format!(
            "{n} normals of dimension {d}: elimination exceeds the limit of {WORK_LIMIT} steps"
        )));
    }
    Ok(())
}

struct Counter {
    memo: HashMap<Box<[u64]>, u128>,
    words: usize,
    work: u64,
    limit: u64,
}

impl Counter {
    fn new(limit: u64) -> Self {
        Self { memo: HashMap::new(), words: 0, work: 0, limit }
    }

    /// Weighted number of independent sets.
    fn count(&mut self, mut m: Tableau) -> Result<u128, Inapplicable> {
        let mut factor = 1;
        loop {
            let (r, c) = (m.row.len() as u64, m.col.len() as u64);
            self.work += (r + 2) * (c + 2) + r * r / 2 + c * c / 2;
            match m.reduce_once() {
                Some(f) => factor *= f,
                None => break,
            }
        }
        if self.work > self.limit {
            return Err(Inapplicable(format!(
                "counting the independent sets exceeds the work limit of {} steps; fewer normals, or a rank closer to \
                 0 or to their number, would be needed",
                self.limit
            )));
        }
        let (r, c) = (m.row.len(), m.col.len());
        if r == 0 {
            return Ok(factor);
        }
        let (rows, cols) = m.component();
        if rows.count_ones() as usize != r || cols.count_ones() as usize != c {
            let part = self.count(m.select(rows, cols))?;
            return Ok(factor * part * self.count(m.select(!rows, !cols))?);
        }
        // What is left is connected, without parallel or series pairs, so rank and corank are at least 2.
        if let Some(value) = m.closed_form() {
            if r > 2 && c != 2 {
                self.work += ((r + c).pow(3) / 3) as u64;
            }
            return Ok(factor * value);
        }
        let key = m.key();
        self.work += 4 * (r * c) as u64 + 128;
        if let Some(known) = self.memo.get(&key) {
            return Ok(factor * known);
        }
        let w = m.row[0].1;
        let mut without = m.clone();
        without.delete_first();
        m.drop_row(0);
        let value = u128::from(w.y) * self.count(without)? + u128::from(w.x) * self.count(m)?;
        // About 8 words of overhead per entry.
        if self.words + key.len() + 8 <= MEMO_WORDS {
            self.words += key.len() + 8;
            self.memo.insert(key, value);
        }
        Ok(factor * value)
    }
}

/// Refuses more normals than can be counted.
fn check_count(n: usize) -> Result<(), Inapplicable> {
    if n > MAX_NORMALS {
        return Err(Inapplicable(format!("{n} normals: at most {MAX_NORMALS} are counted exactly")));
    }
    Ok(())
}

/// Rank of vectors over the field with [`PRIME`] elements.
///
/// # Errors
/// More than [`MAX_ENTRIES`] entries, an elimination beyond [`WORK_LIMIT`], or unequal lengths.
pub fn rank(normals: &[Vec<u64>]) -> Result<usize, Inapplicable> {
    Ok(Tableau::new(normals)?.row.len())
}

/// Number of linearly independent subsets of `normals` over the field with [`PRIME`] elements, the empty set included.
///
/// This is the number of regions of an affine arrangement with these normals and generic offsets (Zaslavsky 1975).
/// Entries are taken modulo the prime. The method is deletion and contraction with series-parallel reduction, products
/// over connected components, closed forms for rank and corank at most 3, and a table of minors already counted; it is
/// quick when the rank is close to 0 or to the number of normals, or when the normals have local supports.
///
/// # Errors
/// More than [`MAX_NORMALS`] normals, more than [`MAX_ENTRIES`] entries, unequal lengths, or [`WORK_LIMIT`] exceeded.
pub fn independent_sets(normals: &[Vec<u64>]) -> Result<BigUint, Inapplicable> {
    check_count(normals.len())?;
    Counter::new(WORK_LIMIT).count(Tableau::new(normals)?).map(BigUint::from)
}

/// Uniform residues from the splitmix64 generator (Steele, Lea, Flood 2014).
struct Residues(u64);

impl Residues {
    fn next(&mut self) -> u64 {
        loop {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let v = (z ^ (z >> 31)) >> 3;
            if v < PRIME {
                return v;
            }
        }
    }
}

/// Normals of all hyperplanes of a convolutional layer, positions in row order and filters innermost, with random
/// filters shared by all positions. Coordinates are ordered by row, column, channel.
fn conv_normals(layer: &ConvLayer, seed: u64) -> Result<Vec<Vec<u64>>, Inapplicable> {
    layer.check()?;
    let ([_, width], [kh, kw], c) = (layer.input, layer.kernel, layer.channels);
    // Within `usize`: check() has multiplied out both products.
    let (n, d) = (layer.positions() * layer.filters, layer.input[0] * width * c);
    check_size(n, d)?;
    let mut random = Residues(seed);
    let filters: Vec<Vec<u64>> =
        (0..layer.filters).map(|_| (0..kh * kw * c).map(|_| random.next()).collect()).collect();
    let [rows, cols] = layer.output();
    let mut normals = Vec::with_capacity(n);
    for (i, j) in (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j))) {
        for filter in &filters {
            let mut normal = vec![0; d];
            for (y, line) in filter.chunks(kw * c).enumerate() {
                let at = ((i * layer.stride + y) * width + j * layer.stride) * c;
                normal[at..at + kw * c].copy_from_slice(line);
            }
            normals.push(normal);
        }
    }
    Ok(normals)
}

/// Exact number of regions of a one-layer convolutional ReLU network with generic parameters, its filters shared by all
/// positions: no padding, no pooling.
///
/// The filters are random modulo the prime (from `seed`) and [`independent_sets`] counts the independent sets of the
/// resulting normals. In genuine two dimensions this can be strictly below the formula of Xiong et al. 2020
/// ([`super::conv::xiong_2020_one_layer`]), because convolutions commute: a 3x3x1 input with two 2x2 filters at
/// stride 1 has 255 regions, not 256. It is assumed that one bias per filter is as good as generic offsets; the tests
/// confirm this on small layers.
///
/// The result never exceeds the generic number, and is below it only if a basis of the generic matroid (rank `r`, `n`
/// normals) becomes dependent. Its minor is a polynomial of degree `r` in the weights, so by Schwartz and Zippel a
/// uniformly random point annuls it with probability at most `r / (2^61 - 1)`; over all bases at most
/// `C(n, r) r / (2^61 - 1)`, e.g. `1.1e-10` for `n = 27`, `r = 13`. (A minor could also vanish identically modulo the
/// prime; its coefficients are at most `r!`, which excludes this for `r <= 19`, and makes it implausible above.)
/// Repeating with other seeds and keeping the largest result lowers the risk further.
///
/// # Errors
/// An invalid layer, or the limits of [`independent_sets`].
pub fn generic_conv_count(layer: &ConvLayer, seed: u64) -> Result<BigUint, Inapplicable> {
    layer.check()?;
    check_count(layer.positions() * layer.filters)?;
    independent_sets(&conv_normals(layer, seed)?)
}

/// Rank of the normals of a convolutional layer with generic shared filters; see [`generic_conv_count`].
///
/// # Errors
/// An invalid layer, or the limits of [`rank`].
pub fn generic_conv_rank(layer: &ConvLayer, seed: u64) -> Result<usize, Inapplicable> {
    rank(&conv_normals(layer, seed)?)
}
