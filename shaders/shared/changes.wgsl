// The sampled method's search in units of several pre-activations: counts changes between a grid point and the one before. One workgroup
// a row. A file with this says what is compared: `n_parts` of a row, one after the other by `search`.

@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> n_rows: array<u32>;
// How every unit was last seen before the first row.
@group(0) @binding(3) var<storage, read> sides: array<i32>;
@group(0) @binding(4) var<storage, read_write> flags: array<u32>;
@group(0) @binding(5) var<storage, read_write> results: array<atomic<u32>>;

var<workgroup> n_flips: atomic<u32>;
var<workgroup> out_of_range: atomic<u32>;

// What was found.
struct Found {
    flips: u32,
    bad: bool,
}

fn count(found: Found) {
    if found.flips > 0u {
        atomicAdd(&n_flips, found.flips);
    }
    if found.bad {
        atomicOr(&out_of_range, 1u);
    }
}

// Adds what all found at a row; by one invocation.
fn tell(path: u32, row: u32) {
    let total = atomicLoad(&n_flips);
    let at = path * step.rows_in + row;
    let earlier = select(flags[at], 0u, step.layer == 0u);
    let now = earlier | select(0u, step.bit, total > 0u);
    flags[at] = now;
    if total > 0u {
        atomicAdd(&results[result(path, CROSSINGS + step.layer)], total);
    }
    if step.layer + 1u == step.n_layers && now != 0u {
        atomicAdd(&results[result(path, BOUNDARIES)], 1u);
    }
    if atomicLoad(&out_of_range) != 0u {
        atomicMax(&results[result(path, FAILED)], step.n_layers - step.layer);
    }
}

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
    var found = Found(0u, false);
    for (var part = lane; part < n_parts(); part += LANES) {
        let more = search(path, row, part);
        found = Found(found.flips + more.flips, found.bad || more.bad);
    }
    count(found);
    workgroupBarrier();
    if lane == 0u {
        tell(path, row);
    }
}
