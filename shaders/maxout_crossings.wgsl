// Finds where the largest row of every maxout unit changes, between every row of the path and the next, and at the row itself.

fn n_parts() -> u32 {
    return n_units();
}

// The change between two rows of a unit.
fn crossing(unit: u32, from_row: u32, to_row: u32) -> u32 {
    return pair_crossing(unit, from_row, to_row) | select(0u, RISING, to_row > from_row);
}

// The largest row of a unit on both sides of a row of the path.
fn sides_of(at: u32) -> vec2<u32> {
    return vec2<u32>(largest(at, at - step.units), largest(at, at + step.units));
}

fn search(here: Place, unit: u32) -> Found {
    let at = here.base + first_of(unit);
    var found = Found(0u, 0u, false);
    for (var i = 0u; i < step.group_size; i++) {
        found.bad |= !in_range(z[rows_after(at, i)]);
    }
    if here.has_next {
        var walk = start_walk(at);
        while next_change(&walk).fraction >= 0.0 {
            found.inside++;
        }
    }
    if here.inner {
        let sides = sides_of(at);
        found.at_row = select(0u, 1u, sides.x != sides.y);
    }
    return found;
}

fn list_changes(here: Place, unit: u32) {
    let at = here.base + first_of(unit);
    var walk = start_walk(at);
    var change = next_change(&walk);
    while change.fraction >= 0.0 {
        list_inside(here, change.fraction, crossing(unit, change.from_row, change.to_row));
        change = next_change(&walk);
    }
    if here.inner {
        let sides = sides_of(at);
        if sides.x != sides.y {
            list_at_row(here, crossing(unit, sides.x, sides.y));
        }
    }
}
