//! The windows of a text: whole sentences, as many as fit, and an overlap with the window before.

use std::ops::Range;

use crate::sentences::words;
use crate::units::{Count, Unit, units, within};

/// How large windows are, in the tokens of whoever counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most tokens of a window, its overlap included.
    pub window: usize,
    /// Most tokens that a window has in common with the one before; at most half a window.
    pub overlap: usize,
    /// Most tokens of what is shown before a window and not asked about.
    pub context: usize,
}

impl Default for Limits {
    /// One window, whatever the length.
    fn default() -> Self {
        Self {
            window: usize::MAX,
            overlap: 0,
            context: 0,
        }
    }
}

/// The windows of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The windows in the order of the text; none if the text is blank.
    pub windows: Vec<Window>,
    /// Sentences that were too long for a window and were cut between words, or inside of one.
    pub cut_sentences: usize,
}

/// A part of a text that one question is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The part, in bytes, without white space around it.
    pub bytes: Range<usize>,
    /// Where that begins which is shown before it; `bytes.start` if nothing is.
    pub context_start: usize,
}

impl Window {
    /// What is asked about: the context and the window.
    pub fn shown(&self) -> Range<usize> {
        self.context_start..self.bytes.end
    }
}

/// Divides a text into windows. `count` tells how many tokens a text has.
///
/// A text that fits is one window, as it stands. Otherwise a window holds whole sentences, and its overlap those at the
/// end of the window before. A sentence that is longer than a window without its overlap is cut between words, and a
/// word between characters. If even the last sentence is longer than the overlap, its last words are repeated: so an
/// entity at a border that is none is whole in one of two windows, if it is not longer than the overlap.
///
/// The time is linear in the text, if that of `count` is.
pub fn plan(text: &str, limits: &Limits, count: Count<'_>) -> Plan {
    if text.trim().is_empty() {
        return Plan::default();
    }
    if within(text, limits.window, count).is_some() {
        return Plan {
            windows: vec![Window {
                bytes: 0..text.len(),
                context_start: 0,
            }],
            cut_sentences: 0,
        };
    }
    let window = limits.window.max(1);
    let limits = Limits {
        window,
        overlap: limits.overlap.min(window / 2),
        ..*limits
    };
    let (units, cut_sentences) = units(text, window - limits.overlap, count);
    let packing = Packing {
        text,
        units: &units,
        limits,
        count,
    };
    Plan {
        windows: packing.windows(),
        cut_sentences,
    }
}

struct Packing<'a> {
    text: &'a str,
    units: &'a [Unit],
    limits: Limits,
    count: Count<'a>,
}

