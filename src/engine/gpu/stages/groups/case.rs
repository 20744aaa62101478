//! Paths of units of several pre-activations, and their outputs.

use super::ROOM;
use crate::engine::gpu::device::Device;
use crate::engine::gpu::plan;
use crate::engine::gpu::stages::Stage;
use crate::engine::gpu::stages::harness::{DIRT, dice, run, words};
use crate::engine::gpu::step::Step;
use crate::network::{Grouping, pair_index};

/// Paths with rows of pre-activations.
pub(in crate::engine::gpu::stages) struct Case {
    pub(in crate::engine::gpu::stages) step: Step,
    pub(in crate::engine::gpu::stages) z: Vec<f32>,
    pub(in crate::engine::gpu::stages) n_rows: Vec<u32>,
}

impl Case {
    /// Units of a size, from one pre-activation of a unit to the next a stride. Values -1, 0 and 1, which are often equal; with
    /// `spread`, numbers of two digits, which seldom are, and the last unit a copy of the first.
    pub(in crate::engine::gpu::stages) fn new(
        n_rows: &[u32],
        units: u32,
        [group_size, group_stride]: [u32; 2],
        spread: bool,
    ) -> Self {
        assert!(units.is_multiple_of(group_stride), "whole images");
        let rows_in = n_rows.iter().max().unwrap() + 1;
        let step = Step {
            rows_in,
            rows_out: ROOM,
            units: units * group_size,
            group_size,
            group_stride,
            layer: 1,
            n_layers: 3,
            keeps_rows: 1,
            bit: 1,
            ..Step::default()
        };
        let mut die = dice(u64::from(units * group_size));
        let n = n_rows.len() * (rows_in * step.units) as usize;
        let z: Vec<f32> =
            (0..n).map(|_| if spread { die(1999) as f32 / 100.0 - 10.0 } else { die(3) as f32 - 1.0 }).collect();
        let mut case = Self { step, z, n_rows: n_rows.to_vec() };
        if spread && units > 1 {
            let (grouping, size) = (case.grouping(), case.size());
            let places = |unit: u32| (0..size).map(move |row| grouping.place(unit as usize, row));
            for row in case.z.chunks_exact_mut(step.units as usize) {
                places(units - 1).zip(places(0)).for_each(|(last, first)| row[last] = row[first]);
            }
        }
        case
    }

    /// Where the pre-activations of units are.
    pub(in crate::engine::gpu::stages) fn grouping(&self) -> Grouping {
        Grouping { size: self.size(), stride: self.step.group_stride as usize }
    }

    pub(in crate::engine::gpu::stages) fn size(&self) -> usize {
        self.step.group_size as usize
    }

    /// The values of a unit at a row of a path.
    pub(in crate::engine::gpu::stages) fn unit(&self, path: usize, row: u32, unit: u32) -> Vec<f32> {
        let Step { rows_in, units, .. } = self.step;
        let of_row = &self.z[((path as u32 * rows_in + row) * units) as usize..];
        (0..self.size()).map(|member| of_row[self.grouping().place(unit as usize, member)]).collect()
    }

    /// What an entry says of a pair of rows of a unit.
    pub(in crate::engine::gpu::stages) fn crossing(&self, unit: u32, a: usize, b: usize) -> u32 {
        let n_pairs = self.size() * (self.size() - 1) / 2;
        unit * n_pairs as u32 + pair_index(self.size(), a.min(b), a.max(b)) as u32
    }

    /// By the definition: `order` says of a unit's values which of them are its outputs, one or as many, which are then where these
    /// were. Every other row has the order of the row before where these are derivatives.
    pub(in crate::engine::gpu::stages) fn outputs_twin(
        &self,
        width: u32,
        order: impl Fn(&[f32]) -> Vec<usize>,
    ) -> Vec<u32> {
        let Step { rows_in, units, group_size, pairs, .. } = self.step;
        let mut outputs = vec![DIRT; self.n_rows.len() * (rows_in * width) as usize];
        for (path, &n) in self.n_rows.iter().enumerate() {
            for row in 0..n {
                let of_unit = |unit| {
                    let values = self.unit(path, row, unit);
                    order(&self.unit(path, row - row % (1 + pairs), unit)).into_iter().map(move |i| values[i])
                };
                let mut of_row: Vec<f32> = (0..units / group_size).flat_map(of_unit).collect();
                if of_row.len() == units as usize {
                    of_row = self.grouping().scatter(of_row);
                }
                let to = (path as u32 * rows_in + row) * width;
                outputs[to as usize..][..width as usize].copy_from_slice(&words(&of_row));
            }
        }
        outputs
    }

    /// On the device.
    pub(in crate::engine::gpu::stages) fn outputs(&self, device: &Device, stage: Stage, width: u32) -> Vec<u32> {
        let n_paths = self.n_rows.len() as u32;
        let n = self.step.rows_in * width;
        let [x, y] = plan::groups(n.div_ceil(64) as usize, 3);
        let buffers: [&[u32]; 3] = [&words(&self.z), &self.n_rows, &vec![DIRT; (n_paths * n) as usize]];
        let [_, _, outputs] = run(device, stage, &self.step, [x, y, n_paths], buffers);
        outputs
    }
}
