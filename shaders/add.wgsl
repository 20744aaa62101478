// Adds values as they are to pre-activations, or keeps them for later layers.

fn n_values() -> u32 {
    return step.units;
}

fn make(path: u32, row: u32, ix: u32) {
    let value = activate(x[values_of(path, row) + ix]);
    let at = (path * step.rows_in + row) * step.to_stride + step.to_base + ix;
    z[at] = added(at, value);
}
