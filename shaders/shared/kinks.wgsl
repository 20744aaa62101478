// Which outputs of a layer have kinks at the rows after insertion: a bit each. At old rows those that pass on what reaches them or change
// piece there; at new ones those whose units change piece.
//
// A file with this says which: `passes` of an output at an old row, and `crosses` of one that a crossing at a new row makes.

@group(0) @binding(1) var<storage, read> z: array<f32>;
@group(0) @binding(2) var<storage, read> sources: array<Source>;
@group(0) @binding(3) var<storage, read> n_rows_out: array<u32>;
@group(0) @binding(4) var<storage, read> intervals: array<Interval>;
@group(0) @binding(5) var<storage, read> entries: array<Entry>;
@group(0) @binding(6) var<storage, read> reached: array<u32>;
@group(0) @binding(7) var<storage, read_write> kinks: array<u32>;

// An old row between two others: where its pre-activations begin, and the words that say which of them are reached.
struct OldRow {
    at: u32,
    words: u32,
}

fn is_reached(old_row: OldRow, unit: u32) -> bool {
    return ((reached[old_row.words + unit / 32u] >> (unit % 32u)) & 1u) != 0u;
}

// Adds the kinks of the outputs of a part that crossings at a new row make; the invocations share the crossings of its interval.
fn add_crossings(path: u32, source: Source, old_row: OldRow, part: Part, lane: u32) {
    let interval = intervals[path * step.rows_in + (source.row & ~NEW)];
    for (var ix = interval.first_entry + lane; ix < interval.first_entry + interval.n_entries; ix += LANES) {
        let entry = entries[path * step.rows_out + ix];
        // One or few of them.
        for (var bit = 0u; bit < LANES && entry.fraction == source.fraction; bit++) {
            let output = part.first_bit + bit;
            if output < step.outputs && crosses(old_row, source, entry.crossing & ~RISING, output) {
                atomicOr(&packed[bit / 32u], 1u << (bit % 32u));
            }
        }
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let part = part_of(group_index(group, groups), step.outputs);
    let n = n_rows_out[path];
    if part.row >= n {
        return;
    }
    let source = sources[path * step.rows_out + part.row];
    let old = path * step.rows_in + (source.row & ~NEW);
    let old_row = OldRow(old * step.units, old * step.from_stride);
    let output = part.first_bit + lane;
    var kink = false;
    if (source.row & NEW) != 0u {
        add_crossings(path, source, old_row, part, lane);
    } else if part.row > 0u && part.row + 1u < n && output < step.outputs {
        // The ends of a path are no boundaries.
        kink = passes(old_row, output);
    }
    pack(lane, kink);
    let word = word_of(part, lane, step.outputs);
    if word != NO_WORD {
        kinks[(path * step.rows_out + part.row) * step.to_stride + word] = atomicLoad(&packed[lane]);
    }
}
