//! The counter-based generator Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
//! 1, 2, 3" (SC 2011).

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Counters computed side by side: two 512-bit registers of 64-bit lanes.
const LANES: usize = 16;

/// Four random words from a counter and a key.
pub fn philox4x32_10(counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    for _ in 0..ROUNDS {
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c0);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c2);
        (c0, c1, c2, c3) = ((p1 >> 32) as u32 ^ c1 ^ key[0], p1 as u32, (p0 >> 32) as u32 ^ c3 ^ key[1], p0 as u32);
        key[0] = key[0].wrapping_add(KEY_STEPS[0]);
        key[1] = key[1].wrapping_add(KEY_STEPS[1]);
    }
    [c0, c1, c2, c3]
}

/// The random words of one tensor of one draw.
///
/// Word `e` of the stream is word `e % 4` of Philox4x32-10 with the 64-bit seed as key (low half first) and counter
/// `(e / 4, tensor, low half of draw, high half of draw)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
    tensor: u32,
    draw: [u32; 2],
}

impl Stream {
    /// Number of words a stream has.
    pub const LEN: u64 = 1 << 34;

    /// The stream of `tensor` in `draw` under `seed`.
    pub fn new(seed: u64, draw: u64, tensor: u32) -> Self {
        Self { key: halves(seed), tensor, draw: halves(draw) }
    }

    /// Word `element` of the stream.
    pub fn word(&self, element: u64) -> u32 {
        philox4x32_10(self.counter(element / 4), self.key)[(element % 4) as usize]
    }

    /// Fills `words` with those from word `first` on.
    pub fn words(&self, first: u64, words: &mut [u32]) {
        let (lead, blocks) = words.split_at_mut(words.len().min((first.wrapping_neg() % 4) as usize));
        lead.iter_mut().zip(first..).for_each(|(word, element)| *word = self.word(element));
        self.fill(first.div_ceil(4), blocks);
    }

    /// Fills `words` with the words from `4 first_block` on.
    pub(super) fn fill(&self, first_block: u64, words: &mut [u32]) {
        pulp::Arch::new().dispatch(Fill { counter: self.counter(first_block), key: self.key, words });
    }

    fn counter(&self, block: u64) -> [u32; 4] {
        debug_assert!(block < Self::LEN / 4);
        [block as u32, self.tensor, self.draw[0], self.draw[1]]
    }
}

/// The words of consecutive counters, compiled to vector instructions.
struct Fill<'a> {
    counter: [u32; 4],
    key: [u32; 2],
    words: &'a mut [u32],
}

impl pulp::WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let mut block = u64::from(self.counter[0]);
        for out in self.words.chunks_mut(4 * LANES) {
            let tile = tile(block, self.counter, self.key);
            match <&mut [u32; 4 * LANES]>::try_from(&mut *out) {
                Ok(out) => interleave(&tile, out),
                Err(_) => {
                    let mut whole = [0; 4 * LANES];
                    interleave(&tile, &mut whole);
                    out.copy_from_slice(&whole[..out.len()]);
                }
            }
            block += LANES as u64;
        }
    }
}

#[inline(always)]
fn interleave(tile: &[[u64; LANES]; 4], words: &mut [u32; 4 * LANES]) {
    for lane in 0..LANES {
        for word in 0..4 {
            words[4 * lane + word] = tile[word][lane] as u32;
        }
    }
}

/// The words of `LANES` consecutive counters: `[word of the counter][lane]`, in 64-bit lanes whose upper halves are ignored,
/// the form in which the machine multiplies.
#[inline(always)]
fn tile(first_block: u64, counter: [u32; 4], mut key: [u32; 2]) -> [[u64; LANES]; 4] {
    const LOW: u64 = 0xFFFF_FFFF;
    let [_, c1, c2, c3] = counter.map(u64::from);
    let mut a: [u64; LANES] = std::array::from_fn(|lane| first_block + lane as u64);
    let (mut b, mut c, mut d) = ([c1; LANES], [c2; LANES], [c3; LANES]);
    for _ in 0..ROUNDS {
        let (k0, k1) = (u64::from(key[0]), u64::from(key[1]));
        for lane in 0..LANES {
            let p0 = u64::from(MULTIPLIERS[0]) * (a[lane] & LOW);
            let p1 = u64::from(MULTIPLIERS[1]) * (c[lane] & LOW);
            a[lane] = (p1 >> 32) ^ b[lane] ^ k0;
            c[lane] = (p0 >> 32) ^ d[lane] ^ k1;
            b[lane] = p1;
            d[lane] = p0;
        }
        key[0] = key[0].wrapping_add(KEY_STEPS[0]);
        key[1] = key[1].wrapping_add(KEY_STEPS[1]);
    }
    [a, b, c, d]
}

fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that come with the authors' Random123 distribution.
    #[test]
    fn known_answers() {
        let max = u32::MAX;
        assert_eq!(philox4x32_10([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32_10([max; 4], [max; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32_10([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn filling_equals_single_words_at_odd_lengths() {
        let stream = Stream::new(0x0123_4567_89AB_CDEF, 5 << 33, 17);
        for len in [0, 1, 3, 4, 5, 63, 64, 65, 1000] {
            let mut words = vec![0xDEAD_BEEF; len];
            stream.fill(0, &mut words);
            let expected: Vec<u32> = (0..len as u64).map(|e| stream.word(e)).collect();
            assert_eq!(words, expected, "length {len}");
            for first in [1, 2, 3, 4, 1001] {
                stream.words(first, &mut words);
                let expected: Vec<u32> = (first..first + len as u64).map(|e| stream.word(e)).collect();
                assert_eq!(words, expected, "length {len} from {first}");
            }
        }
    }
}
