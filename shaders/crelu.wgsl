// The outputs of CReLU: max(z, 0) of every pre-activation of a row, then max(-z, 0) of every one. One invocation a pre-activation.

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
    let value = z[group.z * step.rows_in * step.units + ix];
    let above = 2u * (group.z * step.rows_in + row) * step.units + ix % step.units;
    outputs[above] = select(0.0, value, value > 0.0);
    outputs[above + step.units] = select(0.0, -value, value < 0.0);
}
