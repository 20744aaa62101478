// Finds the pairs of rows of sorted groups that change order, between every row of the path and the next, and at the row itself.
//
// A pair changes order between two rows of the path if it has strictly different orders there; at a row if its values are equal there, and
// the second is above the first on one side only.

// A part is a pre-activation with those after it in its group.
fn n_parts() -> u32 {
    return step.units;
}

// Of the pair of pre-activations at `i` and `j`.
fn exchanges(i: u32, j: u32) -> bool {
    let rises = z[i] > z[j] && z[i + step.units] < z[j + step.units];
    let falls = z[i] < z[j] && z[i + step.units] > z[j + step.units];
    return rises || falls;
}

fn exchanges_at_row(i: u32, j: u32) -> bool {
    return z[i] == z[j] && (z[j - step.units] > z[i - step.units]) != (z[j + step.units] > z[i + step.units]);
}

fn search(here: Place, ix: u32) -> Found {
    let i = here.base + ix;
    let after = step.group_size - row_of(ix);
    var found = Found(0u, 0u, !in_range(z[i]));
    for (var n = 1u; n < after && here.has_next; n++) {
        let j = rows_after(i, n);
        found.inside += select(0u, 1u, exchanges(i, j));
        if here.inner {
            found.at_row += select(0u, 1u, exchanges_at_row(i, j));
        }
    }
    return found;
}

fn list_changes(here: Place, ix: u32) {
    let i = here.base + ix;
    let row = row_of(ix);
    for (var n = 1u; n < step.group_size - row; n++) {
        let j = rows_after(i, n);
        let a = vec2<f32>(z[i], z[j]);
        let b = vec2<f32>(z[i + step.units], z[j + step.units]);
        let crossing = pair_crossing(unit_of(ix), row, row + n) | select(0u, RISING, b.y > b.x);
        if exchanges(i, j) {
            list_inside(here, meeting(a, b), crossing);
        }
        if here.inner && exchanges_at_row(i, j) {
            list_at_row(here, crossing);
        }
    }
}
