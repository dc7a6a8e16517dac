//! Damage to a file: what disks, kills, editors and adversaries leave.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// Numbers at which programs go wrong.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "65537",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551615",
    "1e300",
    "-1e-300",
    "0.5",
    "null",
    "\"1\"",
];

/// One kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// One bit is another.
    Bit,
    /// One byte is another.
    Byte,
    /// The end is missing.
    Cut,
    /// There is something behind the end.
    Grown,
    /// A block is zeros, as pages are that never reached the disk.
    Zeros,
    /// Two blocks are in each other's place.
    Swapped,
    /// A block is missing.
    Missing,
    /// A block is there several times.
    Repeated,
    /// A line is there twice.
    Line,
    /// A number in a text is another one.
    Number,
    /// Nothing is left.
    Emptied,
    /// The file is not there.
    Gone,
    /// A folder is in its place.
    Folder,
    /// A link to nowhere is in its place.
    Link,
}

impl Change {
    /// The likely ones several times.
    const ALL: [Self; 20] = [
        Self::Bit,
        Self::Bit,
        Self::Bit,
        Self::Bit,
        Self::Byte,
        Self::Byte,
        Self::Cut,
        Self::Cut,
        Self::Grown,
        Self::Zeros,
        Self::Zeros,
        Self::Swapped,
        Self::Missing,
        Self::Repeated,
        Self::Line,
        Self::Number,
        Self::Number,
        Self::Emptied,
        Self::Gone,
        Self::Folder,
    ];

    /// One of them.
    pub(super) fn any(random: &mut ChaCha8Rng) -> Self {
        if random.random_ratio(1, 40) {
            return Self::Link;
        }
        *Self::ALL.choose(random).unwrap_or(&Self::Bit)
    }

    /// Damages a file.
    pub(super) fn apply(self, path: &Path, random: &mut ChaCha8Rng) -> Result<()> {
        let what = || format!("{self:?} of {}", path.display());
        match self {
            Self::Gone => fs::remove_file(path).with_context(what),
            Self::Folder => fs::remove_file(path)
                .and_then(|()| fs::create_dir(path))
                .with_context(what),
            Self::Link => fs::remove_file(path)
                .and_then(|()| link(path))
                .with_context(what),
            _ => {
                let mut bytes = fs::read(path).with_context(what)?;
                self.change(&mut bytes, random);
                fs::write(path, bytes).with_context(what)
            }
        }
    }

    /// Damages the content of a file.
    fn change(self, bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
        let at = place(bytes, random);
        let end = bytes.len().min(at + 1 + random.random_range(0..64));
        match self {
            Self::Emptied => bytes.clear(),
            Self::Grown => {
                bytes.extend((0..=random.random_range(0..200)).map(|_| random.random::<u8>()))
            }
            _ if bytes.is_empty() => bytes.push(random.random()),
            Self::Bit => bytes[at] ^= 1 << random.random_range(0..8),
            Self::Byte => bytes[at] = bytes[at].wrapping_add(random.random_range(1..=255)),
            Self::Cut => bytes.truncate(at),
            Self::Zeros => bytes[at..end].fill(0),
            Self::Swapped => swap(bytes, at, end, random),
            Self::Missing => drop(bytes.drain(at..end)),
            Self::Repeated => {
                let copies = bytes[at..end].repeat(random.random_range(1..50));
                drop(bytes.splice(at..at, copies));
            }
            Self::Line => double_line(bytes, at),
            Self::Number => renumber(bytes, at, random),
            Self::Gone | Self::Folder | Self::Link => {}
        }
    }
}

#[cfg(unix)]
fn link(path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink("nowhere", path)
}

#[cfg(not(unix))]
fn link(path: &Path) -> std::io::Result<()> {
    fs::create_dir(path)
}

/// Somewhere in a file. Most of a file of weights is weights, so half of all damage falls into its first bytes.
fn place(bytes: &[u8], random: &mut ChaCha8Rng) -> usize {
    let all = bytes.len().max(1);
    let range = if random.random() { all } else { all.min(2_000) };
    random.random_range(0..range)
}

/// Exchanges a block with one of the same length elsewhere.
fn swap(bytes: &mut [u8], at: usize, end: usize, random: &mut ChaCha8Rng) {
    let other = random.random_range(0..bytes.len());
    for (i, j) in (at..end).zip(other..bytes.len()) {
        bytes.swap(i, j);
    }
}

/// Puts the line around a place there twice.
fn double_line(bytes: &mut Vec<u8>, at: usize) {
    let is_feed = |byte: &u8| *byte == b'\n';
    let start = bytes[..at].iter().rposition(is_feed).map_or(0, |i| i + 1);
    let end = bytes[at..]
        .iter()
        .position(is_feed)
        .map_or(bytes.len(), |i| at + i + 1);
    let line = bytes[start..end].to_vec();
    drop(bytes.splice(start..start, line));
}

/// Another number in place of the first one behind `at`; the length of a safetensors header goes along.
fn renumber(bytes: &mut Vec<u8>, at: usize, random: &mut ChaCha8Rng) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit) else {
        return;
    };
    let start = at + start;
    let length = bytes[start..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    let number = NUMBERS.choose(random).copied().unwrap_or("0");
    drop(bytes.splice(start..start + length, number.bytes()));
    let is_header = bytes.get(8) == Some(&b'{');
    if let Some(prefix) = bytes.first_chunk_mut::<8>().filter(|_| is_header) {
        let header = u64::from_le_bytes(*prefix);
        let header = header.wrapping_add(number.len() as u64);
        *prefix = header.wrapping_sub(length as u64).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::random;

    #[test]
    fn every_kind_changes_a_file_and_is_the_same_each_time() {
        let sound = b"{\"a\": 17, \"b\": [2.5, null]}\n".repeat(5);
        let kinds = Change::ALL.into_iter().chain([Change::Link]);
        for (i, kind) in kinds.enumerate() {
            let outcome = || {
                let dir = tempfile::tempdir().expect("a folder");
                let path = dir.path().join("file");
                fs::write(&path, &sound).expect("written");
                kind.apply(&path, &mut random(i as u64)).expect("damaged");
                fs::read(&path).ok()
            };
            // Equal lines in each other's place would be the same file.
            assert!(outcome() != Some(sound.clone()), "{kind:?}");
            assert_eq!(outcome(), outcome(), "{kind:?}");
        }
    }

    #[test]
    fn a_line_is_doubled_where_it_stands() {
        for at in 2..4 {
            let mut bytes = b"a\nb\nc".to_vec();
            double_line(&mut bytes, at);
            assert_eq!(bytes, b"a\nb\nb\nc", "{at}");
        }
    }
}
