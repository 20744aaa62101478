// The outputs of sorted groups, their pre-activations in descending order; equal ones stay in theirs. Derivatives go with their values.

fn n_values() -> u32 {
    return step.units;
}

fn make(path: u32, row: u32, ix: u32) {
    let own = row_of(ix);
    let first = ix - own * step.group_stride;
    let values = deciding_row_at(path, row) + first;
    let value = z[rows_after(values, own)];
    var place = 0u;
    for (var i = 0u; i < step.group_size; i++) {
        let other = z[rows_after(values, i)];
        place += select(0u, 1u, other > value || (other == value && i < own));
    }
    outputs[rows_after(row_at(path, row) + first, place)] = z[row_at(path, row) + ix];
}
