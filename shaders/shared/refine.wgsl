// The rows after insertion of units of several pre-activations: old ones as they are, new ones by interpolation. One workgroup a row. A file
// with this says what is made: `n_parts` of a row, one after the other by `insert`.

@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> sources: array<Source>;
@group(0) @binding(3) var<storage, read> n_rows_out: array<u32>;
@group(0) @binding(4) var<storage, read> flags: array<u32>;
@group(0) @binding(5) var<storage, read_write> flags_out: array<u32>;
@group(0) @binding(6) var<storage, read_write> z_out: array<f32>;

// The pre-activation at a source; `at` is where it is in the row there or before.
fn mixed(at: u32, source: Source) -> f32 {
    if (source.row & NEW) == 0u {
        return z[at];
    }
    return (1.0 - source.fraction) * z[at] + source.fraction * z[at + step.units];
}

// Whether a change at a fraction of a source's interval is at the source.
fn is_at(source: Source, crossing: u32, fraction: f32) -> bool {
    return (source.row & NEW) != 0u && (source.crossing == crossing || source.fraction == fraction);
}

// Keeps the flags of a row up to date. Sorted values and largest ones are constant only where all pre-activations are, so no layer of
// theirs is dead that is not after another.
fn update_flags(path: u32, row: u32) {
    let source = sources[path * step.rows_out + row];
    let before = sources[path * step.rows_out + max(row, 1u) - 1u];
    let is_new = (source.row & NEW) != 0u;
    let old = flags[path * step.rows_in + (source.row & ~NEW) + select(0u, 1u, is_new)];
    var now = select(old & CROSSED, step.bit, is_new) | (old & CONSTANT);
    let at_start = is_new && source.fraction == 0.0;
    let at_end = !is_new && (before.row & NEW) != 0u && before.fraction == 1.0;
    if row > 0u && ((old & COINCIDENT) != 0u || at_start || at_end) {
        now |= COINCIDENT;
    }
    flags_out[path * step.rows_out + row] = now;
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
    let from_row = (path * step.rows_in + (source.row & ~NEW)) * step.units;
    let to_row = (path * step.rows_out + row) * step.units;
    for (var part = lane; part < n_parts() && step.keeps_rows != 0u; part += LANES) {
        insert(source, from_row, to_row, part);
    }
}
