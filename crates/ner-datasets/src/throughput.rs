//! How fast files are read. The figures are for reports; nothing is asserted about them.

use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use crate::{Error, Format, ReadOptions, open};

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Throughput {
    /// Bytes of all files.
    pub bytes: u64,
    /// Rows of all files.
    pub rows: usize,
    /// Wall-clock time of each pass over all files, in seconds.
    pub seconds: Vec<f64>,
}

impl Throughput {
    /// Megabytes (10⁶ bytes) a second in the median pass.
    pub fn megabytes_per_second(&self) -> f64 {
        let mut seconds = self.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        match seconds.get(seconds.len() / 2) {
            Some(median) if *median > 0.0 => self.bytes as f64 / 1e6 / median,
            _ => 0.0,
        }
    }
}

/// Reads all files `passes` times, one after the other on this thread, each row built and dropped. The first pass warms
/// the operating system's cache and is not counted.
///
/// # Errors
///
/// If a file cannot be read, or has a fatal fault by the default policy.
pub fn measure_reading(files: &[(PathBuf, Format)], passes: usize) -> Result<Throughput, Error> {
    let mut bytes = 0;
    for (path, _) in files {
        bytes += std::fs::metadata(path)
            .map_err(Error::io(path, "read"))?
            .len();
    }
    let mut rows = read_all(files)?;
    let mut seconds = Vec::with_capacity(passes);
    for _ in 0..passes {
        let start = Instant::now();
        rows = read_all(files)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(Throughput {
        bytes,
        rows,
        seconds,
    })
}

fn read_all(files: &[(PathBuf, Format)]) -> Result<usize, Error> {
    let mut n_rows = 0;
    for (path, format) in files {
        for row in open(path, *format, ReadOptions::default())? {
            std::hint::black_box(row?);
            n_rows += 1;
        }
    }
    Ok(n_rows)
}
