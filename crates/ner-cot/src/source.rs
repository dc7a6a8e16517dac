//! Where rows come from, and which of them are asked about.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use ner_datasets::{Format, ReadOptions};
use ner_types::Example;

use crate::error::Error;
use crate::leakage::Leakage;
use crate::near::NearDuplicates;
use crate::report::Reason;
use crate::row_check::{SourceLimits, check_row};

/// Longest row of a source file that is read at all, in bytes; a longer one is a broken row.
const MAX_ROW_BYTES: usize = 16 << 20;

/// The rows of a source in their order.
pub type SourceRows<'a> = Box<dyn Iterator<Item = Result<Example, Error>> + Send + 'a>;

/// Rows that can be gone through more than once, always in the same order.
pub trait Source: Send + Sync {
    /// Begins anew with the first row.
    ///
    /// # Errors
    /// If the source cannot be opened; a row that cannot be read is an error of the iterator.
    fn rows(&self) -> Result<SourceRows<'_>, Error>;
}

impl Source for [Example] {
    fn rows(&self) -> Result<SourceRows<'_>, Error> {
        Ok(Box::new(self.iter().cloned().map(Ok)))
    }
}

impl Source for Vec<Example> {
    fn rows(&self) -> Result<SourceRows<'_>, Error> {
        self.as_slice().rows()
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn rows(&self) -> Result<SourceRows<'_>, Error> {
        (**self).rows()
    }
}

/// A file that is read row by row, in any format of `ner-datasets`.
#[derive(Clone, Debug)]
pub struct FileSource {
    path: PathBuf,
    format: Format,
    options: ReadOptions,
}

impl FileSource {
    /// A file in NER-CoT's format, as an array or as lines.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::with_format(path, Format::NerCot)
    }

    /// A file in another format. Rows that state no types have those of their own mentions.
    pub fn with_format(path: impl Into<PathBuf>, format: Format) -> Self {
        Self::with_options(path, format, ReadOptions::default())
    }

    /// A file in another format, read in another way; rows of up to 16 MiB are read, whatever the options say.
    pub fn with_options(path: impl Into<PathBuf>, format: Format, options: ReadOptions) -> Self {
        Self {
            path: path.into(),
            format,
            options: ReadOptions {
                max_row_bytes: MAX_ROW_BYTES,
                ..options
            },
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Source for FileSource {
    fn rows(&self) -> Result<SourceRows<'_>, Error> {
        let rows = ner_datasets::open(&self.path, self.format, self.options.clone())?;
        Ok(Box::new(rows.map(|row| {
            let row = row?.of_entities(&self.path)?;
            Ok(row.example)
        })))
    }
}

/// One of several parts of a source, told apart by a hash of sentence and schema: equal rows are in the same part,
/// and the parts do not depend on the order of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Number of the part, from 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl FromStr for Shard {
    type Err = Error;

    /// Reads `i/n` with 1 ≤ i ≤ n.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('/');
        let parts = parts.and_then(|(i, n)| Some((i.trim().parse().ok()?, n.trim().parse().ok()?)));
        match parts {
            Some((number, of)) if 1 <= number && number <= of => Ok(Self { number, of }),
            _ => Err(Error::Setting {
                field: "shard",
                expected: "i/n with i from 1 to n",
                found: text.into(),
            }),
        }
    }
}

impl Shard {
    fn has(self, question: u128) -> bool {
        question % u128::from(self.of) == u128::from(self.number - 1)
    }
}

/// Hash of what a row asks: its normalised sentence and schema.
pub(crate) fn question_hash(row: &Example) -> u128 {
    let mut hasher = blake3::Hasher::new();
    // Lengths keep the texts apart.
    for text in std::iter::once(&row.sentence).chain(&row.schema) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_le_bytes(half)
}

/// Which rows of a source are asked about.
#[derive(Clone, Debug, Default)]
pub struct SelectionOptions {
    /// Only so many rows from the beginning.
    pub limit: Option<usize>,
    /// Only one part.
    pub shard: Option<Shard>,
    /// What a row may have at most.
    pub limits: SourceLimits,
    /// Leave out rows that are as similar as this to an earlier one; from 0 to 1.
    pub near_duplicates: Option<f64>,
    /// Leave out rows that are in evaluation data.
    pub leakage: Option<Arc<Leakage>>,
}

