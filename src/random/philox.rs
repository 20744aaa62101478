//! The counter-based generator Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
//! 1, 2, 3" (SC 2011).

const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const KEY_STEPS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Four random words from a counter and a key.
#[inline(always)]
pub fn philox4x32_10(counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    // In 64-bit lanes whose upper halves are ignored, the form in which vector instructions multiply.
    const LOW: u64 = 0xFFFF_FFFF;
    let [mut c0, mut c1, mut c2, mut c3] = counter.map(u64::from);
    for _ in 0..ROUNDS {
        let p0 = MULTIPLIERS[0] * (c0 & LOW);
        let p1 = MULTIPLIERS[1] * (c2 & LOW);
        (c0, c1, c2, c3) = ((p1 >> 32) ^ c1 ^ u64::from(key[0]), p1, (p0 >> 32) ^ c3 ^ u64::from(key[1]), p0);
        key[0] = key[0].wrapping_add(KEY_STEPS[0]);
        key[1] = key[1].wrapping_add(KEY_STEPS[1]);
    }
    [c0, c1, c2, c3].map(|word| word as u32)
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
        let (blocks, rest) = words.as_chunks_mut();
        if !rest.is_empty() {
            let last = philox4x32_10(self.counter(first_block + blocks.len() as u64), self.key);
            rest.copy_from_slice(&last[..rest.len()]);
        }
        pulp::Arch::new().dispatch(Fill { counter: self.counter(first_block), key: self.key, blocks });
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
    blocks: &'a mut [[u32; 4]],
}

impl pulp::WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let [first, c1, c2, c3] = self.counter;
        for (counter, block) in (u64::from(first)..).zip(self.blocks) {
            *block = philox4x32_10([counter as u32, c1, c2, c3], self.key);
        }
    }
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
