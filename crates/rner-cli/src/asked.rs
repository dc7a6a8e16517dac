//! A model, the types that it is asked for, and the sentences: flags of every command that asks one.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use ner_documents::Descriptions;
use rner::asker::entity_types;
use rner::model_prompt::TypeForm;
use rner::stages::Asking;
use rner_cli::args::RecipeArgs;
use rner_cli::exit::usage;
use rner_cli::reading;

use crate::sentences::SentenceArgs;
use crate::task::TaskArgs;

/// What a model is asked.
#[derive(Clone, Debug, Args)]
pub(crate) struct AskedArgs {
    /// Model that is asked: a folder or an id of the Hugging Face Hub.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Entity types, or names of relations or events, separated by commas, or a file of them: one a line, or a JSON
    /// array.
    #[arg(
        long,
        value_name = "TYPES",
        value_delimiter = ',',
        required_unless_present = "describe"
    )]
    types: Vec<String>,
    #[command(flatten)]
    pub(crate) task: TaskArgs,
    /// What types mean, for the prompt: a JSON object of types and descriptions, or lines of a type, a tab and its
    /// description. Its types are asked for, unless --types names others.
    #[arg(long, value_name = "FILE")]
    describe: Option<PathBuf>,
    /// Prompt template; the model's own if left out, or else the recipe's.
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sentences: SentenceArgs,
    #[command(flatten, next_help_heading = "Recipe")]
    pub(crate) recipe: RecipeArgs,
}

impl AskedArgs {
    /// The types as prompts name them, with their descriptions, which are empty if there are none.
    ///
    /// # Errors
    /// A file that cannot be read; no type.
    pub(crate) fn types(&self) -> Result<Descriptions> {
        let described = self.described()?;
        let names = if self.types.is_empty() {
            entity_types(&described.names())?
        } else {
            reading::entity_types(&self.types)?
        };
        let unused = described
            .types
            .iter()
            .filter(|(name, _)| !names.contains(name));
        let unused: Vec<&str> = unused.map(|(name, _)| name.as_str()).collect();
        if !unused.is_empty() {
            rner_cli::say!("note: --describe: {} not among --types", unused.join(", "));
        }
        let mut known: HashMap<String, String> = described.types.into_iter().collect();
        let types = names.into_iter().map(|name| {
            let description = known.remove(&name).unwrap_or_default();
            (name, description)
        });
        Ok(Descriptions {
            types: types.collect(),
        })
    }

    fn described(&self) -> Result<Descriptions> {
        let Some(path) = &self.describe else {
            return Ok(Descriptions::default());
        };
        let text = std::fs::read_to_string(path);
        let text = text.with_context(|| format!("--describe: cannot read {}", path.display()))?;
        let found = Descriptions::parse(&text);
        found.map_err(|error| usage(format!("--describe {}: {error}", path.display())))
    }

    /// Says if a model sees descriptions for the first time.
    pub(crate) fn note_descriptions(&self, types: &Descriptions, asking: &Asking) {
        let is_described = types
            .types
            .iter()
            .any(|(_, description)| !description.is_empty());
        let form = asking.own.as_ref().map(|own| own.types);
        if is_described && form == Some(TypeForm::SortedLowerCaseList) {
            rner_cli::say!(
                "note: the model was tuned with a list of types and no descriptions (rner.json); whether they help it is \
                 not known"
            );
        }
    }
}
