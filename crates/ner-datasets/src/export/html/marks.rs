//! A text with its entities marked, also those inside of others.
//!
//! Elements of HTML cannot cross, so an entity that reaches out of another is marked in pieces; only the last has the
//! label.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::escape::escaped;
use crate::row::ByteSpan;

/// Marks inside of each other that are drawn; deeper ones are in the table below the text alone.
const DEPTH: usize = 12;

/// A mark: its place, the number of its colour, and the label behind it.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) span: ByteSpan,
    pub(super) colour: usize,
    pub(super) label: String,
}

/// A mark or the rest of one, in the order in which they are opened: first, then longest, then as they are given.
type Piece = (Reverse<usize>, usize, Reverse<usize>);

/// The text as HTML.
pub(super) fn marked(text: &str, marks: &[Mark]) -> String {
    let mut writer = Writer {
        text,
        marks,
        out: String::new(),
        at: 0,
    };
    let pieces = marks.iter().enumerate();
    let pieces = pieces.filter(|(_, mark)| !mark.span.is_empty());
    let pieces = pieces.map(|(i, mark)| piece(mark.span.clone(), i));
    writer.write(pieces.collect());
    writer.out
}

fn piece(span: ByteSpan, mark: usize) -> Piece {
    (Reverse(span.start), span.end, Reverse(mark))
}

struct Writer<'a> {
    text: &'a str,
    marks: &'a [Mark],
    out: String,
    /// How much of the text is written.
    at: usize,
}

impl Writer<'_> {
    fn write(&mut self, mut pieces: BinaryHeap<Piece>) {
        // The marks that are open, with the end of each.
        let mut open: Vec<(usize, usize)> = Vec::new();
        loop {
            let limit = open.last().map_or(self.text.len(), |(end, _)| *end);
            let next = pieces.peek().filter(|(start, ..)| start.0 < limit).copied();
            if let Some((Reverse(start), end, Reverse(mark))) = next {
                pieces.pop();
                if end > limit {
                    pieces.push(piece(limit..end, mark));
                }
                if open.len() < DEPTH {
                    self.plain(start);
                    self.out += &format!("<mark class=\"c{}\">", self.marks[mark].colour);
                    open.push((end.min(limit), mark));
                }
                continue;
            }
            self.plain(limit);
            let Some((end, mark)) = open.pop() else {
                return;
            };
            self.close(end, mark);
        }
    }

    fn close(&mut self, end: usize, mark: usize) {
        let mark = &self.marks[mark];
        if end == mark.span.end {
            self.out += &format!("<small>{}</small>", escaped(&mark.label));
        }
        self.out += "</mark>";
    }

    /// The text up to a place.
    fn plain(&mut self, end: usize) {
        if self.at < end {
            self.out += &escaped(&self.text[self.at..end]);
            self.at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, spans: &[ByteSpan], expected: &str) {
        let marks = spans.iter().enumerate().map(|(i, span)| Mark {
            span: span.clone(),
            colour: i,
            label: i.to_string(),
        });
        let marks: Vec<Mark> = marks.collect();
        let found = marked(text, &marks);
        let short = found
            .replace("<mark class=\"c", "[")
            .replace("\">", ":")
            .replace("</mark>", "]")
            .replace("<small>", "/")
            .replace("</small>", "");
        assert_eq!(short, expected);
    }

    #[test]
    fn marks_nest_or_are_cut_where_they_cross() {
        check("a<b", &[], "a&lt;b");
        check("abcdef", &[1..3, 3..4], "a[0:bc/0][1:d/1]ef");
        check("abcdef", &[2..4, 1..5], "a[1:b[0:cd/0]e/1]f");
        check("abcdef", &[1..3, 1..3], "a[0:[1:bc/1]/0]def");
        check("abcdef", &[0..4, 2..6], "[0:ab[1:cd]/0][1:ef/1]");
        check(
            "abcdef",
            &[0..4, 2..6, 3..5],
            "[0:ab[1:c[2:d]]/0][1:[2:e/2]f/1]",
        );
        check("ab", &[1..1, 0..2], "[1:ab/1]");
        check("é小x", &[2..5, 6..6], "é[0:小/0]x");
    }

    #[test]
    fn very_deep_marks_are_left_to_the_table() {
        let text = "x".repeat(100);
        let spans: Vec<ByteSpan> = (0..50).map(|i| i..100 - i).collect();
        let marks = spans.into_iter().map(|span| Mark {
            span,
            colour: 0,
            label: "a".into(),
        });
        let found = marked(&text, &marks.collect::<Vec<_>>());
        assert_eq!(found.matches("<mark").count(), DEPTH);
        assert_eq!(found.matches("</mark").count(), DEPTH);
        assert_eq!(found.matches('x').count(), 100);
    }
}
