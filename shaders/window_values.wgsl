// The values of all windows of all channels, window after window; beyond the edge the window's first value that is inside. One invocation a
// pre-activation.

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
    let window = unit / windows.area;
    let corner = corner_of(window % positions());
    var place = place_of(corner, unit % windows.area);
    if place == OUTSIDE {
        let inside = vec2<u32>(max(corner, vec2<i32>(0)));
        place = inside.x * windows.input.y + inside.y;
    }
    let image = values_of(group.z, row) + window / positions() * plane();
    let at = (group.z * step.rows_in + row) * step.units + unit;
    z[at] = added(at, activate(x[image + place]));
}
