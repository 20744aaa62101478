// The pre-activations of a layer: z = W activate(x) + b for all rows of all paths, in tiles of 64 rows and 64 units.
//
// An invocation computes 8 x 8 of them, so that it reads 16 values of workgroup memory for 64 multiply-adds. Both slabs lie with
// the input as their slow index; the rows' stride is padded against bank conflicts.

@group(0) @binding(2) var<storage, read> x: array<f32>;
// Per network: weights, input-major, then biases.
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> n_rows: array<u32>;
@group(0) @binding(5) var<storage, read_write> z: array<f32>;

const TILE: u32 = 64u;
const SLAB: u32 = 16u;
const ROW_STRIDE: u32 = 17u;
const UNIT_STRIDE: u32 = 16u;

var<workgroup> row_slab: array<vec4<f32>, 272>;
var<workgroup> unit_slab: array<vec4<f32>, 256>;

fn load_rows(lane: u32, first: u32, n: u32, x_base: u32, input: u32) {
    let fast = 4u * (lane % 4u);
    for (var part = 0u; part < 4u; part++) {
        let row = 16u * part + lane / 4u;
        for (var i = fast; i < fast + 4u; i++) {
            var h = 0.0;
            if first + row < n && input + i < step.input_end {
                h = activate(x[x_base + row * step.inputs + input + i]);
            }
            row_slab[i * ROW_STRIDE + row / 4u][row % 4u] = h;
        }
    }
}

fn load_units(lane: u32, first: u32, w_base: u32, input: u32) {
    for (var i = 0u; i < SLAB; i++) {
        var w = 0.0;
        if first + lane < step.units && input + i < step.input_end {
            w = weights[w_base + (input + i) * step.units + first + lane];
        }
        unit_slab[i * UNIT_STRIDE + lane / 4u][lane % 4u] = w;
    }
}

fn store(base: u32, unit: u32, value: vec4<f32>) {
    for (var i = 0u; i < min(4u, step.units - min(unit, step.units)); i++) {
        z[base + unit + i] = value[i];
    }
}

// What a sum starts from: the bias, which derivatives do not have, or what the inputs before gave.
fn start(row: u32, z_base: u32, b_base: u32, unit: u32) -> vec4<f32> {
    var value = vec4<f32>(0.0);
    for (var i = 0u; i < min(4u, step.units - min(unit, step.units)); i++) {
        if step.input_base > 0u {
            value[i] = z[z_base + unit + i];
        } else if (row & step.pairs) == 0u {
            value[i] = weights[b_base + unit + i];
        }
    }
    return value;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let path = group.z;
    let n = n_rows[path];
    let first_row = step.row_base + group.y * TILE;
    if first_row >= n {
        return;
    }
    let first_unit = group.x * TILE;
    let w_base = path / step.paths_per_network * (step.inputs + 1u) * step.units;
    let b_base = w_base + step.inputs * step.units;
    let x_base = (path * step.rows_in + first_row) * step.inputs;
    let row = first_row + 8u * (lane / 8u);
    let unit = first_unit + 8u * (lane % 8u);
    let z_base = (path * step.rows_in + row) * step.units;
    let busy = row < n;

    var p0: vec4<f32>; var p1: vec4<f32>; var p2: vec4<f32>; var p3: vec4<f32>;
    var p4: vec4<f32>; var p5: vec4<f32>; var p6: vec4<f32>; var p7: vec4<f32>;
    var q0: vec4<f32>; var q1: vec4<f32>; var q2: vec4<f32>; var q3: vec4<f32>;
    var q4: vec4<f32>; var q5: vec4<f32>; var q6: vec4<f32>; var q7: vec4<f32>;
    for (var input = step.input_base; input < step.input_end; input += SLAB) {
        load_rows(lane, first_row, n, x_base, input);
        load_units(lane, first_unit, w_base, input);
        workgroupBarrier();
        if busy {
            for (var i = 0u; i < SLAB; i++) {
                let a = row_slab[i * ROW_STRIDE + 2u * (lane / 8u)];
                let b = row_slab[i * ROW_STRIDE + 2u * (lane / 8u) + 1u];
                let u = unit_slab[i * UNIT_STRIDE + 2u * (lane % 8u)];
                let v = unit_slab[i * UNIT_STRIDE + 2u * (lane % 8u) + 1u];
                p0 += a.x * u; q0 += a.x * v;
                p1 += a.y * u; q1 += a.y * v;
                p2 += a.z * u; q2 += a.z * v;
                p3 += a.w * u; q3 += a.w * v;
                p4 += b.x * u; q4 += b.x * v;
                p5 += b.y * u; q5 += b.y * v;
                p6 += b.z * u; q6 += b.z * v;
                p7 += b.w * u; q7 += b.w * v;
            }
        }
        workgroupBarrier();
    }
    let p = array<vec4<f32>, 8>(p0, p1, p2, p3, p4, p5, p6, p7);
    let q = array<vec4<f32>, 8>(q0, q1, q2, q3, q4, q5, q6, q7);
    for (var i = 0u; i < 8u; i++) {
        if row + i < n {
            let base = z_base + i * step.units;
            store(base, unit, start(row + i, base, b_base, unit) + p[i]);
            store(base, unit + 4u, start(row + i, base, b_base, unit + 4u) + q[i]);
        }
    }
}
