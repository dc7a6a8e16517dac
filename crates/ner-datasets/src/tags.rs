//! BIO tags and mentions, in both directions.
//!
//! From tags to mentions, the rules are those of conlleval, the CoNLL shared tasks' script, so that any sequence of
//! tags has one reading:
//!
//! 1. `B-x` always begins a mention;
//! 2. `I-x` continues the mention of the word before it if that mention has the type `x`;
//! 3. any other `I-x` begins a mention, as if it were `B-x`: after `O`, after another type, at the start of a sentence;
//! 4. `E-x` is read as `I-x` and closes its mention; `M-x`, `S-x`, `U-x`, `W-x` and `L-x` are read as in the schemes
//!    that have them, BMES, BILOU and BMEWO (as `I-x`; one word; one word; one word; as `E-x`).
//!
//! By rule 3 files in IOB1, where `B-` stands only between neighbours of one type, are read correctly too. From
//! mentions to tags, the result is always well-formed BIO (IOB2): each mention begins with `B-x`.

use std::ops::Range;

/// A mention as a stretch of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention<'a> {
    /// The type.
    pub label: &'a str,
    /// Its words, from 0.
    pub words: Range<usize>,
}

/// What a tag says about its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag<'a> {
    Outside,
    Begin(&'a str),
    Inside(&'a str),
    End(&'a str),
    Single(&'a str),
}

/// What became of a tag while mentions were collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// No mention here.
    Outside,
    /// The word begins a mention; `orphan` by rule 3.
    Begins { orphan: bool },
    /// The word continues the mention before it.
    Continues,
}

impl<'a> Tag<'a> {
    /// Reads a tag; `None` if it is none.
    pub(crate) fn read(field: &'a str) -> Option<Self> {
        let (prefix, label) = match field.as_bytes() {
            [b'O'] => return Some(Tag::Outside),
            [prefix, b'-', _, ..] => (prefix, &field[2..]),
            _ => return None,
        };
        match prefix {
            b'B' => Some(Tag::Begin(label)),
            b'I' | b'M' => Some(Tag::Inside(label)),
            b'E' | b'L' => Some(Tag::End(label)),
            b'S' | b'U' | b'W' => Some(Tag::Single(label)),
            _ => None,
        }
    }

    /// The type, unless outside.
    pub(crate) fn label(self) -> Option<&'a str> {
        match self {
            Tag::Outside => None,
            Tag::Begin(label) | Tag::Inside(label) | Tag::End(label) | Tag::Single(label) => {
                Some(label)
            }
        }
    }

    /// What the tag does after a mention of the type `open` that may go on.
    pub(crate) fn step(self, open: Option<&str>) -> Step {
        match self {
            Tag::Outside => Step::Outside,
            Tag::Begin(_) | Tag::Single(_) => Step::Begins { orphan: false },
            Tag::Inside(label) | Tag::End(label) if open == Some(label) => Step::Continues,
            Tag::Inside(_) | Tag::End(_) => Step::Begins { orphan: true },
        }
    }

    /// Whether a mention with this word may go on at the next one.
    pub(crate) fn leaves_open(self) -> bool {
        matches!(self, Tag::Begin(_) | Tag::Inside(_))
    }
}

/// The mentions that a sequence of tags states, by the rules of this module. `None` if one of them is not a tag.
pub fn mentions<'a>(tags: impl IntoIterator<Item = &'a str>) -> Option<Vec<Mention<'a>>> {
    let mut mentions: Vec<Mention<'a>> = Vec::new();
    let mut open = None;
    for (i, field) in tags.into_iter().enumerate() {
        let tag = Tag::read(field)?;
        match (tag.step(open), tag.label()) {
            (Step::Begins { .. }, Some(label)) => mentions.push(Mention {
                label,
                words: i..i + 1,
            }),
            (Step::Continues, _) => {
                if let Some(last) = mentions.last_mut() {
                    last.words.end = i + 1;
                }
            }
            _ => {}
        }
        open = tag.label().filter(|_| tag.leaves_open());
    }
    Some(mentions)
}

/// The tags of a sentence of `n_words` words. BIO is flat: of mentions that overlap, the longest is kept, of equally
/// long ones the first. The second value has the indices of those left out: overlapping, empty or beyond the sentence.
pub fn tags(n_words: usize, mentions: &[Mention<'_>]) -> (Vec<String>, Vec<usize>) {
    let mut order: Vec<usize> = (0..mentions.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(mentions[i].words.len()));
    let mut tags = vec![String::new(); n_words];
    let mut left_out = Vec::new();
    for i in order {
        let Mention { label, words } = &mentions[i];
        match tags.get_mut(words.clone()) {
            Some(place) if !place.is_empty() && place.iter().all(String::is_empty) => {
                for (k, tag) in place.iter_mut().enumerate() {
                    *tag = format!("{}-{label}", if k == 0 { 'B' } else { 'I' });
                }
            }
            _ => left_out.push(i),
        }
    }
    for tag in tags.iter_mut().filter(|tag| tag.is_empty()) {
        tag.push('O');
    }
    left_out.sort_unstable();
    (tags, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, Range<usize>)]) {
        let found = mentions(text.split(' ')).expect("tags");
        let expected: Vec<_> = expected
            .iter()
            .map(|(label, words)| Mention {
                label,
                words: words.clone(),
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_rules_of_conlleval() {
        check(
            "O B-x I-x O B-x B-x",
            &[("x", 1..3), ("x", 4..5), ("x", 5..6)],
        );
        check("I-x I-x O I-y", &[("x", 0..2), ("y", 3..4)]);
        check("B-x I-y I-y B-y", &[("x", 0..1), ("y", 1..3), ("y", 3..4)]);
        check("B-x E-x I-x", &[("x", 0..2), ("x", 2..3)]);
        check(
            "S-x I-x U-y L-y",
            &[("x", 0..1), ("x", 1..2), ("y", 2..3), ("y", 3..4)],
        );
        check("B-a-b I-a-b", &[("a-b", 0..2)]);
        check("B-x M-x E-x W-x O", &[("x", 0..3), ("x", 3..4)]);
    }

    #[test]
    fn what_is_no_tag() {
        for field in ["", "o", "B", "B-", "X-a", "-", "é-a", "OO"] {
            assert_eq!(Tag::read(field), None, "{field}");
        }
    }

    #[test]
    fn overlapping_and_impossible_mentions_are_left_out() {
        let mention = |label, words| Mention { label, words };
        let given = [
            mention("a", 0..1),
            mention("b", 0..2),
            mention("c", 2..2),
            mention("d", 3..9),
            mention("e", 2..3),
        ];
        let (found, left_out) = tags(4, &given);
        assert_eq!(found, ["B-b", "I-b", "B-e", "O"]);
        assert_eq!(left_out, [0, 2, 3]);
    }
}
