//! A reader of JSON as Python's `json.loads` accepts it, without recursion.
//!
//! It is written here and not taken from a crate for three reasons: the reference is read by Python, which takes NaN,
//! the infinities, numbers of any size, lone surrogates and nesting up to its recursion limit; what was read before a
//! fault must remain; and ten megabytes of brackets must cost neither stack nor a tree of values.

use std::borrow::Cow;
use std::ops::Range;

/// Python's default limit of recursion, which bounds the nesting that its reader accepts.
const MAX_DEPTH: usize = 1_000;

/// Whether a byte ends a run of characters of a string that stand for themselves: a quote, a backslash or a control.
const ENDS_RUN: [bool; 256] = {
    let mut ends = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        ends[byte] = true;
        byte += 1;
    }
    ends[b'"' as usize] = true;
    ends[b'\\' as usize] = true;
    ends
};

/// Why the text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It ends where more must follow.
    Truncated,
    /// It breaks the grammar.
    Invalid,
    /// It is nested too deeply.
    TooDeep,
}

/// What a value is, seen by its first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    List,
    Object,
}

impl Kind {
    /// The kind with its article.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// A place in a text. Every method leaves it behind what it has read, or at a fault.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Where the last string began, behind its quote.
    string_start: usize,
    /// Where it ended, before its quote.
    string_end: usize,
}

