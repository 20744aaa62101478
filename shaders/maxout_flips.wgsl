// Counts the maxout units whose largest row is another than at the grid point before. Where several are the largest, the unit is compared
// when one next is alone.

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let row = group_index(group, groups);
    if row >= n_rows[path] {
        return;
    }
    var flips = 0u;
    var bad = false;
    for (var unit = lane; unit < step.units / step.group_size; unit += LANES) {
        let first = path * step.rows_in * step.units + unit * step.group_size;
        let at = first + row * step.units;
        for (var i = 0u; i < step.group_size; i++) {
            bad |= !in_range(z[at + i]);
        }
        let now = lead(at);
        var was = 0;
        if now != 0 {
            for (var before = row; before > 0u && was == 0; before--) {
                was = lead(first + (before - 1u) * step.units);
            }
            if was == 0 {
                was = sides[path * step.n_sides + step.side_base + unit];
            }
        }
        flips += select(0u, 1u, was != 0 && was != now);
    }
    count(flips, bad);
    workgroupBarrier();
    if lane == 0u {
        tell(path, row);
    }
}
