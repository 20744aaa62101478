// The order of the pre-activations at `i` and `j` of a sorted group: -1 where the first is above, 1 where the second is, 0 where they are
// equal.
fn order(i: u32, j: u32) -> i32 {
    return select(0, 1, z[j] > z[i]) - select(0, 1, z[j] < z[i]);
}

// Where the order of a pair of rows of a group, `a` < `b`, is among the sides of a path.
fn side_of(path: u32, unit: u32, a: u32, b: u32) -> u32 {
    return path * step.n_sides + step.side_base + pair_crossing(unit, a, b);
}
