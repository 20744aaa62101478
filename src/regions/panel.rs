//! Few rows over many columns, padded to whole vectors, and the passes over them that a search for points makes.

use pulp::{Arch, Simd, WithSimd};

/// Columns are padded to a multiple of this, at which every width of vector fits.
const LANES: usize = 16;

/// Rows of one length, one after the other.
#[derive(Debug)]
pub(super) struct Panel {
    arch: Arch,
    n_columns: usize,
    stride: usize,
    data: Vec<f64>,
    /// The products of every row with those up to itself, one line after the other.
    triangle: Vec<f64>,
    /// Some columns of some rows, and which.
    excerpt: Vec<f64>,
    chosen: Vec<usize>,
}

/// What a line is like at one of its points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Along {
    /// The product of the line's direction with the point, clipped.
    pub(super) product: f64,
    /// The derivative of that.
    pub(super) derivative: f64,
    /// The sum of magnitudes of the point, unclipped, times half widths.
    pub(super) spread: f64,
}

impl Panel {
    pub(super) fn new(n_columns: usize) -> Self {
        Self {
            arch: Arch::new(),
            n_columns,
            stride: n_columns.next_multiple_of(LANES),
            data: Vec::new(),
            triangle: Vec::new(),
            excerpt: Vec::new(),
            chosen: Vec::new(),
        }
    }

    /// Columns with padding.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    pub(super) fn len(&self) -> usize {
        self.data.len() / self.stride
    }

    pub(super) fn push(&mut self, row: impl Iterator<Item = f64>) {
        let start = self.data.len();
        self.data.extend(row);
        self.data.resize(start + self.stride, 0.0);
        let (data, stride) = (&self.data, self.stride);
        let first = self.triangle.len();
        self.triangle.resize(first + data.len() / stride, 0.0);
        self.arch.dispatch(Products { data, stride, x: &data[start..], out: &mut self.triangle[first..] });
    }

    pub(super) fn pop(&mut self) {
        self.triangle.truncate(self.triangle.len() - self.len());
        self.data.truncate(self.data.len() - self.stride);
    }

    pub(super) fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.stride..][..self.stride]
    }

    /// Writes a sum of rows, each times a factor.
    pub(super) fn combine(&self, terms: &[(usize, f64)], to: &mut [f64]) {
        self.arch.dispatch(Combine { panel: self, terms, to });
    }

    /// The product of every row with `x`.
    pub(super) fn products(&self, x: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.resize(self.len(), 0.0);
        self.arch.dispatch(Products { data: &self.data, stride: self.stride, x, out });
    }

    /// The Gram matrix of some rows over the columns at which `|s| < half`: its lower half, in lines as long as there are rows.
    pub(super) fn gram(&mut self, rows: &[usize], s: &[f64], half: &[f64], gram: &mut Vec<f64>) {
        let n = rows.len();
        gram.clear();
        gram.resize(n * n, 0.0);
        let is_free = |j: usize| s[j].abs() < half[j];
        let n_free = (0..self.n_columns).filter(|&j| is_free(j)).count();
        // Over few columns: these, or the others, which are taken from products over all.
        let are_most = 2 * n_free > self.n_columns;
        self.chosen.clear();
        self.chosen.extend((0..self.n_columns).filter(|&j| is_free(j) != are_most));
        let width = self.chosen.len().next_multiple_of(LANES);
        self.excerpt.clear();
        for (i, &row) in rows.iter().enumerate() {
            let row = &self.data[row * self.stride..][..self.stride];
            self.excerpt.extend(self.chosen.iter().map(|&j| row[j]));
            self.excerpt.resize((i + 1) * width, 0.0);
        }
        if width > 0 {
            for (i, line) in gram.chunks_exact_mut(n).enumerate() {
                let x = &self.excerpt[i * width..][..width];
                self.arch.dispatch(Products { data: &self.excerpt, stride: width, x, out: &mut line[..=i] });
            }
        }
        if are_most {
            for (i, &row) in rows.iter().enumerate() {
                for (j, &other) in rows[..=i].iter().enumerate() {
                    let (high, low) = (row.max(other), row.min(other));
                    gram[i * n + j] = self.triangle[high * (high + 1) / 2 + low] - gram[i * n + j];
                }
            }
        }
    }

    /// Clips `s` to `-half..half`; the sum of `|s| * half`.
    pub(super) fn clip(&self, s: &[f64], half: &[f64], clipped: &mut [f64]) -> f64 {
        self.arch.dispatch(Clip { s, half, clipped })
    }

    /// The point `s + step * v` of a line, clipped to `-half..half`.
    pub(super) fn along(&self, s: &[f64], v: &[f64], half: &[f64], step: f64) -> Along {
        self.arch.dispatch(LookAlong { s, v, half, step })
    }
}

