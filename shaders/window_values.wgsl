// The values of all windows of all channels, window after window; beyond the edge the window's first value that is inside.

fn n_values() -> u32 {
    return step.units;
}

fn make(path: u32, row: u32, unit: u32) {
    let window = unit / windows.area;
    let corner = corner_of(window % positions());
    var place = place_of(corner, unit % windows.area);
    if place == OUTSIDE {
        let inside = vec2<u32>(max(corner, vec2<i32>(0)));
        place = inside.x * windows.input.y + inside.y;
    }
    let image = values_of(path, row) + window / positions() * plane();
    let at = (path * step.rows_in + row) * step.units + unit;
    z[at] = added(at, activate(x[image + place]));
}
