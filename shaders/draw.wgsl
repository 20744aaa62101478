// Draws one tensor of every network of the batch, with the bits of src/random: Philox4x32-10, one block of four words an invocation,
// then the quantile table in integers, one exact conversion and one multiplication.

struct Draw {
    seed: vec2<u32>,
    tensor: u32,
    n_elements: u32,
    // Elements from one network's values to the next's, and before the tensor's.
    stride: u32,
    base: u32,
    // The value of one unit of the table; 0 for a tensor of zeros.
    scale: f32,
    padding: u32,
}

@group(0) @binding(0) var<uniform> draw: Draw;
// Value at a cell's small-probability end, fall over the cell.
@group(0) @binding(1) var<storage, read> table: array<vec2<u32>>;
// Index of every network's draw, low half first.
@group(0) @binding(2) var<storage, read> draws: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read_write> values: array<f32>;

// The upper half of a 64-bit product.
fn multiply_high(a: u32, b: u32) -> u32 {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u);
}

fn philox(counter: vec4<u32>, seed: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var key = seed;
    for (var round = 0; round < 10; round++) {
        c = vec4<u32>(
            multiply_high(c.z, 0xCD9E8D57u) ^ c.y ^ key.x,
            c.z * 0xCD9E8D57u,
            multiply_high(c.x, 0xD2511F53u) ^ c.w ^ key.y,
            c.x * 0xD2511F53u,
        );
        key += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

fn quantile(word: u32) -> f32 {
    let u = (word << 1u) | 1u;
    let octave = countLeadingZeros(u);
    let scaled = u << octave;
    let entry = table[(octave << 8u) | ((scaled >> 23u) & 0xffu)];
    // The fall, below 2^20, times a fraction of 23 bits, shifted by 23: in two pieces that fit 32 bits.
    let fraction = scaled & 0x7fffffu;
    let fall = (entry.y * (fraction >> 12u) + ((entry.y * (fraction & 0xfffu)) >> 12u)) >> 11u;
    let magnitude = entry.x - fall;
    // Cut to 24 significant bits: below 2^31, so at most 7 go.
    let exact = magnitude & ~(0xffu >> countLeadingZeros(magnitude | 1u));
    return bitcast<f32>(bitcast<u32>(f32(exact)) | (word & 0x80000000u));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = (group.y * groups.x + group.x) * 64u + lane;
    if block * 4u >= draw.n_elements {
        return;
    }
    let network = draws[group.z];
    let words = philox(vec4<u32>(block, draw.tensor, network), draw.seed);
    for (var i = 0u; i < min(4u, draw.n_elements - block * 4u); i++) {
        let value = select(quantile(words[i]) * draw.scale, 0.0, draw.scale == 0.0);
        values[group.z * draw.stride + draw.base + block * 4u + i] = value;
    }
}
