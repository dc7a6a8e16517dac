//! Rows go through one at a time: the peak of the memory does not follow the length of the input.

#![cfg(target_os = "linux")]

use std::io::{self, Read};
use std::path::Path;

use ner_bulk::{TextOptions, Texts};

#[path = "../examples/names.rs"]
mod names;

/// The most memory that the process has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.map_or(0, |kilobytes: usize| kilobytes << 10)
}

/// So many bytes of lines, which are made as they are read.
struct Endless {
    line: &'static [u8],
    at: usize,
    left: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_bytes = buffer.len().min(self.left);
        for byte in &mut buffer[..n_bytes] {
            *byte = self.line[self.at];
            self.at = (self.at + 1) % self.line.len();
        }
        self.left -= n_bytes;
        Ok(n_bytes)
    }
}

fn rows(line: &'static [u8], left: usize) -> usize {
    let source = Endless { line, at: 0, left };
    let options = TextOptions::default();
    let texts = Texts::from_reader(Path::new("x"), source, &options);
    let mut texts = texts.expect("readable");
    let mut rows = 0;
    while texts.next_text().expect("readable").is_some() {
        rows += 1;
    }
    rows
}

const MEGABYTE: usize = 1 << 20;

#[test]
fn the_peak_of_the_memory_does_not_follow_the_input() {
    // JSON lines, plain lines, and one line without an end.
    let kinds: [(&[u8], usize); 3] = [
        (b"{\"text\": \"Mira Dolan lives in Port Halvek.\"}\n", 64),
        (b"Mira Dolan lives in Port Halvek.\n", 256),
        (b"x", 256),
    ];
    rows(b"one\n", MEGABYTE);
    for (line, megabytes) in kinds {
        let before = peak();
        let rows = rows(line, megabytes * MEGABYTE);
        assert!(rows > 0);
        let more = peak() - before;
        assert!(more < 16 * MEGABYTE, "{rows} rows, {more} bytes more");
    }
}

/// `RNER_BULK_INPUT=file RNER_BULK_OUT=folder cargo test --release -p ner-bulk --test memory -- --ignored --nocapture`
#[test]
#[ignore = "reads a file of any size that RNER_BULK_INPUT names, and prints the peak"]
fn the_peak_over_a_large_file() -> Result<(), Box<dyn std::error::Error>> {
    let input = std::env::var("RNER_BULK_INPUT")?;
    let out = std::env::var("RNER_BULK_OUT")?;
    let before = peak();
    let summary = names::find_all(Path::new(&input), Path::new(&out))?;
    let (megabytes, more) = (peak() / MEGABYTE, (peak() - before) / MEGABYTE);
    println!("{summary:?}: peak {megabytes} MiB, {more} MiB of it for the work");
    Ok(())
}
