//! The sides of breakpoints that units were last seen on.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!("shared/step", "shared/pieces", "sides");

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::flips::tests::Case;
    use super::super::harness::{device, expect_difference, run, words};

    #[test]
    fn remembers_what_a_walk_remembers() {
        let device = device();
        for (n_rows, units, activation) in [(vec![1], 1, "relu"), (vec![0, 3, 1], 70, "hard-tanh"), (vec![5], 9, "abs")]
        {
            let mut case = Case::new(&n_rows, units, activation, 1);
            let on_device = |case: &Case| {
                let buffers: [&[u32]; 4] = [&words(&case.pieces), &words(&case.z), &case.n_rows, &words(&case.sides)];
                let groups = [(units * case.step.n_breakpoints).div_ceil(64), 1, case.n_rows.len() as u32];
                let [_, _, _, sides] = run(&device, Stage::Sides, &case.step, groups, buffers);
                sides
            };
            let twin = words(&case.twin().2);
            assert_eq!(on_device(&case), twin, "{n_rows:?} {units} {activation}");
            if units > 1 {
                case.z.iter_mut().for_each(|z| *z = -*z);
                expect_difference(&twin, &on_device(&case), "pre-activations");
            }
        }
    }
}
