// What is known of rows, the vertices of a path.

// Flags of a row.
// Layers of which a unit changes piece there: `step.bit` of each.
const CROSSED: u32 = 0x7fffu;
// Layers that are constant between the row before and this one: the same bits, shifted.
const CONSTANT: u32 = 0x3fff8000u;
const CONSTANT_SHIFT: u32 = 15u;
// It is at the same point as the row before.
const COINCIDENT: u32 = 0x80000000u;

// The crossings between a row and the next: a group of entries, and how many new rows they make.
struct Interval {
    first_entry: u32,
    n_entries: u32,
    n_new: u32,
    // Where the row itself goes among the rows after insertion.
    new_row: u32,
}

// One crossing.
struct Entry {
    // Of the interval after `row`; negative for a crossing at `row` itself.
    fraction: f32,
    row: u32,
    // unit * n_breakpoints + breakpoint, and RISING; of units of several pre-activations, pairs of these instead of breakpoints.
    crossing: u32,
    // Whether it is the first among those with its fraction.
    leads: u32,
}

const RISING: u32 = 0x80000000u;

// Where a row after insertion comes from: a row before it, or a fraction of the interval after that row.
struct Source {
    // The row, and NEW for a fraction of the interval.
    row: u32,
    fraction: f32,
    // The crossing that made it, or NO_CROSSING.
    crossing: u32,
}

const NEW: u32 = 0x80000000u;
const NO_CROSSING: u32 = 0xffffffffu;

// The start of a path's results: FAILED is the number of layers from the first that left the range of f32 to the last,
// NEEDED the rows that it had no room for; the crossings of each layer come after them.
const FAILED: u32 = 0u;
const NEEDED: u32 = 1u;
const BOUNDARIES: u32 = 2u;
const KNOTS: u32 = 3u;
const CROSSINGS: u32 = 4u;

fn result(path: u32, what: u32) -> u32 {
    return path * (CROSSINGS + step.n_layers) + what;
}

fn straddles(a: f32, b: f32, tau: f32) -> bool {
    return (a < tau && tau < b) || (b < tau && tau < a);
}

// Between 0 and 1 even where a device's division is not rounded correctly.
fn crossing_fraction(a: f32, b: f32, tau: f32) -> f32 {
    return clamp((tau - a) / (b - a), 0.0, 1.0);
}
