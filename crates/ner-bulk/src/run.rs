//! All parts of a shard: those that are finished are compared with their inputs, and the others are worked on.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::finder::Finder;
use crate::folder::State;
use crate::inputs::Input;
use crate::job::Job;
use crate::manifest::{Manifest, RowsHash};
use crate::observer::Observer;
use crate::part::{Part, Writing};
use crate::stream::Stream;

/// Between two looks at parts that others work on.
const PAUSE: Duration = Duration::from_millis(500);

/// What there is at the end, over the parts of the shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Parts that are finished.
    pub parts: usize,
    /// Parts of these that were there before.
    pub were_there: usize,
    /// Rows in them, with those that were passed over.
    pub rows: usize,
    /// Rows of these without an answer.
    pub unanswered: usize,
    /// Entities in them.
    pub entities: usize,
    /// Parts that could not be made, and why.
    pub failed: BTreeMap<String, String>,
    /// Parts that are not there; only of a look.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl Summary {
    fn add(&mut self, part: &Manifest, was_there: bool) {
        self.parts += 1;
        self.were_there += usize::from(was_there);
        self.rows += part.rows + part.passed_over;
        self.unanswered += part.unanswered + part.passed_over;
        self.entities += part.entities;
    }

    /// Whether every part is there and every row has an answer.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.missing.is_empty() && self.unanswered == 0
    }
}

impl Job<'_> {
    /// Works until every part of the shard is finished, by this process or another one. Parts that another one works on
    /// are waited for, and taken over if it ends without them.
    ///
    /// A part that cannot be read, or that is not what it should be, is named in the summary, and the others are gone
    /// on with.
    ///
    /// # Errors
    /// What concerns all parts: a finder that fails, a disk that is full, a stop. The parts that are finished by then
    /// stay.
    pub fn run(&self, finder: &mut dyn Finder, observer: &mut dyn Observer) -> Result<Summary> {
        let mut run = Run::new(self, observer);
        loop {
            run.pass(&mut Work::Do(finder))?;
            if run.in_use > 0 {
                run.observer.on_wait(run.in_use);
                std::thread::sleep(PAUSE);
            } else if !run.is_again {
                return Ok(run.summary);
            }
        }
    }

    /// Looks at all parts of the shard and makes none.
    ///
    /// # Errors
    /// A stop.
    pub fn look(&self, observer: &mut dyn Observer) -> Result<Summary> {
        let mut run = Run::new(self, observer);
        run.pass(&mut Work::Look)?;
        Ok(run.summary)
    }
}

/// What is done about a part that is not there.
pub(crate) enum Work<'f> {
    /// It is made.
    Do(&'f mut dyn Finder),
    /// It is named.
    Look,
}

/// What became of a part.
enum Outcome {
    Finished(Box<Manifest>, bool),
    /// Another process works on it.
    InUse,
    /// What was there is set aside, and its rows are read already.
    Again,
    Missing,
}

struct Run<'a, 'o> {
    job: &'a Job<'a>,
    observer: &'o mut dyn Observer,
    summary: Summary,
    /// Parts that are finished or have failed.
    settled: HashSet<String>,
    /// Parts that others work on.
    in_use: usize,
    /// Whether a part has to be read again.
    is_again: bool,
    passes: usize,
}

impl<'a, 'o> Run<'a, 'o> {
    fn new(job: &'a Job<'a>, observer: &'o mut dyn Observer) -> Self {
        Self {
            job,
            observer,
            summary: Summary::default(),
            settled: HashSet::new(),
            in_use: 0,
            is_again: false,
            passes: 0,
        }
    }

    /// Goes over all parts that are not settled.
    fn pass(&mut self, work: &mut Work<'_>) -> Result<()> {
        (self.in_use, self.is_again) = (0, false);
        self.passes += 1;
        if let Some(name) = self.job.folder.file() {
            let part = Part::of_all(name, self.job.inputs);
            let mut stream = self.stream(self.job.inputs);
            return self.settle(&part, &mut stream, work);
        }
        for (number, input) in self.job.inputs.iter().enumerate() {
            self.parts_of(number, input, work)?;
        }
        Ok(())
    }

