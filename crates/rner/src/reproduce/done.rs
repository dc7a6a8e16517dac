//! What an earlier start of a run has done already, for those who ask before it begins.

use std::path::Path;

use super::step::{settings, stage_of};
use crate::recipe::Recipe;

/// Stages that need not be done again, as far as settings and files say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DoneBefore {
    /// The data was read.
    pub(crate) data: bool,
    /// The teacher has answered everything.
    pub(crate) cot: bool,
}

impl DoneBefore {
    /// Looks at the markers of all seeds in the folder of a run. What the stages read is not hashed again; if it has
    /// changed, they find out themselves.
    pub(crate) fn look(recipe: &Recipe, run: &Path) -> Self {
        let all = |name: &str, more: &dyn Fn(u64) -> String| {
            recipe.run.all_seeds().all(|seed| {
                let root = match recipe.run.seeds {
                    1 => run.to_owned(),
                    _ => run.join(format!("seed-{seed}")),
                };
                let settings = settings(recipe, seed, &[name], &more(seed));
                stage_of(&root, name).was_done_with(&settings)
            })
        };
        let data = all("data", &|_| String::new());
        let cot = all("cot", &|seed| {
            format!("sampling-{}", recipe.sampling_seed(seed))
        });
        Self {
            data,
            cot: data && cot,
        }
    }
}
