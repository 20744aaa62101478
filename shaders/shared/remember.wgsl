// Remembers for the next pass over the grid how units of several pre-activations were last seen: one invocation a part. A file with this
// says what is remembered: `n_parts` of a row, each by `remember`.

@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> n_rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> sides: array<i32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let part = group_index(group, groups) * LANES + lane;
    if part < n_parts() {
        remember(group.z, part);
    }
}
