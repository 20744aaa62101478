// Counts the pairs of rows of sorted groups that have another order than at the grid point before. Where they are equal, the pair is
// compared when they next differ.

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
    let first = path * step.rows_in * step.units;
    let size = step.group_size;
    var flips = 0u;
    var bad = false;
    for (var ix = lane; ix < step.units; ix += LANES) {
        bad |= !in_range(z[first + row * step.units + ix]);
        for (var other = ix + 1u; other < ix + size - ix % size; other++) {
            let now = order(first + row * step.units + ix, first + row * step.units + other);
            var was = 0;
            if now != 0 {
                for (var before = row; before > 0u && was == 0; before--) {
                    let at = first + (before - 1u) * step.units;
                    was = order(at + ix, at + other);
                }
                if was == 0 {
                    was = sides[side_of(path, ix / size, ix % size, other % size)];
                }
            }
            flips += select(0u, 1u, now * was < 0);
        }
    }
    count(flips, bad);
    workgroupBarrier();
    if lane == 0u {
        tell(path, row);
    }
}
