//! Faults that the readers of lines and of JSON have in common.

use crate::fault::Recorder;
use crate::{Error, FaultKind};

pub(crate) fn note_mark(recorder: &mut Recorder) -> Result<(), Error> {
    let found = || "a byte order mark".into();
    recorder.record(FaultKind::ByteOrderMark, 1, "text", found)
}

pub(crate) fn note_return(recorder: &mut Recorder, line: usize) -> Result<(), Error> {
    let found = || "CR LF".into();
    recorder.record(FaultKind::CarriageReturn, line, "LF at the end", found)
}

pub(crate) fn note_encoding(recorder: &mut Recorder, line: usize) -> Result<(), Error> {
    recorder.record(FaultKind::NotUtf8, line, "UTF-8", || "other bytes".into())
}

pub(crate) fn note_length(recorder: &mut Recorder, line: usize, length: u64) -> Result<(), Error> {
    let found = || format!("{length}");
    recorder.record(FaultKind::TooLong, line, "fewer bytes", found)
}
