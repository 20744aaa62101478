// Makes the rows after insertion: old ones as they are, new ones by interpolation, with crossing units exactly on their breakpoints.
// Keeps the flags of rows up to date. One workgroup a row.

@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read> sources: array<Source>;
@group(0) @binding(4) var<storage, read> n_rows_out: array<u32>;
@group(0) @binding(5) var<storage, read> flags: array<u32>;
@group(0) @binding(6) var<storage, read_write> flags_out: array<u32>;
@group(0) @binding(7) var<storage, read_write> z_out: array<f32>;

var<workgroup> moves: atomic<u32>;

// The pre-activation of a unit at a source; `base` is that of the path's rows.
fn value(base: u32, source: Source, unit: u32) -> f32 {
    let at = base + (source.row & ~NEW) * step.units + unit;
    let a = z[at];
    if (source.row & NEW) == 0u {
        return a;
    }
    let b = z[at + step.units];
    var mixed = (1.0 - source.fraction) * a + source.fraction * b;
    for (var k = 0u; k < step.n_breakpoints; k++) {
        let tau = pieces[k];
        if straddles(a, b, tau)
            && (source.crossing == unit * step.n_breakpoints + k || crossing_fraction(a, b, tau) == source.fraction) {
            mixed = tau;
        }
    }
    return mixed;
}

// Whether a row is at the point of the row before it.
fn coincides(path: u32, source: Source, before: Source) -> bool {
    let after = (source.row & ~NEW) + select(0u, 1u, (source.row & NEW) != 0u);
    let inherited = (flags[path * step.rows_in + after] & COINCIDENT) != 0u;
    let at_start = (source.row & NEW) != 0u && source.fraction == 0.0;
    let at_end = (source.row & NEW) == 0u && (before.row & NEW) != 0u && before.fraction == 1.0;
    return inherited || at_start || at_end;
}

fn has_flat_piece() -> bool {
    var flat = false;
    for (var k = 0u; k <= step.n_breakpoints; k++) {
        flat |= pieces[step.n_breakpoints + k] == 0.0;
    }
    return flat;
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
    let base = path * step.rows_in * step.units;
    let source = sources[path * step.rows_out + row];
    let before = sources[path * step.rows_out + max(row, 1u) - 1u];
    var moved = false;
    for (var unit = lane; unit < step.units; unit += LANES) {
        let here = value(base, source, unit);
        if step.keeps_rows != 0u {
            z_out[(path * step.rows_out + row) * step.units + unit] = here;
        }
        moved |= activate(here) != activate(value(base, before, unit));
    }
    if moved {
        atomicOr(&moves, 1u);
    }
    workgroupBarrier();
    if lane == 0u {
        let is_new = (source.row & NEW) != 0u;
        let old = flags[path * step.rows_in + (source.row & ~NEW) + select(0u, 1u, is_new)];
        var now = select(old & CROSSED, step.bit, is_new) | (old & CONSTANT);
        if row > 0u && coincides(path, source, before) {
            now |= COINCIDENT;
        }
        if row > 0u && atomicLoad(&moves) == 0u && has_flat_piece() {
            now |= step.bit << CONSTANT_SHIFT;
        }
        flags_out[path * step.rows_out + row] = now;
    }
}