impl Packing<'_> {
    fn windows(&self) -> Vec<Window> {
        let mut windows = Vec::new();
        let (mut next, mut overlap) = (0, None);
        while next < self.units.len() {
            let (start, end) = self.fill(next, overlap);
            let bytes = start..self.units[end - 1].bytes.end;
            overlap = Some(self.overlap(next..end, start));
            let is_new = |it: &Window| {
                windows
                    .last()
                    .is_none_or(|last: &Window| last.bytes.end < it.bytes.end)
            };
            windows.extend(self.window(bytes).filter(is_new));
            next = end;
        }
        windows
    }

    /// The first byte of a window and the unit behind its last one. It begins with the overlap and has at least one
    /// unit that is new.
    fn fill(&self, next: usize, overlap: Option<(usize, usize)>) -> (usize, usize) {
        let limit = self.limits.window;
        let (mut start, mut tokens) = overlap.unwrap_or((self.units[next].bytes.start, 0));
        let mut end = next;
        while let Some(unit) = self.units.get(end)
            && (end == next || tokens.saturating_add(unit.tokens) <= limit)
        {
            tokens = tokens.saturating_add(unit.tokens);
            end += 1;
        }
        // A tokenizer may make more of the whole than of its parts, which is rare.
        let is_over = |start: usize, end: usize| {
            let bytes = start..self.units[end - 1].bytes.end;
            within(&self.text[bytes], limit, self.count).is_none()
        };
        while end > next + 1 && is_over(start, end) {
            end -= 1;
        }
        if end == next + 1 && is_over(start, end) {
            start = self.units[next].bytes.start;
        }
        (start, end)
    }

    /// Where the overlap with the window of these new units begins, and its tokens. `start` is the window's.
    fn overlap(&self, window: Range<usize>, start: usize) -> (usize, usize) {
        let (first, last) = (window.start, window.end - 1);
        let end = self.units[last].bytes.end;
        let (mut at, mut tokens) = (end, 0);
        for unit in self.units[first..=last].iter().rev() {
            if tokens + unit.tokens > self.limits.overlap || unit.bytes.start <= start {
                break;
            }
            (at, tokens) = (unit.bytes.start, tokens + unit.tokens);
        }
        if at == end && self.limits.overlap > 0 {
            return self.last_words(
                self.units[last].bytes.start.max(start)..end,
                self.limits.overlap,
            );
        }
        (at, tokens)
    }

    /// Where the last words of a part of the text begin, as many as have at most so many tokens, and their tokens.
    fn last_words(&self, part: Range<usize>, limit: usize) -> (usize, usize) {
        let words: Vec<Range<usize>> = words(&self.text[part.clone()]).collect();
        let (mut at, mut tokens) = (part.end, 0);
        for word in words.iter().rev() {
            let bytes = part.start + word.start..part.start + word.end;
            let Some(more) = within(&self.text[bytes.clone()], limit - tokens, self.count) else {
                break;
            };
            (at, tokens) = (bytes.start, tokens + more);
        }
        (at, tokens)
    }

    /// A window without white space around it, with its context; `None` if it is blank.
    fn window(&self, bytes: Range<usize>) -> Option<Window> {
        let part = &self.text[bytes.clone()];
        let trimmed = part.trim_start();
        if trimmed.is_empty() {
            return None;
        }
        let start = bytes.end - trimmed.len();
        Some(Window {
            bytes: start..start + trimmed.trim_end().len(),
            context_start: self.context_start(start),
        })
    }

    fn context_start(&self, start: usize) -> usize {
        let context = self.limits.context;
        if context == 0 {
            return start;
        }
        let most = context.saturating_mul(16);
        let from = self.text.floor_char_boundary(start.saturating_sub(most));
        let (at, _) = self.last_words(from..start, context);
        let shown = &self.text[at..start];
        at + (shown.len() - shown.trim_start().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words divided by white space, however long.
    fn n_words(text: &str) -> usize {
        text.split_whitespace().count()
    }

    #[track_caller]
    fn check(text: &str, [window, overlap, context]: [usize; 3], expected: &[&str]) -> Plan {
        let limits = Limits {
            window,
            overlap,
            context,
        };
        let plan = plan(text, &limits, &n_words);
        let shown = |window: &Window| {
            let context = &text[window.context_start..window.bytes.start];
            format!("{context}|{}", &text[window.bytes.clone()])
        };
        let found: Vec<String> = plan.windows.iter().map(shown).collect();
        assert_eq!(found, expected);
        plan
    }

    #[test]
    fn windows_hold_whole_sentences_and_repeat_the_last_ones() {
        let text = "One two three. Four five. Six seven. Eight.";
        check(text, [100, 5, 5], &[&format!("|{text}")]);
        let windows = [
            "|One two three. Four five.",
            "|Four five. Six seven. Eight.",
        ];
        check(text, [5, 2, 0], &windows);
        check(
            text,
            [5, 0, 0],
            &["|One two three. Four five.", "|Six seven. Eight."],
        );
        check(
            text,
            [5, 0, 1],
            &["|One two three. Four five.", "five. |Six seven. Eight."],
        );
        check("  \n ", [5, 2, 0], &[]);
        check("", [5, 2, 0], &[]);
    }

    #[test]
    fn a_sentence_that_is_longer_than_the_overlap_leaves_its_last_words() {
        let text = "Ada Brel of Osk met Dr. Fr. Smith there. He left. Now.";
        check(
            text,
            [10, 1, 0],
            &[
                "|Ada Brel of Osk met Dr. Fr. Smith there.",
                "|there. He left. Now.",
            ],
        );
    }

    #[test]
    fn a_sentence_that_is_too_long_is_cut_at_words_and_counted() {
        let text = "a b c d e f g. h";
        let windows = ["|a b c d", "|c d e f", "|e f g. h"];
        assert_eq!(check(text, [4, 2, 0], &windows).cut_sentences, 1);
        assert_eq!(
            check("A b. C d.", [2, 0, 0], &["|A b.", "|C d."]).cut_sentences,
            0
        );
    }

    #[test]
    fn a_word_that_is_too_long_is_cut_at_characters() {
        let text = "é".repeat(5_000);
        let limits = Limits {
            window: 16,
            overlap: 4,
            context: 0,
        };
        let plan = plan(&text, &limits, &|text| text.len());
        let first: Vec<Range<usize>> = plan
            .windows
            .iter()
            .take(3)
            .map(|it| it.bytes.clone())
            .collect();
        assert_eq!(first, [0..16, 12..28, 24..40]);
        assert_eq!(plan.cut_sentences, 1);
    }
}
