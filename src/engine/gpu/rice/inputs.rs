//! What a batch is about: the points on the paths of its networks.

use std::ops::Range;

use rayon::prelude::*;

use super::Task;
use crate::error::Result;
use crate::rice::{PointSampler, Points};

/// Points on some paths of every network, equally many.
pub(super) struct Inputs {
    pub(super) draws: Vec<u64>,
    /// Of every network; their coordinates are in `rows`.
    pub(super) points: Vec<Points>,
    /// For every point, its coordinates, then the direction of its path there.
    pub(super) rows: Vec<f32>,
}

impl Inputs {
    /// Draws the points on these paths of the networks `draws`.
    ///
    /// # Errors
    /// A path that is too long.
    pub(super) fn draw(task: Task, draws: &[u64], paths: Range<usize>) -> Result<Self> {
        let dim = task.ensemble.path.dim();
        let per_network = 2 * dim * task.points * paths.len();
        let mut rows = vec![0.0; draws.len() * per_network];
        let paths = paths.start as u64..paths.end as u64;
        let fill = |sampler: &mut PointSampler, (rows, &draw): (&mut [f32], &u64)| {
            let mut points = Points::default();
            sampler.fill(draw, paths.clone(), &mut points)?;
            let (x, direction) = (std::mem::take(&mut points.x), std::mem::take(&mut points.direction));
            let places = x.chunks_exact(dim).zip(direction.chunks_exact(dim));
            for ((ix, (x, direction)), row) in places.enumerate().zip(rows.chunks_exact_mut(2 * dim)) {
                if !x.iter().all(|x| x.abs() < f64::from(f32::MAX)) {
                    return Err(task.job().beyond_f32(draw, paths.start + (ix / task.points) as u64));
                }
                row.iter_mut().zip(x.iter().chain(direction)).for_each(|(to, &from)| *to = from as f32);
            }
            Ok(points)
        };
        let networks = rows.par_chunks_exact_mut(per_network).zip(draws);
        let points = networks.map_init(|| PointSampler::new(task.ensemble, task.points), fill);
        let points = points.collect::<Result<Vec<Points>>>()?;
        Ok(Self { draws: draws.to_vec(), points, rows })
    }

    /// Of all networks.
    pub(super) fn n_points(&self) -> usize {
        self.points.iter().map(Points::len).sum()
    }
}