    fn stream(&self, inputs: &'a [Input]) -> Stream<'a> {
        Stream::new(inputs, &self.job.texts, self.passes > 1)
    }

    /// The parts of a file; one, or each of so many rows.
    fn parts_of(&mut self, number: usize, input: &'a Input, work: &mut Work<'_>) -> Result<()> {
        let (job, mut stream) = (self.job, self.stream(std::slice::from_ref(input)));
        let ending = job.form.ending();
        let Some(rows) = job.part_rows else {
            let part = Part::of_file(input, ending);
            return if job.shard.has(number as u64) {
                self.settle(&part, &mut stream, work)
            } else {
                Ok(())
            };
        };
        for index in 0.. {
            let part = Part::of_rows(input, index, rows, ending);
            // An empty file has one empty part.
            if index > 0 && self.reading(&part, stream.is_at_end())?.unwrap_or(true) {
                break;
            }
            if job.shard.has((number + index) as u64) {
                self.settle(&part, &mut stream, work)?;
            }
            let rest = part.end().saturating_sub(stream.position());
            let is_open = self.reading(&part, stream.skip(rest))?;
            if is_open.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// What was read, or nothing if the file cannot be read any further, which is told of.
    fn reading<T>(&mut self, part: &Part, read: Result<T>) -> Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) => self.fail(&part.name, error).map(|()| None),
        }
    }

    /// Sees to a part, unless that was done.
    fn settle(&mut self, part: &Part, rows: &mut Stream<'_>, work: &mut Work<'_>) -> Result<()> {
        if self.settled.contains(&part.name) {
            return Ok(());
        }
        if self.job.stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        match self.outcome(part, rows, work) {
            Ok(Outcome::Finished(manifest, was_there)) => {
                self.summary.add(&manifest, was_there);
                self.observer.on_part(&manifest, was_there);
                self.settled.insert(part.name.clone());
            }
            Ok(Outcome::InUse) => self.in_use += 1,
            Ok(Outcome::Again) => self.is_again = true,
            Ok(Outcome::Missing) => self.summary.missing.push(part.name.clone()),
            Err(error) => return self.fail(&part.name, error),
        }
        Ok(())
    }

    fn outcome(
        &mut self,
        part: &Part,
        rows: &mut Stream<'_>,
        work: &mut Work<'_>,
    ) -> Result<Outcome> {
        let folder = &self.job.folder;
        let state = folder.state(&part.name)?;
        if let State::Whole(manifest) = state {
            return self.compare(part, manifest, rows, work);
        }
        let Work::Do(finder) = work else {
            return match state {
                State::Wrong(what) => Err(folder.other_part(&part.name, what)),
                _ => Ok(Outcome::Missing),
            };
        };
        let Some(_lock) = folder.lock(&part.name)? else {
            return Ok(Outcome::InUse);
        };
        // Whoever had the lock before may have finished it.
        match folder.state(&part.name)? {
            State::Whole(manifest) => return self.compare(part, manifest, rows, work),
            State::Wrong(what) => folder.make_room(&part.name, what)?,
            State::Missing => {}
        }
        let writing = Writing {
            job: self.job,
            part,
            observer: self.observer,
        };
        let manifest = writing.write(rows, *finder)?;
        Ok(Outcome::Finished(Box::new(manifest), false))
    }

    /// Whether a finished part is made from the rows that are there now.
    fn compare(
        &mut self,
        part: &Part,
        manifest: Box<Manifest>,
        rows: &mut Stream<'_>,
        work: &Work<'_>,
    ) -> Result<Outcome> {
        let mut hash = RowsHash::default();
        while rows.position() < part.end() {
            if self.job.stop.is_cancelled() {
                return Err(Error::Stopped);
            }
            let Some(text) = rows.next()? else { break };
            hash.add(&text);
        }
        if manifest.rows_blake3 == hash.finish().to_hex().as_str() {
            return Ok(Outcome::Finished(manifest, true));
        }
        let what = "its input has other rows now";
        match work {
            Work::Look => Err(self.job.folder.other_part(&part.name, what)),
            Work::Do(_) => {
                self.job.folder.make_room(&part.name, what)?;
                Ok(Outcome::Again)
            }
        }
    }

    fn fail(&mut self, part: &str, error: Error) -> Result<()> {
        if !error.is_of_one_part() {
            return Err(error);
        }
        self.settled.insert(part.to_owned());
        self.observer.on_failure(part, &error);
        let why = error.to_string();
        self.summary.failed.insert(part.to_owned(), why);
        Ok(())
    }
}
