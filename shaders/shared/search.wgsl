// The search for changes of piece of units of several pre-activations, between every row and the next and at the row itself: one
// workgroup a row. What is found is counted first, then listed.
//
// A file with this says what is searched: `n_parts` of a row, one after the other by `search` and, where it found something, by
// `list_changes`.

@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> n_rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> intervals: array<Interval>;
@group(0) @binding(4) var<storage, read_write> entries: array<Entry>;
@group(0) @binding(5) var<storage, read_write> n_entries: array<atomic<u32>>;
@group(0) @binding(6) var<storage, read_write> flags: array<u32>;
@group(0) @binding(7) var<storage, read_write> results: array<atomic<u32>>;

var<workgroup> n_inside: atomic<u32>;
var<workgroup> n_at_row: atomic<u32>;
var<workgroup> n_listed_inside: atomic<u32>;
var<workgroup> n_listed_at_row: atomic<u32>;
var<workgroup> out_of_range: atomic<u32>;
var<workgroup> first_entry: u32;

// The row that a workgroup is about.
struct Place {
    path: u32,
    row: u32,
    // Of its pre-activations.
    base: u32,
    // Whether there is a row after it, and one on both sides.
    has_next: bool,
    inner: bool,
}

fn place(path: u32, row: u32, n: u32) -> Place {
    let has_next = row + 1u < n;
    return Place(path, row, (path * step.rows_in + row) * step.units, has_next, has_next && row > 0u);
}

// What was found.
struct Found {
    inside: u32,
    at_row: u32,
    bad: bool,
}

fn count(found: Found) {
    if found.inside > 0u {
        atomicAdd(&n_inside, found.inside);
    }
    if found.at_row > 0u {
        atomicAdd(&n_at_row, found.at_row);
    }
    if found.bad {
        atomicOr(&out_of_range, 1u);
    }
}

// Makes room for what all have found; by one invocation.
fn make_room(here: Place) {
    let inside = atomicLoad(&n_inside);
    let at_row = atomicLoad(&n_at_row);
    let total = inside + at_row;
    first_entry = 0u;
    if total > 0u {
        first_entry = atomicAdd(&n_entries[here.path], total);
        atomicAdd(&results[result(here.path, CROSSINGS + step.layer)], total);
    }
    intervals[here.path * step.rows_in + here.row] = Interval(first_entry, inside, 0u, 0u);
    if at_row > 0u {
        flags[here.path * step.rows_in + here.row] |= step.bit;
    }
    if atomicLoad(&out_of_range) != 0u {
        atomicMax(&results[result(here.path, FAILED)], step.n_layers - step.layer);
    }
}

fn list(here: Place, ix: u32, fraction: f32, crossing: u32) {
    if ix < step.rows_out {
        entries[here.path * step.rows_out + ix] = Entry(fraction, here.row, crossing, 0u);
    }
}

fn list_inside(here: Place, fraction: f32, crossing: u32) {
    list(here, first_entry + atomicAdd(&n_listed_inside, 1u), fraction, crossing);
}

fn list_at_row(here: Place, crossing: u32) {
    let after_those_inside = first_entry + atomicLoad(&n_inside);
    list(here, after_those_inside + atomicAdd(&n_listed_at_row, 1u), -1.0, crossing);
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
    var found = Found(0u, 0u, false);
    for (var part = lane; part < n_parts(); part += LANES) {
        let more = search(here, part);
        found = Found(found.inside + more.inside, found.at_row + more.at_row, found.bad || more.bad);
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
    for (var part = lane; part < n_parts(); part += LANES) {
        list_changes(here, part);
    }
}
