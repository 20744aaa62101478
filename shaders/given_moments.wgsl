// The expected rate at which a layer of normal weights and biases changes piece, at every point, from the moments of its pre-activations
// and their means. Several invocations a point. Of `pieces` only the levels are read that pre-activations cross.

@group(0) @binding(2) var<storage, read> law: NormalLaw;
@group(0) @binding(3) var<storage, read> moments: array<f32>;
// In pairs: what is added to every pre-activation as it is, and its derivative. Read where `step.adds` says so.
@group(0) @binding(4) var<storage, read> means: array<f32>;
@group(0) @binding(5) var<storage, read> n_rows: array<u32>;
@group(0) @binding(6) var<storage, read_write> rates: array<f32>;
// Per network: layers from the first that left the range of f32 to the last.
@group(0) @binding(7) var<storage, read_write> failures: array<atomic<u32>>;

// A process without its mean, as `crossing_rate` takes it.
struct Process {
    moves: bool,
    spread: f32,
    drift: f32,
    speed: f32,
}

fn process_at(at: u32) -> Process {
    let variance = moments[at];
    // All units before are silent and there is no bias: nothing moves.
    if variance < SMALLEST {
        return Process(false, 0.0, 0.0, 0.0);
    }
    let spread = law.scale * sqrt(variance);
    return Process(true, spread, moments[at + 1u] / variance, sqrt(moments[at + 2u] / variance));
}

// The mean of a pre-activation and its derivative, by where the mean is.
fn mean(at: u32) -> vec2<f32> {
    return vec2<f32>(means[at], means[at + step.units]);
}

// Of all levels, less what is added.
fn rate_about(process: Process, mean: vec2<f32>) -> f32 {
    var rate = 0.0;
    for (var k = 0u; k < step.n_breakpoints; k++) {
        rate += crossing_rate(process.spread, process.drift, process.speed, pieces[k] - mean.x, -mean.y);
    }
    return rate;
}

// Of all pairs of rows of a unit; `at` is where the mean of its first row is.
fn rate_of_pairs(process: Process, at: u32) -> f32 {
    let spread = 1.4142135 * process.spread;
    var rate = 0.0;
    for (var i = 1u; i < step.group_size; i++) {
        for (var j = 0u; j < i; j++) {
            let apart = mean(rows_after(at, i)) - mean(rows_after(at, j));
            rate += crossing_rate(spread, process.drift, process.speed, -apart.x, -apart.y);
        }
    }
    return rate;
}

// Of all pre-activations of one law.
fn rate_of_law(at: u32) -> f32 {
    let process = process_at(at);
    if !process.moves {
        return 0.0;
    }
    return law.multiplicity * rate_about(process, vec2<f32>(0.0));
}

// Of one unit, of the law of its filters at its position.
fn rate_of_unit(first_law: u32, first_mean: u32, unit: u32) -> f32 {
    let ix = first_of(unit);
    let positions = step.group_stride;
    let run = ix / positions * (step.n_laws / positions) / (step.units / positions);
    let process = process_at(first_law + 3u * (run * positions + ix % positions));
    if !process.moves {
        return 0.0;
    }
    if step.group_size > 1u {
        return rate_of_pairs(process, first_mean + ix);
    }
    return rate_about(process, mean(first_mean + ix));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let network = group.z;
    let point = point_of(group, groups, lane);
    let first = lane % step.lanes;
    // No return before the sum, of which all take part.
    let exists = 2u * point < n_rows[network];
    let first_law = 3u * (network * (step.rows_in / 2u) + point) * step.n_laws;
    let first_mean = (network * step.rows_in + 2u * point) * step.units;
    let n_parts = select(select(step.n_laws, n_units(), step.adds != 0u), 0u, !exists);

    var bad = false;
    for (var ix = first; ix < select(0u, step.n_laws, exists); ix += step.lanes) {
        bad = bad || !(in_range(moments[first_law + 3u * ix]) && in_range(moments[first_law + 3u * ix + 2u]));
    }
    var part = vec2<f32>(0.0);
    for (var ix = first; ix < n_parts; ix += step.lanes) {
        if step.adds != 0u {
            part.x += rate_of_unit(first_law, first_mean, ix);
        } else {
            part.x += rate_of_law(first_law + 3u * ix);
        }
    }
    let sum = sum_of_point(lane, part).x;
    if exists && first == 0u {
        rates[rate_of(network, point)] = sum;
    }
    if bad {
        atomicMax(&failures[network], step.n_layers - step.layer);
    }
}
