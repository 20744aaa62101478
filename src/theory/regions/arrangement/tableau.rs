//! Matroids as matrices over the prime field, and how they shrink.

use super::super::Inapplicable;
use super::{PRIME, check_size};

pub(super) fn add(a: u64, b: u64) -> u64 {
    let s = a + b;
    if s >= PRIME { s - PRIME } else { s }
}

pub(super) fn sub(a: u64, b: u64) -> u64 {
    if a >= b { a - b } else { a + PRIME - b }
}

pub(super) fn mul(a: u64, b: u64) -> u64 {
    let x = u128::from(a) * u128::from(b);
    add((x as u64) & PRIME, (x >> 61) as u64)
}

/// Inverse by Fermat; the inverse of 0 comes out as 0 and is never asked for.
pub(super) fn inv(a: u64) -> u64 {
    let (mut base, mut e, mut out) = (a, PRIME - 2, 1);
    while e > 0 {
        if e & 1 == 1 {
            out = mul(out, base);
        }
        base = mul(base, base);
        e >>= 1;
    }
    out
}

/// Weights of one element: `x` for sets that hold it, `y` for sets that do not. A merged element carries the sums over
/// the states of its parts, so that the weighted count of independent sets is unchanged.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    pub(super) x: u64,
    pub(super) y: u64,
}

impl Weight {
    /// Two parallel elements: at most one of them is in the set.
    pub(super) fn parallel(self, o: Self) -> Self {
        Self { x: self.x * o.y + self.y * o.x, y: self.y * o.y }
    }

    /// Two elements in series: only when both are in the set do they constrain the others.
    pub(super) fn series(self, o: Self) -> Self {
        Self { x: self.x * o.x, y: self.y * o.y + self.x * o.y + self.y * o.x }
    }

    pub(super) fn total(self) -> u128 {
        u128::from(self.x) + u128::from(self.y)
    }
}

/// A matroid in standard form `[I | A]`: rows are a basis, columns the other elements.
///
/// `label` orders the elements; the basis is kept lexicographically first, which makes equal minors equal tableaux (up
/// to scaling) and so lets the table of known minors hit. Correctness does not depend on it.
#[derive(Clone, Default)]
pub(super) struct Tableau {
    pub(super) entry: Vec<Vec<u64>>,
    pub(super) row: Vec<(usize, Weight)>,
    pub(super) col: Vec<(usize, Weight)>,
}

impl Tableau {
    /// Gauss-Jordan elimination of the matrix whose columns are the normals, leftmost basis first.
    pub(super) fn new(normals: &[Vec<u64>]) -> Result<Self, Inapplicable> {
        let n = normals.len();
        let d = normals.first().map_or(0, Vec::len);
        if let Some((i, a)) = normals.iter().enumerate().find(|(_, a)| a.len() != d) {
            return Err(Inapplicable(format!("normal {i} has {} entries; all must have {d} like normal 0", a.len())));
        }
        check_size(n, d)?;
        let mut m: Vec<Vec<u64>> = (0..d).map(|i| normals.iter().map(|a| a[i] % PRIME).collect()).collect();
        let mut basis = Vec::new();
        for j in 0..n {
            let r = basis.len();
            let Some(p) = (r..d).find(|&i| m[i][j] != 0) else { continue };
            m.swap(r, p);
            let s = inv(m[r][j]);
            m[r].iter_mut().for_each(|v| *v = mul(*v, s));
            let pivot = m[r].clone();
            for (i, line) in m.iter_mut().enumerate() {
                let f = line[j];
                if i != r && f != 0 {
                    line.iter_mut().zip(&pivot).for_each(|(v, &q)| *v = sub(*v, mul(f, q)));
                }
            }
            basis.push(j);
        }
        let rest: Vec<usize> = (0..n).filter(|j| !basis.contains(j)).collect();
        let one = |&j: &usize| (j, Weight { x: 1, y: 1 });
        Ok(Self {
            entry: m[..basis.len()].iter().map(|line| rest.iter().map(|&j| line[j]).collect()).collect(),
            row: basis.iter().map(one).collect(),
            col: rest.iter().map(one).collect(),
        })
    }

    pub(super) fn drop_row(&mut self, i: usize) -> Weight {
        self.entry.remove(i);
        self.row.remove(i).1
    }

    pub(super) fn drop_col(&mut self, j: usize) -> Weight {
        self.entry.iter_mut().for_each(|line| {
            line.remove(j);
        });
        self.col.remove(j).1
    }

    /// Bit masks of the non-zero entries of every row and of every column (at most 64 of each).
    pub(super) fn supports(&self) -> (Vec<u64>, Vec<u64>) {
        let (mut rows, mut cols) = (vec![0; self.row.len()], vec![0; self.col.len()]);
        for (i, line) in self.entry.iter().enumerate() {
            for (j, &v) in line.iter().enumerate() {
                rows[i] |= u64::from(v != 0) << j;
                cols[j] |= u64::from(v != 0) << i;
            }
        }
        (rows, cols)
    }

