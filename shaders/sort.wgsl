// The outputs of sorted groups, their pre-activations in descending order; equal ones stay in theirs. One invocation a pre-activation.

@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> n_rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>;

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
    let at = group.z * step.rows_in * step.units + ix;
    let own = ix % step.units % step.group_size;
    let first = at - own;
    // Derivatives go with the values of the row before.
    let values = first - (row & step.pairs) * step.units;
    var place = 0u;
    for (var i = 0u; i < step.group_size; i++) {
        let above = z[values + i] > z[values + own] || (z[values + i] == z[values + own] && i < own);
        place += select(0u, 1u, above);
    }
    outputs[first + place] = z[at];
}
