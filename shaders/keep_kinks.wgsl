// The kinks of what later layers add, at the rows after insertion: at old ones as they are, at new ones none. One workgroup a row.

@group(0) @binding(1) var<storage, read> sources: array<Source>;
@group(0) @binding(2) var<storage, read> n_rows_out: array<u32>;
@group(0) @binding(3) var<storage, read> kinks: array<u32>;
@group(0) @binding(4) var<storage, read_write> kept: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let row = group_index(group, groups);
    if row >= n_rows_out[path] {
        return;
    }
    let source = sources[path * step.rows_out + row];
    let from_row = (path * step.rows_in + (source.row & ~NEW)) * step.from_stride + step.from_base;
    let to_row = (path * step.rows_out + row) * step.to_stride + step.to_base;
    // `step.units` are words here.
    for (var word = lane; word < step.units; word += LANES) {
        kept[to_row + word] = select(0u, kinks[from_row + word], (source.row & NEW) == 0u);
    }
}
