// Sets the rows of the sampled method: equally spaced grid points, as fractions of the edges between a path's vertices.

struct Vertex {
    // The vertex in units of the grid's step: whole part, rest, and length of the edge after it.
    whole: u32,
    part: f32,
    length: f32,
}

@group(0) @binding(1) var<storage, read> n_vertices: array<u32>;
@group(0) @binding(2) var<storage, read> vertices: array<Vertex>;
@group(0) @binding(3) var<storage, read_write> sources: array<Source>;
@group(0) @binding(4) var<storage, read_write> n_rows_out: array<u32>;

// Whether a vertex is at a grid point or before it.
fn reached(vertex: Vertex, point: u32) -> bool {
    return vertex.whole < point || (vertex.whole == point && vertex.part == 0.0);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let row = group_index(group, groups) * LANES + lane;
    // A path of length zero has one vertex and no grid.
    let has_length = n_vertices[path] > 1u;
    if row == 0u {
        n_rows_out[path] = select(0u, step.grid_points, has_length);
    }
    if row >= step.grid_points || !has_length {
        return;
    }
    let point = step.grid_base + row;
    let base = path * step.rows_in;
    // The last edge that starts at the point or before.
    var edge = 0u;
    var end = n_vertices[path] - 1u;
    while edge + 1u < end {
        let middle = (edge + end) / 2u;
        if reached(vertices[base + middle], point) {
            edge = middle;
        } else {
            end = middle;
        }
    }
    let vertex = vertices[base + edge];
    let fraction = (f32(point - vertex.whole) - vertex.part) / vertex.length;
    sources[path * step.rows_out + row] = Source(edge | NEW, clamp(fraction, 0.0, 1.0), NO_CROSSING);
}
