// Units of several pre-activations, `step.group_size` each: neighbours, or the values of neighbouring channels of an image at one place,
// `step.group_stride` apart (src/network/grouping.rs). A row of a unit is one of them; not to be confused with the rows, the vertices of
// a path, that hold the pre-activations of all units.

fn n_units() -> u32 {
    return step.units / step.group_size;
}

// Where the first row of a unit is among the pre-activations.
fn first_of(unit: u32) -> u32 {
    return unit / step.group_stride * step.group_stride * step.group_size + unit % step.group_stride;
}

// So many rows of a unit after the one at `at`.
fn rows_after(at: u32, n: u32) -> u32 {
    return at + n * step.group_stride;
}

// The unit that a pre-activation is a row of, and which.
fn unit_of(ix: u32) -> u32 {
    return ix / (step.group_stride * step.group_size) * step.group_stride + ix % step.group_stride;
}

fn row_of(ix: u32) -> u32 {
    return ix / step.group_stride % step.group_size;
}

// The place of two rows of a unit, in any order, among all pairs of them (src/network/activation.rs).
fn pair_index(a: u32, b: u32) -> u32 {
    let i = min(a, b);
    let j = max(a, b);
    return i * (2u * step.group_size - i - 1u) / 2u + j - i - 1u;
}

// What an entry says of the change at a pair of rows of a unit.
fn pair_crossing(unit: u32, a: u32, b: u32) -> u32 {
    let n_pairs = step.group_size * (step.group_size - 1u) / 2u;
    return unit * n_pairs + pair_index(a, b);
}

// The fraction of an interval at which two rows meet whose order differs at its ends, by their values there. Between 0 and 1 even where a
// device's division is not rounded correctly.
fn meeting(at_start: vec2<f32>, at_end: vec2<f32>) -> f32 {
    let before = at_start.x - at_start.y;
    return clamp(before / (before + (at_end.y - at_end.x)), 0.0, 1.0);
}
