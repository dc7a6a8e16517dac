//! One part: its rows through the finder into a file that appears when it is complete.

use std::io::{self, Write};

use atomic_files::AtomicFile;

use crate::error::{Error, Result};
use crate::finder::Finder;
use crate::inputs::Input;
use crate::job::Job;
use crate::manifest::Manifest;
use crate::observer::Observer;
use crate::stream::Stream;
use crate::through::Through;

/// A part of the output.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Its name below the folder.
    pub(crate) name: String,
    input: String,
    first_row: usize,
    rows: usize,
    /// Whether its rows say of which file they are.
    has_files: bool,
}

impl Part {
    /// A file as one part: it has its name, with the ending of the output behind it unless that is its own.
    pub(crate) fn of_file(input: &Input, ending: &str) -> Self {
        Self {
            name: format!("{}.{ending}", stem(&input.name, ending)),
            input: input.name.clone(),
            first_row: 0,
            rows: usize::MAX,
            has_files: false,
        }
    }

    /// Some rows of a file.
    pub(crate) fn of_rows(input: &Input, index: usize, rows: usize, ending: &str) -> Self {
        let stem = stem(&input.name, ending);
        Self {
            name: format!("{stem}.part-{index:05}.{ending}"),
            first_row: index.saturating_mul(rows),
            rows,
            ..Self::of_file(input, ending)
        }
    }

    /// All files as one part.
    pub(crate) fn of_all(name: &str, inputs: &[Input]) -> Self {
        let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
        Self {
            name: name.to_owned(),
            input: names.join(", "),
            first_row: 0,
            rows: usize::MAX,
            has_files: inputs.len() > 1,
        }
    }

    /// The row behind the last one.
    pub(crate) fn end(&self) -> usize {
        self.first_row.saturating_add(self.rows)
    }
}

fn stem<'a>(name: &'a str, ending: &str) -> &'a str {
    let stem = name
        .strip_suffix(ending)
        .and_then(|stem| stem.strip_suffix('.'));
    stem.filter(|stem| !stem.is_empty() && !stem.ends_with('/'))
        .unwrap_or(name)
}

/// A part that is being written.
pub(crate) struct Writing<'a> {
    pub(crate) job: &'a Job<'a>,
    pub(crate) part: &'a Part,
    pub(crate) observer: &'a mut dyn Observer,
}

impl Writing<'_> {
    /// Writes the part; its manifest first.
    ///
    /// # Errors
    /// Rows that cannot be read any further, a finder that fails, a place that cannot be written to: then there is no
    /// part.
    pub(crate) fn write(self, rows: &mut Stream<'_>, finder: &mut dyn Finder) -> Result<Manifest> {
        let path = self.job.folder.part(&self.part.name);
        let passed_over = rows.passed_over();
        let mut file = AtomicFile::create(&path)?;
        let mut place = Hashed {
            out: &mut file,
            hasher: blake3::Hasher::new(),
        };
        let unwritable = || Error::io(&path, "write");
        let mut writer = self.job.form.open(&mut place).map_err(unwritable())?;
        let through = Through {
            end: self.part.end(),
            has_files: self.part.has_files,
            path: &path,
            stop: &self.job.stop,
            observer: self.observer,
        };
        let counts = through.all(rows, finder, writer.as_mut())?;
        writer.finish().map_err(unwritable())?;
        let part_blake3 = place.hasher.finalize().to_hex().to_string();
        let manifest = Manifest {
            part: self.part.name.clone(),
            input: self.part.input.clone(),
            first_row: self.part.first_row,
            rows: counts.rows,
            unanswered: counts.unanswered,
            passed_over: rows.passed_over() - passed_over,
            entities: counts.entities,
            rows_blake3: counts.hash.finish().to_hex().to_string(),
            part_blake3,
            question_blake3: self.job.folder.question_blake3().to_owned(),
        };
        atomic_files::write(&self.job.folder.manifest(&self.part.name), manifest.text()?)?;
        file.commit()?;
        Ok(manifest)
    }
}

/// A place whose content is hashed on the way.
struct Hashed<'a> {
    out: &'a mut AtomicFile,
    hasher: blake3::Hasher,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
