//! Which pre-activations have kinks by what comes in.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/rows", "shared/windows", "shared/bits", "reach");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, dice, expect_difference, run, words};
    use super::super::mapped::windows;
    use crate::engine::gpu::device::Device;
    use crate::engine::gpu::kinks::{Connections, words as words_of};
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{Step, Windows};
    use crate::network::{Affine, Convolution};

    const ROWS: u32 = 5;
    const N_ROWS: [u32; 3] = [4, 0, 3];

    struct Case {
        /// Identity where there is none.
        map: Option<Affine>,
        units: usize,
        inputs: usize,
        flags: Vec<u32>,
        /// Row by row.
        kinks: Vec<bool>,
        before: Vec<u32>,
        adds: u32,
    }

    impl Case {
        fn new(map: Option<Affine>, units: usize, one_in: u32, adds: u32) -> Self {
            let (units, inputs) = map.as_ref().map_or((units, units), |map| (map.units(), map.inputs()));
            let mut die = dice((units + inputs) as u64);
            let rows = N_ROWS.len() * ROWS as usize;
            let flags = (0..rows).map(|_| u32::from(die(3) > 0)).collect();
            let kinks = (0..rows * inputs).map(|_| die(one_in) == 0).collect();
            // Bits beyond the last are of no account.
            let mut before: Vec<u32> = (0..rows * words_of(units)).map(|_| 1 << die(32) & 1 << die(32)).collect();
            if adds == 0 {
                before.fill(DIRT);
            }
            Self { map, units, inputs, flags, kinks, before, adds }
        }

        /// By products with what has a kink, all weights being 1.
        fn twin(&self) -> Vec<u32> {
            let mut reached = self.before.clone();
            for (ix, words) in reached.chunks_exact_mut(words_of(self.units)).enumerate() {
                if ix as u32 % ROWS >= N_ROWS[ix / ROWS as usize] {
                    continue;
                }
                if self.adds == 0 {
                    words.fill(0);
                }
                let row = &self.kinks[ix * self.inputs..][..self.inputs];
                let values: Vec<f64> = row.iter().map(|&kink| f64::from(u8::from(kink))).collect();
                let mut products = vec![0.0; self.units];
                match &self.map {
                    Some(map) => map.add_product(&vec![1.0; map.n_weights() as usize], &values, &mut products),
                    None => products.copy_from_slice(&values),
                }
                if self.flags[ix] != 0 {
                    set_bits(words, products.iter().map(|&z| z > 0.0));
                }
            }
            reached
        }

        fn run(&self, device: &Device) -> Vec<u32> {
            let Connections { windows, selects, join } = Connections::of(self.map.as_ref(), self.units);
            // Behind two words of something else.
            let stride = words_of(self.inputs) + 2;
            let mut from = vec![DIRT; N_ROWS.len() * ROWS as usize * stride];
            for (words, row) in from.chunks_exact_mut(stride).zip(self.kinks.chunks_exact(self.inputs)) {
                words[2..].fill(0);
                set_bits(&mut words[2..], row.iter().copied());
            }
            let step = Step { rows_in: ROWS, from_stride: stride as u32, from_base: 2, ..Step::default() };
            let (from, step) = match join {
                None => (from, step),
                Some((channels, n)) => {
                    let joined = vec![DIRT; N_ROWS.len() * ROWS as usize * words_of(n)];
                    let step = Step { units: n as u32, to_stride: words_of(n) as u32, ..step };
                    let joined = self.stage(device, &step, &from, &joined, channels);
                    (joined, Step { from_stride: words_of(n) as u32, from_base: 0, ..step })
                }
            };
            let (units, to_stride) = (self.units as u32, words_of(self.units) as u32);
            let step = Step { units, to_stride, adds: self.adds, selects, ..step };
            self.stage(device, &step, &from, &self.before, windows)
        }

        fn stage(&self, device: &Device, step: &Step, from: &[u32], to: &[u32], windows: Windows) -> Vec<u32> {
            let [x, y] = plan::groups((ROWS * step.units.div_ceil(64)) as usize, 3);
            let buffers = [&self.flags, from, &N_ROWS, to, &words(&[windows])];
            let [_, _, _, reached, _] = run(device, Stage::Reach, step, [x, y, N_ROWS.len() as u32], buffers);
            reached
        }
    }

    fn set_bits(words: &mut [u32], bits: impl Iterator<Item = bool>) {
        bits.enumerate().for_each(|(ix, bit)| words[ix / 32] |= u32::from(bit) << (ix % 32));
    }

    #[test]
    fn kinks_reach_what_they_are_connected_to() {
        let device = device();
        let convolution =
            |windows, filters, groups| Some(Affine::Convolution(Convolution { windows, filters, groups }));
        let edge = windows(2, [4, 5], [3, 2], [1, 1], [1, 1, 1, 1]);
        let strided = windows(4, [5, 7], [3, 3], [2, 3], [0, 2, 1, 0]);
        let line = windows(3, [1, 70], [1, 4], [1, 2], [0, 0, 3, 3]);
        let mut partly = 0;
        for (map, units) in [
            (None, 1),
            (None, 64),
            (None, 201),
            (Some(Affine::Dense { inputs: 1, units: 3 }), 0),
            (Some(Affine::Dense { inputs: 65, units: 130 }), 0),
            (Some(Affine::Dense { inputs: 33, units: 1 }), 0),
            (convolution(windows(1, [3, 3], [2, 2], [1, 1], [0; 4]), 1, 1), 0),
            (convolution(edge, 3, 1), 0),
            (convolution(strided, 6, 2), 0),
            (convolution(strided, 8, 4), 0),
            (convolution(line, 3, 3), 0),
            (convolution(line, 5, 1), 0),
            (convolution(windows(40, [1, 1], [1, 1], [1, 1], [0; 4]), 6, 2), 0),
            (convolution(windows(2, [9, 40], [2, 37], [3, 1], [0; 4]), 4, 1), 0),
            (Some(Affine::AveragePool(edge)), 0),
            (Some(Affine::AveragePool(windows(3, [9, 40], [9, 40], [1, 1], [0; 4]))), 0),
            (Some(Affine::WindowValues(edge)), 0),
            (Some(Affine::WindowValues(strided)), 0),
        ] {
            for (one_in, adds) in [(3, 0), (25, 0), (25, 1)] {
                let mut case = Case::new(map, units, one_in, adds);
                let place = format!("{map:?} {units} {one_in} {adds}");
                let twin = case.twin();
                assert_eq!(case.run(&device), twin, "{place}");
                partly += usize::from(twin.iter().any(|&word| word != 0 && word != u32::MAX));
                // All values of a row whose bits were few.
                let row = case.flags[..N_ROWS[0] as usize].iter().position(|&flag| flag != 0).expect("a boundary");
                case.kinks[row * case.inputs..][..case.inputs].iter_mut().for_each(|kink| *kink = !*kink);
                if case.twin() != twin {
                    expect_difference(&twin, &case.run(&device), &place);
                }
            }
        }
        assert!(partly > 40, "{partly} cases have ones and zeros");
    }
}
