//! Draws weights and biases. Twin: [`crate::random::QuantileTable::fill`].

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("draw");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, expect_difference, run, words};
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::Draw;
    use crate::random::{QuantileTable, StandardLaw, Stream};

    const SEED: u64 = 0xFEDC_BA98_7654_3210;
    const DRAWS: [u64; 3] = [0, 7, (1 << 41) + 5];

    /// What the stage leaves for `n` elements of tensor 6, with gaps before and after.
    fn twin(table: &QuantileTable, std: f64, n: usize) -> Vec<u32> {
        let mut all = Vec::new();
        for draw in DRAWS {
            let mut values = vec![0.0; n];
            table.fill(&Stream::new(SEED, draw, 6), std, &mut values);
            all.extend([DIRT; 2].into_iter().chain(words(&values)).chain([DIRT; 3]));
        }
        all
    }

    #[test]
    fn bits_are_those_of_the_cpu_for_every_law() {
        let device = device();
        for law in [StandardLaw::Normal, StandardLaw::Uniform, StandardLaw::Laplace, StandardLaw::StudentT(2.5)] {
            let table = QuantileTable::new(law).unwrap();
            let entries: Vec<[u32; 2]> = table.entries().iter().map(|&e| [e as u32, (e >> 32) as u32]).collect();
            let draws: Vec<[u32; 2]> = DRAWS.iter().map(|&d| [d as u32, (d >> 32) as u32]).collect();
            for (n, std) in [(1usize, 1.0), (3, 0.1), (4, 2.0), (257, 0.7), (20_003, 0.03)] {
                let on_device = |seed: u64| {
                    let draw = Draw {
                        seed: [seed as u32, (seed >> 32) as u32],
                        tensor: 6,
                        n_elements: n as u32,
                        stride: n as u32 + 5,
                        base: 2,
                        scale: table.scale(std),
                        padding: 0,
                    };
                    // Few workgroups in one dimension, so that the second is needed.
                    let [x, y] = plan::groups(n.div_ceil(256), 5);
                    let dirty = vec![DIRT; DRAWS.len() * (n + 5)];
                    let groups = [x, y, DRAWS.len() as u32];
                    let [_, _, values] =
                        run(&device, Stage::Draw, &draw, groups, [&words(&entries), &words(&draws), &dirty]);
                    values
                };
                assert!(on_device(SEED) == twin(&table, std, n), "{law:?}, {n} elements");
                expect_difference(&twin(&table, std, n), &on_device(SEED + 1), "seed");
            }
        }
    }

    #[test]
    fn a_law_without_spread_gives_zeros_without_sign() {
        let draw = Draw { n_elements: 1000, stride: 1000, scale: 0.0, ..Draw::default() };
        let table = QuantileTable::new(StandardLaw::Normal).unwrap();
        let entries: Vec<[u32; 2]> = table.entries().iter().map(|&e| [e as u32, (e >> 32) as u32]).collect();
        let buffers: [&[u32]; 3] = [&words(&entries), &[0, 0], &[DIRT; 1000]];
        let [_, _, values] = run(&device(), Stage::Draw, &draw, [4, 1, 1], buffers);
        assert_eq!(values, [0; 1000]);
    }
}
