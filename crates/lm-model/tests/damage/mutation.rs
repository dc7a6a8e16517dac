//! Seeded damage: flipped bits, other bytes, cuts, repeats, and numbers that sizes are made of.

/// Numbers at which programs go wrong.
const NUMBERS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "65537",
    "4294967295",
    "4294967296",
    "9007199254740992",
    "9223372036854775807",
    "18446744073709551615",
    "1e300",
    "0.5",
    "null",
];

/// SplitMix64 (Steele, Lea and Flood 2014), so that a case is the same for ever.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xd134_2543_de82_ef95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// The bytes with one to three damages.
    pub(crate) fn damaged(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(3) {
            self.damage(&mut bytes);
        }
        bytes
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        // Most of a file of weights is weights, so half of all damages fall into its first bytes.
        let at = if self.below(2) == 0 {
            at.min(self.below(2_000))
        } else {
            at
        };
        let end = bytes.len().min(at + 1 + self.below(64));
        match self.below(8) {
            _ if bytes.is_empty() => bytes.push(self.next() as u8),
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = self.next() as u8,
            2 => bytes.truncate(at),
            3 => bytes[at..end].fill(0),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let again = bytes[at..end].to_vec();
                let copies = again.repeat(1 + self.below(50));
                drop(bytes.splice(at..at, copies));
            }
            _ => self.renumber(bytes, at),
        }
    }

    /// Another number in place of the first one behind `at`; the length of a safetensors header goes along.
    fn renumber(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let Some(start) = bytes[at..].iter().position(is_digit) else {
            return;
        };
        let start = at + start;
        let length = bytes[start..].iter().take_while(|b| is_digit(b)).count();
        let number = NUMBERS[self.below(NUMBERS.len())];
        drop(bytes.splice(start..start + length, number.bytes()));
        let is_header = bytes.get(8) == Some(&b'{');
        if let Some(prefix) = bytes.first_chunk_mut::<8>().filter(|_| is_header) {
            let header = u64::from_le_bytes(*prefix);
            let header = header.wrapping_add(number.len() as u64);
            *prefix = header.wrapping_sub(length as u64).to_le_bytes();
        }
    }
}
