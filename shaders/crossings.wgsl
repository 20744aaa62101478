// Finds the crossings between every row and the next, and those at the row itself: one workgroup a row.
//
// A unit is above a breakpoint or not; one exactly on it counts as not above. It crosses between two rows if it is strictly on
// different sides of the breakpoint there; at a row if it is exactly on the breakpoint there and above it on one side only.

@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read> n_rows: array<u32>;
@group(0) @binding(4) var<storage, read_write> intervals: array<Interval>;
@group(0) @binding(5) var<storage, read_write> entries: array<Entry>;
@group(0) @binding(6) var<storage, read_write> n_entries: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> flags: array<u32>;
@group(0) @binding(8) var<storage, read_write> results: array<atomic<u32>>;

var<workgroup> n_inside: atomic<u32>;
var<workgroup> n_at_row: atomic<u32>;
var<workgroup> n_emitted_inside: atomic<u32>;
var<workgroup> n_emitted_at_row: atomic<u32>;
var<workgroup> out_of_range: atomic<u32>;
var<workgroup> first_entry: u32;

// Whether a unit that is exactly on the breakpoint changes piece: it is above before or after, not both.
fn turns(at: u32, tau: f32, inner: bool) -> bool {
    return inner && (z[at - step.units] > tau) != (z[at + step.units] > tau);
}

fn emit(path: u32, ix: u32, entry: Entry) {
    if ix < step.rows_out {
        entries[path * step.rows_out + ix] = entry;
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
    let n = n_rows[path];
    if row >= n {
        return;
    }
    let has_next = row + 1u < n;
    let inner = has_next && row > 0u;
    let base = (path * step.rows_in + row) * step.units;

    var inside = 0u;
    var at_row = 0u;
    var bad = false;
    for (var unit = lane; unit < step.units; unit += LANES) {
        let a = z[base + unit];
        var b = a;
        if has_next {
            b = z[base + step.units + unit];
        }
        bad |= !in_range(a);
        for (var k = 0u; k < step.n_breakpoints; k++) {
            let tau = pieces[k];
            if straddles(a, b, tau) {
                inside++;
            }
            if a == tau && turns(base + unit, tau, inner) {
                at_row++;
            }
        }
    }
    if inside > 0u {
        atomicAdd(&n_inside, inside);
    }
    if at_row > 0u {
        atomicAdd(&n_at_row, at_row);
    }
    if bad {
        atomicOr(&out_of_range, 1u);
    }
    workgroupBarrier();
    let total_inside = atomicLoad(&n_inside);
    let total_at_row = atomicLoad(&n_at_row);
    if lane == 0u {
        let total = total_inside + total_at_row;
        first_entry = 0u;
        if total > 0u {
            first_entry = atomicAdd(&n_entries[path], total);
            atomicAdd(&results[result(path, CROSSINGS + step.layer)], total);
        }
        intervals[path * step.rows_in + row] = Interval(first_entry, total_inside, 0u, 0u);
        if total_at_row > 0u {
            flags[path * step.rows_in + row] |= step.bit;
        }
        if atomicLoad(&out_of_range) != 0u {
            atomicMax(&results[result(path, FAILED)], step.n_layers - step.layer);
        }
    }
    workgroupBarrier();
    if inside + at_row == 0u {
        return;
    }
    for (var unit = lane; unit < step.units; unit += LANES) {
        let a = z[base + unit];
        var b = a;
        if has_next {
            b = z[base + step.units + unit];
        }
        for (var k = 0u; k < step.n_breakpoints; k++) {
            let tau = pieces[k];
            let crossing = (unit * step.n_breakpoints + k) | select(0u, RISING, b > tau);
            if straddles(a, b, tau) {
                let ix = first_entry + atomicAdd(&n_emitted_inside, 1u);
                emit(path, ix, Entry(crossing_fraction(a, b, tau), row, crossing, 0u));
            }
            if a == tau && turns(base + unit, tau, inner) {
                let ix = first_entry + total_inside + atomicAdd(&n_emitted_at_row, 1u);
                emit(path, ix, Entry(-1.0, row, crossing, 0u));
            }
        }
    }
}