struct Combine<'a> {
    panel: &'a Panel,
    terms: &'a [(usize, f64)],
    to: &'a mut [f64],
}

impl WithSimd for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.to.fill(0.0);
        let to = S::as_mut_simd_f64s(self.to).0;
        let row = |i: usize| S::as_simd_f64s(self.panel.row(i)).0;
        let (fours, rest) = self.terms.as_chunks::<4>();
        for four in fours {
            let [a, b, c, d] = four.map(|(i, _)| &row(i)[..to.len()]);
            let [fa, fb, fc, fd] = four.map(|(_, factor)| simd.splat_f64s(factor));
            for (j, to) in to.iter_mut().enumerate() {
                let first = simd.mul_add_f64s(fa, a[j], *to);
                let second = simd.mul_add_f64s(fb, b[j], first);
                let third = simd.mul_add_f64s(fc, c[j], second);
                *to = simd.mul_add_f64s(fd, d[j], third);
            }
        }
        for &(i, factor) in rest {
            let factor = simd.splat_f64s(factor);
            for (to, &a) in to.iter_mut().zip(row(i)) {
                *to = simd.mul_add_f64s(factor, a, *to);
            }
        }
    }
}

/// The products of four vectors with one.
#[inline(always)]
fn four_dots<S: Simd>(simd: S, rows: [&[S::f64s]; 4], x: &[S::f64s]) -> [f64; 4] {
    let rows = rows.map(|row| &row[..x.len()]);
    let mut even = [simd.splat_f64s(0.0); 4];
    let mut odd = even;
    for (j, x) in x.as_chunks::<2>().0.iter().enumerate() {
        for lane in 0..4 {
            even[lane] = simd.mul_add_f64s(rows[lane][2 * j], x[0], even[lane]);
            odd[lane] = simd.mul_add_f64s(rows[lane][2 * j + 1], x[1], odd[lane]);
        }
    }
    std::array::from_fn(|lane| simd.reduce_sum_f64s(simd.add_f64s(even[lane], odd[lane])))
}

struct Products<'a> {
    data: &'a [f64],
    stride: usize,
    x: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let x = S::as_simd_f64s(self.x).0;
        let last = self.out.len().saturating_sub(1);
        let row = |i: usize| S::as_simd_f64s(&self.data[i.min(last) * self.stride..][..self.stride]).0;
        for (block, out) in self.out.chunks_mut(4).enumerate() {
            let dots = four_dots(simd, std::array::from_fn(|lane| row(4 * block + lane)), x);
            out.iter_mut().zip(dots).for_each(|(out, dot)| *out = dot);
        }
    }
}

/// Values clipped to `-half..half`, and their magnitudes before.
#[inline(always)]
fn clip<S: Simd>(simd: S, s: S::f64s, half: S::f64s) -> [S::f64s; 2] {
    let zero = simd.splat_f64s(0.0);
    // `neg_f64s` and `abs_f64s` are calls, for AVX-512 in pulp 0.22.
    let clipped = simd.max_f64s(simd.min_f64s(s, half), simd.sub_f64s(zero, half));
    [clipped, simd.max_f64s(s, simd.sub_f64s(zero, s))]
}

struct Clip<'a> {
    s: &'a [f64],
    half: &'a [f64],
    clipped: &'a mut [f64],
}

impl WithSimd for Clip<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let [s, half] = [self.s, self.half].map(|a| S::as_simd_f64s(a).0);
        let mut spread = simd.splat_f64s(0.0);
        for ((to, &s), &half) in S::as_mut_simd_f64s(self.clipped).0.iter_mut().zip(s).zip(half) {
            let [clipped, size] = clip(simd, s, half);
            *to = clipped;
            spread = simd.mul_add_f64s(size, half, spread);
        }
        simd.reduce_sum_f64s(spread)
    }
}

struct LookAlong<'a> {
    s: &'a [f64],
    v: &'a [f64],
    half: &'a [f64],
    step: f64,
}

