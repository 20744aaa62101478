// The largest row of a maxout unit between two rows of pre-activations `z`. `at` is where those of the unit begin in the first of these.
//
// Values are compared, never subtracted: of rows that are equal at one end the other end decides, of rows equal at both the first counts
// as the larger.

// The largest of a unit's values at `first`; of equal ones the one larger at `then`, of those the first.
fn largest(first: u32, then: u32) -> u32 {
    var row = 0u;
    for (var other = 1u; other < step.group_size; other++) {
        let a = z[rows_after(first, other)];
        let b = z[rows_after(first, row)];
        if a > b || (a == b && z[rows_after(then, other)] > z[rows_after(then, row)]) {
            row = other;
        }
    }
    return row;
}

const NOT_YET: f32 = -1.0;

struct Walk {
    at: u32,
    // The row that is the largest at hand.
    row: u32,
    // The fraction where it became that, not yet told: rows that meet the largest together make one change.
    fraction: f32,
    // The largest row before that.
    before: u32,
    // A bound on the rows to come, which holds but for values that are no numbers.
    left: u32,
}

struct Change {
    // Negative where there is no more.
    fraction: f32,
    from_row: u32,
    to_row: u32,
}

fn start_walk(at: u32) -> Walk {
    let row = largest(at, at + step.units);
    return Walk(at, row, NOT_YET, row, step.group_size);
}

// The next change of the largest row.
fn next_change(walk: ptr<function, Walk>) -> Change {
    let a = (*walk).at;
    let b = a + step.units;
    while true {
        let row = (*walk).row;
        let last = (*walk).fraction;
        var next = row;
        var least = NOT_YET;
        // Values at both ends.
        let of_row = vec2<f32>(z[rows_after(a, row)], z[rows_after(b, row)]);
        for (var other = 0u; other < step.group_size && (*walk).left > 0u; other++) {
            let of_other = vec2<f32>(z[rows_after(a, other)], z[rows_after(b, other)]);
            if of_other.y > of_row.y {
                var fraction = meeting(vec2<f32>(of_row.x, of_other.x), vec2<f32>(of_row.y, of_other.y));
                // No row meets the largest before the last change, but by rounding.
                if last != NOT_YET && (of_row.x <= of_other.x || fraction < last) {
                    fraction = last;
                }
                if next == row || fraction < least {
                    next = other;
                    least = fraction;
                }
            }
        }
        let change = Change(last, (*walk).before, row);
        let is_told = last != NOT_YET && last != least;
        if is_told {
            (*walk).before = row;
        }
        (*walk).row = next;
        (*walk).fraction = least;
        (*walk).left -= min((*walk).left, 1u);
        if is_told || next == row {
            return change;
        }
    }
    return Change(NOT_YET, 0u, 0u);
}
