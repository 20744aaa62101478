// Remembers in which order every pair of rows of the sorted groups was last seen.

// A part is a pre-activation with those after it in its group.
fn n_parts() -> u32 {
    return step.units;
}

fn remember(path: u32, ix: u32) {
    let first = path * step.rows_in * step.units;
    let own = row_of(ix);
    for (var n = 1u; n < step.group_size - own; n++) {
        let other = rows_after(ix, n);
        var now = 0;
        for (var rows = n_rows[path]; rows > 0u && now == 0; rows--) {
            let at = first + (rows - 1u) * step.units;
            now = order(at + ix, at + other);
        }
        if now != 0 {
            sides[side_of(path, unit_of(ix), own, own + n)] = now;
        }
    }
}
