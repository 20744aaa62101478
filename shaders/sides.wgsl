// Remembers for the next pass over the grid on which side of its breakpoints every unit was last seen.

@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read> n_rows: array<u32>;
@group(0) @binding(4) var<storage, read_write> sides: array<i32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let ix = group_index(group, groups) * LANES + lane;
    if ix >= step.units * step.n_breakpoints {
        return;
    }
    let tau = pieces[ix % step.n_breakpoints];
    for (var rows = n_rows[path]; rows > 0u; rows--) {
        let here = z[(path * step.rows_in + rows - 1u) * step.units + ix / step.n_breakpoints];
        if here != tau {
            sides[path * step.n_sides + step.side_base + ix] = select(-1, 1, here > tau);
            return;
        }
    }
}
