//! The lines of a source, each of a bounded length.

use std::io::{self, BufRead, BufReader, Read};

/// Bytes read at a time.
const BUFFER: usize = 1 << 18;

/// A line without its end, or why it is none.
pub(super) type Bytes = Result<Vec<u8>, String>;

/// Lines of at most so many bytes as a row may have.
pub(super) struct Lines {
    source: Box<dyn BufRead + Send>,
    line: usize,
    max_bytes: usize,
}

impl Lines {
    pub(super) fn new(source: impl Read + Send + 'static, max_bytes: usize) -> Self {
        Self {
            source: Box::new(BufReader::with_capacity(BUFFER, source)),
            line: 0,
            max_bytes,
        }
    }

    /// The first byte that is not blank, within what is read at once; a byte order mark is dropped.
    pub(super) fn first_byte(&mut self) -> io::Result<Option<u8>> {
        if self.source.fill_buf()?.starts_with("\u{feff}".as_bytes()) {
            self.source.consume(3);
        }
        let bytes = self.source.fill_buf()?;
        Ok(bytes
            .iter()
            .copied()
            .find(|byte| !byte.is_ascii_whitespace()))
    }

    /// The next line without its end, or how long it is if that is too long.
    pub(super) fn next(&mut self) -> io::Result<Option<(usize, Bytes)>> {
        let mut bytes = Vec::new();
        let limit = self.max_bytes as u64 + 2;
        let length = (&mut self.source)
            .take(limit)
            .read_until(b'\n', &mut bytes)?;
        if length == 0 {
            return Ok(None);
        }
        self.line += 1;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            bytes.pop_if(|byte| *byte == b'\r');
        } else if length as u64 == limit {
            self.skip_line()?;
        }
        let checked = if bytes.len() > self.max_bytes {
            Err(format!("the line has over {} bytes", self.max_bytes))
        } else {
            Ok(bytes)
        };
        Ok(Some((self.line, checked)))
    }

    /// Passes over a line, which is not kept in memory; whether there was one.
    pub(super) fn skip(&mut self) -> io::Result<bool> {
        if self.source.fill_buf()?.is_empty() {
            return Ok(false);
        }
        self.line += 1;
        self.skip_line()?;
        Ok(true)
    }

    /// Passes over the rest of a line.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.source.fill_buf()?;
            let end = memchr::memchr(b'\n', bytes);
            let n_bytes = end.map_or(bytes.len(), |at| at + 1);
            self.source.consume(n_bytes);
            if end.is_some() || n_bytes == 0 {
                return Ok(());
            }
        }
    }
}
