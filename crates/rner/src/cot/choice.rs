//! How the types are chosen that a teacher is asked for: as wanted, as a folder was begun, or those of the dataset.

use std::path::Path;

use super::job::{FILE, Job};
use super::journal_dir::JOURNAL;
use super::types::{AskedTypes, WantedTypes, asked, difference};
use crate::error::{Error, Result};
use crate::inputs::types_of;

impl Job {
    /// Chooses the types that rows are asked for, as wanted, or else as the answers in `dir` were asked for, or else
    /// those of the dataset. Gives a line that says which.
    ///
    /// # Errors
    /// A source that cannot be read; types that are wanted although all rows state their own; answers in `dir` that
    /// were asked for with other types, unless the job allows such changes.
    pub fn choose_types(&mut self, wanted: &WantedTypes, dir: &Path) -> Result<String> {
        let before = answered(dir)?;
        let format = crate::inputs::format_of(&self.data, None)?;
        let options = self.reading.options();
        let Some(found) = types_of(&self.data, format, &options)? else {
            return self.keep_rows_own(wanted);
        };
        let (asked, why) = match &before {
            Some(before) if !wanted.is_given() => (before.again(&found.types), ""),
            _ => asked(wanted, &found.types),
        };
        if asked.is_empty() && before.is_none() {
            return Err(Error::Usage(format!(
                "{}: no row has a mention or states a type; name the types with --types a,b or --types FILE",
                self.data.display()
            )));
        }
        if let Some(before) = before.filter(|before| *before != asked) {
            self.check_change(&before, &asked, dir)?;
        }
        self.types = asked;
        let some = match found.rows - found.without {
            0 => String::new(),
            own => format!(
                "; {own} of {} rows state their own and keep them",
                found.rows
            ),
        };
        let old = if self.types.is_default() {
            ", as when this folder was begun; --types or --negatives with --allow-change ask anew"
        } else {
            ""
        };
        Ok(format!("types: {}{why}{some}{old}", self.types.words()))
    }

    fn keep_rows_own(&mut self, wanted: &WantedTypes) -> Result<String> {
        if wanted.is_given() {
            return Err(Error::Usage(format!(
                "--types and --negatives have no effect: every row of {} states its types",
                self.data.display()
            )));
        }
        self.types = AskedTypes::default();
        Ok("types: those that each row states".into())
    }

    fn check_change(&self, before: &AskedTypes, now: &AskedTypes, dir: &Path) -> Result<()> {
        if self.cot.allow_change || self.cot.is_simulated() {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "{}: its answers were asked for with other types: {}; now {}{}. All would be asked for and paid for again: \
             leave --types and --negatives out to go on as before, name another folder with --out, or give \
             --allow-change",
            dir.display(),
            before.words(),
            now.words(),
            difference(before, now)
        )))
    }
}

/// The types that the answers of a folder were asked for with; `None` without answers.
fn answered(dir: &Path) -> Result<Option<AskedTypes>> {
    let has_answers = dir.join(JOURNAL).is_file() && dir.join(FILE).is_file();
    if !has_answers || ner_cot::Journal::open_to_read(dir)?.is_empty() {
        return Ok(None);
    }
    Ok(Some(Job::read(dir)?.types))
}
