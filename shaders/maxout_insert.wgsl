// Makes the rows after insertion: where the largest row of a unit changes, the two are exactly equal.

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
    for (var unit = lane; unit < step.units / size && step.keeps_rows != 0u; unit += LANES) {
        let at = (path * step.rows_in + (source.row & ~NEW)) * step.units + unit * size;
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
            let to = (path * step.rows_out + row) * step.units + unit * size + i;
            z_out[to] = mixed(at + select(i, meets.x, i == meets.y), source);
        }
    }
}
