//! Lines of a text file in constant memory: blocks are read, checked for UTF-8 as a whole, and cut at line feeds.
//!
//! Checking a block at once is several times faster than checking each short line of a BIO file. Only a block with a
//! wrong byte is checked again line by line, so that the fault gets its line.

use std::io::{self, Read};
use std::ops::Range;

use memchr::{memchr, memchr_iter, memrchr};

/// Bytes asked from the source at a time.
const BLOCK: usize = 1 << 16;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line of text, and whether CR LF ended it.
    Text(&'a str, bool),
    /// A line that is not UTF-8.
    NotUtf8,
    /// A line of more bytes than allowed, and how many.
    TooLong(u64),
}

/// Whole lines, ready to be cut.
#[derive(Debug)]
enum Block {
    Text(String),
    Bytes(Vec<u8>),
}

/// Cuts a source into lines.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    source: R,
    block: Block,
    /// Ends of the block's lines; found for all at once, as a search for each short line costs more than the line.
    ends: Vec<usize>,
    /// Index of the next line's end.
    next: usize,
    /// The beginning of a line whose end has not been read.
    tail: Vec<u8>,
    max_bytes: usize,
    /// Line number of the latest line, from 1.
    number: usize,
    at_end: bool,
    has_mark: bool,
}

impl<R: Read> Lines<R> {
    /// Reads the first block, and drops a byte order mark.
    pub(crate) fn new(source: R, max_bytes: usize) -> io::Result<Self> {
        let mut lines = Lines {
            source,
            block: Block::Text(String::new()),
            ends: Vec::new(),
            next: 0,
            tail: Vec::new(),
            max_bytes,
            number: 0,
            at_end: false,
            has_mark: false,
        };
        lines.fill_tail(BLOCK)?;
        if let Some(rest) = lines.tail.strip_prefix("\u{feff}".as_bytes()) {
            lines.tail = rest.to_vec();
            lines.has_mark = true;
        }
        Ok(lines)
    }

    /// Whether the file began with a byte order mark.
    pub(crate) fn has_mark(&self) -> bool {
        self.has_mark
    }

    /// The whole lines of the first block, before any was taken. What is not UTF-8 is replaced.
    pub(crate) fn head(&self) -> String {
        let whole = match memrchr(b'\n', &self.tail) {
            Some(end) if !self.at_end => &self.tail[..end],
            _ => &self.tail[..],
        };
        String::from_utf8_lossy(whole).into_owned()
    }

    /// Number of the latest line, from 1.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// The next line, or `None` at the end of the file.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        if self.next >= self.ends.len() {
            match self.refill()? {
                Refill::Block => {}
                Refill::TooLong(bytes) => {
                    self.number += 1;
                    return Ok(Some(Line::TooLong(bytes)));
                }
                Refill::End => return Ok(None),
            }
        }
        self.number += 1;
        let start = match self.next {
            0 => 0,
            next => self.ends[next - 1] + 1,
        };
        let end = self.ends[self.next];
        self.next += 1;
        Ok(Some(self.block.line(start..end, self.max_bytes)))
    }

    /// Reads until the tail holds the end of a line, and makes its whole lines the block.
    fn refill(&mut self) -> io::Result<Refill> {
        let mut searched = 0;
        loop {
            let end = memrchr(b'\n', &self.tail[searched..]).map(|i| searched + i + 1);
            let end = end.or((self.at_end && !self.tail.is_empty()).then_some(self.tail.len()));
            if let Some(end) = end {
                self.take_block(end);
                return Ok(Refill::Block);
            }
            if self.at_end {
                return Ok(Refill::End);
            }
            if self.tail.len() > self.max_bytes {
                return Ok(Refill::TooLong(self.skip_line()?));
            }
            searched = self.tail.len();
            self.fill_tail(BLOCK)?;
        }
    }

    fn take_block(&mut self, end: usize) {
        let mut rest = Vec::with_capacity(2 * BLOCK);
        rest.extend_from_slice(&self.tail[end..]);
        let mut whole = std::mem::replace(&mut self.tail, rest);
        whole.truncate(end);
        self.ends.clear();
        self.ends.extend(memchr_iter(b'\n', &whole));
        if whole.last().is_some_and(|&byte| byte != b'\n') {
            self.ends.push(whole.len());
        }
        self.block = match String::from_utf8(whole) {
            Ok(text) => Block::Text(text),
            Err(error) => Block::Bytes(error.into_bytes()),
        };
        self.next = 0;
    }

    /// Drops the line that the tail begins, and gives its length.
    fn skip_line(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            if let Some(end) = memchr(b'\n', &self.tail) {
                self.tail.drain(..=end);
                return Ok(skipped + end as u64);
            }
            skipped += self.tail.len() as u64;
            self.tail.clear();
            if self.at_end {
                return Ok(skipped);
            }
            self.fill_tail(BLOCK)?;
        }
    }

    fn fill_tail(&mut self, bytes: usize) -> io::Result<()> {
        let limit = bytes as u64;
        let read = (&mut self.source).take(limit).read_to_end(&mut self.tail)?;
        self.at_end = read < bytes;
        Ok(())
    }
}

