// One invocation for each of the values that a stage makes of every row. A file with this says how many there are in a row, `n_values`,
// and how they are made, by `make`.

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let ix = group_index(group, groups) * LANES + lane;
    let row = ix / n_values();
    if row < n_rows[group.z] {
        make(group.z, row, ix % n_values());
    }
}
