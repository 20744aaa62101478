// Bits of rows, so many words a row. A workgroup makes 64 of one row, a bit an invocation.

struct Part {
    row: u32,
    first_bit: u32,
}

// What the workgroup of a number makes, of rows of `n` bits.
fn part_of(ix: u32, n: u32) -> Part {
    let parts = (n + LANES - 1u) / LANES;
    return Part(ix / parts, ix % parts * LANES);
}

var<workgroup> packed: array<atomic<u32>, 2>;

// Joins the bits of all invocations to two words; all take part.
fn pack(lane: u32, bit: bool) {
    if bit {
        atomicOr(&packed[lane / 32u], 1u << (lane % 32u));
    }
    workgroupBarrier();
}

const NO_WORD: u32 = 0xffffffffu;

// Which of the words of a row of `n` bits an invocation stores, if any.
fn word_of(part: Part, lane: u32, n: u32) -> u32 {
    let word = part.first_bit / 32u + lane;
    return select(NO_WORD, word, lane < 2u && 32u * word < n);
}
