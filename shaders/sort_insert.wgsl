// Makes the rows after insertion: where two rows of a group change order, they are exactly equal.

// The row of a group whose value row `ix` takes at a source; `at` is where the group begins. Of several pairs that meet there, each
// second takes the value of its first, in the order of the pairs.
fn model(at: u32, unit: u32, ix: u32, source: Source) -> u32 {
    var j = ix;
    for (var i = ix; i > 0u; i--) {
        let a = vec2<f32>(z[at + i - 1u], z[at + j]);
        let b = vec2<f32>(z[at + i - 1u + step.units], z[at + j + step.units]);
        let exchanges = (a.x > a.y && b.x < b.y) || (a.x < a.y && b.x > b.y);
        if exchanges && is_at(source, pair_crossing(unit, i - 1u, j), meeting(a, b)) {
            j = i - 1u;
        }
    }
    return j;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let row = group_index(group, groups);
    if row >= n_rows_out[path] {
        return;
    }
    if lane == 0u {
        update_flags(path, row);
    }
    let source = sources[path * step.rows_out + row];
    let size = step.group_size;
    for (var ix = lane; ix < step.units && step.keeps_rows != 0u; ix += LANES) {
        let unit = ix / size;
        let at = (path * step.rows_in + (source.row & ~NEW)) * step.units + unit * size;
        var i = ix % size;
        if (source.row & NEW) != 0u {
            i = model(at, unit, i, source);
        }
        z_out[(path * step.rows_out + row) * step.units + ix] = mixed(at + i, source);
    }
}
