//! Which types a teacher is asked for, as they are typed.

use anyhow::Result;
use clap::Args;
use rner::cot::WantedTypes;
use rner_cli::reading::names;

/// The types of rows that state none.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TypeArgs {
    /// Types that rows are asked for which state none, in place of those of the whole file: names divided by commas,
    /// or a file of them (a JSON array, or one a line).
    #[arg(long, value_name = "A,B|FILE")]
    pub(crate) types: Option<String>,
    /// Ask of each such row only for the types of its own mentions and so many others, drawn by the seed. 20 if there
    /// are over 100 types.
    #[arg(long, value_name = "N")]
    pub(crate) negatives: Option<usize>,
}

impl TypeArgs {
    /// What was typed.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn wanted(&self) -> Result<WantedTypes> {
        Ok(WantedTypes {
            named: self.types.as_deref().map(names).transpose()?,
            negatives: self.negatives,
        })
    }
}

/// The code of a language: ISO 639, two or three letters.
pub(crate) fn language(code: &str) -> Result<String, String> {
    let is_code = matches!(code.len(), 2 | 3) && code.chars().all(|c| c.is_ascii_lowercase());
    if is_code {
        return Ok(code.to_owned());
    }
    Err("expected a code of ISO 639, such as en or deu".into())
}
