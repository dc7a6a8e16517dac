//! Reading a journal from its first line to its last sound one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::lost::Lost;
use super::record::{Key, Record, check_header};
use crate::error::Error;

/// Where a line stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// A sound line of a journal.
#[derive(Debug)]
pub enum Line<'a> {
    /// An answer, and the key of its request.
    Answer(Key, Record<'a>),
    /// A request that may have been billed.
    Lost(Lost<'a>),
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let answer = Record::read(line).map(|(key, record)| Self::Answer(key, record));
        answer.or_else(|| Lost::read(line).map(Self::Lost))
    }
}

/// What a scan found beside the records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanned {
    /// Length of the file without a torn last line, in bytes; 0 if not even the header is whole.
    pub(super) end: u64,
    /// Whole lines that are damaged.
    pub(super) damaged: usize,
}

/// Calls `each` with every sound line in the order of the file.
///
/// A last line without its line feed is what a crash leaves, and is passed over. The memory needed is that of one line.
pub(super) fn scan(
    path: &Path,
    file: File,
    mut each: impl FnMut(Slot, Line<'_>) -> Result<(), Error>,
) -> Result<Scanned, Error> {
    let io = |source| Error::io("read the journal", path, source);
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut line = Vec::new();
    let mut scanned = Scanned::default();
    while reader.read_until(b'\n', &mut line).map_err(io)? > 0 {
        let torn = line.last() != Some(&b'\n');
        if scanned.end == 0 {
            check_header(path, &line, torn)?;
        }
        if torn {
            break;
        }
        if scanned.end > 0 {
            match (Line::read(&line), u32::try_from(line.len())) {
                (Some(sound), Ok(length)) => {
                    let offset = scanned.end;
                    each(Slot { offset, length }, sound)?;
                }
                _ => scanned.damaged += 1,
            }
        }
        scanned.end += line.len() as u64;
        line.clear();
    }
    Ok(scanned)
}
