//! What the dataset in a folder was made from, so that another one does not take its place without a word.

use std::collections::BTreeMap;
use std::path::Path;

use atomic_files::Keep;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::job::{FILE, Job};
use crate::error::{Error, Result};
use crate::run_dir::{RunDirError, hash_path, write_json};

/// Name of the file in the folder.
const MADE_FROM: &str = "made-from.json";

/// The content of the source.
const DATA: &str = "data (BLAKE3)";

/// What decides which rows there are. Other settings decide about the same answers in another way, which costs nothing
/// and can be taken back.
const ROWS: [&str; 4] = [DATA, "shard", "exclude", "near_duplicates"];

/// What of a job shapes no row: where the source lies, what the card says, and the recipe's section, of which the
/// deciding keys count.
const NOT_SHAPING: [&str; 3] = ["data", "license", "cot"];

/// A job, fact by fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MadeFrom(BTreeMap<String, String>);

impl MadeFrom {
    /// What a job makes a dataset from.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub fn of(job: &Job) -> Result<Self> {
        let mut facts = BTreeMap::from([(DATA.to_owned(), hash_path(&job.data)?)]);
        if let Value::Object(fields) = serde_json::json!(job) {
            let shaping = fields.into_iter();
            let shaping = shaping.filter(|(name, _)| !NOT_SHAPING.contains(&name.as_str()));
            facts.extend(shaping.map(|(name, value)| (name, value.to_string())));
        }
        for (name, value) in job.cot.deciding() {
            facts.insert(format!("cot.{name}"), value.to_string());
        }
        Ok(Self(facts))
    }

    /// Guards the dataset in `dir` while this one is written there. The same again replaces it; the same rows, decided
    /// about in another way, leave the old files beside the new ones; so do other rows, but only with `force`. The
    /// answers are in the journal, which nobody replaces.
    ///
    /// # Errors
    /// Other rows without `force`, named by what differs.
    pub fn guard(&self, dir: &Path, force: bool) -> Result<Option<Keep>> {
        let Some(found) = Self::found(dir)? else {
            return Ok(None);
        };
        let other = ROWS
            .iter()
            .find(|name| self.0.get(**name) != found.0.get(**name));
        if let Some(name) = other.filter(|_| !force) {
            let shown = |of: &Self| of.0.get(*name).cloned().unwrap_or("none".to_owned());
            return Err(Error::Invalid(format!(
                "{} has a dataset made from another {name}: {} there, {} here; name another folder with --out, or have \
                 the old files kept under other names with --force",
                dir.display(),
                short(&shown(&found)),
                short(&shown(self))
            )));
        }
        Ok((*self != found).then(|| Keep::beside(dir)))
    }

    /// Takes a folder of files that this job makes anew each time, and no other one.
    ///
    /// # Errors
    /// [`RunDirError::OtherWork`] if another job made them; a folder that cannot be written.
    pub fn claim(&self, dir: &Path) -> std::result::Result<(), RunDirError> {
        match Self::read(dir) {
            Some(found) if found != *self => {
                let mut names = self.0.keys().chain(found.0.keys());
                let other = names.find(|name| self.0.get(*name) != found.0.get(*name));
                Err(RunDirError::OtherWork {
                    path: dir.to_owned(),
                    what: other.cloned().unwrap_or_default(),
                })
            }
            _ => write_json(&dir.join(MADE_FROM), self),
        }
    }

    fn read(dir: &Path) -> Option<Self> {
        let text = std::fs::read(dir.join(MADE_FROM)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// What a folder says. One of an older program has the job alone, and the source may have changed since or be gone.
    fn found(dir: &Path) -> Result<Option<Self>> {
        if let Some(found) = Self::read(dir) {
            return Ok(Some(found));
        }
        if !dir.join(FILE).is_file() {
            return Ok(None);
        }
        let job = Job::read(dir)?;
        let found = Self::of(&job).unwrap_or_else(|_| {
            let gone = format!("{}, which is gone", job.data.display());
            Self(BTreeMap::from([(DATA.to_owned(), gone)]))
        });
        Ok(Some(found))
    }

    /// Says it in a folder.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        Ok(write_json(&dir.join(MADE_FROM), self)?)
    }
}

/// As much of a value as a message has room for.
fn short(value: &str) -> String {
    let short: String = value.chars().take(40).collect();
    let cut = if short.len() < value.len() { "…" } else { "" };
    short + cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cot::Decisions;
    use crate::recipe::Recipe;

    #[test]
    fn other_rows_are_refused_and_other_decisions_keep_the_old_files() {
        let dir = tempfile::tempdir().expect("a folder");
        let [a, b, out] = ["a.jsonl", "b.jsonl", "out"].map(|name| dir.path().join(name));
        for (path, text) in [(&a, "1"), (&b, "2")] {
            std::fs::write(path, text).expect("written");
        }
        std::fs::create_dir(&out).expect("made");
        let recipe = Recipe::resolve("tiny", &[]).expect("a recipe");
        let job = |data: &Path| Job::new(data, recipe.cot.clone(), 1).expect("a job");
        let of = |job: &Job| MadeFrom::of(job).expect("facts");
        let guard = |job: &Job, force| of(job).guard(&out, force);
        assert!(guard(&job(&a), false).expect("free").is_none());
        job(&a).write(&out).expect("written");
        assert!(
            guard(&job(&a), false)
                .expect("an older program's")
                .is_none()
        );
        of(&job(&a)).write(&out).expect("written");
        assert!(guard(&job(&a), false).expect("the same").is_none());
        let mut decided = job(&a);
        decided.decide(&Decisions {
            threshold: Some(9.5),
            ..Decisions::default()
        });
        assert!(guard(&decided, false).expect("the same rows").is_some());
        let refused = guard(&job(&b), false).expect_err("other rows").to_string();
        assert!(
            refused.contains("another data (BLAKE3)") && refused.contains("--force"),
            "{refused}"
        );
        assert!(guard(&job(&b), true).expect("on demand").is_some());
        let elsewhere = dir.path().join("moved.jsonl");
        std::fs::copy(&a, &elsewhere).expect("copied");
        assert!(guard(&job(&elsewhere), false).expect("the same").is_none());
        std::fs::remove_file(out.join(MADE_FROM)).expect("removed");
        std::fs::remove_file(&a).expect("removed");
        let refused = guard(&job(&b), false).expect_err("unknown").to_string();
        assert!(
            refused.contains("which is gone") || refused.contains("a.jsonl"),
            "{refused}"
        );
    }
}
