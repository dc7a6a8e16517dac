//! How fast files are read. The figures are for reports; nothing is asserted about them.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::error::Error;
use crate::format::Format;
use crate::reader::{ReadOptions, open};

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Throughput {
    /// Bytes of all files.
    pub bytes: u64,
    /// Rows of all files.
    pub rows: usize,
    /// Threads that read, each a file at a time.
    pub threads: usize,
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

/// Reads all files `passes` times, each row built and dropped. The files are handed out to `threads` threads, the
/// largest first; a single file is always read by one. The first pass warms the operating system's cache and is not
/// counted.
///
/// # Errors
///
/// If a file cannot be read, or has a fatal fault by the default policy.
pub fn measure_reading(
    files: &[(PathBuf, Format)],
    passes: usize,
    threads: NonZero<usize>,
) -> Result<Throughput, Error> {
    let mut sized = Vec::with_capacity(files.len());
    for (path, format) in files {
        let length = std::fs::metadata(path).map_err(Error::io(path, "read"))?;
        sized.push((length.len(), path, *format));
    }
    sized.sort_by_key(|(length, ..)| std::cmp::Reverse(*length));
    let threads = threads.get().min(sized.len().max(1));
    let mut rows = read_all(&sized, threads)?;
    let mut seconds = Vec::with_capacity(passes);
    for _ in 0..passes {
        let start = Instant::now();
        rows = read_all(&sized, threads)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(Throughput {
        bytes: sized.iter().map(|(length, ..)| length).sum(),
        rows,
        threads,
        seconds,
    })
}

type Sized<'a> = (u64, &'a PathBuf, Format);

fn read_all(files: &[Sized<'_>], threads: usize) -> Result<usize, Error> {
    let next = AtomicUsize::new(0);
    let read_some = || {
        let mut n_rows = 0;
        while let Some((_, path, format)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            for row in open(path, *format, ReadOptions::default())? {
                std::hint::black_box(row?);
                n_rows += 1;
            }
        }
        Ok(n_rows)
    };
    if threads == 1 {
        return read_some();
    }
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads).map(|_| scope.spawn(read_some)).collect();
        // A reader does not panic; if one did, so would this thread.
        let join = |reader: std::thread::ScopedJoinHandle<'_, _>| {
            reader
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        readers.into_iter().map(join).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rows_are_read_whatever_the_threads_and_an_error_is_given() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            (path, Format::Bio)
        };
        let mut files = vec![
            file("a", "a\tO\n\nb\tO\n"),
            file("b", "a\tO\n"),
            file("c", "a\tO\n\nb\tO\n\nc\tO\n"),
        ];
        for threads in [1, 2, 9] {
            let threads = NonZero::new(threads).expect("not 0");
            let measured = measure_reading(&files, 2, threads).expect("readable");
            assert_eq!(
                (measured.rows, measured.bytes, measured.seconds.len()),
                (6, 27, 2)
            );
            assert!(measured.threads <= files.len());
        }
        files.push(file("d", "a\n"));
        for threads in [1, 3] {
            let threads = NonZero::new(threads).expect("not 0");
            let error = measure_reading(&files, 1, threads).expect_err("faulty");
            assert!(error.to_string().contains("d:1: expected"), "{error}");
        }
    }
}
