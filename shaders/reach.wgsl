// Which pre-activations have a kink by what a map connects them to, from the values that have one: a bit each. Only rows that are boundaries
// have kinks.

@group(0) @binding(1) var<storage, read> flags: array<u32>;
@group(0) @binding(2) var<storage, read> kinks: array<u32>;
@group(0) @binding(3) var<storage, read> n_rows: array<u32>;
@group(0) @binding(4) var<storage, read_write> reached: array<u32>;

// Whether one of `n` values has a kink, from the value `first` on of a row whose words begin at `base`.
fn any_of(base: u32, first: u32, n: u32) -> bool {
    let last = first + n - 1u;
    for (var word = first / 32u; word <= last / 32u; word++) {
        var bits = kinks[base + word];
        if word == first / 32u {
            bits &= 0xffffffffu << (first % 32u);
        }
        if word == last / 32u {
            bits &= 0xffffffffu >> (31u - last % 32u);
        }
        if bits != 0u {
            return true;
        }
    }
    return false;
}

fn is_reached(base: u32, unit: u32) -> bool {
    if step.selects != 0u {
        let window = unit / windows.area;
        let place = nearest_place_of(corner_of(window % positions()), unit % windows.area);
        return any_of(base, window / positions() * plane() + place, 1u);
    }
    let corner = corner_of(unit % positions());
    let first = vec2<u32>(max(corner, vec2<i32>(0)));
    let end = vec2<u32>(min(corner + vec2<i32>(windows.kernel), vec2<i32>(windows.input)));
    let image = unit / positions() / windows.filters * plane();
    for (var y = first.x; y < end.x; y++) {
        if any_of(base, image + y * windows.input.y + first.y, end.y - first.y) {
            return true;
        }
    }
    return false;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let part = part_of(group_index(group, groups), step.units);
    if part.row >= n_rows[path] {
        return;
    }
    let row = path * step.rows_in + part.row;
    let unit = part.first_bit + lane;
    var kink = false;
    if (flags[row] & CROSSED) != 0u && unit < step.units {
        kink = is_reached(row * step.from_stride + step.from_base, unit);
    }
    pack(lane, kink);
    let word = word_of(part, lane, step.units);
    if word != NO_WORD {
        let at = row * step.to_stride + word;
        var bits = atomicLoad(&packed[lane]);
        if step.adds != 0u {
            bits |= reached[at];
        }
        reached[at] = bits;
    }
}
