// Whether an output has a kink at an old row that is one row of a unit before it and one after it, where both are equal. If they are so all
// along the interval on one side, the output is a single one of them; never mind whether it is constant there.
fn selected(old_row: OldRow, unit: u32, before: u32, after: u32) -> bool {
    let i = rows_after(first_of(unit), before);
    let j = rows_after(first_of(unit), after);
    if i == j || z[old_row.at + step.units + i] == z[old_row.at + step.units + j] {
        return is_reached(old_row, i);
    }
    return is_reached(old_row, j) || z[old_row.at - step.units + i] != z[old_row.at - step.units + j];
}

// The pairs of rows of a unit.
fn n_pairs() -> u32 {
    return step.group_size * (step.group_size - 1u) / 2u;
}
