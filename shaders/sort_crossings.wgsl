// Finds the pairs of rows of sorted groups that change order, between every row of the path and the next, and at the row itself.
//
// A pair changes order between two rows of the path if it has strictly different orders there; at a row if its values are equal there, and
// the second is above the first on one side only.

// Of the pair of pre-activations at `i` and `j`.
fn exchanges(i: u32, j: u32) -> bool {
    let rises = z[i] > z[j] && z[i + step.units] < z[j + step.units];
    let falls = z[i] < z[j] && z[i + step.units] > z[j + step.units];
    return rises || falls;
}

fn exchanges_at_row(i: u32, j: u32) -> bool {
    return z[i] == z[j] && (z[j - step.units] > z[i - step.units]) != (z[j + step.units] > z[i + step.units]);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_index(group, groups);
    let n = n_rows[group.z];
    if row >= n {
        return;
    }
    let here = place(group.z, row, n);
    let size = step.group_size;
    var found = Found(0u, 0u, false);
    for (var ix = lane; ix < step.units; ix += LANES) {
        let i = here.base + ix;
        found.bad |= !in_range(z[i]);
        for (var j = i + 1u; j < i + size - ix % size && here.has_next; j++) {
            found.inside += select(0u, 1u, exchanges(i, j));
            if here.inner {
                found.at_row += select(0u, 1u, exchanges_at_row(i, j));
            }
        }
    }
    count(found);
    workgroupBarrier();
    if lane == 0u {
        make_room(here);
    }
    workgroupBarrier();
    if found.inside + found.at_row == 0u {
        return;
    }
    for (var ix = lane; ix < step.units; ix += LANES) {
        let i = here.base + ix;
        for (var j = i + 1u; j < i + size - ix % size; j++) {
            let a = vec2<f32>(z[i], z[j]);
            let b = vec2<f32>(z[i + step.units], z[j + step.units]);
            let crossing = pair_crossing(ix / size, ix % size, ix % size + j - i) | select(0u, RISING, b.y > b.x);
            if exchanges(i, j) {
                list_inside(here, meeting(a, b), crossing);
            }
            if here.inner && exchanges_at_row(i, j) {
                list_at_row(here, crossing);
            }
        }
    }
}
