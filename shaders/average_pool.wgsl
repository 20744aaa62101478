// The means of all windows of all channels, zeros beyond the edge.

fn n_values() -> u32 {
    return step.units;
}

fn make(path: u32, row: u32, unit: u32) {
    let image = values_of(path, row) + unit / positions() * plane();
    let corner = corner_of(unit % positions());
    var sum = 0.0;
    for (var element = step.input_base; element < step.input_end; element++) {
        let place = place_of(corner, element);
        if place != OUTSIDE {
            sum += activate(x[image + place]);
        }
    }
    let at = (path * step.rows_in + row) * step.units + unit;
    z[at] = added(at, windows.share * sum);
}
