//! What the tests of the stages of maps share: rows of values, a map's weights, and what the map's definition says.

use super::Stage;
use super::harness::{DIRT, dice, run, values, words};
use crate::engine::gpu::commands::piece_values;
use crate::engine::gpu::device::Device;
use crate::engine::gpu::plan::{self, CONVOLUTION_TILE, DENSE_TILE};
use crate::engine::gpu::step::{Step, Windows};
use crate::network::{Activation, Affine, Convolution};

/// Windows on a number of channels of an image, with padding above, below, left and right.
pub(super) fn windows(
    channels: usize,
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    [top, bottom, left, right]: [usize; 4],
) -> crate::network::Windows {
    let padding = [[top, bottom], [left, right]];
    let windows = crate::network::Windows { channels, input, kernel, stride, padding };
    windows.check().unwrap();
    windows
}

/// A map on rows of some paths, two of each network. Rows are part of wider ones, weights of more parameters.
pub(super) struct Case {
    pub(super) map: Affine,
    pub(super) step: Step,
    pub(super) activation: Activation,
    pub(super) x: Vec<f32>,
    pub(super) weights: Vec<f32>,
    /// What is there before; only added to where the step says so.
    pub(super) z: Vec<f32>,
    pub(super) n_rows: Vec<u32>,
}

impl Case {
    pub(super) fn new(map: Affine, n_rows: &[u32], activation: &str) -> Self {
        let activation: Activation = activation.parse().unwrap();
        let rows_in = n_rows.iter().max().unwrap() + 1;
        let n_weights = map.n_weights() as u32;
        let step = Step {
            paths_per_network: 2,
            rows_in,
            inputs: map.inputs() as u32,
            units: map.units() as u32,
            n_breakpoints: activation.pieces().breakpoints.len() as u32,
            from_stride: map.inputs() as u32 + 3,
            from_base: 2,
            weights_stride: n_weights + map.n_biases() as u32 + 9,
            weights_base: 4,
            bias_base: n_weights + 6,
            ..Step::default()
        };
        let mut die = dice(map.inputs() as u64);
        let mut random = |n: u32| -> Vec<f32> { (0..n).map(|_| die(4001) as f32 / 1000.0 - 2.0).collect() };
        let rows = n_rows.len() as u32 * rows_in;
        let mut x = random(rows * step.from_stride);
        for (row, values) in x.chunks_exact_mut(step.from_stride as usize).enumerate() {
            // Rows that a path does not have are dirty, and so is what is beside the values.
            let exists = row as u32 % rows_in < n_rows[row / rows_in as usize];
            let own = 2..if exists { 2 + map.inputs() } else { 2 };
            values
                .iter_mut()
                .enumerate()
                .filter(|(i, _)| !own.contains(i))
                .for_each(|(_, x)| *x = f32::from_bits(DIRT));
        }
        let weights = random((n_rows.len() as u32).div_ceil(2) * step.weights_stride);
        let z = random(rows * step.units);
        Self { map, step, activation, x, weights, z, n_rows: n_rows.to_vec() }
    }

    /// The same, added to what is there.
    pub(super) fn adding(mut self) -> Self {
        self.step.adds = 1;
        self
    }

    /// In f64, with the sum of magnitudes; `None` where nothing is written.
    fn twin(&self) -> Vec<Option<(f64, f64)>> {
        let Step { rows_in, inputs, from_stride, from_base, weights_stride, weights_base, bias_base, .. } = self.step;
        let mut all = Vec::new();
        for (ix, before) in self.z.chunks_exact(self.step.units as usize).enumerate() {
            let (path, row) = (ix / rows_in as usize, ix as u32 % rows_in);
            if row >= self.n_rows[path] {
                all.resize(all.len() + before.len(), None);
                continue;
            }
            let network = &self.weights[path / 2 * weights_stride as usize..];
            let wide = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
            let weight = wide(&network[weights_base as usize..][..self.map.n_weights() as usize]);
            let mut bias = wide(&network[bias_base as usize..][..self.map.n_biases()]);
            // Derivatives, every other row where rows are pairs, have no bias.
            if row & self.step.pairs != 0 {
                bias.fill(0.0);
            }
            let h = wide(&self.x[ix * from_stride as usize + from_base as usize..][..inputs as usize]);
            let h: Vec<f64> = h.iter().map(|&x| self.activation.pieces().value(x)).collect();
            let sums = |magnitude: &dyn Fn(&f64) -> f64| {
                let all = |values: &[f64]| values.iter().map(magnitude).collect::<Vec<f64>>();
                let mut z = vec![0.0; before.len()];
                match self.step.adds {
                    0 => self.map.add_bias(&all(&bias), &mut z),
                    _ => z = all(&wide(before)),
                }
                self.map.add_product(&all(&weight), &all(&h), &mut z);
                z
            };
            all.extend(sums(&|v| *v).into_iter().zip(sums(&|v| v.abs())).map(Some));
        }
        all
    }

