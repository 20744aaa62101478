// Counts the boundaries and knots of every path from the flags of its last rows. Coincident rows are one point. A boundary is a knot unless
// on both sides of it some layer is constant along the path.

@group(0) @binding(1) var<storage, read> n_rows: array<u32>;
@group(0) @binding(2) var<storage, read> flags: array<u32>;
@group(0) @binding(3) var<storage, read_write> results: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let row = group_index(group, groups) * LANES + lane;
    let n = n_rows[path];
    if row >= n {
        return;
    }
    let base = path * step.rows_in;
    let first = flags[base + row];
    if (first & COINCIDENT) != 0u {
        return;
    }
    var all = first;
    var next = row + 1u;
    while next < n && (flags[base + next] & COINCIDENT) != 0u {
        all |= flags[base + next];
        next++;
    }
    if (all & BOUNDARY) == 0u {
        return;
    }
    let dead_before = (first & DEAD) != 0u;
    var dead_after = dead_before;
    if next < n {
        dead_after = (flags[base + next] & DEAD) != 0u;
    }
    atomicAdd(&results[result(path, BOUNDARIES)], 1u);
    if !(dead_before && dead_after) {
        atomicAdd(&results[result(path, KNOTS)], 1u);
    }
}
