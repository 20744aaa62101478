// Remembers for the next pass over the grid in which order every pair of rows of the sorted groups was last seen.

@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> n_rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> sides: array<i32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let ix = group_index(group, groups) * LANES + lane;
    if ix >= step.units {
        return;
    }
    let first = path * step.rows_in * step.units;
    let size = step.group_size;
    for (var other = ix + 1u; other < ix + size - ix % size; other++) {
        var now = 0;
        for (var rows = n_rows[path]; rows > 0u && now == 0; rows--) {
            let at = first + (rows - 1u) * step.units;
            now = order(at + ix, at + other);
        }
        if now != 0 {
            sides[side_of(path, ix / size, ix % size, other % size)] = now;
        }
    }
}
