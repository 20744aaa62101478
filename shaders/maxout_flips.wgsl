// Counts the maxout units whose largest row is another than at the grid point before. Where several are the largest, the unit is compared
// when one next is alone.

fn n_parts() -> u32 {
    return n_units();
}

fn search(path: u32, row: u32, unit: u32) -> Found {
    let first = path * step.rows_in * step.units + first_of(unit);
    let at = first + row * step.units;
    var bad = false;
    for (var i = 0u; i < step.group_size; i++) {
        bad |= !in_range(z[rows_after(at, i)]);
    }
    let now = lead(at);
    var was = 0;
    if now != 0 {
        for (var before = row; before > 0u && was == 0; before--) {
            was = lead(first + (before - 1u) * step.units);
        }
        if was == 0 {
            was = sides[path * step.n_sides + step.side_base + unit];
        }
    }
    return Found(select(0u, 1u, was != 0 && was != now), bad);
}
