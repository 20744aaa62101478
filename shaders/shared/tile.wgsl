// A product of rows and columns in tiles: every pre-activation is the sum over the inputs of the row's value times the column's weight.
//
// A file with this says what rows and columns are: TILE_ROWS and TILE_COLUMNS, `load_rows`, `vertex` and `destination`.
//
// An invocation computes 8 x 8 of them, so that it reads 16 values of workgroup memory for 64 multiply-adds. Both slabs lie with
// the input as their slow index; the rows' stride is padded against bank conflicts.

const SLAB: u32 = 16u;
const ROW_STRIDE: u32 = TILE_ROWS / 4u + 1u;
const COLUMN_STRIDE: u32 = TILE_COLUMNS / 4u;
// Invocations side by side in a tile.
const ACROSS: u32 = TILE_COLUMNS / 8u;

var<workgroup> row_slab: array<vec4<f32>, SLAB * ROW_STRIDE>;
var<workgroup> column_slab: array<vec4<f32>, SLAB * COLUMN_STRIDE>;

// Of one workgroup.
struct Tile {
    path: u32,
    first_row: u32,
    n_rows: u32,
    first_column: u32,
    n_columns: u32,
    // Where the weights of the first input and the biases begin, and weights from input to input.
    w_base: u32,
    w_stride: u32,
    b_base: u32,
    // Where the pre-activations of the path begin, and from column to column.
    z_base: u32,
    z_stride: u32,
}

fn load_row_value(row: u32, i: u32, value: f32) {
    row_slab[i * ROW_STRIDE + row / 4u][row % 4u] = value;
}

fn load_columns(tile: Tile, lane: u32, input: u32) {
    let column = lane % TILE_COLUMNS;
    for (var i = lane / TILE_COLUMNS; i < SLAB; i += LANES / TILE_COLUMNS) {
        var w = 0.0;
        if tile.first_column + column < tile.n_columns && input + i < step.input_end {
            w = weights[tile.w_base + (input + i) * tile.w_stride + tile.first_column + column];
        }
        column_slab[i * COLUMN_STRIDE + column / 4u][column % 4u] = w;
    }
}

// Adds sums to what is there, or to the bias, which derivatives do not have.
fn store(tile: Tile, row: u32, column: u32, sums: vec4<f32>) {
    for (var i = 0u; i < min(4u, tile.n_columns - min(column, tile.n_columns)); i++) {
        let at = tile.z_base + destination(row) + (column + i) * tile.z_stride;
        var start = 0.0;
        if step.adds != 0u {
            start = z[at];
        } else if (vertex(row) & step.pairs) == 0u {
            start = weights[tile.b_base + column + i];
        }
        z[at] = start + sums[i];
    }
}

fn multiply(tile: Tile, lane: u32) {
    let row = tile.first_row + 8u * (lane / ACROSS);
    let column = tile.first_column + 8u * (lane % ACROSS);
    let busy = row < tile.n_rows;
    var p0: vec4<f32>; var p1: vec4<f32>; var p2: vec4<f32>; var p3: vec4<f32>;
    var p4: vec4<f32>; var p5: vec4<f32>; var p6: vec4<f32>; var p7: vec4<f32>;
    var q0: vec4<f32>; var q1: vec4<f32>; var q2: vec4<f32>; var q3: vec4<f32>;
    var q4: vec4<f32>; var q5: vec4<f32>; var q6: vec4<f32>; var q7: vec4<f32>;
    for (var input = step.input_base; input < step.input_end; input += SLAB) {
        load_rows(tile, lane, input);
        load_columns(tile, lane, input);
        workgroupBarrier();
        if busy {
            for (var i = 0u; i < SLAB; i++) {
                let a = row_slab[i * ROW_STRIDE + 2u * (lane / ACROSS)];
                let b = row_slab[i * ROW_STRIDE + 2u * (lane / ACROSS) + 1u];
                let u = column_slab[i * COLUMN_STRIDE + 2u * (lane % ACROSS)];
                let v = column_slab[i * COLUMN_STRIDE + 2u * (lane % ACROSS) + 1u];
                p0 += a.x * u; q0 += a.x * v;
                p1 += a.y * u; q1 += a.y * v;
                p2 += a.z * u; q2 += a.z * v;
                p3 += a.w * u; q3 += a.w * v;
                p4 += b.x * u; q4 += b.x * v;
                p5 += b.y * u; q5 += b.y * v;
                p6 += b.z * u; q6 += b.z * v;
                p7 += b.w * u; q7 += b.w * v;
            }
        }
        workgroupBarrier();
    }
    let p = array<vec4<f32>, 8>(p0, p1, p2, p3, p4, p5, p6, p7);
    let q = array<vec4<f32>, 8>(q0, q1, q2, q3, q4, q5, q6, q7);
    for (var i = 0u; i < 8u; i++) {
        if row + i < tile.n_rows {
            store(tile, row + i, column, p[i]);
            store(tile, row + i, column + 4u, q[i]);
        }
    }
}
