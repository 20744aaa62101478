// Kinks of the outputs of sorted groups.

// Whether row `a` of a group comes before row `b`: by their values at `first`, of equal ones by those at `then`, of those the first.
fn is_ahead(first: u32, then: u32, a: u32, b: u32) -> bool {
    let now = vec2<f32>(z[rows_after(first, a)], z[rows_after(first, b)]);
    let next = vec2<f32>(z[rows_after(then, a)], z[rows_after(then, b)]);
    return now.x > now.y || (now.x == now.y && (next.x > next.y || (next.x == next.y && a < b)));
}

// The row of a group that so many are ahead of.
fn row_at(first: u32, then: u32, rank: u32) -> u32 {
    for (var row = 0u; row < step.group_size; row++) {
        var n = 0u;
        for (var other = 0u; other < step.group_size; other++) {
            n += select(0u, 1u, is_ahead(first, then, other, row));
        }
        if n == rank {
            return row;
        }
    }
    return 0u;
}

fn passes(old_row: OldRow, output: u32) -> bool {
    let unit = unit_of(output);
    let rank = row_of(output);
    let at = old_row.at + first_of(unit);
    return selected(old_row, unit, row_at(at, at - step.units, rank), row_at(at, at + step.units, rank));
}

fn mixed(at: u32, fraction: f32) -> f32 {
    return (1.0 - fraction) * z[at] + fraction * z[at + step.units];
}

fn crosses(old_row: OldRow, source: Source, crossing: u32, output: u32) -> bool {
    let unit = unit_of(output);
    if crossing / n_pairs() != unit {
        return false;
    }
    var i = 0u;
    var j = crossing % n_pairs() + 1u;
    while j >= step.group_size {
        i++;
        j = j + i + 1u - step.group_size;
    }
    // The two rows that exchange come after all that are larger.
    let at = old_row.at + first_of(unit);
    let meet = mixed(rows_after(at, i), source.fraction);
    var rank = 0u;
    for (var row = 0u; row < step.group_size; row++) {
        rank += select(0u, 1u, row != i && row != j && mixed(rows_after(at, row), source.fraction) > meet);
    }
    return row_of(output) == rank || row_of(output) == rank + 1u;
}