enum Refill {
    Block,
    TooLong(u64),
    End,
}

impl Block {
    fn line(&self, range: Range<usize>, max_bytes: usize) -> Line<'_> {
        if range.len() > max_bytes {
            return Line::TooLong(range.len() as u64);
        }
        let text = match self {
            // Line feeds are never inside a character, so the borders are those of characters.
            Block::Text(text) => Some(&text[range]),
            Block::Bytes(bytes) => std::str::from_utf8(&bytes[range]).ok(),
        };
        match text {
            None => Line::NotUtf8,
            Some(text) if text.as_bytes().last() == Some(&b'\r') => {
                Line::Text(&text[..text.len() - 1], true)
            }
            Some(text) => Line::Text(text, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], max_bytes: usize, expected: &[Line<'_>]) {
        let mut lines = Lines::new(bytes, max_bytes).expect("readable");
        for (i, expected) in expected.iter().enumerate() {
            let line = lines.next_line().expect("readable").expect("a line");
            assert_eq!(&line, expected);
            assert_eq!(lines.number(), i + 1);
        }
        assert_eq!(lines.next_line().expect("readable"), None);
        assert_eq!(lines.next_line().expect("readable"), None);
    }

    #[test]
    fn ends_of_lines_marks_and_wrong_bytes() {
        let text = |text| Line::Text(text, false);
        check(b"", 9, &[]);
        check(b"\n", 9, &[text("")]);
        check(b"a\n\nb", 9, &[text("a"), text(""), text("b")]);
        check(
            b"a\r\nb\r",
            9,
            &[Line::Text("a", true), Line::Text("b", true)],
        );
        check("\u{feff}é\n".as_bytes(), 9, &[text("é")]);
        check(b"a\n\xff\nc", 9, &[text("a"), Line::NotUtf8, text("c")]);
    }

    #[test]
    fn long_lines_are_measured_and_dropped() {
        let long = "é".repeat(BLOCK);
        let text = |text| Line::Text(text, false);
        let (length, all) = (long.len() as u64, format!("a\n{long}\nb\n{long}"));
        let expected = [
            text("a"),
            Line::TooLong(length),
            text("b"),
            Line::TooLong(length),
        ];
        check(all.as_bytes(), 100, &expected);
        let expected = [text("a"), text(&long), text("b"), text(&long)];
        check(all.as_bytes(), 3 * BLOCK, &expected);
    }

    #[test]
    fn a_line_may_cross_blocks() {
        let line = "x".repeat(BLOCK - 3) + "é";
        let all = format!("{line}\n").repeat(5);
        let mut lines = Lines::new(all.as_bytes(), 2 * BLOCK).expect("readable");
        for _ in 0..5 {
            assert_eq!(
                lines.next_line().expect("readable"),
                Some(Line::Text(&line, false))
            );
        }
        assert_eq!(lines.next_line().expect("readable"), None);
    }
}
