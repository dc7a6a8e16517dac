//! Before a run: all that stands against it, in seconds, before anything is downloaded, paid for or written.
//!
//! Nothing is changed anywhere. Only the servers that the recipe names are asked, for the list of their models;
//! datasets and models are looked for on this machine. What a stage did before is not asked for again: a run whose
//! teacher has answered everything goes on without the teacher's server.
//!
//! ```
//! use rner::preflight::{Preflight, Severity};
//! use rner::recipe::Recipe;
//!
//! let recipe = Recipe::resolve("paper-8b", &[])?;
//! let preflight = Preflight { run: "runs/paper-8b".into(), offline: true };
//! let found = preflight.check(&recipe);
//! // A device of 80 GB does not hold the model, its gradients and its optimizer.
//! assert!(found.iter().any(|f| f.severity == Severity::Stops && f.about == "memory"));
//! # Ok::<(), rner::Error>(())
//! ```

mod data;
mod disk;
mod machine;
mod money;
mod servers;

use std::path::PathBuf;

use serde::Serialize;

use crate::recipe::{CotSource, Recipe};
use crate::reproduce::{DoneBefore, NOTHING_TO_DO};
use crate::run_dir::RunDir;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The run cannot come to its end.
    Stops,
    /// It can, but not as it seems to be meant, or not for sure.
    Warning,
    /// Good to know.
    Note,
}

/// Something that was found, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: `backend`, `memory`, `disk`, `folder`, `rows`, `data`, `model`, `teacher`, `judge`, `rollout`,
    /// `money`.
    pub about: &'static str,
    /// What was found.
    pub what: String,
    /// What to do; empty where nothing has to be done.
    pub remedy: String,
    /// Whether the same request can never succeed: it is what was asked for that has to change, not the machine or a
    /// server. Programs exit with 2 then, and with 1 otherwise.
    pub is_usage: bool,
}

impl Finding {
    fn new(severity: Severity, about: &'static str, what: impl Into<String>) -> Self {
        Self {
            severity,
            about,
            what: what.into(),
            remedy: String::new(),
            is_usage: false,
        }
    }

    fn stops(about: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Stops, about, what)
    }

    fn warning(about: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, about, what)
    }

    fn note(about: &'static str, what: impl Into<String>) -> Self {
        Self::new(Severity::Note, about, what)
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        let remedy = remedy.into();
        Self { remedy, ..self }
    }

    /// What was asked for has to change.
    fn usage(self) -> Self {
        Self {
            is_usage: true,
            ..self
        }
    }
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// Folder of the run, which need not be there.
    pub run: PathBuf,
    /// Ask no server.
    pub offline: bool,
}

impl Preflight {
    /// All that stands against a run of `recipe`, the worst first.
    pub fn check(&self, recipe: &Recipe) -> Vec<Finding> {
        let done = DoneBefore::look(recipe, &self.run);
        let teaches = recipe.data.cot_source() == CotSource::Generate && !done.cot;
        let mut found = machine::check(recipe);
        found.extend(self.folder(recipe));
        found.extend(data::check(recipe, done.data));
        found.extend(disk::check(recipe, &self.run));
        if teaches {
            found.extend(money::check(recipe));
        }
        found.extend(servers::check(recipe, self, teaches));
        found.sort_by_key(|finding| finding.severity);
        found
    }

    /// What stands against the folder of the run, and against the rows that are asked for.
    fn folder(&self, recipe: &Recipe) -> Vec<Finding> {
        let foreign = RunDir::check_own(&self.run).err();
        let foreign = foreign.map(|error| Finding::stops("folder", error.to_string()).usage());
        let nothing = recipe.rows().is_empty();
        let nothing = nothing.then(|| Finding::stops("rows", NOTHING_TO_DO).usage());
        let unused = recipe.cot.is_simulated() && !recipe.cot.journal.is_empty();
        let unused = unused.then(|| {
            let what = "cot.journal is not used: the simulated teacher's answers cost nothing and stay in the stage";
            Finding::note("teacher", what)
        });
        [foreign, nothing, unused].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests;
