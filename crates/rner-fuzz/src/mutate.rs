//! Changes of stored inputs as a fuzzer makes them, without a fuzzer: the same number gives the same input.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::target::MAX_BYTES;

/// Pieces that mean something to one of the readers, or that readers are known to stumble over.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\t",
    b"=",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"NaN",
    b"18446744073709551615",
    b"9223372036854775808",
    b"4294967296",
    b"\\ud83d",
    b"\\u0000",
    b"\xff",
    b"\xc3",
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x98\x80",
    b"\xcc\x88",
    b"</think>",
    b"<think>",
    b"data: ",
    b"data:[DONE]\n",
    b"\"entities\"",
    b"../",
    b"[[",
    b"]]",
    b"'''",
];

/// Where changes begin: stored inputs, none of them empty of meaning.
pub struct Mutator<'a> {
    seeds: &'a [Vec<u8>],
}

impl<'a> Mutator<'a> {
    /// Over stored inputs; without any it begins with nothing.
    pub fn new(seeds: &'a [Vec<u8>]) -> Self {
        Self { seeds }
    }

    /// The input of a number: a stored one, or the beginning of one with the end of another, changed up to eight times.
    pub fn input(&self, number: u64) -> Vec<u8> {
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let mut bytes = self.start(&mut rng);
        for _ in 0..rng.random_range(1..=8) {
            change(&mut bytes, &mut rng);
        }
        bytes.truncate(MAX_BYTES);
        bytes
    }

    fn start(&self, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let mut bytes = self.seeds.choose(rng).cloned().unwrap_or_default();
        if let (true, Some(other)) = (rng.random_ratio(1, 5), self.seeds.choose(rng)) {
            bytes.truncate(place(&bytes, rng));
            bytes.extend_from_slice(&other[place(other, rng)..]);
        }
        bytes
    }
}

fn place(bytes: &[u8], rng: &mut ChaCha8Rng) -> usize {
    rng.random_range(0..=bytes.len())
}

/// A short stretch.
fn stretch(bytes: &[u8], rng: &mut ChaCha8Rng) -> std::ops::Range<usize> {
    let start = place(bytes, rng);
    let length = 1_usize << rng.random_range(0..7);
    start..(start + length).min(bytes.len())
}

fn change(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    match rng.random_range(0..8) {
        0 => bytes.truncate(place(bytes, rng)),
        1 => drop(bytes.drain(stretch(bytes, rng))),
        2 => {
            let again = bytes[stretch(bytes, rng)].to_vec();
            insert(bytes, &again, rng);
        }
        3 | 4 => {
            let word = WORDS.choose(rng).copied().unwrap_or_default();
            insert(bytes, word, rng);
        }
        5 => change_byte(bytes, rng, |byte, rng| byte ^ (1 << rng.random_range(0..8))),
        6 => change_byte(bytes, rng, |_, rng| rng.random()),
        _ => change_byte(bytes, rng, |byte, rng| {
            byte.wrapping_add(rng.random_range(0..9)).wrapping_sub(4)
        }),
    }
}

fn insert(bytes: &mut Vec<u8>, piece: &[u8], rng: &mut ChaCha8Rng) {
    let at = place(bytes, rng);
    drop(bytes.splice(at..at, piece.iter().copied()));
}

fn change_byte(bytes: &mut [u8], rng: &mut ChaCha8Rng, new: impl Fn(u8, &mut ChaCha8Rng) -> u8) {
    if let Some(at) = bytes.len().checked_sub(1) {
        let at = rng.random_range(0..=at);
        bytes[at] = new(bytes[at], rng);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_input() {
        let seeds = [b"{\"a\": 1}".to_vec(), b"data: x\n".to_vec()];
        let mutator = Mutator::new(&seeds);
        let inputs: Vec<_> = (0..50).map(|number| mutator.input(number)).collect();
        let again: Vec<_> = (0..50).map(|number| mutator.input(number)).collect();
        assert_eq!(inputs, again);
        let changed = inputs.iter().filter(|input| !seeds.contains(input));
        assert!(changed.count() > 40);
    }
}
