// The outputs of maxout units, the largest of their pre-activations. Derivatives go with their values.

fn n_values() -> u32 {
    return n_units();
}

fn make(path: u32, row: u32, unit: u32) {
    let values = deciding_row_at(path, row) + first_of(unit);
    var largest = 0u;
    for (var i = 1u; i < step.group_size; i++) {
        if z[rows_after(values, i)] > z[rows_after(values, largest)] {
            largest = i;
        }
    }
    let output = (path * step.rows_in + row) * n_units() + unit;
    outputs[output] = z[rows_after(row_at(path, row) + first_of(unit), largest)];
}
