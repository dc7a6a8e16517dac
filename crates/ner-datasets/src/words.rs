//! Words of a sentence for the tokenised formats, and mentions as stretches of words.

use std::ops::Range;

use crate::error::Error;
use crate::fault::{FaultKind, excerpt};
use crate::recorder::Recorder;
use crate::row::{ByteSpan, Row, split_words};
use crate::tags::Mention;

/// How a sentence of plain text is cut into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Splitter {
    /// At white space.
    Blanks,
    /// As GLiNER does before its model sees a text: `\w+(?:[-_]\w+)*|\S`.
    Gliner,
}

/// The words of a row: the source's own if it is tokenised, else by `splitter`. In the second case words are also cut
/// at the borders of mentions, so that `Brel.` loses its full stop rather than the mention `Brel` its place.
pub(crate) fn words_for(
    row: &Row,
    located: &[Option<ByteSpan>],
    splitter: Splitter,
) -> Vec<ByteSpan> {
    if !row.words.is_empty() {
        return row.words.clone();
    }
    let places: Vec<ByteSpan> = located.iter().flatten().cloned().collect();
    words_in(&row.example.sentence, &places, splitter)
}

/// The words of a text, cut at the borders of these places too.
pub(crate) fn words_in(text: &str, places: &[ByteSpan], splitter: Splitter) -> Vec<ByteSpan> {
    let words = match splitter {
        Splitter::Blanks => split_words(text),
        Splitter::Gliner => gliner_words(text),
    };
    let mut cuts: Vec<usize> = places
        .iter()
        .flat_map(|span| [span.start, span.end])
        .collect();
    cuts.sort_unstable();
    words
        .into_iter()
        .flat_map(|word| cut(word, &cuts))
        .collect()
}

/// The pieces of a word between the cuts that fall inside it.
fn cut(word: ByteSpan, cuts: &[usize]) -> Vec<ByteSpan> {
    let from = cuts.partition_point(|&at| at <= word.start);
    let inside = cuts[from..].iter().take_while(|&&at| at < word.end);
    let mut pieces = Vec::with_capacity(1);
    let mut start = word.start;
    for &at in inside.chain([&word.end]) {
        if at > start {
            pieces.push(start..at);
        }
        start = at;
    }
    pieces
}

/// The words that a mention covers, if it begins and ends with a word.
pub(crate) fn word_range(words: &[ByteSpan], span: &ByteSpan) -> Option<Range<usize>> {
    let first = words
        .binary_search_by_key(&span.start, |word| word.start)
        .ok()?;
    let last = words
        .binary_search_by_key(&span.end, |word| word.end)
        .ok()?;
    (first <= last).then_some(first..last + 1)
}

/// The mentions that are whole words. The others are faults.
pub(crate) fn whole_words<'a>(
    row: &'a Row,
    located: &[Option<ByteSpan>],
    words: &[ByteSpan],
    recorder: &mut Recorder,
) -> Result<Vec<Mention<'a>>, Error> {
    let mut mentions = Vec::new();
    for (entity, span) in row.example.entities.iter().zip(located) {
        match span.as_ref().and_then(|span| word_range(words, span)) {
            Some(words) => mentions.push(Mention {
                label: &entity.label,
                words,
            }),
            None => {
                let found = || format!("{} elsewhere or not at all", excerpt(&entity.text));
                let expected = "a mention of whole words of its sentence";
                recorder.record(FaultKind::Ungrounded, row.line, expected, found)?;
            }
        }
    }
    Ok(mentions)
}

/// Records the mentions that one layer of tags had to leave out.
pub(crate) fn note_overlaps(
    row: &Row,
    left_out: &[usize],
    mentions: &[Mention<'_>],
    recorder: &mut Recorder,
) -> Result<(), Error> {
    for &i in left_out {
        let found = || format!("{} in words {:?}", mentions[i].label, mentions[i].words);
        let expected = "mentions that do not overlap";
        recorder.record(FaultKind::Overlap, row.line, expected, found)?;
    }
    Ok(())
}

fn gliner_words(sentence: &str) -> Vec<ByteSpan> {
    let mut words: Vec<ByteSpan> = Vec::new();
    let mut characters = sentence.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character.is_whitespace() {
            continue;
        }
        let mut end = at + character.len_utf8();
        if is_word(character) {
            while let Some((next, c)) =
                characters.next_if(|&(next, c)| continues(sentence, next, c))
            {
                end = next + c.len_utf8();
            }
        }
        words.push(at..end);
    }
    words
}

/// Whether a character belongs to the word before it: a letter, or a hyphen with a letter behind it.
fn continues(sentence: &str, at: usize, character: char) -> bool {
    let next = || sentence[at + character.len_utf8()..].chars().next();
    is_word(character) || (character == '-' && next().is_some_and(is_word))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use ner_types::Example;

    use super::*;

    fn row(sentence: &str) -> Row {
        Row::new(Example {
            sentence: sentence.into(),
            ..Example::default()
        })
    }

    #[track_caller]
    fn check(sentence: &str, located: &[ByteSpan], splitter: Splitter, expected: &str) {
        let located: Vec<_> = located.iter().cloned().map(Some).collect();
        let words = words_for(&row(sentence), &located, splitter);
        let words: Vec<&str> = words.into_iter().map(|word| &sentence[word]).collect();
        assert_eq!(words.join("|"), expected);
    }

    #[test]
    fn words_are_cut_at_blanks_and_at_mentions() {
        check("in (Brel). so", &[], Splitter::Blanks, "in|(Brel).|so");
        check(
            "in (Brel). so",
            &[4..8, 4..8],
            Splitter::Blanks,
            "in|(|Brel|).|so",
        );
        check(
            "état-major, a_b -c d- é!",
            &[],
            Splitter::Gliner,
            "état-major|,|a_b|-|c|d|-|é|!",
        );
    }

    #[test]
    fn mentions_are_whole_words() {
        let words = [0..2, 3..5, 5..6];
        assert_eq!(word_range(&words, &(3..6)), Some(1..3));
        assert_eq!(word_range(&words, &(0..2)), Some(0..1));
        assert_eq!(word_range(&words, &(1..2)), None);
        assert_eq!(word_range(&words, &(3..4)), None);
    }
}
