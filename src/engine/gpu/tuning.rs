//! What the batches of a job teach about the next ones: how many rows paths have, and how fast the device is.

use super::outcome::Outcome;
use super::pace::Pace;
use super::plan::{DeviceLimits, Shape};
use crate::engine::Method;
use crate::error::Result;
use crate::network::Architecture;

/// The sizes of the next batch.
#[derive(Clone, Debug)]
pub(super) struct Tuning {
    job: String,
    shape: Shape,
    /// The most rows seen before the first layer and after each.
    peak: Vec<usize>,
    pub(super) pace: Pace,
}

impl Tuning {
    /// Sizes for the first batch of a job; with room for `rows` rows a path, else for a guess.
    ///
    /// # Errors
    /// Those of [`Shape::new`].
    pub(super) fn new(
        job: String,
        architecture: &Architecture,
        method: Method,
        rows: Option<usize>,
        limits: &DeviceLimits,
    ) -> Result<Self> {
        let mut shape = Shape::new(architecture, method, 1, limits)?;
        if let (Some(rows), None) = (rows, shape.grid) {
            shape.rows[1..].fill(rows);
        }
        let peak = vec![0; shape.rows.len()];
        Ok(Self { job, shape, peak, pace: Pace::default() })
    }

    pub(super) fn job(&self) -> &str {
        &self.job
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape.clone()
    }

    /// Makes room for paths of so many vertices.
    pub(super) fn admit(&mut self, n_vertices: usize) {
        let more = n_vertices.saturating_sub(self.shape.rows[0]);
        let levels = if self.shape.grid.is_some() { 1 } else { self.shape.rows.len() };
        self.shape.rows[..levels].iter_mut().for_each(|rows| *rows += more);
    }

    /// Makes more room where there was too little, and gives back what is never used.
    pub(super) fn learn(&mut self, outcomes: &[Outcome]) {
        if self.shape.grid.is_some() {
            return;
        }
        for outcome in outcomes {
            let seen = |level: usize| match outcome.needed {
                // No rows from the level on that had no room: those below are expected to grow with it.
                Some(needed) if outcome.rows[level] == 0 => {
                    let stopped = outcome.rows.iter().position(|&rows| rows == 0).expect("this level");
                    needed + self.shape.rows[level].saturating_sub(self.shape.rows[stopped])
                }
                _ => outcome.rows[level],
            };
            let seen: Vec<usize> = (0..self.peak.len()).map(seen).collect();
            self.peak.iter_mut().zip(seen).for_each(|(peak, seen)| *peak = seen.max(*peak));
        }
        for (rows, &peak) in self.shape.rows.iter_mut().zip(&self.peak).skip(1) {
            let roomy = (peak + peak / 4 + 8).next_multiple_of(16);
            // Other sizes mean other buffers: only where it matters.
            if *rows < peak || *rows > roomy + roomy / 4 {
                *rows = roomy;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Activation;

    fn tuning(rows: Option<usize>) -> Tuning {
        let architecture = Architecture::parse("2-8x2", Activation::relu(), 1).unwrap();
        let limits = DeviceLimits { binding: 1 << 27, groups: 65_535, memory: 1 << 30 };
        Tuning::new("job".to_owned(), &architecture, Method::Exact, rows, &limits).unwrap()
    }

    fn outcome(needed: Option<usize>, rows: [usize; 3]) -> Outcome {
        Outcome { needed, rows: rows.to_vec(), ..Outcome::default() }
    }

    #[test]
    fn rows_grow_to_what_is_needed_and_shrink_to_what_is_used() {
        let mut tuning = tuning(Some(4));
        tuning.admit(3);
        assert_eq!(tuning.shape().rows, [3, 6, 6]);
        tuning.learn(&[outcome(Some(100), [3, 0, 0]), outcome(None, [3, 5, 6])]);
        assert!(tuning.shape().rows[1..].iter().all(|&rows| rows >= 100), "{tuning:?}");
        tuning.learn(&[outcome(Some(300), [3, 90, 0])]);
        assert!(tuning.shape().rows[1] < 300 && tuning.shape().rows[2] >= 300, "{tuning:?}");
        let mut roomy = self::tuning(Some(100_000));
        roomy.learn(&[outcome(None, [2, 10, 20])]);
        assert!((20..100).contains(&roomy.shape().rows[2]), "{roomy:?}");
    }
}
