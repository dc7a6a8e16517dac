//! Sentences and quotations of a text, for the rules that count and compare them.

use std::ops::Range;

/// Cuts at line ends and at full stops and semicolons outside of quotations.
pub(crate) fn split_sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    for line in text.lines() {
        let (mut start, mut quoted, mut ended) = (0, false, false);
        for (at, c) in line.char_indices() {
            match c {
                '"' => quoted = !quoted,
                '“' => quoted = true,
                '”' => quoted = false,
                _ if ended && !quoted && c.is_whitespace() => {
                    sentences.push(&line[start..at]);
                    start = at;
                }
                _ => {}
            }
            ended = matches!(c, '.' | ';' | '!' | '?');
        }
        sentences.push(&line[start..]);
    }
    sentences
}

/// Where quotations stand, without their marks. None goes over the end of a line.
pub(crate) fn quotations(text: &str) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find(['"', '“', '`']) {
        let mark = text[at + open..].chars().next().unwrap_or('"');
        let start = at + open + mark.len_utf8();
        let close = if mark == '“' { '”' } else { mark };
        let end = text[start..].find([close, '\n']).map(|end| start + end);
        at = match end {
            Some(end) if text[end..].starts_with(close) => {
                places.push(start..end);
                end + close.len_utf8()
            }
            _ => start,
        };
    }
    places
}
