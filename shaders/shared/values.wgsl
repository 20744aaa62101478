// What is added to pre-activations: values of rows, the inputs of a layer or what it adds from further back. An activation is applied to
// them where they are read.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> n_rows: array<u32>;
@group(0) @binding(4) var<storage, read_write> z: array<f32>;

// The first value of a row.
fn values_of(path: u32, row: u32) -> u32 {
    return (path * step.rows_in + row) * step.from_stride + step.from_base;
}

// What a pre-activation becomes that a value is added to.
fn added(at: u32, value: f32) -> f32 {
    if step.adds == 0u {
        return value;
    }
    return z[at] + value;
}
