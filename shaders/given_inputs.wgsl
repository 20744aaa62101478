// The expected rate at which a layer of normal weights and biases changes piece, at every point: from its inputs there and their
// derivatives along the path, by the Kac-Rice formula (src/theory/rice.rs). Several invocations a point. Of `pieces` only the levels are
// read that pre-activations cross.

struct NormalLaw {
    // The larger of the standard deviations of a weight and of a bias, and their variances in units of its square: the law alone makes
    // nothing leave the range of f32.
    scale: f32,
    weight_variance: f32,
    bias_variance: f32,
    // Changes in the layer for each crossing of a level by one pre-activation.
    multiplicity: f32,
}

@group(0) @binding(2) var<storage, read> law: NormalLaw;
// In pairs: inputs, and derivatives.
@group(0) @binding(3) var<storage, read> rows: array<f32>;
@group(0) @binding(4) var<storage, read> n_rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> rates: array<f32>;
// Per network: layers from the first that left the range of f32 to the last.
@group(0) @binding(6) var<storage, read_write> failures: array<atomic<u32>>;

const FRAC_1_PI: f32 = 0.31830987;
const FRAC_1_SQRT_2: f32 = 0.70710677;
const FRAC_1_SQRT_2_PI: f32 = 0.3989423;
const SQRT_FRAC_2_PI: f32 = 0.7978846;
const SMALLEST: f32 = 1.17549435e-38;

// The mean size of a normal variable of mean m >= 0 and standard deviation v.
fn mean_size(m: f32, v: f32) -> f32 {
    if v <= 0.0 {
        return m;
    }
    // Farther from zero there is nothing that f32 can tell from m.
    let t = min(m / v, 10.0);
    let bell = exp(-0.5 * t * t);
    // The error function of t / sqrt(2) within 1.5e-7: Abramowitz and Stegun 7.1.26.
    let s = 1.0 / (1.0 + 0.3275911 * FRAC_1_SQRT_2 * t);
    let tail = ((((1.0614054 * s - 1.4531521) * s + 1.4214138) * s - 0.28449672) * s + 0.2548296) * s;
    return SQRT_FRAC_2_PI * v * bell + m * (1.0 - tail * bell);
}

// The rate of one unit at one breakpoint. With z in units of its standard deviation `spread`, its derivative has standard
// deviation `speed` where `drift` times z does not explain it.
fn crossing_rate(spread: f32, drift: f32, speed: f32, tau: f32) -> f32 {
    if tau == 0.0 {
        return FRAC_1_PI * speed;
    }
    let level = tau / spread;
    // The density is 0 in f32.
    if abs(level) > 14.0 {
        return 0.0;
    }
    return FRAC_1_SQRT_2_PI * exp(-0.5 * level * level) * mean_size(abs(drift * level), speed);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let network = group.z;
    let point = group_index(group, groups) * (LANES / step.lanes) + lane / step.lanes;
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
            part.x += crossing_rate(spread, drift, speed, pieces[k]);
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
