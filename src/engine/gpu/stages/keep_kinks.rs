//! Kinks of what later layers add, at the rows after insertion.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/rows", "keep_kinks");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, dice, expect_difference, run, words};
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{NEW, Source, Step};

    #[test]
    fn old_rows_keep_theirs_and_new_ones_have_none() {
        let device = device();
        for n_words in [1, 3, 65, 130] {
            let mut die = dice(u64::from(n_words));
            let step = Step {
                rows_in: 8,
                rows_out: 20,
                units: n_words,
                from_stride: n_words + 2,
                from_base: 1,
                to_stride: n_words + 5,
                to_base: 4,
                ..Step::default()
            };
            let n_rows_out = [0, 20, 13];
            let source = |ix: u32, die: &mut dyn FnMut(u32) -> u32| {
                let new = if !ix.is_multiple_of(20) && die(2) == 0 { NEW } else { 0 };
                Source { row: die(7) | new, fraction: 0.5, crossing: 0 }
            };
            let sources: Vec<Source> = (0..60).map(|ix| source(ix, &mut die)).collect();
            let mut kinks: Vec<u32> = (0..3 * 8 * step.from_stride).map(|_| die(u32::MAX)).collect();
            let on_device = |kinks: &[u32]| {
                let [x, y] = plan::groups(20, 7);
                let kept = vec![DIRT; 3 * 20 * step.to_stride as usize];
                let buffers: [&[u32]; 4] = [&words(&sources), &n_rows_out, kinks, &kept];
                let [_, _, _, kept] = run(&device, Stage::KeepKinks, &step, [x, y, 3], buffers);
                kept
            };
            let mut twin = vec![DIRT; 3 * 20 * step.to_stride as usize];
            for (ix, row) in twin.chunks_exact_mut(step.to_stride as usize).enumerate() {
                let (path, Source { row: from, .. }) = (ix / 20, sources[ix]);
                if ix as u32 % 20 < n_rows_out[path] {
                    let from_row = (path as u32 * 8 + (from & !NEW)) * step.from_stride + 1;
                    let old = &kinks[from_row as usize..][..n_words as usize];
                    row[4..][..n_words as usize].copy_from_slice(old);
                    if from & NEW != 0 {
                        row[4..][..n_words as usize].fill(0);
                    }
                }
            }
            assert_eq!(on_device(&kinks), twin, "{n_words} words");
            kinks.iter_mut().for_each(|word| *word ^= 1);
            expect_difference(&twin, &on_device(&kinks), "other kinks");
        }
    }
}
