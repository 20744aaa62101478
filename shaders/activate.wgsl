// Turns pre-activations and their derivatives along the path into activations and theirs, by the chain rule. In place; one invocation a
// unit and point.

// In pairs: values, and derivatives.
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;
@group(0) @binding(3) var<storage, read> n_rows: array<u32>;
// Per network: layers from the first that left the range of f32 to the last.
@group(0) @binding(4) var<storage, read_write> failures: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let network = group.z;
    let ix = group_index(group, groups) * LANES + lane;
    let row = 2u * (ix / step.units);
    if row >= n_rows[network] {
        return;
    }
    let value = (network * step.rows_in + row) * step.units + ix % step.units;
    let derivative = value + step.units;
    let z = rows[value];
    let dz = rows[derivative];
    if !(in_range(z) && in_range(dz)) {
        atomicMax(&failures[network], step.n_layers - step.layer);
    }
    let n = step.n_breakpoints;
    let at = piece(z);
    let slope = pieces[n + at];
    rows[value] = slope * z + pieces[2u * n + 1u + at];
    rows[derivative] = slope * dz;
}
