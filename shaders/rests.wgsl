// What z leaves open of E z'^2 of processes: the part of one map, added to that of others or to that of the biases. As a sum of squares,
// because the difference E z'^2 - (E z z')^2 / E z^2 cancels far from the origin.

// The regression of z' on z.
fn drift_of(at: u32) -> f32 {
    return select(0.0, moments[at + 1u] / moments[at], moments[at] >= SMALLEST);
}

fn part(h: f32, dh: f32, drift: f32) -> vec2<f32> {
    let rest = dh - drift * h;
    return vec2<f32>(rest * rest, 0.0);
}

fn store(at: u32, sums: vec2<f32>) {
    let drift = drift_of(at);
    var before = drift * drift * law.bias_variance;
    if step.adds != 0u {
        before = moments[at + 2u];
    }
    moments[at + 2u] = before + sums.x;
}
