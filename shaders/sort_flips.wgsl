// Counts the pairs of rows of sorted groups that have another order than at the grid point before. Where they are equal, the pair is
// compared when they next differ.

// A part is a pre-activation with those after it in its group.
fn n_parts() -> u32 {
    return step.units;
}

fn search(path: u32, row: u32, ix: u32) -> Found {
    let first = path * step.rows_in * step.units;
    let own = row_of(ix);
    var found = Found(0u, !in_range(z[first + row * step.units + ix]));
    for (var n = 1u; n < step.group_size - own; n++) {
        let other = rows_after(ix, n);
        let now = order(first + row * step.units + ix, first + row * step.units + other);
        var was = 0;
        if now != 0 {
            for (var before = row; before > 0u && was == 0; before--) {
                let at = first + (before - 1u) * step.units;
                was = order(at + ix, at + other);
            }
            if was == 0 {
                was = sides[side_of(path, unit_of(ix), own, own + n)];
            }
        }
        found.flips += select(0u, 1u, now * was < 0);
    }
    return found;
}
