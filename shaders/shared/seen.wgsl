// What pre-activations see through a map of normal weights, at every point: the values in a window of a group of channels, and their
// derivatives along the path. Pre-activations that see the same are processes of one law. `step.lanes` invocations sum for each law
// together.
//
// A file with this says what is summed: `part` of every value, given the `drift_of` its law, and what `store` does with the sum.

@group(0) @binding(1) var<storage, read> law: NormalLaw;
// In pairs: values, and derivatives.
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> n_rows: array<u32>;
// Of every law at every point E z^2, E z z', and what z leaves open of E z'^2, in units of the square of the law's scale.
@group(0) @binding(4) var<storage, read_write> moments: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let network = group.z;
    let ix = point_of(group, groups, lane);
    let row = 2u * (ix / step.n_laws);
    let which = ix % step.n_laws;
    // No return before the sum, of which all take part.
    let exists = row < n_rows[network];
    let at = 3u * select(0u, network * (step.rows_in / 2u) * step.n_laws + ix, exists);
    let drift = drift_of(at);

    let first_channel = which / positions() / windows.filters * windows.channels;
    let image = (network * step.rows_in + row) * step.from_stride + step.from_base + first_channel * plane();
    let corner = corner_of(which % positions());
    let n = select(0u, windows.channels * windows.area, exists);
    var sum = vec2<f32>(0.0);
    for (var element = lane % step.lanes; element < n; element += step.lanes) {
        let place = place_of(corner, element % windows.area);
        if place != OUTSIDE {
            let value = image + element / windows.area * plane() + place;
            sum += part(x[value], x[value + step.from_stride], drift);
        }
    }
    sum = sum_of_point(lane, sum);
    if exists && lane % step.lanes == 0u {
        store(at, law.weight_variance * sum);
    }
}
