//! Paths that cover a law more evenly than independent ones.

use super::{Path, RandomPath};
use crate::error::Result;

/// The stream of the shifts of places on paths.
const PLACE_TENSOR: u32 = 0x8000_0003;

/// More random numbers than this are not covered evenly by any number of paths that can be had.
const MAX_EVEN_NUMBERS: usize = 16;

/// The paths of a network, each with the law of a [`RandomPath`], but spread out: together they cover it evenly.
///
/// The random numbers of path p are those of path 0 plus p steps of the additive recurrence of the generalised golden ratio,
/// modulo 1. So each path on its own has the law exactly, while averages over n of them converge nearly like 1/n instead of
/// 1/sqrt(n): randomised quasi-Monte-Carlo by a random shift (Cranley and Patterson 1976). A place on the path is one more such number.
/// Above 16 numbers paths are independent and only their places are spread out. Given paths are taken in turn.
#[derive(Debug)]
pub struct EvenPaths<'a> {
    law: &'a RandomPath,
    /// Of every random word of a path, in units of 2^-64; empty where paths are independent.
    steps: Vec<u64>,
    place_step: u64,
    /// The words of path 0, in these units.
    shifts: Vec<u64>,
    draw: u64,
    words: Vec<u32>,
    points: Vec<f64>,
}

impl<'a> EvenPaths<'a> {
    /// Paths of a law, those of draw 0.
    pub fn new(law: &'a RandomPath) -> Self {
        let even = if law.n_words() < MAX_EVEN_NUMBERS { law.n_words() } else { 0 };
        let mut steps = steps(even + 1);
        let place_step = steps.pop().expect("the last of at least one");
        Self::with_steps(law, steps, place_step)
    }

    /// Paths that do not depend on the seed: an average over `n` of them is one over the law, and over all given paths.
    pub fn centred(law: &'a RandomPath) -> Self {
        let even = if law.n_words() <= MAX_EVEN_NUMBERS { law.n_words() } else { 0 };
        let mut paths = Self::with_steps(law, steps(even), 0);
        // A draw that no network has.
        paths.go_to(u64::MAX);
        // From the middle, whose path is the most special of all, the first step.
        paths.shifts.iter_mut().zip(&paths.steps).for_each(|(shift, step)| *shift = step.wrapping_add(1 << 63));
        paths
    }

    fn with_steps(law: &'a RandomPath, steps: Vec<u64>, place_step: u64) -> Self {
        let words = vec![0; law.n_words()];
        let mut paths = Self { law, steps, place_step, shifts: Vec::new(), draw: 0, words, points: Vec::new() };
        paths.go_to(0);
        paths
    }

    /// The paths of network `draw`.
    pub fn go_to(&mut self, draw: u64) {
        self.draw = draw;
        self.shifts.clear();
        if !self.steps.is_empty() {
            self.law.draw_words(draw, 0, &mut self.words);
            self.shifts.extend(self.words.iter().map(|&word| middle(word)));
        }
    }

    /// Path `path_ix` of `paths_per_network`.
    ///
    /// # Errors
    /// A path too long for a 64-bit number.
    pub fn path(&mut self, path_ix: u64, paths_per_network: u64, path: &mut Path) -> Result<()> {
        if let Some(given) = self.law.given(self.draw, path_ix, paths_per_network) {
            path.clone_from(given);
            return Ok(());
        }
        if self.steps.is_empty() {
            self.law.draw_words(self.draw, path_ix, &mut self.words);
        } else {
            for ((word, shift), step) in self.words.iter_mut().zip(&self.shifts).zip(&self.steps) {
                *word = (shift.wrapping_add(step.wrapping_mul(path_ix)) >> 32) as u32;
            }
        }
        self.law.make(&self.words, &mut self.points, path)
    }

    /// Numbers uniform on (0, 1), independent for one path, for which the paths' numbers of the same index are spread out.
    pub fn places(&self, path_ix: u64, places: &mut [f64]) {
        let stream = self.law.stream(self.draw, PLACE_TENSOR);
        for (stratum, place) in places.iter_mut().enumerate() {
            let shift = middle(stream.word(stratum as u64));
            let number = shift.wrapping_add(self.place_step.wrapping_mul(path_ix));
            *place = (number >> 12) as f64 * 0.5f64.powi(52) + 0.5f64.powi(53);
        }
    }
}

/// The steps of a recurrence in so many dimensions: powers of the reciprocal of the root of x^(d + 1) = x + 1 above 1.
fn steps(dimensions: usize) -> Vec<u64> {
    let root = (0..100).fold(2.0f64, |x, _| (1.0 + x).powf(1.0 / (dimensions + 1) as f64));
    (1..=dimensions).map(|d| (root.powi(-(d as i32)) * 2f64.powi(64)) as u64).collect()
}

/// The middle of the numbers that begin with a word.
fn middle(word: u32) -> u64 {
    u64::from(word) << 32 | 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{PathLaw, StartLaw};

    fn law(path: &str, dim: usize) -> RandomPath {
        RandomPath::new(PathLaw::from_flags(path, StartLaw::Normal(1.0), 3.0, dim).unwrap(), dim, 11).unwrap()
    }

    #[test]
    fn the_first_path_is_that_of_the_law_and_others_differ() {
        for (name, dim) in [("segment", 2), ("chord", 40), ("polyline:3", 1), ("through-origin", 5)] {
            let law = law(name, dim);
            let mut paths = EvenPaths::new(&law);
            paths.go_to(7);
            let mut all = vec![Path::at_origin(dim); 5];
            all.iter_mut().enumerate().for_each(|(ix, path)| paths.path(ix as u64, 5, path).unwrap());
            assert_eq!(all[0], law.draw(7, 0, 5).unwrap(), "{name}");
            assert!((1..5).all(|ix| all[ix] != all[0] && all[ix] != all[ix - 1]), "{name}");
        }
    }

    /// The mean over 64 paths of a function of the path, its variance over 400 draws: less than half of that of independent paths. The
    /// means agree within 4.9 standard errors of the independent ones (false-alarm rate 1e-6).
    #[test]
    fn averages_vary_less_and_are_the_same() {
        let law = law("segment", 2);
        let (mut even, mut path, mut place) = (EvenPaths::new(&law), Path::at_origin(2), [0.0]);
        let value = |path: &Path, place: f64| {
            let mut x = [0.0; 2];
            path.point_on_edge(0, place * path.length(), &mut x);
            (-x[0] * x[0] - x[1] * x[1]).exp()
        };
        let mut means = [Vec::new(), Vec::new()];
        for draw in 0..400 {
            even.go_to(draw);
            let mut sums = [0.0; 2];
            for ix in 0..64 {
                even.path(ix, 64, &mut path).unwrap();
                even.places(ix, &mut place);
                sums[0] += value(&path, place[0]);
                let uniform = f64::from(law.stream(draw, PLACE_TENSOR + 1).word(ix)) / 2f64.powi(32);
                sums[1] += value(&law.draw(draw, ix, 64).unwrap(), uniform);
            }
            means.iter_mut().zip(sums).for_each(|(means, sum)| means.push(sum / 64.0));
        }
        let moments = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / 400.0;
            (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 399.0)
        };
        let ((even_mean, even_variance), (mean, variance)) = (moments(&means[0]), moments(&means[1]));
        assert!((even_mean - mean).abs() < 4.9 * ((variance + even_variance) / 400.0).sqrt(), "{even_mean} {mean}");
        assert!(even_variance < variance / 2.0, "{even_variance} {variance}");
    }
}
