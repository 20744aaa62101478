// A dense map: adds W activate(x) to the pre-activations of all rows of all paths, in tiles of 64 rows and 64 units; or begins with b.

// Per network: the parameters of the layer; weights are input-major.
@group(0) @binding(5) var<storage, read> weights: array<f32>;

const TILE_ROWS: u32 = 64u;
const TILE_COLUMNS: u32 = 64u;

fn load_rows(tile: Tile, lane: u32, input: u32) {
    let fast = 4u * (lane % 4u);
    for (var part = 0u; part < 4u; part++) {
        let row = 16u * part + lane / 4u;
        let base = values_of(tile.path, tile.first_row + row);
        for (var i = fast; i < fast + 4u; i++) {
            var h = 0.0;
            if tile.first_row + row < tile.n_rows && input + i < step.input_end {
                h = activate(x[base + input + i]);
            }
            load_row_value(row, i, h);
        }
    }
}

// The row of the path that a row of the product is, and where its pre-activations are.
fn vertex(row: u32) -> u32 {
    return row;
}

fn destination(row: u32) -> u32 {
    return row * step.units;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let path = group.z;
    let n = n_rows[path];
    let first_row = step.row_base + group.y * TILE_ROWS;
    if first_row >= n {
        return;
    }
    let network = path / step.paths_per_network * step.weights_stride;
    var tile: Tile;
    tile.path = path;
    tile.first_row = first_row;
    tile.n_rows = n;
    tile.first_column = group.x * TILE_COLUMNS;
    tile.n_columns = step.units;
    tile.w_base = network + step.weights_base;
    tile.w_stride = step.units;
    tile.b_base = network + step.bias_base;
    tile.z_base = path * step.rows_in * step.units;
    tile.z_stride = 1u;
    multiply(tile, lane);
}
