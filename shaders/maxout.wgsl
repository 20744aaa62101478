// The outputs of maxout units, the largest of their pre-activations. One invocation an output.

@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> n_rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let n_units = step.units / step.group_size;
    let ix = group_index(group, groups) * LANES + lane;
    let row = ix / n_units;
    if row >= n_rows[group.z] {
        return;
    }
    let at = (group.z * step.rows_in + row) * step.units + ix % n_units * step.group_size;
    // Derivatives go with the values of the row before.
    let values = at - (row & step.pairs) * step.units;
    var largest = 0u;
    for (var i = 1u; i < step.group_size; i++) {
        if z[values + i] > z[values + largest] {
            largest = i;
        }
    }
    outputs[(group.z * step.rows_in + row) * n_units + ix % n_units] = z[at + largest];
}
