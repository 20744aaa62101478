// E z^2 and E z z' of processes: the part of one map, added to that of others or to that of the biases.

// Not known yet.
fn drift_of(at: u32) -> f32 {
    return 0.0;
}

fn part(h: f32, dh: f32, drift: f32) -> vec2<f32> {
    return vec2<f32>(h * h, h * dh);
}

fn store(at: u32, sums: vec2<f32>) {
    var before = vec2<f32>(law.bias_variance, 0.0);
    if step.adds != 0u {
        before = vec2<f32>(moments[at], moments[at + 1u]);
    }
    moments[at] = before.x + sums.x;
    moments[at + 1u] = before.y + sums.y;
}
