// Gives every leading crossing its row, in order of the fractions.

@group(0) @binding(1) var<storage, read> n_entries: array<u32>;
@group(0) @binding(2) var<storage, read> intervals: array<Interval>;
@group(0) @binding(3) var<storage, read> entries: array<Entry>;
@group(0) @binding(4) var<storage, read_write> sources: array<Source>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let ix = group_index(group, groups) * LANES + lane;
    let n = n_entries[path];
    if ix >= n || n > step.rows_out {
        return;
    }
    let base = path * step.rows_out;
    let entry = entries[base + ix];
    if entry.leads == 0u {
        return;
    }
    let interval = intervals[path * step.rows_in + entry.row];
    var rank = 0u;
    for (var other = interval.first_entry; other < interval.first_entry + interval.n_entries; other++) {
        rank += select(0u, entries[base + other].leads, entries[base + other].fraction < entry.fraction);
    }
    let row = interval.new_row + 1u + rank;
    if row < step.rows_out {
        sources[base + row] = Source(entry.row | NEW, entry.fraction, entry.crossing & ~RISING);
    }
}
