// The expected rate at which a dense layer of normal weights and biases changes piece, at every point: from its inputs there and their
// derivatives along the path; all pre-activations are of one law. Several invocations a point. Of `pieces` only the levels are read that
// pre-activations cross.

@group(0) @binding(2) var<storage, read> law: NormalLaw;
// In pairs: inputs, and derivatives.
@group(0) @binding(3) var<storage, read> rows: array<f32>;
@group(0) @binding(4) var<storage, read> n_rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> rates: array<f32>;
// Per network: layers from the first that left the range of f32 to the last.
@group(0) @binding(6) var<storage, read_write> failures: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let network = group.z;
    let point = point_of(group, groups, lane);
    let first = lane % step.lanes;
    // No return before the sums, of which all take part.
    let n = select(0u, step.inputs, 2u * point < n_rows[network]);
    let base = (network * step.rows_in + 2u * point) * step.inputs;

    var part = vec2<f32>(0.0);
    for (var i = first; i < n; i += step.lanes) {
        let h = rows[base + i];
        part += vec2<f32>(h * h, h * rows[base + step.inputs + i]);
    }
    let products = sum_of_point(lane, part);
    let variance = law.weight_variance * products.x + law.bias_variance;
    // All units before are silent and there is no bias: nothing moves.
    let moves = variance >= SMALLEST;
    let drift = select(0.0, law.weight_variance * products.y / variance, moves);

    // As a sum of squares, because the difference E z'^2 - (E z z')^2 / E z^2 cancels far from the origin.
    part = vec2<f32>(0.0);
    for (var i = first; i < n; i += step.lanes) {
        let rest = rows[base + step.inputs + i] - drift * rows[base + i];
        part.x += rest * rest;
    }
    let rest = sum_of_point(lane, part).x;
    let remainder = law.weight_variance * rest + drift * drift * law.bias_variance;

    part = vec2<f32>(0.0);
    if moves {
        let spread = law.scale * sqrt(variance);
        let speed = sqrt(remainder / variance);
        for (var k = first; k < step.n_breakpoints; k += step.lanes) {
            part.x += crossing_rate(spread, drift, speed, pieces[k], 0.0);
        }
    }
    let per_process = sum_of_point(lane, part).x;
    if n > 0u && first == 0u {
        rates[rate_of(network, point)] = law.multiplicity * per_process;
        if !(in_range(variance) && in_range(remainder)) {
            atomicMax(&failures[network], step.n_layers - step.layer);
        }
    }
}
