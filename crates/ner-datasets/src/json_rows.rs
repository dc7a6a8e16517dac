//! Elements of a JSON file in constant memory: those of a top-level array, or the values of a file of JSON lines.
//!
//! An array is not parsed as a whole. Its elements are cut apart by following strings and brackets, and each is handed
//! on as bytes with its line. One bad element is one fault, and the reader goes on behind it. In JSON lines each line
//! is one element, as in practice no writer breaks them.

use std::io::{self, BufRead};

use memchr::memchr2;

/// A piece of a JSON file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// The bytes of one element, and the line of its first one.
    Element(&'a [u8], usize),
    /// An element of more bytes than allowed: its line, and how many.
    TooLong(usize, u64),
    /// The file breaks off or goes on where it should not: the line, what was expected and what was found.
    Broken(usize, &'static str, String),
}

/// How the elements are strung together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Array,
    Lines,
}

/// Where the cutter stands between two elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first element of an array.
    First,
    /// Behind a comma.
    AfterComma,
    /// Behind an element.
    AfterElement,
    /// Behind the closing bracket, or after a break.
    End,
}

/// Cuts a source into elements.
#[derive(Debug)]
pub(crate) struct JsonRows<R> {
    source: R,
    shape: Shape,
    place: Place,
    /// The line of the next byte, from 1.
    line: usize,
    element: Vec<u8>,
    max_bytes: usize,
    has_mark: bool,
    /// The line of the first carriage return between elements or behind a line.
    carriage_return: Option<usize>,
    /// Whether a bracket was taken that begins the next line.
    is_open: bool,
}

impl<R: BufRead> JsonRows<R> {
    /// Reads up to the first character that is not blank, and drops a byte order mark.
    pub(crate) fn new(source: R, max_bytes: usize) -> io::Result<Self> {
        let mut rows = JsonRows {
            source,
            shape: Shape::Lines,
            place: Place::First,
            line: 1,
            element: Vec::new(),
            max_bytes,
            has_mark: false,
            carriage_return: None,
            is_open: false,
        };
        rows.has_mark = rows.skip_mark()?;
        if rows.peek_solid()? == Some(b'[') {
            rows.source.consume(1);
            rows.shape = Shape::Array;
        }
        Ok(rows)
    }

    /// As [`JsonRows::new`], but lines of lists `["text", …]` are no array.
    pub(crate) fn of_lists(source: R, max_bytes: usize) -> io::Result<Self> {
        let mut rows = Self::new(source, max_bytes)?;
        let line = rows.line;
        if rows.is_array() && rows.peek_solid()? == Some(b'"') && rows.line == line {
            (rows.shape, rows.is_open) = (Shape::Lines, true);
        }
        Ok(rows)
    }

    /// Whether the file began with a byte order mark.
    pub(crate) fn has_mark(&self) -> bool {
        self.has_mark
    }

    /// The line of the first carriage return met between elements or behind a line.
    pub(crate) fn carriage_return(&self) -> Option<usize> {
        self.carriage_return
    }

    /// Whether the file is one array, and not lines.
    pub(crate) fn is_array(&self) -> bool {
        self.shape == Shape::Array
    }

