// Kinks of outputs that are functions of one pre-activation: one of each, or one after the other of several functions.

// The breakpoints, then the slopes of every function.
@group(0) @binding(8) var<storage, read> functions: array<f32>;

fn has_slope(output: u32, piece: u32) -> bool {
    let n = step.n_breakpoints;
    return functions[n + output / step.units * (n + 1u) + piece] != 0.0;
}

fn passes(old_row: OldRow, output: u32) -> bool {
    let unit = output % step.units;
    let at = old_row.at + unit;
    let here = z[at];
    var piece = 0u;
    for (var k = 0u; k < step.n_breakpoints; k++) {
        let tau = functions[k];
        if here == tau {
            let before = z[at - step.units];
            let after = z[at + step.units];
            if (before > tau) != (after > tau) {
                // It is not constant above the breakpoint; below it may be.
                return has_slope(output, k + 1u) || (has_slope(output, k) && min(before, after) != tau);
            }
            piece = select(k, k + 1u, after > tau);
        } else if here > tau {
            piece = k + 1u;
        }
    }
    return is_reached(old_row, unit) && has_slope(output, piece);
}

fn crosses(old_row: OldRow, source: Source, crossing: u32, output: u32) -> bool {
    return crossing / step.n_breakpoints == output % step.units;
}