impl WithSimd for LookAlong<'_> {
    type Output = Along;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Along {
        let [s, v, half] = [self.s, self.v, self.half].map(|a| S::as_simd_f64s(a).0);
        let (zero, step) = (simd.splat_f64s(0.0), simd.splat_f64s(self.step));
        let [mut product, mut derivative, mut spread] = [zero; 3];
        for ((&s, &v), &half) in s.iter().zip(v).zip(half) {
            let [clipped, size] = clip(simd, simd.mul_add_f64s(step, v, s), half);
            product = simd.mul_add_f64s(v, clipped, product);
            let free = simd.select_f64s(simd.less_than_f64s(size, half), v, zero);
            derivative = simd.mul_add_f64s(free, free, derivative);
            spread = simd.mul_add_f64s(size, half, spread);
        }
        Along {
            product: simd.reduce_sum_f64s(product),
            derivative: simd.reduce_sum_f64s(derivative),
            spread: simd.reduce_sum_f64s(spread),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    /// Every pass against plain sums, with numbers of rows and columns that fill no vector.
    #[test]
    fn passes_are_plain_sums() {
        for (n, n_columns) in [(0, 1), (1, 1), (3, 7), (5, 16), (6, 17), (9, 131)] {
            let stream = Stream::new(n_columns as u64, 0, 0);
            let number = |ix: usize| f64::from(stream.word(ix as u64)) / 2f64.powi(31) - 1.0;
            let mut panel = Panel::new(n_columns);
            let rows: Vec<Vec<f64>> =
                (0..n).map(|i| (0..n_columns).map(|j| number(n_columns * i + j)).collect()).collect();
            for row in rows.iter().chain(rows.first()) {
                panel.push(row.iter().copied());
            }
            if n > 0 {
                panel.pop();
            }
            assert_eq!(panel.len(), n);
            let padded = |start: usize, scale: f64| -> Vec<f64> {
                (0..panel.stride()).map(|j| if j < n_columns { scale * number(start + j) } else { 0.0 }).collect()
            };
            let (s, v) = (padded(5000, 1.0), padded(6000, 3.0));
            // Most of the columns are free, or few.
            let width = if n % 2 == 0 { 0.7 } else { 3.0 };
            let half: Vec<f64> = padded(7000, width).iter().map(|x| x.abs()).collect();
            let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12 * n_columns as f64, "{a} {b}");
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();

            let mut products = vec![f64::NAN];
            panel.products(&s, &mut products);
            assert_eq!(products.len(), n);
            rows.iter().zip(&products).for_each(|(row, &product)| close(product, dot(row, &s)));

            let terms: Vec<(usize, f64)> = (0..n).filter(|i| i % 4 != 1).map(|i| (i, number(8000 + i))).collect();
            let mut sum = vec![f64::NAN; panel.stride()];
            panel.combine(&terms, &mut sum);
            for (j, &found) in sum[..n_columns].iter().enumerate() {
                close(found, terms.iter().map(|&(i, factor)| factor * rows[i][j]).sum());
            }

            let mut clipped = padded(0, 1.0);
            let spread = panel.clip(&s, &half, &mut clipped);
            close(spread, s.iter().zip(&half).map(|(s, half)| s.abs() * half).sum());
            assert!((0..panel.stride()).all(|j| clipped[j] == s[j].clamp(-half[j], half[j])));

            let step = 0.3;
            let at: Vec<f64> = (0..n_columns).map(|j| s[j] + step * v[j]).collect();
            let is_free = |j: &usize| at[*j].abs() < half[*j];
            let found = panel.along(&s, &v, &half, step);
            close(found.product, (0..n_columns).map(|j| v[j] * at[j].clamp(-half[j], half[j])).sum());
            close(found.derivative, (0..n_columns).filter(is_free).map(|j| v[j] * v[j]).sum());
            close(found.spread, (0..n_columns).map(|j| at[j].abs() * half[j]).sum());

            let chosen: Vec<usize> = terms.iter().map(|&(i, _)| i).rev().collect();
            let (mut gram, m) = (Vec::new(), chosen.len());
            panel.gram(&chosen, &s, &half, &mut gram);
            for (ix, &i) in chosen.iter().enumerate() {
                for (jx, &j) in chosen[..=ix].iter().enumerate() {
                    let free = (0..n_columns).filter(|&k| s[k].abs() < half[k]);
                    close(gram[ix * m + jx], free.map(|k| rows[i][k] * rows[j][k]).sum());
                }
            }
        }
    }
}
