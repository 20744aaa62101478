//! What the tests of stages share that sum what the pre-activations of one law see.

use super::Stage;
use super::harness::{DIRT, dice, run, words};
use crate::engine::gpu::device::Device;
use crate::engine::gpu::plan;
use crate::engine::gpu::rice::{Processes, lanes, maps};
use crate::engine::gpu::step::{NormalLaw, Step};
use crate::network::{Affine, Architecture, Layer};

/// What is summed of a value and its derivative: the sum, and that of the sizes of its terms.
pub(super) type Term = fn(h: f64, dh: f64, drift: f64) -> [f64; 2];

/// A layer of which every map has values of its own at the points of some networks.
pub(super) struct Case {
    layer: Layer,
    processes: Processes,
    step: Step,
    variances: Vec<f64>,
    bias_variance: f64,
    /// Of every map, rows that are part of wider ones.
    pub(super) x: Vec<Vec<f32>>,
    n_rows: Vec<u32>,
}

impl Case {
    pub(super) fn new(layer: &Layer, n_rows: &[u32], bias_variance: f64) -> Self {
        let (layer, processes) = (layer.clone(), Processes::of(layer));
        let rows_in = n_rows.iter().max().unwrap() + 2;
        let step = Step { rows_in, n_laws: processes.len() as u32, from_base: 2, ..Step::default() };
        let mut die = dice(processes.len() as u64);
        let mut of_map = |map: &Affine| {
            let stride = map.inputs() + 3;
            let mut x = vec![f32::from_bits(DIRT); n_rows.len() * rows_in as usize * stride];
            for (ix, row) in x.chunks_exact_mut(stride).enumerate() {
                if (ix as u32 % rows_in) < n_rows[ix / rows_in as usize] {
                    row[2..2 + map.inputs()].fill_with(|| die(4001) as f32 / 1000.0 - 2.0);
                }
            }
            x
        };
        let x: Vec<Vec<f32>> = maps(0, &layer).map(|(_, map)| of_map(map)).collect();
        let variances = (0..x.len()).map(|ix| 0.3 + 0.2 * ix as f64).collect();
        Self { layer, processes, step, variances, bias_variance, x, n_rows: n_rows.to_vec() }
    }

    /// The weights and biases of every map.
    fn laws(&self) -> Vec<NormalLaw> {
        NormalLaw::of_maps(&self.variances, self.bias_variance, 1.0)
    }

    /// Moments of nothing but dirt.
    pub(super) fn moments(&self) -> Vec<u32> {
        vec![DIRT; self.n_rows.len() * (self.step.rows_in / 2 * self.step.n_laws * 3) as usize]
    }

    /// Of every law at every point that there is: where its moments are, and the sum over the units' connections by the definition of
    /// the maps; `drifts` are of the moments' places.
    pub(super) fn twin(&self, drifts: impl Fn(usize) -> f64, term: Term) -> Vec<(usize, [f64; 2])> {
        let Step { rows_in, n_laws, .. } = self.step;
        let (laws, positions) = (n_laws as usize, self.layer.grouping().stride);
        let (runs, filters) = (laws / positions, self.layer.affine.units() / positions);
        let mut all = Vec::new();
        for (network, &n) in self.n_rows.iter().enumerate() {
            for (point, law) in (0..n as usize / 2).flat_map(|point| (0..laws).map(move |law| (point, law))) {
                let at = 3 * ((network * rows_in as usize / 2 + point) * laws + law);
                let unit = law / positions * filters / runs * positions + law % positions;
                let mut sums = [0.0; 2];
                for (((_, map), x), variance) in maps(0, &self.layer).zip(&self.x).zip(&self.variances) {
                    let stride = map.inputs() + 3;
                    let row = (network * rows_in as usize + 2 * point) * stride + 2;
                    let (h, dh) = (&x[row..][..map.inputs()], &x[row + stride..][..map.inputs()]);
                    for (which, sum) in sums.iter_mut().enumerate() {
                        let terms = h.iter().zip(dh).map(|(&h, &dh)| term(h.into(), dh.into(), drifts(at))[which]);
                        let mut of_units = vec![0.0; map.units()];
                        map.add_product(
                            &vec![1.0; map.n_weights() as usize],
                            &terms.collect::<Vec<_>>(),
                            &mut of_units,
                        );
                        *sum += variance * of_units[unit];
                    }
                }
                all.push((at, sums));
            }
        }
        all
    }

    /// The largest of all variances, the unit of moments; and that of biases in it.
    pub(super) fn unit(&self) -> [f64; 2] {
        let unit = self.variances.iter().copied().fold(self.bias_variance, f64::max);
        [unit, self.bias_variance / unit]
    }

    /// The moments after a stage for every map.
    pub(super) fn run(&self, device: &Device, stage: Stage, mut moments: Vec<u32>) -> Vec<u32> {
        for (ix, (((_, map), x), law)) in maps(0, &self.layer).zip(&self.x).zip(self.laws()).enumerate() {
            let lanes = lanes(map.fan_in());
            let n = (self.step.rows_in / 2 * self.step.n_laws) as usize;
            let [nx, ny] = plan::groups(n.div_ceil(64 / lanes), 3);
            let step = Step {
                lanes: lanes as u32,
                adds: u32::from(ix > 0),
                from_stride: map.inputs() as u32 + 3,
                ..self.step
            };
            let windows = words(&[self.processes.windows(map)]);
            let buffers: [&[u32]; 5] = [&words(&[law]), &words(x), &self.n_rows, &moments, &windows];
            let [_, _, _, after, _] = run(device, stage, &step, [nx, ny, self.n_rows.len() as u32], buffers);
            moments = after;
        }
        moments
    }
}

/// Layers with maps of all kinds, alone and together, and rows.
pub(super) fn cases() -> Vec<(Layer, Vec<u32>)> {
    // Filters in groups of three and of two.
    let mut both = last("6x9-c6k3p1-c6k3p1g3+");
    both.skips[0].map = Some(last("6x9-c6k5p2g2").affine);
    // A dense map has one window, whatever the other has.
    let mut mixed = both.clone();
    mixed.skips[0].map = Some(Affine::Dense { inputs: 11, units: 54 });
    vec![
        (last("1-1"), vec![2]),
        (last("7-5"), vec![0, 10, 130]),
        (last("700-3"), vec![4, 2]),
        (last("2x5x6-c4k3x2s2x1p1"), vec![6, 18]),
        (last("4x5x5-c6k3p0:2x1:0g2"), vec![10]),
        (last("3x9-c6k3p1-c6k3p1g2-c6k3p1g3+1"), vec![4, 0, 6]),
        (last("3-4-5-6+1+2"), vec![16, 2]),
        (both, vec![6, 4]),
        (mixed, vec![6, 0, 2]),
    ]
}

/// The last layer of an architecture.
pub(super) fn last(text: &str) -> Layer {
    let architecture = Architecture::parse(text, "relu".parse().unwrap(), 1).unwrap();
    architecture.layers()[architecture.depth() - 1].clone()
}
