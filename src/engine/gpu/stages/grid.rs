//! Grid points of the sampled method. Twin: the positions themselves, in f64.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/rows", "grid");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::{DIRT, device, run, values, words};
    use crate::engine::gpu::inputs::Inputs;
    use crate::engine::gpu::plan;
    use crate::engine::gpu::step::{NEW, NO_CROSSING, Source, Step};
    use crate::path::Path;

    fn paths() -> Vec<Path> {
        let line = |points: &[f64]| Path::from_points(1, points).unwrap();
        // One edge; vertices on grid points and between them; a short edge inside one step; none.
        vec![line(&[1.0, 4.0]), line(&[0.0, 1.0, 0.5, 3.0]), line(&[1.0, 2.0, 2.001, 1.5, 5.0]), line(&[2.0])]
    }

    /// The largest distance of a grid point from where it should be, in units of the path's length.
    fn error(grid: usize, told: usize, grid_base: usize, grid_points: usize) -> f64 {
        let paths = paths();
        let inputs = Inputs { draws: vec![0], paths: paths.clone(), grid: Some(told) };
        let rows = inputs.most_vertices();
        let step = Step {
            rows_in: rows as u32,
            rows_out: grid_points as u32 + 3,
            grid_base: grid_base as u32,
            grid_points: grid_points as u32,
            n_layers: 1,
            ..Step::default()
        };
        let n_out = paths.len() * step.rows_out as usize;
        let [x, y] = plan::groups(grid_points.div_ceil(64), 3);
        let buffers: [&[u32]; 4] =
            [&inputs.n_vertices(), &words(&inputs.grid_vertices(rows)), &vec![DIRT; 3 * n_out], &[DIRT; 4]];
        let [_, _, sources, n_rows_out] = run(&device(), Stage::Grid, &step, [x, y, 4], buffers);
        assert_eq!(n_rows_out, [grid_points as u32, grid_points as u32, grid_points as u32, 0]);
        let sources: &[Source] = values(&sources);
        let mut largest = 0.0f64;
        for (path, sources) in paths.iter().zip(sources.chunks_exact(step.rows_out as usize)) {
            let written = if path.n_vertices() > 1 { grid_points } else { 0 };
            for (k, source) in sources[..written].iter().enumerate() {
                assert!(source.row & NEW != 0 && source.crossing == NO_CROSSING);
                assert!((0.0..=1.0).contains(&source.fraction));
                let edge = (source.row & !NEW) as usize;
                let (a, b) = (path.positions()[edge], path.positions()[edge + 1]);
                let position = a + f64::from(source.fraction) * (b - a);
                let exact = path.length() * (grid_base + k) as f64 / (grid - 1) as f64;
                largest = largest.max((position - exact).abs() / path.length());
            }
            assert!(words(&sources[written..]).iter().all(|&word| word == DIRT));
        }
        largest
    }

    #[test]
    fn points_are_equally_spaced() {
        for (grid, base, points) in
            [(2, 0, 2), (3, 0, 3), (1024, 0, 1024), (1000, 17, 983), (65, 64, 1), (1_000_000, 999_000, 1000)]
        {
            let error = error(grid, grid, base, points);
            assert!(error < 2.0 * f64::from(f32::EPSILON), "{grid} {base} {points}: {error}");
        }
        assert!(error(1000, 1001, 0, 1000) > 1e-4, "another grid");
    }
}
