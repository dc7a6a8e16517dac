//! Training byte-pair encoding.
//!
//! Sennrich et al., *Neural Machine Translation of Rare Words with Subword Units*, 2016: merge the
//! most frequent pair of neighbouring tokens until the vocabulary is full. Ties go to the pair with
//! the smaller ids. The trainer of the crate `tokenizers` can queue one pair several times and
//! then lets the order of a randomly seeded hash map decide; here a text always gives the same
//! vocabulary.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use super::bytes::byte_chars;

/// A pair seen once is a memory of one word, not a habit of the language.
const MIN_COUNT: i64 = 2;

type Pair = (u32, u32);

/// A trained vocabulary: tokens by id, and the merges in the order in which they apply.
pub(super) struct Bpe {
    pub(super) tokens: Vec<String>,
    pub(super) merges: Vec<(String, String)>,
}

/// Learns at most `size` tokens, the 256 bytes included, from pieces and how often each occurs.
/// Pieces are in the byte-level alphabet.
pub(super) fn train(pieces: &BTreeMap<String, u64>, size: usize) -> Bpe {
    let mut trainer = Trainer::new(pieces);
    while trainer.bpe.tokens.len() < size {
        let Some(pair) = trainer.most_frequent() else {
            break;
        };
        trainer.merge(pair);
    }
    trainer.bpe
}

struct Trainer {
    bpe: Bpe,
    ids: HashMap<String, u32>,
    words: Vec<Word>,
    counts: HashMap<Pair, i64>,
    /// Words that contain a pair, or once did.
    places: HashMap<Pair, BTreeSet<usize>>,
    /// Pairs by count, the smaller pair first among equals; entries may be out of date.
    queue: BinaryHeap<(i64, Reverse<Pair>)>,
}

struct Word {
    tokens: Vec<u32>,
    count: i64,
}

impl Trainer {
    fn new(pieces: &BTreeMap<String, u64>) -> Self {
        // Ids follow the code points of the characters, as in published vocabularies.
        let tokens: BTreeSet<String> = byte_chars().iter().map(char::to_string).collect();
        let tokens: Vec<String> = tokens.into_iter().collect();
        let ids: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();
        let id = |letter: char| ids.get(letter.encode_utf8(&mut [0; 4]) as &str).copied();
        let word = |(piece, &count): (&String, &u64)| Word {
            tokens: piece.chars().filter_map(id).collect(),
            count: i64::try_from(count).unwrap_or(i64::MAX),
        };
        let words = pieces.iter().map(word).collect();
        let mut trainer = Self {
            bpe: Bpe {
                tokens,
                merges: Vec::new(),
            },
            ids,
            words,
            counts: HashMap::new(),
            places: HashMap::new(),
            queue: BinaryHeap::new(),
        };
        trainer.count_all();
        trainer
    }

    fn count_all(&mut self) {
        for index in 0..self.words.len() {
            self.count_pairs(index, 1);
        }
        let entries = self
            .counts
            .iter()
            .map(|(&pair, &count)| (count, Reverse(pair)));
        self.queue = entries.collect();
    }

    /// Adds the pairs of a word to the counts, or takes them away with a `sign` of -1. Returns
    /// them.
    fn count_pairs(&mut self, index: usize, sign: i64) -> Vec<Pair> {
        let word = &self.words[index];
        let pairs: Vec<Pair> = word
            .tokens
            .windows(2)
            .map(|pair| (pair[0], pair[1]))
            .collect();
        for &pair in &pairs {
            *self.counts.entry(pair).or_default() += sign * word.count;
            if sign > 0 {
                self.places.entry(pair).or_default().insert(index);
            }
        }
        pairs
    }

    /// The next pair to merge. An entry whose count has changed since goes back into the queue.
    fn most_frequent(&mut self) -> Option<Pair> {
        while let Some((count, Reverse(pair))) = self.queue.pop() {
            let now = self.counts.get(&pair).copied().unwrap_or(0);
            if now < MIN_COUNT {
                continue;
            }
            if now == count {
                return Some(pair);
            }
            // A risen count has an entry of its own, see `merge`.
            if now < count {
                self.queue.push((now, Reverse(pair)));
            }
        }
        None
    }

    fn merge(&mut self, pair: Pair) {
        let merged = self.token_for(pair);
        let mut touched = BTreeSet::new();
        for index in self.places.remove(&pair).unwrap_or_default() {
            self.count_pairs(index, -1);
            replace(&mut self.words[index].tokens, pair, merged);
            touched.extend(self.count_pairs(index, 1));
        }
        for pair in touched {
            let count = self.counts.get(&pair).copied().unwrap_or(0);
            self.queue.push((count, Reverse(pair)));
        }
    }

    /// Records the merge. Two merges may spell the same token, which then has one id.
    fn token_for(&mut self, (left, right): Pair) -> u32 {
        let parts = [left, right].map(|id| self.bpe.tokens[id as usize].clone());
        let token = parts.concat();
        let [left, right] = parts;
        self.bpe.merges.push((left, right));
        let next = self.bpe.tokens.len() as u32;
        let tokens = &mut self.bpe.tokens;
        *self.ids.entry(token.clone()).or_insert_with(|| {
            tokens.push(token);
            next
        })
    }
}

/// Replaces every occurrence of a pair, from the left.
fn replace(tokens: &mut Vec<u32>, pair: Pair, merged: u32) {
    let mut kept: Vec<u32> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.iter().copied().peekable();
    while let Some(token) = rest.next() {
        let joins = token == pair.0 && rest.next_if_eq(&pair.1).is_some();
        kept.push(if joins { merged } else { token });
    }
    *tokens = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trained(pieces: &[(&str, u64)], size: usize) -> Bpe {
        let pieces = pieces
            .iter()
            .map(|&(piece, count)| (piece.to_owned(), count))
            .collect();
        train(&pieces, size)
    }

    #[test]
    fn merges_the_most_frequent_pairs_first() {
        let bpe = trained(
            &[("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)],
            256 + 4,
        );
        let expected = [("e", "s"), ("es", "t"), ("l", "o"), ("lo", "w")];
        assert_eq!(
            bpe.merges,
            expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        assert_eq!(bpe.tokens[256..], ["es", "est", "lo", "low"]);
    }

    #[test]
    fn stops_when_no_pair_repeats() {
        let bpe = trained(&[("ab", 2), ("cd", 1)], 1000);
        assert_eq!(bpe.tokens[256..], ["ab"]);
    }

    #[test]
    fn overlapping_pairs_are_replaced_from_the_left() {
        let mut tokens = vec![7, 7, 7];
        replace(&mut tokens, (7, 7), 9);
        assert_eq!(tokens, [9, 7]);
    }
}
