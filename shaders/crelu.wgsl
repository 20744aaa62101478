// The outputs of CReLU: max(z, 0) of every pre-activation of a row, then max(-z, 0) of every one. Derivatives go with their values.

fn n_values() -> u32 {
    return step.units;
}

// Both outputs of a pre-activation.
fn make(path: u32, row: u32, unit: u32) {
    let value = z[row_at(path, row) + unit];
    let is_above = z[deciding_row_at(path, row) + unit] > 0.0;
    let above = 2u * row_at(path, row) + unit;
    outputs[above] = select(0.0, value, is_above);
    outputs[above + step.units] = select(-value, 0.0, is_above || value == 0.0);
}
