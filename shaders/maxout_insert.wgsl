// Makes the rows after insertion: where the largest row of a unit changes, the two are exactly equal.

fn n_parts() -> u32 {
    return n_units();
}

fn insert(source: Source, from_row: u32, to_row: u32, unit: u32) {
    let size = step.group_size;
    let at = from_row + first_of(unit);
    // The second row of the change takes the value of the first.
    var meets = vec2<u32>(size);
    if (source.row & NEW) != 0u {
        var walk = start_walk(at);
        var change = next_change(&walk);
        while change.fraction >= 0.0 {
            if is_at(source, pair_crossing(unit, change.from_row, change.to_row), change.fraction) {
                meets = vec2<u32>(min(change.from_row, change.to_row), max(change.from_row, change.to_row));
            }
            change = next_change(&walk);
        }
    }
    for (var i = 0u; i < size; i++) {
        z_out[rows_after(to_row + first_of(unit), i)] = mixed(rows_after(at, select(i, meets.x, i == meets.y)), source);
    }
}