/// A row of the selection.
pub(crate) enum SelectedRow {
    /// Nothing is asked about it.
    Skipped { reason: Reason },
    /// A row to ask about.
    Open(Box<OpenRow>),
}

/// A row to ask about.
pub(crate) struct OpenRow {
    /// Its place in the source, from 0.
    pub(crate) number: usize,
    /// As it stands there.
    pub(crate) source: Example,
    /// As it is asked about.
    pub(crate) asked: Example,
    /// Hash of what it asks.
    pub(crate) question: u128,
}

/// A source with the choice of its rows, gone through once: it has no broken row.
pub struct Selection<'a> {
    source: Box<dyn Source + 'a>,
    options: SelectionOptions,
    /// Rows that are left out because of what other rows or data are like.
    excluded: HashMap<usize, Reason>,
    rows: usize,
    open: usize,
}

impl<'a> Selection<'a> {
    /// Goes through the source, so that a broken row is found before money is spent.
    ///
    /// # Errors
    /// If a row cannot be read, or there is nothing to ask about.
    pub fn new(source: impl Source + 'a, options: SelectionOptions) -> Result<Self, Error> {
        let mut selection = Self {
            source: Box::new(source),
            options,
            excluded: HashMap::new(),
            rows: 0,
            open: 0,
        };
        selection.excluded = selection.exclude()?;
        let (mut rows, mut open) = (0, 0);
        for row in selection.iter()? {
            rows += 1;
            open += usize::from(matches!(row?, SelectedRow::Open(_)));
        }
        (selection.rows, selection.open) = (rows, open);
        if open == 0 {
            return Err(Error::NoUsableSource { rows });
        }
        Ok(selection)
    }

    /// Compares the rows with each other and with evaluation data, those of other shards too, so that all shards
    /// leave out the same.
    fn exclude(&self) -> Result<HashMap<usize, Reason>, Error> {
        let mut excluded = HashMap::new();
        let leakage = self.options.leakage.as_deref();
        let near = self.options.near_duplicates;
        let mut near = near.map(NearDuplicates::new).transpose()?;
        if near.is_none() && leakage.is_none() {
            return Ok(excluded);
        }
        let rows = self.source.rows()?.enumerate();
        for (number, row) in rows.take(self.options.limit.unwrap_or(usize::MAX)) {
            let sentence = row?.sentence;
            if leakage.is_some_and(|leakage| leakage.check(&sentence).is_some()) {
                excluded.insert(number, Reason::Leak);
            } else if near.as_mut().is_some_and(|n| n.insert(&sentence).is_some()) {
                excluded.insert(number, Reason::NearDuplicate);
            }
        }
        let cut_short = near.map_or(0, |near| near.n_cut_short())
            + leakage.map_or(0, |leakage| leakage.n_cut_short());
        if cut_short > 0 {
            tracing::warn!(
                sentences = cut_short,
                "the search for near-duplicates was cut short; some may have been passed over"
            );
        }
        Ok(excluded)
    }

    /// Selected rows, those that nothing is asked about included.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows to ask about.
    pub fn open(&self) -> usize {
        self.open
    }

    /// The selected rows in the order of the source.
    pub(crate) fn iter(
        &self,
    ) -> Result<impl Iterator<Item = Result<SelectedRow, Error>> + Send + '_, Error> {
        let rows = self.source.rows()?.enumerate();
        let rows = rows.take(self.options.limit.unwrap_or(usize::MAX));
        Ok(rows.filter_map(|(number, row)| match row {
            Ok(example) => self.select(number, example).map(Ok),
            Err(error) => Some(Err(error)),
        }))
    }

    /// The row as part of the selection; `None` if it belongs to another shard.
    fn select(&self, number: usize, source: Example) -> Option<SelectedRow> {
        let asked = source.normalized();
        let question = question_hash(&asked);
        if self.options.shard.is_some_and(|shard| !shard.has(question)) {
            return None;
        }
        let problem = check_row(&asked, &self.options.limits).err();
        let problem = problem.map(|problem| Reason::Source(problem.name()));
        let reason = problem.or_else(|| self.excluded.get(&number).copied());
        Some(match reason {
            Some(reason) => SelectedRow::Skipped { reason },
            None => SelectedRow::Open(Box::new(OpenRow {
                number,
                source,
                asked,
                question,
            })),
        })
    }
}
