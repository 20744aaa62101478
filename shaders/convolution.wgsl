// A convolution: adds the products of its filters with all patches to the pre-activations of all rows of all paths, in tiles of 128 patches
// and 32 filters; or begins with b. Patches are read where they are in the image.

// Per network: the parameters of the layer; the weight of an element of a patch is at element * filters + filter.
@group(0) @binding(6) var<storage, read> weights: array<f32>;

const TILE_ROWS: u32 = 128u;
const TILE_COLUMNS: u32 = 32u;

// One patch: where the image begins that its group sees, and the corner of its window.
struct Patch {
    exists: bool,
    image: u32,
    corner: vec2<i32>,
}

// The two that an invocation reads.
var<private> near: Patch;
var<private> far: Patch;

fn patch_of(tile: Tile, row: u32, first_value: u32) -> Patch {
    let image = values_of(tile.path, vertex(row)) + first_value;
    return Patch(row < tile.n_rows, image, corner_of(row % positions()));
}

fn element_of(from_patch: Patch, element: u32) -> f32 {
    if !from_patch.exists || element >= step.input_end {
        return 0.0;
    }
    let place = place_of(from_patch.corner, element % windows.area);
    if place == OUTSIDE {
        return 0.0;
    }
    return activate(x[from_patch.image + element / windows.area * plane() + place]);
}

fn load_rows(tile: Tile, lane: u32, input: u32) {
    for (var i = 0u; i < SLAB; i++) {
        load_row_value(lane, i, element_of(near, input + i));
        load_row_value(lane + LANES, i, element_of(far, input + i));
    }
}

// The row of the path that a patch is of, and where its first pre-activation is.
fn vertex(row: u32) -> u32 {
    return row / positions();
}

fn destination(row: u32) -> u32 {
    return vertex(row) * step.units + row % positions();
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let path = group.z;
    let n = n_rows[path] * positions();
    let first_row = step.row_base + group.y * TILE_ROWS;
    if first_row >= n {
        return;
    }
    let tiles = (windows.filters + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    // The first filter of its group.
    let first = group.x / tiles * windows.filters;
    let network = path / step.paths_per_network * step.weights_stride;
    var tile: Tile;
    tile.path = path;
    tile.first_row = first_row;
    tile.n_rows = n;
    tile.first_column = group.x % tiles * TILE_COLUMNS;
    tile.n_columns = windows.filters;
    tile.w_base = network + step.weights_base + first;
    tile.w_stride = step.units / positions();
    tile.b_base = network + step.bias_base + first;
    tile.z_base = path * step.rows_in * step.units + first * positions();
    tile.z_stride = positions();
    let first_value = group.x / tiles * windows.channels * plane();
    near = patch_of(tile, first_row + lane, first_value);
    far = patch_of(tile, first_row + lane + LANES, first_value);
    multiply(tile, lane);
}
