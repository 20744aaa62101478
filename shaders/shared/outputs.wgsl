// What makes the outputs of a layer from its pre-activations.

@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> n_rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>;

// Where the pre-activations of a row begin.
fn row_at(path: u32, row: u32) -> u32 {
    return (path * step.rows_in + row) * step.units;
}

// Where those begin that say which outputs are made: of derivatives the values in the row before.
fn deciding_row_at(path: u32, row: u32) -> u32 {
    return row_at(path, row - (row & step.pairs));
}
