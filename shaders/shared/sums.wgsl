// Sums over the invocations that work on one point together, `step.lanes` neighbours. All of the workgroup take part.
var<workgroup> parts: array<vec2<f32>, 64>;

fn sum_of_point(lane: u32, part: vec2<f32>) -> vec2<f32> {
    parts[lane] = part;
    workgroupBarrier();
    for (var distance = step.lanes / 2u; distance > 0u; distance /= 2u) {
        if lane % step.lanes < distance {
            parts[lane] += parts[lane + distance];
        }
        workgroupBarrier();
    }
    let sum = parts[lane - lane % step.lanes];
    // The parts of the next sum come after.
    workgroupBarrier();
    return sum;
}

// Which of the network's points, or of what they are divided into, an invocation works on.
fn point_of(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> u32 {
    return group_index(group, groups) * (LANES / step.lanes) + lane / step.lanes;
}

// Where the rate of the layer at a point goes.
fn rate_of(network: u32, point: u32) -> u32 {
    return (network * (step.rows_in / 2u) + point) * step.n_layers + step.layer;
}