    pub(super) fn cols_parallel(&self, support: &[u64], j: usize, k: usize) -> bool {
        let s = support[j];
        if s != support[k] {
            return false;
        }
        let first = &self.entry[s.trailing_zeros() as usize];
        let (a, b) = (first[j], first[k]);
        self.entry.iter().all(|line| mul(line[j], b) == mul(line[k], a))
    }

    pub(super) fn rows_parallel(&self, support: &[u64], i: usize, k: usize) -> bool {
        let s = support[i];
        if s != support[k] {
            return false;
        }
        let (p, q) = (&self.entry[i], &self.entry[k]);
        let first = s.trailing_zeros() as usize;
        let (a, b) = (p[first], q[first]);
        p.iter().zip(q).all(|(&v, &w)| mul(v, b) == mul(w, a))
    }

    /// Removes one loop, coloop, parallel or series element and returns the factor it contributes; `None` if there is
    /// no such element.
    pub(super) fn reduce_once(&mut self) -> Option<u128> {
        let (rows, cols) = self.supports();
        for (j, s) in cols.iter().enumerate() {
            match s.count_ones() {
                0 => return Some(u128::from(self.drop_col(j).y)),
                1 => {
                    let w = self.drop_col(j);
                    let kept = &mut self.row[s.trailing_zeros() as usize].1;
                    *kept = kept.parallel(w);
                    return Some(1);
                }
                _ => {}
            }
        }
        for (i, s) in rows.iter().enumerate() {
            match s.count_ones() {
                0 => return Some(self.drop_row(i).total()),
                1 => {
                    let w = self.drop_row(i);
                    let kept = &mut self.col[s.trailing_zeros() as usize].1;
                    *kept = kept.series(w);
                    return Some(1);
                }
                _ => {}
            }
        }
        for j in 0..cols.len() {
            if let Some(k) = (j + 1..cols.len()).find(|&k| self.cols_parallel(&cols, j, k)) {
                let w = self.drop_col(k);
                self.col[j].1 = self.col[j].1.parallel(w);
                return Some(1);
            }
        }
        for i in 0..rows.len() {
            if let Some(k) = (i + 1..rows.len()).find(|&k| self.rows_parallel(&rows, i, k)) {
                self.row[k].1 = self.row[k].1.series(self.row[i].1);
                self.drop_row(i);
                return Some(1);
            }
        }
        None
    }

    /// Row and column masks of the connected component that holds row 0.
    pub(super) fn component(&self) -> (u64, u64) {
        let (rows, cols) = self.supports();
        let (mut r, mut c) = (1u64, 0u64);
        loop {
            let c2 = (0..rows.len()).filter(|&i| r >> i & 1 == 1).fold(c, |m, i| m | rows[i]);
            let r2 = (0..cols.len()).filter(|&j| c2 >> j & 1 == 1).fold(r, |m, j| m | cols[j]);
            if (r2, c2) == (r, c) {
                return (r, c);
            }
            (r, c) = (r2, c2);
        }
    }

