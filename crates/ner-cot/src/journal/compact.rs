//! Making a journal smaller, and several into one.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::disk::{Disk, rename};
use super::header::header_line;
use super::in_flight::LastWords;
use super::scan::{Line, Slot, scan};
use super::{FILE, Journal, LOCK, lock};
use crate::error::Error;

/// What compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Length of the journal before, in bytes.
    pub bytes_before: u64,
    /// Length after.
    pub bytes_after: u64,
    /// Answers that are kept: the last one of every request.
    pub answers: usize,
}

/// Rewrites the journal of `dir` without damaged lines and without answers that a later one to the same request
/// replaces. Needs room for a second copy while it works.
///
/// # Errors
/// If the journal is in use or a file cannot be written; then the journal is as it was.
pub fn compact(dir: &Path, disk: &dyn Disk) -> Result<Compacted, Error> {
    let _lock = lock::take(&dir.join(LOCK))?;
    let path = dir.join(FILE);
    let (journal, end) = Journal::load(&path)?;
    let mut slots: Vec<Slot> = journal.index().values().copied().collect();
    let answers = slots.len();
    // What may have been billed is not forgotten.
    let (lost, in_flight) = unknown(&path)?;
    slots.extend(lost);
    slots.sort_unstable_by_key(|slot| slot.offset);
    let beside = dir.join(format!("{FILE}.partial"));
    let written = copy(&journal, &slots, &in_flight, &beside, disk);
    let bytes_after = written.inspect_err(|_| {
        // The half-written copy is of no use to anybody.
        let _ = disk.remove_file(&beside);
    })?;
    rename(disk, &beside, &path)
        .map_err(|source| Error::io("replace the journal", &path, source))?;
    Ok(Compacted {
        bytes_before: end,
        bytes_after,
        answers,
    })
}

/// Where the lines of requests stand that were lost or failed, and what was in flight when processes were killed.
fn unknown(path: &Path) -> Result<(Vec<Slot>, LastWords), Error> {
    let file = File::open(path).map_err(|e| Error::io("open the journal", path, e))?;
    let (mut slots, mut words) = (Vec::new(), LastWords::default());
    // Of a request that failed again and again, the last time is enough.
    let mut failed = HashMap::new();
    scan(path, file, |slot, line| {
        match line {
            Line::Answer(..) => {}
            Line::Lost(_) => slots.push(slot),
            Line::InFlight(line) => words.hear(&line),
            Line::Failed(line) => drop(failed.insert(line.failed.to_string(), slot)),
        }
        Ok(())
    })?;
    slots.extend(failed.into_values());
    Ok((slots, words))
}

/// Copies a header, the lines at `slots` and the last words; returns the length of the copy.
fn copy(
    journal: &Journal,
    slots: &[Slot],
    in_flight: &LastWords,
    to: &Path,
    disk: &dyn Disk,
) -> Result<u64, Error> {
    let io = |source| Error::io("write", to, source);
    let mut options = OpenOptions::new();
    let options = options.create(true).write(true).truncate(true);
    let file = disk.open(to, options).map_err(io)?;
    let mut length = 0;
    let mut block = header_line().into_bytes();
    for &slot in slots {
        block.extend(journal.read(slot)?);
        // A record behind which the line feed was damaged.
        if block.last() != Some(&b'\n') {
            block.push(b'\n');
        }
        if block.len() >= 1 << 20 {
            length += block.len() as u64;
            disk.append(&file, &block).map_err(io)?;
            block.clear();
        }
    }
    in_flight.lines().for_each(|line| block.extend(line));
    length += block.len() as u64;
    disk.append(&file, &block).map_err(io)?;
    disk.sync(&file).map_err(io)?;
    Ok(length)
}

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Answers taken over.
    pub added: usize,
    /// Answers that were there already.
    pub known: usize,
}

/// Takes the answers of other journals over into that of `into`, which may be new.
///
/// # Errors
/// If a journal cannot be read, or the target is in use or cannot be written.
pub fn merge(from: &[PathBuf], into: &Path) -> Result<Merged, Error> {
    let target = Journal::open(into)?;
    let mut merged = Merged::default();
    let (mut lost_before, mut words_before) = (HashSet::new(), LastWords::default());
    target.for_each_line(|line| match line {
        Line::Answer(..) | Line::Failed(_) => {}
        Line::Lost(lost) => {
            lost_before.insert(lost.check.to_string());
        }
        Line::InFlight(line) => words_before.hear(&line),
    })?;
    for dir in from {
        let mut words = LastWords::default();
        let path = dir.join(FILE);
        let open = File::open(&path);
        let file = open.map_err(|source| Error::io("open the journal", &path, source))?;
        scan(&path, file, |_, line| {
            let (key, record) = match line {
                Line::Answer(key, record) => (key, record),
                Line::Lost(lost) if lost_before.insert(lost.check.to_string()) => {
                    return target.append_lost(&lost);
                }
                Line::Lost(_) => return Ok(()),
                Line::InFlight(line) => {
                    words.hear(&line);
                    return Ok(());
                }
                Line::Failed(failed) => {
                    let is_new = failed
                        .key()
                        .is_some_and(|key| target.failed(&key).is_none());
                    if is_new {
                        target.append_failed(&failed)?;
                    }
                    return Ok(());
                }
            };
            if target.contains(&key) {
                merged.known += 1;
                return Ok(());
            }
            merged.added += 1;
            target.append_later(&key, &record)?;
            // What waits for the disk is in memory; there must not be too much of it.
            if merged.added.is_multiple_of(1024) {
                target.finish()?;
            }
            Ok(())
        })?;
        words_before.update(&words, |line| target.append_line(line))?;
        // The index knows the answers of this journal before those of the next are compared with it.
        target.finish()?;
    }
    Ok(merged)
}
