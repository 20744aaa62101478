// The values of all windows of all channels, window after window; beyond the edge the window's first value that is inside.

fn n_values() -> u32 {
    return step.units;
}

fn make(path: u32, row: u32, unit: u32) {
    let window = unit / windows.area;
    let place = nearest_place_of(corner_of(window % positions()), unit % windows.area);
    let image = values_of(path, row) + window / positions() * plane();
    let at = (path * step.rows_in + row) * step.units + unit;
    z[at] = added(at, activate(x[image + place]));
}
