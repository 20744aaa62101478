// Where every row goes when the new rows are inserted: one workgroup a path.

@group(0) @binding(1) var<storage, read> n_rows: array<u32>;
@group(0) @binding(2) var<storage, read> n_entries: array<u32>;
@group(0) @binding(3) var<storage, read_write> intervals: array<Interval>;
@group(0) @binding(4) var<storage, read_write> sources: array<Source>;
@group(0) @binding(5) var<storage, read_write> n_rows_out: array<u32>;
@group(0) @binding(6) var<storage, read_write> results: array<u32>;

const WIDE: u32 = 256u;

var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let path = group.z;
    let n = n_rows[path];
    // An upper bound: crossings at rows and those that do not lead need no room.
    let needed = n + n_entries[path];
    if needed > step.rows_out {
        if lane == 0u {
            results[result(path, NEEDED)] = needed;
            n_rows_out[path] = 0u;
        }
        return;
    }
    let base = path * step.rows_in;
    var before = 0u;
    for (var first = 0u; first < n; first += WIDE) {
        let row = first + lane;
        var size = 0u;
        if row < n {
            size = 1u + intervals[base + row].n_new;
        }
        sums[lane] = size;
        workgroupBarrier();
        for (var reach = 1u; reach < WIDE; reach *= 2u) {
            var sum = sums[lane];
            if lane >= reach {
                sum += sums[lane - reach];
            }
            workgroupBarrier();
            sums[lane] = sum;
            workgroupBarrier();
        }
        if row < n {
            let new_row = before + sums[lane] - size;
            intervals[base + row].new_row = new_row;
            sources[path * step.rows_out + new_row] = Source(row, 0.0, NO_CROSSING);
        }
        before += sums[WIDE - 1u];
        workgroupBarrier();
    }
    if lane == 0u {
        // After a failure nothing more is counted.
        n_rows_out[path] = select(before, 0u, results[result(path, FAILED)] != 0u);
    }
}
