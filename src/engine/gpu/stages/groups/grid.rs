//! Pre-activations at grid points.

use super::case::Case;
use crate::engine::gpu::device::Device;
use crate::engine::gpu::plan;
use crate::engine::gpu::stages::Stage;
use crate::engine::gpu::stages::harness::{dice, run, values, words};
use crate::engine::gpu::step::{BOUNDARIES, RESULT_HEAD, Step};

/// Pre-activations at grid points, with what is known of them before.
pub(in crate::engine::gpu::stages) struct Grid {
    pub(in crate::engine::gpu::stages) case: Case,
    pub(in crate::engine::gpu::stages) sides: Vec<i32>,
    flags: Vec<u32>,
}

impl Grid {
    /// With `per_unit` sides a unit, numbers from `sides`.
    pub(in crate::engine::gpu::stages) fn new(
        mut case: Case,
        layer: u32,
        per_unit: u32,
        sides: std::ops::Range<i32>,
    ) -> Self {
        let n_sides = case.step.units / case.step.group_size * per_unit;
        case.step = Step { layer, n_layers: 2, side_base: 3, n_sides: 3 + n_sides + 2, ..case.step };
        let mut die = dice(u64::from(layer));
        let n = case.n_rows.len() as u32;
        let side = |_| sides.start + die(sides.len() as u32) as i32;
        let sides = (0..n * case.step.n_sides).map(side).collect();
        let flags = (0..n * case.step.rows_in).map(|_| die(2)).collect();
        Self { case, sides, flags }
    }

    /// Walks along every path with what is remembered of every unit: `flips` says how many changes there are from that to the values at
    /// hand, and remembers these. Flags, results and what is remembered at the end.
    pub(in crate::engine::gpu::stages) fn twin(
        &self,
        flips: impl Fn(&[f32], &mut [i32]) -> u32,
    ) -> (Vec<u32>, Vec<u32>, Vec<i32>) {
        let Step { rows_in, units, group_size, layer, n_layers, side_base, n_sides, .. } = self.case.step;
        let n_units = units / group_size;
        let per_unit = ((n_sides - 5) / n_units) as usize;
        let stride = RESULT_HEAD + n_layers as usize;
        let (mut flags, mut sides) = (self.flags.clone(), self.sides.clone());
        let mut results = vec![0; self.case.n_rows.len() * stride];
        for (path, &n) in self.case.n_rows.iter().enumerate() {
            let known = &mut sides[path * n_sides as usize + side_base as usize..][..per_unit * n_units as usize];
            for row in 0..n {
                let of_unit = |(unit, known): (u32, &mut [i32])| flips(&self.case.unit(path, row, unit), known);
                let total: u32 = (0..).zip(known.chunks_exact_mut(per_unit)).map(of_unit).sum();
                let flag = &mut flags[path * rows_in as usize + row as usize];
                *flag = if layer == 0 { 0 } else { *flag } | u32::from(total > 0);
                results[path * stride + RESULT_HEAD + layer as usize] += total;
                if layer + 1 == n_layers {
                    results[path * stride + BOUNDARIES] += *flag;
                }
            }
        }
        (flags, results, sides)
    }

    /// Flags and results on the device.
    pub(in crate::engine::gpu::stages) fn flips(&self, device: &Device, stage: Stage) -> (Vec<u32>, Vec<u32>) {
        let n_paths = self.case.n_rows.len() as u32;
        let [x, y] = plan::groups(self.case.step.rows_in as usize, 3);
        let buffers: [&[u32]; 5] = [
            &words(&self.case.z),
            &self.case.n_rows,
            &words(&self.sides),
            &self.flags,
            &vec![0; n_paths as usize * (RESULT_HEAD + 2)],
        ];
        let [_, _, _, flags, results] = run(device, stage, &self.case.step, [x, y, n_paths], buffers);
        (flags, results)
    }

    /// What is remembered on the device.
    pub(in crate::engine::gpu::stages) fn remembered(&self, device: &Device, stage: Stage) -> Vec<i32> {
        let groups = [self.case.step.units.div_ceil(64), 1, self.case.n_rows.len() as u32];
        let buffers: [&[u32]; 3] = [&words(&self.case.z), &self.case.n_rows, &words(&self.sides)];
        let [_, _, sides] = run(device, stage, &self.case.step, groups, buffers);
        values(&sides).to_vec()
    }
}
