// The sampled method's search: counts the units that changed piece between a grid point and the one before. One workgroup a row.
//
// A unit exactly on a breakpoint is on neither side: it is compared with the last grid point at which it was on one.

@group(0) @binding(2) var<storage, read> z: array<f32>;
@group(0) @binding(3) var<storage, read> n_rows: array<u32>;
// The side every unit was last seen on before the first row: -1 below, 1 above, 0 not seen yet.
@group(0) @binding(4) var<storage, read> sides: array<i32>;
@group(0) @binding(5) var<storage, read_write> flags: array<u32>;
@group(0) @binding(6) var<storage, read_write> results: array<atomic<u32>>;

var<workgroup> n_flips: atomic<u32>;
var<workgroup> out_of_range: atomic<u32>;

fn side(z: f32, tau: f32) -> i32 {
    return select(0, 1, z > tau) - select(0, 1, z < tau);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let path = group.z;
    let row = group_index(group, groups);
    if row >= n_rows[path] {
        return;
    }
    let base = path * step.rows_in * step.units;
    var flips = 0u;
    var bad = false;
    for (var unit = lane; unit < step.units; unit += LANES) {
        let here = z[base + row * step.units + unit];
        bad |= !in_range(here);
        var flipped = false;
        for (var k = 0u; k < step.n_breakpoints; k++) {
            let tau = pieces[k];
            let now = side(here, tau);
            var was = 0;
            if now != 0 {
                for (var before = row; before > 0u && was == 0; before--) {
                    was = side(z[base + (before - 1u) * step.units + unit], tau);
                }
                if was == 0 {
                    was = sides[path * step.n_sides + step.side_base + unit * step.n_breakpoints + k];
                }
            }
            flipped |= now * was < 0;
        }
        flips += select(0u, 1u, flipped);
    }
    if flips > 0u {
        atomicAdd(&n_flips, flips);
    }
    if bad {
        atomicOr(&out_of_range, 1u);
    }
    workgroupBarrier();
    if lane == 0u {
        let total = atomicLoad(&n_flips);
        let at = path * step.rows_in + row;
        let earlier = select(flags[at], 0u, step.layer == 0u);
        let now = earlier | select(0u, step.bit, total > 0u);
        flags[at] = now;
        if total > 0u {
            atomicAdd(&results[result(path, CROSSINGS + step.layer)], total);
        }
        if step.layer + 1u == step.n_layers && now != 0u {
            atomicAdd(&results[result(path, BOUNDARIES)], 1u);
        }
        if atomicLoad(&out_of_range) != 0u {
            atomicMax(&results[result(path, FAILED)], step.n_layers - step.layer);
        }
    }
}
