// Of crossings at the same fraction of an interval, one leads: it will have a row. Counts the leaders of every interval.

struct OpenInterval {
    first_entry: u32,
    n_entries: u32,
    n_new: atomic<u32>,
    new_row: u32,
}

@group(0) @binding(1) var<storage, read> n_entries: array<u32>;
@group(0) @binding(2) var<storage, read_write> intervals: array<OpenInterval>;
@group(0) @binding(3) var<storage, read_write> entries: array<Entry>;

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
    let fraction = entries[base + ix].fraction;
    if fraction < 0.0 {
        return;
    }
    let interval = path * step.rows_in + entries[base + ix].row;
    for (var before = intervals[interval].first_entry; before < ix; before++) {
        if entries[base + before].fraction == fraction {
            return;
        }
    }
    entries[base + ix].leads = 1u;
    atomicAdd(&intervals[interval].n_new, 1u);
}
