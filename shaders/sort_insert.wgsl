// Makes the rows after insertion: where two rows of a group change order, they are exactly equal.

fn n_parts() -> u32 {
    return step.units;
}

// The row of a group whose value row `ix` takes at a source; `at` is where the group begins. Of several pairs that meet there, each
// second takes the value of its first, in the order of the pairs.
fn model(at: u32, unit: u32, ix: u32, source: Source) -> u32 {
    var j = ix;
    for (var i = ix; i > 0u; i--) {
        let upper = rows_after(at, i - 1u);
        let lower = rows_after(at, j);
        let a = vec2<f32>(z[upper], z[lower]);
        let b = vec2<f32>(z[upper + step.units], z[lower + step.units]);
        let exchanges = (a.x > a.y && b.x < b.y) || (a.x < a.y && b.x > b.y);
        if exchanges && is_at(source, pair_crossing(unit, i - 1u, j), meeting(a, b)) {
            j = i - 1u;
        }
    }
    return j;
}

fn insert(source: Source, from_row: u32, to_row: u32, ix: u32) {
    let unit = unit_of(ix);
    let at = from_row + first_of(unit);
    var i = row_of(ix);
    if (source.row & NEW) != 0u {
        i = model(at, unit, i, source);
    }
    z_out[to_row + ix] = mixed(rows_after(at, i), source);
}
