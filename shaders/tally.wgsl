// Counts the boundaries and knots of every path from the flags of its last rows. Coincident rows are one point. A boundary is a knot if,
// before or after it, a layer of which a unit changes piece there is on a way from the input to the output that leads through no constant
// layer. Where kinks are followed from unit to unit, there are no such ways: it is one if the output has a kink at one of its rows.

// The layers with flags of their own that a layer takes the outputs of, as flags, and whether it takes the input. In a chain, where a
// constant layer ends all ways, all layers are one.
struct Way {
    layers: u32,
    from_input: u32,
}

@group(0) @binding(1) var<storage, read> n_rows: array<u32>;
@group(0) @binding(2) var<storage, read> flags: array<u32>;
@group(0) @binding(3) var<storage, read> ways: array<Way>;
@group(0) @binding(4) var<storage, read_write> results: array<atomic<u32>>;
// Of every row a word, whether the output has a kink there.
@group(0) @binding(5) var<storage, read> kinks: array<u32>;

// The layers on ways from the input to the output along an interval, by the flags of the row after it.
fn on_ways(flags: u32) -> u32 {
    let constant = (flags & CONSTANT) >> CONSTANT_SHIFT;
    var reached = 0u;
    for (var l = 0u; l < step.n_ways; l++) {
        let is_reached = ways[l].from_input != 0u || (reached & ways[l].layers) != 0u;
        reached |= select(0u, 1u << l, is_reached && ((constant >> l) & 1u) == 0u);
    }
    var seen = 1u << (step.n_ways - 1u);
    for (var l = step.n_ways; l > 0u; l--) {
        seen |= select(0u, ways[l - 1u].layers, (seen & reached & (1u << (l - 1u))) != 0u);
    }
    return reached & seen;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let row = group_index(group, groups) * LANES + lane;
    let n = n_rows[path];
    if row >= n {
        return;
    }
    let base = path * step.rows_in;
    let first = flags[base + row];
    if (first & COINCIDENT) != 0u {
        return;
    }
    let has_ways = step.n_ways > 0u;
    var all = first;
    var is_kinked = !has_ways && kinks[base + row] != 0u;
    var next = row + 1u;
    while next < n && (flags[base + next] & COINCIDENT) != 0u {
        all |= flags[base + next];
        is_kinked |= !has_ways && kinks[base + next] != 0u;
        next++;
    }
    let crossed = all & CROSSED;
    if crossed == 0u {
        return;
    }
    var on_either_side = 0u;
    if has_ways {
        on_either_side = on_ways(first);
        if next < n {
            on_either_side |= on_ways(flags[base + next]);
        }
    }
    atomicAdd(&results[result(path, BOUNDARIES)], 1u);
    if is_kinked || (crossed & on_either_side) != 0u {
        atomicAdd(&results[result(path, KNOTS)], 1u);
    }
}
