// An activation as data: its breakpoints, the slopes of its pieces, their intercepts.
@group(0) @binding(1) var<storage, read> pieces: array<f32>;

// The piece that a value is on, from 0. One exactly on a breakpoint is on the piece before.
fn piece(z: f32) -> u32 {
    var ix = 0u;
    for (var k = 0u; k < step.n_breakpoints; k++) {
        if z > pieces[k] {
            ix = k + 1u;
        }
    }
    return ix;
}

fn activate(z: f32) -> f32 {
    let n = step.n_breakpoints;
    var h = pieces[n] * z + pieces[2u * n + 1u];
    for (var k = 0u; k < n; k++) {
        if z > pieces[k] {
            h = pieces[n + k + 1u] * z + pieces[2u * n + k + 2u];
        }
    }
    return h;
}