impl<'a> Reader<'a> {
    /// Begins at a byte of the text, which must be a character border.
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Reader {
            text,
            at,
            string_start: at,
            string_end: at,
        }
    }

    /// The byte at which the reader stands; always a character border.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The bytes between the quotes of the string that was read last.
    pub(super) fn last_string(&self) -> Range<usize> {
        self.string_start..self.string_end
    }

    /// The kind of the next value.
    pub(super) fn kind(&mut self) -> Result<Kind, Fault> {
        match self.peek()? {
            b'{' => Ok(Kind::Object),
            b'[' => Ok(Kind::List),
            b'"' => Ok(Kind::String),
            b't' | b'f' => Ok(Kind::Boolean),
            b'n' => Ok(Kind::Null),
            b'N' | b'I' | b'-' | b'0'..=b'9' => Ok(Kind::Number),
            _ => Err(Fault::Invalid),
        }
    }

    /// Reads an object; `each` gets every key and must read the value.
    pub(super) fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.take(b'{')?;
        if self.takes(b'}')? {
            return Ok(());
        }
        loop {
            self.peek()?;
            let key = self.string()?;
            self.take(b':')?;
            each(self, key)?;
            if self.takes(b'}')? {
                return Ok(());
            }
            self.take(b',')?;
        }
    }

    /// Reads a list; `each` must read one item.
    pub(super) fn list(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.take(b'[')?;
        if self.takes(b']')? {
            return Ok(());
        }
        loop {
            each(self)?;
            if self.takes(b']')? {
                return Ok(());
            }
            self.take(b',')?;
        }
    }

    /// Reads a colon.
    pub(super) fn colon(&mut self) -> Result<(), Fault> {
        self.take(b':')
    }

    /// Reads a value of any kind and forgets it.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        let mut open = Vec::new();
        loop {
            // Each turn reads the beginning of one value, and then as many ends as follow.
            let close = match self.peek()? {
                b'{' => b'}',
                b'[' => b']',
                _ => {
                    self.scalar()?;
                    0
                }
            };
            if close != 0 {
                self.at += 1;
                if open.len() == MAX_DEPTH {
                    return Err(Fault::TooDeep);
                }
                if !self.takes(close)? {
                    self.skip_key(close)?;
                    open.push(close);
                    continue;
                }
            }
            if self.skip_ends(&mut open)? {
                return Ok(());
            }
        }
    }

    /// After a value: closes what ends here. True if nothing is open any more, false if another value follows.
    fn skip_ends(&mut self, open: &mut Vec<u8>) -> Result<bool, Fault> {
        while let Some(&close) = open.last() {
            if self.takes(close)? {
                open.pop();
                continue;
            }
            self.take(b',')?;
            self.skip_key(close)?;
            return Ok(false);
        }
        Ok(true)
    }

    /// In an object, reads a key and its colon.
    fn skip_key(&mut self, close: u8) -> Result<(), Fault> {
        if close == b'}' {
            self.peek()?;
            self.string()?;
            self.take(b':')?;
        }
        Ok(())
    }

    /// Accepts nothing but white space up to the end.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Ok(_) => Err(Fault::Invalid),
            Err(_) => Ok(()),
        }
    }

    fn scalar(&mut self) -> Result<(), Fault> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'N' => self.literal("NaN"),
            b'I' => self.literal("Infinity"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err(Fault::Invalid),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), Fault> {
        let rest = self.rest();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else if word.as_bytes().starts_with(rest) {
            self.at = self.text.len();
            Err(Fault::Truncated)
        } else {
            Err(Fault::Invalid)
        }
    }

    /// A number of any size; its value is of no interest.
    fn number(&mut self) -> Result<(), Fault> {
        if self.rest().starts_with(b"-I") {
            self.at += 1;
            return self.literal("Infinity");
        }
        self.at += usize::from(self.rest()[0] == b'-');
        match self.rest().first() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.at += digits(self.rest()),
            Some(_) => return Err(Fault::Invalid),
            None => return Err(Fault::Truncated),
        }
        self.at += fraction(self.rest());
        self.at += exponent(self.rest());
        Ok(())
    }

    /// Reads a string whose opening quote comes next; borrowed if nothing in it is escaped.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        if self.rest().first() != Some(&b'"') {
            return Err(Fault::Invalid);
        }
        self.at += 1;
        self.string_start = self.at;
        let mut read = Cow::Borrowed(self.run()?);
        loop {
            match self.rest()[0] {
                b'"' => break,
                b'\\' => {
                    let character = self.escape()?;
                    read.to_mut().push(character);
                }
                _ => return Err(Fault::Invalid),
            }
            read += self.run()?;
        }
        self.string_end = self.at;
        self.at += 1;
        Ok(read)
    }

    /// Characters of a string that stand for themselves, up to one that does not.
    fn run(&mut self) -> Result<&'a str, Fault> {
        let ends = |&b: &u8| ENDS_RUN[usize::from(b)];
        let Some(len) = self.rest().iter().position(ends) else {
            self.at = self.text.len();
            return Err(Fault::Truncated);
        };
        let run = &self.text[self.at..self.at + len];
        self.at += len;
        Ok(run)
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let read = match self.rest().get(1).ok_or(Fault::Truncated)? {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            &mark @ (b'"' | b'\\' | b'/') => char::from(mark),
            b'u' => return self.unicode_escape(),
            _ => return Err(Fault::Invalid),
        };
        self.at += 2;
        Ok(read)
    }

    /// `\uXXXX`, or two of them for one character. Python keeps a lone surrogate; a Rust string cannot hold one, and
    /// U+FFFD stands for it, so that the text is as foreign to the sentence as it was.
    fn unicode_escape(&mut self) -> Result<char, Fault> {
        let unit = hex(self.rest())?;
        self.at += 6;
        if matches!(unit, 0xd800..0xdc00)
            && self.rest().starts_with(b"\\u")
            && let low @ 0xdc00..0xe000 = hex(self.rest())?
        {
            self.at += 6;
            let scalar = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// The next byte that is not white space.
    #[inline]
    fn peek(&mut self) -> Result<u8, Fault> {
        for &byte in self.rest() {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Ok(byte);
            }
            self.at += 1;
        }
        Err(Fault::Truncated)
    }

    fn take(&mut self, byte: u8) -> Result<(), Fault> {
        self.takes(byte)?.then_some(()).ok_or(Fault::Invalid)
    }

    fn takes(&mut self, byte: u8) -> Result<bool, Fault> {
        let is_next = self.peek()? == byte;
        self.at += usize::from(is_next);
        Ok(is_next)
    }
}

/// The value of `\uXXXX` at the start.
fn hex(escape: &[u8]) -> Result<u32, Fault> {
    let digits = escape.iter().skip(2).take(4);
    let mut value = 0;
    for &digit in digits.clone() {
        value = value * 16 + char::from(digit).to_digit(16).ok_or(Fault::Invalid)?;
    }
    if digits.len() < 4 {
        Err(Fault::Truncated)
    } else {
        Ok(value)
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// Length of a point with digits, or 0.
fn fraction(text: &[u8]) -> usize {
    match text.split_first() {
        Some((b'.', rest)) if digits(rest) > 0 => 1 + digits(rest),
        _ => 0,
    }
}

/// Length of an exponent, or 0.
fn exponent(text: &[u8]) -> usize {
    let Some((b'e' | b'E', rest)) = text.split_first() else {
        return 0;
    };
    let sign = usize::from(matches!(rest.first(), Some(b'+' | b'-')));
    match digits(&rest[sign..]) {
        0 => 0,
        len => 1 + sign + len,
    }
}