    /// On the device, with values and rows in parts.
    pub(super) fn run_parts(&self, device: &Device, parts: &[(u32, u32)], row_bases: &[(u32, u32)]) -> Vec<u32> {
        let mut z = match self.step.adds {
            0 => vec![DIRT; self.z.len()],
            _ => words(&self.z),
        };
        let n_paths = self.n_rows.len() as u32;
        let (pieces, x, weights) = (words(&piece_values(&self.activation)), words(&self.x), words(&self.weights));
        for (&(input_base, input_end), &(row_base, tiles)) in
            parts.iter().flat_map(|part| row_bases.iter().map(move |rows| (part, rows)))
        {
            let adds = if input_base > 0 { 1 } else { self.step.adds };
            let step = Step { input_base, input_end, row_base, adds, ..self.step };
            let before = z.clone();
            let rows: [&[u32]; 4] = [&pieces, &x, &self.n_rows, &before];
            let [a, b, c, d] = rows;
            let [nx, ny] = plan::groups((step.rows_in * step.units).div_ceil(64) as usize, 3);
            z = match &self.map {
                Affine::Dense { units, .. } => {
                    let groups = [units.div_ceil(DENSE_TILE[1]) as u32, tiles, n_paths];
                    let [_, _, _, z, _] = run(device, Stage::Affine, &step, groups, [a, b, c, d, &weights]);
                    z
                }
                Affine::Convolution(convolution) => {
                    let Convolution { filters, groups, .. } = *convolution;
                    let columns = groups * (filters / groups).div_ceil(CONVOLUTION_TILE[1]);
                    let windows = words(&[Windows::of_convolution(convolution)]);
                    let groups = [columns as u32, tiles, n_paths];
                    let [_, _, _, z, _, _] =
                        run(device, Stage::Convolution, &step, groups, [a, b, c, d, &windows, &weights]);
                    z
                }
                Affine::AveragePool(windows) | Affine::WindowValues(windows) => {
                    let stage = match &self.map {
                        Affine::AveragePool(_) => Stage::AveragePool,
                        _ => Stage::WindowValues,
                    };
                    let windows = words(&[Windows::of_pool(windows)]);
                    let [_, _, _, z, _] = run(device, stage, &step, [nx, ny, n_paths], [a, b, c, d, &windows]);
                    z
                }
            };
        }
        z
    }

    /// On the device, at once.
    pub(super) fn run(&self, device: &Device) -> Vec<u32> {
        let (values, tiles) = match &self.map {
            Affine::Dense { inputs, .. } => (*inputs, self.step.rows_in.div_ceil(DENSE_TILE[0] as u32)),
            Affine::Convolution(convolution) => {
                let patches = self.step.rows_in * convolution.windows.positions() as u32;
                (convolution.patch(), patches.div_ceil(CONVOLUTION_TILE[0] as u32))
            }
            Affine::AveragePool(windows) | Affine::WindowValues(windows) => (windows.area(), 1),
        };
        self.run_parts(device, &[(0, values as u32)], &[(0, tiles)])
    }

    /// Whether the device agrees but for the rounding of sums.
    pub(super) fn agrees(&self, z: &[u32]) -> bool {
        let unit_roundoff = 0.5 * f64::from(f32::EPSILON);
        let growth = (self.map.fan_in() + 6) as f64 * unit_roundoff;
        let before = if self.step.adds == 0 { vec![DIRT; z.len()] } else { words(&self.z) };
        let twin = self.twin();
        assert_eq!(twin.len(), z.len());
        twin.iter().zip(values::<f32>(z)).zip(z.iter().zip(before)).all(|((twin, &z), (&bits, before))| match twin {
            Some((sum, size)) => (f64::from(z) - sum).abs() <= growth * size,
            None => bits == before,
        })
    }
}

/// Compares the stage of a map with the map's definition: alone and added to what is there; and with that of another value.
pub(super) fn expect_agreement(device: &Device, map: Affine, n_rows: &[u32], activation: &str) {
    let case = Case::new(map, n_rows, activation);
    assert!(case.agrees(&case.run(device)), "{map:?}");
    let mut adding = case.adding();
    let z = adding.run(device);
    assert!(adding.agrees(&z), "{map:?}, added");
    // All values of the last path's first row.
    let first = (n_rows.len() - 1) * (adding.step.rows_in * adding.step.from_stride) as usize;
    let values = first + adding.step.from_base as usize..;
    adding.x[values][..map.inputs()].iter_mut().for_each(|x| *x = 2.5 - *x);
    assert!(!adding.agrees(&z), "{map:?}: other values");
}
