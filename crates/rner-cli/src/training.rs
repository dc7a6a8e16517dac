//! A training that is a command of its own: done once into its folder, never over other work.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use rner::recipe::Recipe;
use rner::run_dir::{Inputs, Stage, hash_path};
use rner::stages::{MODEL, ModelDir};
use rner_cli::args::ForceArgs;

/// What a training is made from, and the folder that it fills.
pub(crate) struct Training {
    stage: Stage,
    inputs: Inputs,
    settings: String,
    force: ForceArgs,
}

impl Training {
    /// The training of this name (`sft`, `grpo`) that starts from a model.
    pub(crate) fn new(name: &str, recipe: &Recipe, out: &Path, base: &ModelDir) -> Result<Self> {
        let names = ["model", "lora", "hardware", name];
        let sections = recipe.section_hash(&names);
        let (backend, seed) = (recipe.run.backend.name(), recipe.run.seed);
        let mut words = recipe.section_settings(&names);
        words.insert("run.backend".to_owned(), backend.to_owned());
        words.insert("run.seed".to_owned(), seed.to_string());
        Ok(Self {
            stage: Stage::alone(out, name).with_settings(words),
            inputs: Inputs::from([
                ("command".to_owned(), name.to_owned()),
                ("model".to_owned(), base.hash()?),
            ]),
            settings: format!("{sections}-{backend}-seed-{seed}"),
            force: ForceArgs::default(),
        })
    }

    /// Says what becomes of other work in the folder.
    pub(crate) fn force(&mut self, force: ForceArgs) {
        self.force = force;
    }

    /// Adds a file that it reads, if there is one.
    pub(crate) fn reads(&mut self, name: &str, file: Option<&Path>) -> Result<()> {
        if let Some(file) = file {
            self.inputs.insert(name.to_owned(), hash_path(file)?);
        }
        Ok(())
    }

    /// Adds a flag.
    pub(crate) fn is_given(&mut self, flag: &str, is_given: bool) {
        self.inputs.insert(flag.to_owned(), is_given.to_string());
    }

    /// Trains, unless the folder has the model of the same training already, and prints where the model is.
    ///
    /// # Errors
    /// A folder with other work, or with files of something else, is left as it is; so is what ends the training.
    pub(crate) fn once(&self, train: impl FnOnce() -> Result<String>) -> Result<()> {
        let Self {
            stage,
            inputs,
            settings,
            force,
        } = self;
        if stage.is_done(inputs, settings).is_some() {
            rner_cli::say!("{}: done before, unchanged", stage.dir().display());
        } else {
            force.claim(stage.dir(), || stage.claim(inputs, settings))?;
            stage.begin()?;
            let begun = Instant::now();
            let summary = train()?;
            let seconds = begun.elapsed().as_secs_f64();
            stage.finish(inputs, settings, &[MODEL], seconds, &summary)?;
        }
        println!("{}", stage.path(MODEL).display());
        Ok(())
    }
}
