//! A model, the types that it is asked for, and the sentences: flags of every command that asks one.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use rner_cli::args::RecipeArgs;
use rner_cli::reading;

use crate::sentences::SentenceArgs;

/// What a model is asked.
#[derive(Clone, Debug, Args)]
pub(crate) struct AskedArgs {
    /// Model that is asked: a folder or an id of the Hugging Face Hub.
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    /// Entity types, separated by commas, or a file of them: one a line, or a JSON array.
    #[arg(long, value_name = "TYPES", value_delimiter = ',', required = true)]
    types: Vec<String>,
    /// Prompt template; the model's own if left out, or else the recipe's.
    #[arg(long, value_name = "FILE")]
    pub(crate) prompt: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sentences: SentenceArgs,
    #[command(flatten, next_help_heading = "Recipe")]
    pub(crate) recipe: RecipeArgs,
}

impl AskedArgs {
    /// The types as prompts name them.
    ///
    /// # Errors
    /// A file that cannot be read; no type.
    pub(crate) fn types(&self) -> Result<Vec<String>> {
        reading::entity_types(&self.types)
    }
}
