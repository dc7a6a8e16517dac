//! Where the answers of a run are kept, and what is done with those that older programs kept elsewhere.

use std::path::{Path, PathBuf};

use ner_cot::Journal;
use ner_cot::journal::merge;
use ner_toy::teacher::TEACHER_MODEL;

use crate::error::{Context, Result};
use crate::recipe::Cot;
use crate::session::Session;

/// Name of the journal's file, by which its folder is known.
pub(super) const JOURNAL: &str = "journal.jsonl";
/// The folder of a run with what was paid for.
const PAID: &str = "teacher";
/// What the answers of the folder were asked for with.
const MANIFEST: &str = "manifest.json";
/// In a stage's folder: that its journal has simulated answers only.
const FREE: &str = "simulated";

/// The folder of the teacher's and judge's answers, of which no command removes one.
///
/// Answers that were paid for are beside the stages of a run, where all its seeds find them, or wherever `cot.journal`
/// says. Those of the simulated teacher cost nothing and are part of the folder of the stage.
pub fn journal_dir(cot: &Cot, run: &Path, stage: &Path) -> PathBuf {
    match cot.journal.as_str() {
        _ if cot.is_simulated() => stage.to_owned(),
        "" => run.join(PAID),
        path => PathBuf::from(path),
    }
}

/// Marks the folder of a stage: the journal in it may be removed with it.
///
/// # Errors
/// A folder that cannot be written.
pub(crate) fn mark_free(stage: &Path) -> Result<()> {
    let path = stage.join(FREE);
    atomic_files::fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))
}

/// Takes the paid answers of an older program out of the folder of its stage, before that is emptied: into the folder
/// of the journal, where the file of the stage stays as it was, under a name that nothing else has.
///
/// # Errors
/// A journal that cannot be read or moved; nothing is lost then.
pub(crate) fn move_out(cot: &Cot, run: &Path, stage: &Path, session: &Session) -> Result<()> {
    let found = stage.join(JOURNAL);
    if stage.join(FREE).is_file() || !found.is_file() || is_free(stage)? {
        return Ok(());
    }
    let journal = &match journal_dir(cot, run, stage) {
        // Simulated today, paid before.
        dir if dir == stage => run.join(PAID),
        dir => dir,
    };
    atomic_files::fs::create_dir_all(journal)
        .with_context(|| format!("cannot create {}", journal.display()))?;
    let (from, to) = (stage.join(MANIFEST), journal.join(MANIFEST));
    if from.is_file() && !to.is_file() {
        rename(&from, &to)?;
    }
    let merged = merge(&[stage.to_owned()], journal)?;
    let kept = unused(journal);
    rename(&found, &kept)?;
    session.line(&format!(
        "{} answers of {} are in {} now; the file itself is {}",
        merged.added + merged.known,
        found.display(),
        journal.join(JOURNAL).display(),
        kept.display()
    ));
    Ok(())
}

/// Whether nobody but the simulated teacher answered in a journal that no mark says it of.
fn is_free(stage: &Path) -> Result<bool> {
    let (mut free, mut any) = (true, false);
    Journal::open_to_read(stage)?.for_each(|record| {
        any = true;
        free &= record.part == ner_cot::journal::Part::Judge || record.model == TEACHER_MODEL;
    })?;
    Ok(free || !any)
}

/// A name for a journal that was moved, which no file has.
fn unused(journal: &Path) -> PathBuf {
    let numbered = |n: u32| journal.join(format!("journal-of-a-stage-{n}.jsonl"));
    (1..)
        .map(numbered)
        .find(|path| !path.exists())
        .unwrap_or_else(|| numbered(0))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    // The journal may be on another disk.
    atomic_files::fs::rename(from, to)
        .or_else(|_| atomic_files::fs::copy(from, to).map(|_| ()))
        .with_context(|| format!("cannot move {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn what_costs_something_is_outside_of_the_stage() {
        let of = |set: &str| {
            let recipe = Recipe::resolve("smoke", &[set.to_owned()]).expect("a recipe");
            journal_dir(
                &recipe.cot,
                Path::new("run"),
                Path::new("run/seed-1/stage-2-cot"),
            )
        };
        assert_eq!(of("cot.journal=\"\""), Path::new("run/seed-1/stage-2-cot"));
        assert_eq!(of("cot.teacher_url=http://h"), Path::new("run/teacher"));
        assert_eq!(of("cot.judge_url=http://h"), Path::new("run/teacher"));
    }
}
