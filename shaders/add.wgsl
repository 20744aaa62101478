// Adds values as they are to pre-activations, or keeps them for later layers. One invocation a value.

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let ix = group_index(group, groups) * LANES + lane;
    let row = ix / step.units;
    if row >= n_rows[group.z] {
        return;
    }
    let value = activate(x[values_of(group.z, row) + ix % step.units]);
    let at = (group.z * step.rows_in + row) * step.to_stride + step.to_base + ix % step.units;
    z[at] = added(at, value);
}
