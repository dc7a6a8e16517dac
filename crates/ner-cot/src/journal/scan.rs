//! Reading a journal from its first line to its last sound one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::failed::Failed;
use super::header::{Head, head, is_header};
use super::in_flight::InFlight;
use super::lost::Lost;
use super::record::{Key, Record};
use crate::error::Error;

/// How the lines of each kind begin. Inside a string the quotation marks would be escaped.
const BEGINNINGS: [&[u8]; 4] = [
    b"{\"key\":\"",
    b"{\"lost\":\"",
    b"{\"in_flight\":\"",
    b"{\"failed\":\"",
];

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
    /// What may be in flight from here on.
    InFlight(InFlight<'a>),
    /// A request that its server does not answer.
    Failed(Failed<'a>),
}

impl<'a> Line<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let answer = Record::read(line).map(|(key, record)| Self::Answer(key, record));
        let lost = || Lost::read(line).map(Self::Lost);
        let in_flight = || InFlight::read(line).map(Self::InFlight);
        let failed = || Failed::read(line).map(Self::Failed);
        answer.or_else(lost).or_else(in_flight).or_else(failed)
    }
}

/// What a scan found beside the records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scanned {
    /// Length of the file without a torn last line, in bytes; 0 if not even the header is whole.
    pub(super) end: u64,
    /// Whole lines of which something is damaged, the first one not counted.
    pub(super) damaged: usize,
    /// Whether the first line is damaged.
    pub(super) has_damaged_head: bool,
}

/// Calls `each` with every sound line in the order of the file.
///
/// A last line without its line feed is what a crash leaves, and is passed over. A damaged first line is bridged if
/// there is a sound record behind it: each has a checksum of its own. The memory needed is that of one line.
pub(super) fn scan(
    path: &Path,
    file: File,
    mut each: impl FnMut(Slot, Line<'_>) -> Result<(), Error>,
) -> Result<Scanned, Error> {
    let io = |source| Error::io("read the journal", path, source);
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut line = Vec::new();
    let mut scanned = Scanned::default();
    // Why the file is perhaps no journal.
    let mut doubt = None;
    while reader.read_until(b'\n', &mut line).map_err(io)? > 0 {
        let torn = line.last() != Some(&b'\n');
        let is_first = scanned.end == 0;
        if is_first {
            doubt = look_at_head(path, &line, torn)?;
        }
        if torn {
            break;
        }
        if !is_first || doubt.is_some() {
            let is_sound = read_line(&line, scanned.end, &mut |slot, sound| {
                scanned.has_damaged_head |= doubt.take().is_some();
                each(slot, sound)
            })?;
            scanned.damaged += usize::from(!is_sound && !is_first);
        }
        scanned.end += line.len() as u64;
        line.clear();
    }
    doubt.map_or(Ok(scanned), Err)
}

/// Why a file with this first line is perhaps no journal; an error if it is certainly none that this program reads.
fn look_at_head(path: &Path, line: &[u8], torn: bool) -> Result<Option<Error>, Error> {
    match head(path, line, torn) {
        Head::Sound => Ok(None),
        Head::Damaged(doubt) => Ok(Some(doubt)),
        Head::Foreign(error) => Err(error),
    }
}

/// Hands on what is sound of a whole line at `offset`; says whether that is all of it.
fn read_line(
    line: &[u8],
    offset: u64,
    each: &mut dyn FnMut(Slot, Line<'_>) -> Result<(), Error>,
) -> Result<bool, Error> {
    let mut read = |start: usize, piece: &[u8]| match (Line::read(piece), piece.len().try_into()) {
        (Some(sound), Ok(length)) => {
            let offset = offset + start as u64;
            each(Slot { offset, length }, sound).map(|()| true)
        }
        _ => Ok(false),
    };
    if read(0, line)? || is_header(line) {
        return Ok(true);
    }
    let pieces = pieces(line);
    if pieces.len() == 1 {
        return Ok(false);
    }
    let mut is_sound = true;
    for (start, piece) in pieces {
        is_sound &= read(start, piece)?;
    }
    Ok(is_sound)
}

/// What a line consists of if the line feeds between several records are damaged, with the offsets.
fn pieces(line: &[u8]) -> Vec<(usize, &[u8])> {
    let begins = |at: &usize| {
        BEGINNINGS
            .iter()
            .any(|begin| line[*at..].starts_with(begin))
    };
    let mut borders: Vec<usize> = (1..line.len()).filter(begins).collect();
    borders.insert(0, 0);
    borders.push(line.len());
    let piece = |ends: &[usize]| {
        let piece = &line[ends[0]..ends[1]];
        let last = piece.iter().rposition(|&byte| byte == b'}');
        (ends[0], &piece[..last.map_or(0, |last| last + 1)])
    };
    borders.windows(2).map(piece).collect()
}