    pub(super) fn select(&self, rows: u64, cols: u64) -> Self {
        fn pick<T: Clone>(v: &[T], mask: u64) -> Vec<T> {
            v.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1).map(|(_, t)| t.clone()).collect()
        }
        let entry = pick(&self.entry, rows).iter().map(|line| pick(line, cols)).collect();
        Self { entry, row: pick(&self.row, rows), col: pick(&self.col, cols) }
    }

    /// Scales rows and columns of a connected tableau so that the entries of its breadth-first spanning tree are 1, and
    /// returns the result with the weights: a key that determines the weighted count.
    pub(super) fn key(&self) -> Box<[u64]> {
        let (r, c) = (self.row.len(), self.col.len());
        // The tree: every vertex (rows, then columns) but row 0, with its parent and the entry between them.
        let mut order = vec![(0, 0, 1)];
        let mut seen = vec![false; r + c];
        seen[0] = true;
        let mut at = 0;
        while at < order.len() {
            let v = order[at].0;
            let range = if v < r { r..r + c } else { 0..r };
            for w in range {
                let e = if v < r { self.entry[v][w - r] } else { self.entry[w][v - r] };
                if e != 0 && !seen[w] {
                    seen[w] = true;
                    order.push((w, v, e));
                }
            }
            at += 1;
        }
        // One inversion for all tree entries.
        let mut prefix = vec![1];
        for &(_, _, e) in &order {
            prefix.push(mul(prefix[prefix.len() - 1], e));
        }
        let mut tail = inv(prefix[order.len()]);
        let mut inverse = vec![1; order.len()];
        for (k, &(_, _, e)) in order.iter().enumerate().rev() {
            inverse[k] = mul(tail, prefix[k]);
            tail = mul(tail, e);
        }
        let mut scale = vec![(1, 1); r + c];
        for (k, &(w, v, e)) in order.iter().enumerate().skip(1) {
            let (s, s_inv) = scale[v];
            scale[w] = (mul(s_inv, inverse[k]), mul(s, e));
        }
        let mut key = Vec::with_capacity(2 + r * c + 2 * (r + c));
        key.extend([r as u64, c as u64]);
        for (line, (s, _)) in self.entry.iter().zip(&scale) {
            key.extend(line.iter().zip(&scale[r..]).map(|(&v, &(t, _))| mul(mul(v, *s), t)));
        }
        key.extend(self.row.iter().chain(&self.col).flat_map(|(_, w)| [w.x, w.y]));
        key.into_boxed_slice()
    }

    /// Deletes the element of row 0 (not a coloop): the first column that can replaces it in the basis.
    pub(super) fn delete_first(&mut self) {
        let mut top = self.entry.remove(0);
        self.row.remove(0);
        let Some(j) = top.iter().position(|&v| v != 0) else { return };
        let s = inv(top.remove(j));
        top.iter_mut().for_each(|v| *v = mul(*v, s));
        for line in &mut self.entry {
            let f = line.remove(j);
            if f != 0 {
                line.iter_mut().zip(&top).for_each(|(v, &q)| *v = sub(*v, mul(f, q)));
            }
        }
        let new = self.col.remove(j);
        let place = self.row.partition_point(|old| old.0 < new.0);
        self.row.insert(place, new);
        self.entry.insert(place, top);
    }

    pub(super) fn weights(&self) -> impl Iterator<Item = Weight> {
        self.row.iter().chain(&self.col).map(|(_, w)| *w)
    }

    /// Weighted number of independent sets if the rank or the corank is 2 or 3 and no elements are parallel or in
    /// series.
    pub(super) fn closed_form(&self) -> Option<u128> {
        let unit = |i: usize| std::array::from_fn(|k| u64::from(k == i));
        let (r, c) = (self.row.len(), self.col.len());
        if r == 2 || r == 3 {
            let all: Vec<Weight> = self.weights().collect();
            let sizes = small_sets(all.iter().copied()).0;
            if r == 2 {
                return Some(sizes[..3].iter().sum());
            }
            // All sets of at most three elements, less the triples on a line.
            let column = |j: usize| std::array::from_fn(|k| self.entry[k][j]);
            let points: Vec<[u64; 3]> = (0..3).map(unit).chain((0..c).map(column)).collect();
            let on_lines: u128 = lines(&points).iter().map(|&l| on_line(&all, l, |sizes, _| sizes[3])).sum();
            return Some(sizes.iter().sum::<u128>() - on_lines);
        }
        if c == 2 || c == 3 {
            // A set is independent exactly when its complement spans the dual.
            let all: Vec<Weight> = self.weights().map(|w| Weight { x: w.y, y: w.x }).collect();
            let (sizes, total) = small_sets(all.iter().copied());
            if c == 2 {
                return Some(total - sizes[0] - sizes[1]);
            }
            let row = |line: &Vec<u64>| std::array::from_fn(|k| line[k]);
            let points: Vec<[u64; 3]> = self.entry.iter().map(row).chain((0..3).map(unit)).collect();
            let two = |sizes: [u128; 4]| sizes[0] + sizes[1] + sizes[2];
            let on_lines: u128 =
                lines(&points).iter().map(|&l| on_line(&all, l, |sizes, total| total - two(sizes))).sum();
            return Some(total - two(sizes) - on_lines);
        }
        None
    }
}

/// Weighted numbers of the sets with 0, 1, 2, 3 elements, and of all sets.
pub(super) fn small_sets(weights: impl Iterator<Item = Weight>) -> ([u128; 4], u128) {
    weights.fold(([1, 0, 0, 0], 1), |([a, b, c, d], all), w| {
        let (x, y) = (u128::from(w.x), u128::from(w.y));
        ([a * y, b * y + a * x, c * y + b * x, d * y + c * x], all * w.total())
    })
}

/// `pick` of [`small_sets`] for the elements in `mask`, all others being left out.
pub(super) fn on_line(weights: &[Weight], mask: u64, pick: impl Fn([u128; 4], u128) -> u128) -> u128 {
    let inside = |&(i, _): &(usize, &Weight)| mask >> i & 1 == 1;
    let (sizes, total) = small_sets(weights.iter().enumerate().filter(inside).map(|(_, w)| *w));
    let rest: u128 = weights.iter().enumerate().filter(|e| !inside(e)).map(|(_, w)| u128::from(w.y)).product();
    pick(sizes, total) * rest
}

/// Masks of the lines through at least three of the points of a projective plane, no two of which coincide.
pub(super) fn lines(points: &[[u64; 3]]) -> Vec<u64> {
    let mut found: Vec<u64> = Vec::new();
    for (j, b) in points.iter().enumerate() {
        for (i, a) in points[..j].iter().enumerate() {
            let minor = |s: usize, t: usize| sub(mul(a[s], b[t]), mul(a[t], b[s]));
            let normal = [minor(1, 2), minor(2, 0), minor(0, 1)];
            let on = |p: &[u64; 3]| add(add(mul(normal[0], p[0]), mul(normal[1], p[1])), mul(normal[2], p[2])) == 0;
            let pair = 1u64 << i | 1 << j;
            let mask = points[j + 1..].iter().enumerate().fold(pair, |m, (k, p)| m | u64::from(on(p)) << (j + 1 + k));
            if mask != pair && found.iter().all(|l| l & pair != pair) {
                found.push(mask);
            }
        }
    }
    found
}
