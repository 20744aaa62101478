//! Kinks of the outputs of sorted groups.

use super::wgsl;

pub(super) const SOURCE: &str = wgsl!(
    "shared/step",
    "shared/rows",
    "shared/bits",
    "shared/groups",
    "shared/kinks",
    "shared/selected",
    "sort_kinks"
);

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::super::harness::device;
    use super::super::kinked::{Case, selected};
    use crate::network::{Grouping, pairs};

    #[test]
    fn kinks_go_to_their_rank() {
        let device = device();
        for (n_rows, groups, [size, stride]) in [
            (vec![4], 1, [2, 1]),
            (vec![2, 0, 9], 3, [3, 1]),
            (vec![8, 5], 35, [2, 1]),
            (vec![9, 4], 6, [4, 3]),
            (vec![7], 14, [5, 7]),
        ] {
            let mut case = Case::new(&n_rows, [groups * size, size, stride], groups * size);
            case.enter(&[-1.0, 0.0, 1.0], |a, b| {
                let exchanges = pairs(size).zip(0..).filter(|((i, j), _)| (a[*i] - a[*j]) * (b[*i] - b[*j]) < 0.0);
                let fraction = |i: usize, j: usize| (a[i] - a[j]) / ((a[i] - a[j]) + (b[j] - b[i]));
                exchanges.map(|((i, j), pair)| (fraction(i, j), pair)).collect()
            });
            let (grouping, n_pairs) = (Grouping { size, stride }, size * (size - 1) / 2);
            let unit_of = |output: usize| grouping.index_of(output) / size;
            let rank_of = |output: usize| grouping.index_of(output) % size;
            let passes = |z: [&[f32]; 3], reached: &[bool], output: usize| {
                let place = |member: usize| grouping.place(unit_of(output), member);
                let side = |then: usize| {
                    let mut order: Vec<usize> = (0..size).collect();
                    let keys = |member: usize| [1, then].map(|row| z[row][place(member)]);
                    order.sort_by(|&a, &b| keys(b).partial_cmp(&keys(a)).unwrap());
                    place(order[rank_of(output)])
                };
                selected([side(0), side(2)], reached, z)
            };
            // The values at the new row, of which the two that meet are next to each other.
            let crosses = |z: &[f32], _: f32, crossing: u32, output: usize| {
                let (i, j) = pairs(size).nth(crossing as usize % n_pairs).unwrap();
                let place = |member: usize| grouping.place(unit_of(output), member);
                let others = (0..size).filter(|member| ![i, j].contains(member));
                let rank = others.filter(|&member| z[place(member)] > z[place(i)]).count();
                crossing as usize / n_pairs == unit_of(output) && (rank..rank + 2).contains(&rank_of(output))
            };
            case.check(
                &device,
                Stage::SortKinks,
                None,
                passes,
                crosses,
                &format!("{n_rows:?} {groups} {size} {stride}"),
            );
        }
    }
}