    /// The next piece, or `None` at the end.
    pub(crate) fn next_piece(&mut self) -> io::Result<Option<Piece<'_>>> {
        if self.place == Place::End {
            return Ok(None);
        }
        match self.shape {
            Shape::Lines => self.next_of_lines(),
            Shape::Array => self.next_of_array(),
        }
    }

    fn next_of_lines(&mut self) -> io::Result<Option<Piece<'_>>> {
        if self.peek_solid()?.is_none() {
            self.place = Place::End;
            return Ok(None);
        }
        let line = self.line;
        let length = self.take_line()?;
        Ok(Some(self.element_or_too_long(line, length)))
    }

    fn next_of_array(&mut self) -> io::Result<Option<Piece<'_>>> {
        loop {
            let Some(byte) = self.peek_solid()? else {
                return Ok(Some(self.broken("`]` at the end of the array", None)));
            };
            match (byte, self.place) {
                (b']', Place::First | Place::AfterElement) => return self.close(),
                (b',', Place::AfterElement) => {
                    self.source.consume(1);
                    self.place = Place::AfterComma;
                }
                (byte, Place::AfterElement) => {
                    return Ok(Some(self.broken("`,` or `]` after an element", Some(byte))));
                }
                (b',' | b']' | b'}' | b':', _) => {
                    return Ok(Some(self.broken("an element", Some(byte))));
                }
                _ => {
                    let line = self.line;
                    let Some(length) = self.take_element()? else {
                        return Ok(Some(self.broken("the end of the element", None)));
                    };
                    self.place = Place::AfterElement;
                    return Ok(Some(self.element_or_too_long(line, length)));
                }
            }
        }
    }

    /// Takes the closing bracket and looks that nothing follows.
    fn close(&mut self) -> io::Result<Option<Piece<'_>>> {
        self.source.consume(1);
        let next = self.peek_solid()?;
        if next.is_some() {
            return Ok(Some(self.broken("the end of the file", next)));
        }
        self.place = Place::End;
        Ok(None)
    }

    fn broken(&mut self, expected: &'static str, found: Option<u8>) -> Piece<'static> {
        self.place = Place::End;
        let found = match found {
            Some(byte) => format!("`{}`", byte.escape_ascii()),
            None => "the end of the file".into(),
        };
        Piece::Broken(self.line, expected, found)
    }

    fn element_or_too_long(&self, line: usize, length: u64) -> Piece<'_> {
        if length > self.max_bytes as u64 {
            Piece::TooLong(line, length)
        } else {
            Piece::Element(&self.element, line)
        }
    }

    fn skip_mark(&mut self) -> io::Result<bool> {
        let has_mark = self.source.fill_buf()?.starts_with("\u{feff}".as_bytes());
        if has_mark {
            self.source.consume(3);
        }
        Ok(has_mark)
    }

    /// Skips blanks, counting lines, and gives the next byte without taking it.
    fn peek_solid(&mut self) -> io::Result<Option<u8>> {
        loop {
            let bytes = self.source.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let solid = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
            let blanks = &bytes[..solid.unwrap_or(bytes.len())];
            let line = self.line;
            let n_lines = |blanks: &[u8]| blanks.iter().filter(|&&byte| byte == b'\n').count();
            if let (None, Some(at)) = (self.carriage_return, memchr::memchr(b'\r', blanks)) {
                self.carriage_return = Some(line + n_lines(&blanks[..at]));
            }
            self.line += n_lines(blanks);
            let (found, n_blanks) = (solid.map(|at| bytes[at]), blanks.len());
            self.source.consume(n_blanks);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Takes the rest of the line without its end; gives its length. Only `max_bytes` of it are kept.
    fn take_line(&mut self) -> io::Result<u64> {
        self.element.clear();
        let mut length = 0;
        if std::mem::take(&mut self.is_open) {
            self.element.push(b'[');
            length = 1;
        }
        loop {
            let bytes = self.source.fill_buf()?;
            let end = memchr::memchr(b'\n', bytes);
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            keep(&mut self.element, piece, self.max_bytes);
            let n_read = piece.len();
            length += n_read as u64;
            // The line feed stays, so that the lines are counted in one place.
            self.source.consume(n_read);
            if end.is_some() || n_read == 0 {
                if self.element.last() == Some(&b'\r') {
                    self.carriage_return = self.carriage_return.or(Some(self.line));
                }
                return Ok(length);
            }
        }
    }

    /// Takes one element of an array; gives its length, or `None` if the file ends inside it.
    fn take_element(&mut self) -> io::Result<Option<u64>> {
        self.element.clear();
        let (mut state, mut length) = (Scan::default(), 0);
        loop {
            let bytes = self.source.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let end = state.advance(bytes);
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            self.line += memchr::memchr_iter(b'\n', piece).count();
            keep(&mut self.element, piece, self.max_bytes);
            let n_read = piece.len();
            length += n_read as u64;
            self.source.consume(n_read);
            if end.is_some() {
                return Ok(Some(length));
            }
        }
    }
}

/// Appends a piece unless the element is too long already.
fn keep(element: &mut Vec<u8>, piece: &[u8], max_bytes: usize) {
    if element.len() + piece.len() <= max_bytes {
        element.extend_from_slice(piece);
    }
}

/// Follows strings and brackets.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Scan {
    /// Reads on to the end of the element; gives the place behind it, or `None` if it lies further on. An object, array
    /// or string ends with its own last character, anything else before a comma or bracket.
    fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                at += self.string(&bytes[at..]);
                if !self.in_string && self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            match bytes[at] {
                b'"' => self.in_string = true,
                b'[' | b'{' => self.depth += 1,
                b',' | b']' | b'}' if self.depth == 0 => return Some(at),
                b']' | b'}' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        None
    }

    /// Takes bytes of a string up to and with its closing quote; gives how many.
    fn string(&mut self, bytes: &[u8]) -> usize {
        if self.is_escaped {
            self.is_escaped = false;
            return 1;
        }
        match memchr2(b'"', b'\\', bytes) {
            None => bytes.len(),
            Some(at) => {
                self.in_string = bytes[at] != b'"';
                self.is_escaped = bytes[at] == b'\\';
                at + 1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Elements as text with their lines; a break as its message.
    fn pieces(text: &str, max_bytes: usize) -> Vec<(usize, String)> {
        // A tiny buffer, so that every piece crosses its end.
        let source = BufReader::with_capacity(3, text.as_bytes());
        let mut rows = JsonRows::new(source, max_bytes).expect("readable");
        let mut found = Vec::new();
        while let Some(piece) = rows.next_piece().expect("readable") {
            found.push(match piece {
                Piece::Element(bytes, line) => {
                    (line, String::from_utf8_lossy(bytes).trim_end().to_string())
                }
                Piece::TooLong(line, length) => (line, format!("{length} bytes")),
                Piece::Broken(line, expected, found) => (line, format!("{expected}: {found}")),
            });
        }
        found
    }

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(l, t)| (*l, t.to_string())).collect();
        assert_eq!(pieces(text, 100), expected, "{text}");
    }

    #[test]
    fn arrays_are_cut_at_their_commas() {
        check("[]", &[]);
        check(" [ ]\n", &[]);
        check(
            "[1,\n{\"a\": [2, 3]},\"],\"]",
            &[(1, "1"), (2, "{\"a\": [2, 3]}"), (2, "\"],\"")],
        );
        check(r#"["\"\\",3]"#, &[(1, r#""\"\\""#), (1, "3")]);
        check("\u{feff}[\n\n\"é\"\n,\n2]", &[(3, "\"é\""), (5, "2")]);
    }

    #[test]
    fn lines_are_cut_at_their_ends() {
        check("", &[]);
        check("\n \n", &[]);
        check("{}\n\n{\"a\":\r\n[", &[(1, "{}"), (3, "{\"a\":"), (4, "[")]);
    }

    #[test]
    fn a_break_is_named_and_ends_the_file() {
        check(
            "[1,",
            &[
                (1, "1"),
                (1, "`]` at the end of the array: the end of the file"),
            ],
        );
        check(
            "[1\n{",
            &[(2, "the end of the element: the end of the file")],
        );
        check(
            "[{\"a\n",
            &[(2, "the end of the element: the end of the file")],
        );
        check("[1] 2", &[(1, "1"), (1, "the end of the file: `2`")]);
        check("[1,,2]", &[(1, "1"), (1, "an element: `,`")]);
        check(
            "[1},2]",
            &[(1, "1"), (1, "`,` or `]` after an element: `}`")],
        );
    }

    #[test]
    fn long_elements_are_measured_and_skipped() {
        let long = "x".repeat(200);
        let found = pieces(&format!("[1,\"{long}\",2]"), 100);
        assert_eq!(found[1], (1, "202 bytes".to_string()));
        assert_eq!(found[2], (1, "2".to_string()));
        let found = pieces(&format!("1\n{long}\n2"), 100);
        assert_eq!(found[1], (2, "200 bytes".to_string()));
        assert_eq!(found[2], (3, "2".to_string()));
    }
}
