// The means of all windows of all channels, zeros beyond the edge. One invocation a pre-activation.

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
    let unit = ix % step.units;
    let image = values_of(group.z, row) + unit / positions() * plane();
    let corner = corner_of(unit % positions());
    var sum = 0.0;
    for (var element = step.input_base; element < step.input_end; element++) {
        let place = place_of(corner, element);
        if place != OUTSIDE {
            sum += activate(x[image + place]);
        }
    }
    let at = (group.z * step.rows_in + row) * step.units + unit;
    z[at] = added(at, windows.share * sum);
}
