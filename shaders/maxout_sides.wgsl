// Remembers which row of every maxout unit was last seen as the largest.

fn n_parts() -> u32 {
    return n_units();
}

fn remember(path: u32, unit: u32) {
    let first = path * step.rows_in * step.units + first_of(unit);
    for (var rows = n_rows[path]; rows > 0u; rows--) {
        let now = lead(first + (rows - 1u) * step.units);
        if now != 0 {
            sides[path * step.n_sides + step.side_base + unit] = now;
            return;
        }
    }
}
