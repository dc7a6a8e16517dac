//! Which tokens may come next.

/// A set of token ids: those of which the next token of a completion may be drawn.
///
/// ```
/// use lm_generate::TokenMask;
///
/// let digits = TokenMask::of([15, 16, 40]);
/// assert!(digits.allows(40) && !digits.allows(41));
/// assert_eq!(digits.len(), 3);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenMask {
    /// Bit `id % 32` of word `id / 32`; what lies behind the last word is not allowed.
    words: Vec<u32>,
}

impl TokenMask {
    /// The set of these ids.
    pub fn of(ids: impl IntoIterator<Item = u32>) -> Self {
        let mut words = Vec::new();
        for id in ids {
            let word = id as usize / 32;
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            words[word] |= 1 << (id % 32);
        }
        Self { words }
    }

    /// A set in words of 32 bits: bit `id % 32` of word `id / 32`.
    pub fn from_words(words: Vec<u32>) -> Self {
        Self { words }
    }

    /// What is in both sets.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let words = self.words.iter().zip(&other.words).map(|(a, b)| a & b);
        Self {
            words: words.collect(),
        }
    }

    /// Whether an id is in the set.
    pub fn allows(&self, id: u32) -> bool {
        let word = self.words.get(id as usize / 32);
        word.is_some_and(|word| word >> (id % 32) & 1 == 1)
    }

    /// How many ids are in the set.
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Whether no id is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Whether some id below `vocab_size` is in the set.
    pub(crate) fn allows_below(&self, vocab_size: usize) -> bool {
        let whole = vocab_size / 32;
        let is_some = |word: &u32| *word != 0;
        self.words.iter().take(whole).any(is_some)
            || (whole * 32..vocab_size).any(|id| self.allows(id as u32))
    }
}
