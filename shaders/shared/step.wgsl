// What a stage knows of the step it takes; the same struct is in src/engine/gpu/step.rs.
struct Step {
    // Paths of one network are neighbours.
    paths_per_network: u32,
    // Rows that a path has room for, before and after the stage.
    rows_in: u32,
    rows_out: u32,
    // Inputs of the map at hand, and pre-activations of the layer.
    inputs: u32,
    units: u32,
    // Of the activation in `pieces`.
    n_breakpoints: u32,
    layer: u32,
    n_layers: u32,
    // First row of a tiled map, and a map's range of inputs: long dispatches are split.
    row_base: u32,
    input_base: u32,
    input_end: u32,
    // First grid point and number of grid points of a pass over the grid.
    grid_base: u32,
    grid_points: u32,
    // Where a layer's sides begin among those of a path, and how many a path has.
    side_base: u32,
    n_sides: u32,
    // Whether the rows after insertion are needed themselves, not only their flags.
    keeps_rows: u32,
    // 1 where rows come in pairs, the values at a point of a path and their derivatives along it; else 0.
    pairs: u32,
    // Invocations that work on one such point: a power of two.
    lanes: u32,
    // Pre-activations that make a unit, and how far they are from one to the next: as far as the channels of an image.
    group_size: u32,
    group_stride: u32,
    // Values from row to row where they are read and written, and before the first of them.
    from_stride: u32,
    from_base: u32,
    to_stride: u32,
    to_base: u32,
    // Parameters of a layer of a network, and where those of the map at hand and the biases begin.
    weights_stride: u32,
    weights_base: u32,
    bias_base: u32,
    // Whether pre-activations are there to which a map is added.
    adds: u32,
    // Laws that the layer's pre-activations have at a point: those of so many runs of filters, at each position.
    n_laws: u32,
    // The layer's flag among those of a row, and the number of layers that have one of their own.
    bit: u32,
    n_ways: u32,
    // Outputs of the layer.
    outputs: u32,
    // Whether a pre-activation is one of the values of a window, not made of all.
    selects: u32,
}

@group(0) @binding(0) var<uniform> step: Step;

const LANES: u32 = 64u;

// Rows beyond the limit of one dimension of workgroups go to the second; paths are the third.
fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
