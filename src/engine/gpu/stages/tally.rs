//! Boundaries and knots from the flags of rows.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/rows", "tally");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, dice, expect_difference, random_flags, run, words};
    use crate::engine::gpu::device::Device;
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{BOUNDARIES, COINCIDENT, CONSTANT_SHIFT, CROSSED, KNOTS, RESULT_HEAD, Step, Way};

    /// Layers on a way that leads through no constant layer, way by way: `next` is what is behind the layer that the way has reached.
    fn on_ways(ways: &[Way], constant: u32, next: usize, way: u32) -> u32 {
        if constant >> next & 1 == 1 {
            return 0;
        }
        let way = way | 1 << next;
        let before = (0..next).filter(|source| ways[next].layers >> source & 1 == 1);
        let whole = if ways[next].from_input == 1 { way } else { 0 };
        before.map(|source| on_ways(ways, constant, source, way)).fold(whole, |all, way| all | way)
    }

    /// Walks along a path as the definition says: points are runs of coincident rows.
    fn twin(flags: &[u32], ways: &[Way]) -> (u32, u32) {
        let points: Vec<&[u32]> = flags.chunk_by(|_, next| next & COINCIDENT != 0).collect();
        let (mut boundaries, mut knots) = (0, 0);
        for (ix, point) in points.iter().enumerate() {
            let crossed = point.iter().fold(0, |all, flags| all | flags) & CROSSED;
            if crossed == 0 {
                continue;
            }
            let ends = [Some(&points[ix]), points.get(ix + 1)].into_iter().flatten();
            let on_either_side = ends.map(|point| on_ways(ways, point[0] >> CONSTANT_SHIFT, ways.len() - 1, 0));
            boundaries += 1;
            knots += u32::from(on_either_side.fold(0, |all, ways| all | ways) & crossed != 0);
        }
        (boundaries, knots)
    }

    /// On the device.
    fn tally(device: &Device, step: &Step, [n_rows, flags, ways, kinks]: [&[u32]; 4]) -> Vec<u32> {
        let (n_paths, stride) = (n_rows.len() as u32, RESULT_HEAD + step.n_layers as usize);
        let [x, y] = plan::groups(step.rows_in.div_ceil(64) as usize, 2);
        let buffers = [n_rows, flags, ways, &vec![0; n_rows.len() * stride], kinks];
        let [_, _, _, results, _] = run(device, Stage::Tally, step, [x, y, n_paths], buffers);
        results
    }

    /// A boundary is a knot if the read-out has a kink at any of its rows.
    #[test]
    fn kinks_of_the_output_are_knots() {
        let device = device();
        let mut die = dice(8);
        let n_rows: [u32; 3] = [130, 0, 64];
        let step = Step { rows_in: 131, n_layers: 2, ..Step::default() };
        let mut flags: Vec<u32> = (0..3 * 131).map(|_| random_flags(&mut die)).collect();
        flags.iter_mut().step_by(131).for_each(|first| *first &= !COINCIDENT);
        let mut kinks: Vec<u32> = (0..3 * 131).map(|_| u32::from(die(3) == 0)).collect();
        let stride = RESULT_HEAD + 2;
        let mut expected = vec![0; 3 * stride];
        for (path, &n) in n_rows.iter().enumerate() {
            let rows: Vec<usize> = (path * 131..).take(n as usize).collect();
            for point in rows.chunk_by(|_, &next| flags[next] & COINCIDENT != 0) {
                let any = |is: &dyn Fn(usize) -> bool| point.iter().any(|&row| is(row));
                let crossed = any(&|row| flags[row] & CROSSED != 0);
                expected[path * stride + BOUNDARIES] += u32::from(crossed);
                expected[path * stride + KNOTS] += u32::from(crossed && any(&|row| kinks[row] != 0));
            }
        }
        let none = words(&[way(0, 0)]);
        assert_eq!(tally(&device, &step, [&n_rows, &flags, &none, &kinks]), expected);
        assert!(expected[KNOTS] > 10 && expected[KNOTS] + 10 < expected[BOUNDARIES], "{expected:?}");
        kinks[..131].fill(0);
        expect_difference(&expected, &tally(&device, &step, [&n_rows, &flags, &none, &kinks]), "no kinks");
    }

    fn way(layers: u32, from_input: u32) -> Way {
        Way { layers, from_input }
    }

    #[test]
    fn counts_points_not_rows() {
        let device = device();
        let chain = vec![way(0, 1)];
        let skips = vec![way(0, 1), way(1, 0), way(0b11, 0)];
        let input = vec![way(0, 1), way(1, 0), way(0b10, 1), way(0b110, 0)];
        for (ways, lost) in [(chain, 10), (skips, 0), (input, 0)] {
            let mut die = dice(ways.len() as u64);
            let n_rows: [u32; 5] = [1, 0, 64, 65, 300];
            let step = Step { rows_in: 301, n_layers: 2, n_ways: ways.len() as u32, ..Step::default() };
            let few = |flags: u32| flags & (COINCIDENT | 1 | 1 << CONSTANT_SHIFT);
            let mut flags: Vec<u32> = (0..5 * 301)
                .map(|_| match ways.len() {
                    1 => few(random_flags(&mut die)),
                    _ => random_flags(&mut die) | random_flags(&mut die) << 2 & !COINCIDENT,
                })
                .collect();
            // The second half of a flag is that of another layer.
            if ways.len() > 1 {
                flags.iter_mut().for_each(|flags| *flags &= COINCIDENT | 0xf | 0xf << CONSTANT_SHIFT);
            }
            flags.iter_mut().step_by(301).for_each(|first| *first &= !COINCIDENT);
            // A long run of coincident rows.
            flags[4 * 301 + 100..][..90].fill(COINCIDENT);
            let stride = RESULT_HEAD + 2;
            let on_device =
                |flags: &[u32], ways: &[Way]| tally(&device, &step, [&n_rows, flags, &words(ways), &[DIRT]]);
            let mut expected = vec![0; 5 * stride];
            for (path, &n) in n_rows.iter().enumerate() {
                let (boundaries, knots) = twin(&flags[path * 301..][..n as usize], &ways);
                expected[path * stride + BOUNDARIES] = boundaries;
                expected[path * stride + KNOTS] = knots;
            }
            assert_eq!(on_device(&flags, &ways), expected, "{ways:?}");
            let last = &expected[4 * stride..];
            assert!(last[KNOTS] + lost < last[BOUNDARIES], "{ways:?}: {last:?}");
            let nothing = vec![way(0, 0); ways.len()];
            expect_difference(&expected, &on_device(&flags, &nothing), "other ways");
            let boundary = (301 * 4 + 200..).find(|&ix| flags[ix] & CROSSED != 0).unwrap();
            flags[boundary - 1..boundary + 2].fill(COINCIDENT);
            // Rows beyond the path's are of no account.
            flags[2 * 301 + 64..][..100].fill(DIRT);
            expect_difference(&expected, &on_device(&flags, &ways), "a flag");
        }
    }
}
