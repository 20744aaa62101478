// Remembers in which order every pair of rows of the sorted groups was last seen.

// A part is a pre-activation with those after it in its group.
fn n_parts() -> u32 {
    return step.units;
}

fn remember(path: u32, ix: u32) {
    let first = path * step.rows_in * step.units;
    let size = step.group_size;
    for (var other = ix + 1u; other < ix + size - ix % size; other++) {
        var now = 0;
        for (var rows = n_rows[path]; rows > 0u && now == 0; rows--) {
            let at = first + (rows - 1u) * step.units;
            now = order(at + ix, at + other);
        }
        if now != 0 {
            sides[side_of(path, ix / size, ix % size, other % size)] = now;
        }
    }
}
