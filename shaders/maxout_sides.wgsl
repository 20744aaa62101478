// Remembers for the next pass over the grid which row of every maxout unit was last seen as the largest.

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
    let unit = group_index(group, groups) * LANES + lane;
    if unit >= step.units / step.group_size {
        return;
    }
    let first = path * step.rows_in * step.units + unit * step.group_size;
    for (var rows = n_rows[path]; rows > 0u; rows--) {
        let now = lead(first + (rows - 1u) * step.units);
        if now != 0 {
            sides[path * step.n_sides + step.side_base + unit] = now;
            return;
        }
    }
}
