// The expected rate at which a layer crosses its breakpoints, at every point, over its biases alone: from its pre-activations there and
// their derivatives along the path, the speed of every unit times the density of the bias that puts it on a breakpoint. Several
// invocations a point.

// Of the biases.
struct Density {
    // Standard deviation of a normal law, half-width of a uniform one.
    width: f32,
    // At 0.
    peak: f32,
    is_uniform: u32,
}

@group(0) @binding(2) var<storage, read> density: Density;
// In pairs: pre-activations, and derivatives.
@group(0) @binding(3) var<storage, read> rows: array<f32>;
@group(0) @binding(4) var<storage, read> n_rows: array<u32>;
// Per network: the parameters of the layer; one bias for every filter, at all of its positions.
@group(0) @binding(5) var<storage, read> weights: array<f32>;
@group(0) @binding(6) var<storage, read_write> rates: array<f32>;

fn density_at(x: f32) -> f32 {
    let t = abs(x) / density.width;
    if density.is_uniform != 0u {
        return select(0.0, density.peak, abs(x) < density.width);
    }
    // Farther from zero it is 0 in f32.
    return density.peak * exp(-min(0.5 * t * t, 100.0));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let network = group.z;
    let point = point_of(group, groups, lane);
    let first = lane % step.lanes;
    // No return before the sum, of which all take part.
    let n = select(0u, step.units, 2u * point < n_rows[network]);
    let base = (network * step.rows_in + 2u * point) * step.units;
    let b_base = network * step.weights_stride + step.bias_base;

    var part = vec2<f32>(0.0);
    for (var unit = first; unit < n; unit += step.lanes) {
        let without_bias = rows[base + unit] - weights[b_base + unit / step.group_stride];
        var there = 0.0;
        for (var k = 0u; k < step.n_breakpoints; k++) {
            there += density_at(pieces[k] - without_bias);
        }
        part.x += abs(rows[base + step.units + unit]) * there;
    }
    let sum = sum_of_point(lane, part).x;
    if n > 0u && first == 0u {
        rates[rate_of(network, point)] = sum;
    }
}
