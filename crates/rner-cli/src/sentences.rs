//! Texts to ask a model about: one that was typed, or those of files, folders, patterns and standard input.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use ner_bulk::{Input, Inputs, STDIN, TextOptions};
use rner_cli::exit::usage;

/// Of things that are passed over, so many are named.
const NAMED: usize = 5;

/// Where the texts come from.
#[derive(Clone, Debug, Args)]
pub(crate) struct SentenceArgs {
    /// The sentence.
    #[arg(required_unless_present = "input", conflicts_with = "input")]
    sentence: Option<String>,
    /// Texts of a file, of all files below a folder, of a pattern ('news/*.txt'), or of standard input (`-`); may be
    /// repeated. A line each, JSON lines with `text` or `sentence`, CSV or TSV with a header, Parquet, or a dataset.
    #[arg(long = "input", value_name = "PATH")]
    pub(crate) input: Vec<PathBuf>,
    /// The key or column that holds the text, if it is neither `text` nor `sentence`.
    #[arg(long, value_name = "NAME", requires = "input")]
    text_field: Option<String>,
    /// Take each file as one text.
    #[arg(long, requires = "input", conflicts_with = "text_field")]
    whole: bool,
}

/// What is asked about.
pub(crate) enum Sentences {
    /// A sentence.
    One(String),
    /// The texts of files.
    Files(Files),
}

/// Files, and how texts are looked for in them.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) inputs: Vec<Input>,
    pub(crate) options: TextOptions,
}

impl SentenceArgs {
    /// Looks at the sentence that was typed, or finds the files.
    ///
    /// # Errors
    /// A sentence that is blank, or that is meant as a source; a source that is not there.
    pub(crate) fn read(&self) -> Result<Sentences> {
        if self.input.is_empty() {
            let sentence = self.sentence.clone().unwrap_or_default();
            check(&sentence)?;
            return Ok(Sentences::One(sentence));
        }
        let found = Inputs::find(&self.input).map_err(rner::Error::from)?;
        tell_passed_over(&found);
        Ok(Sentences::Files(Files {
            inputs: found.files,
            options: TextOptions {
                field: self.text_field.clone(),
                is_whole: self.whole,
                ..TextOptions::default()
            },
        }))
    }
}

impl Files {
    /// The files as words.
    pub(crate) fn name(&self) -> String {
        match self.inputs.as_slice() {
            [one] if one.is_stdin() => "standard input".to_owned(),
            [one] => one.path.display().to_string(),
            more => format!("{} files", more.len()),
        }
    }
}

fn tell_passed_over(found: &Inputs) {
    let passed_over = &found.passed_over;
    for (path, why) in passed_over.iter().take(NAMED) {
        rner_cli::say!("note: passed over: {} ({why})", path.display());
    }
    if passed_over.len() > NAMED {
        rner_cli::say!("note: passed over: {} more", passed_over.len() - NAMED);
    }
}

/// Nobody means the name of a file as a sentence.
fn check(sentence: &str) -> Result<()> {
    if sentence.trim().is_empty() {
        return Err(usage("the sentence is blank"));
    }
    if sentence == STDIN || Path::new(sentence).is_file() {
        return Err(usage(format!(
            "expected a sentence, found {}: --input {sentence} reads the sentences in it",
            if sentence == STDIN {
                "-, standard input"
            } else {
                "the name of a file"
            },
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_no_sentence() {
        for (typed, words) in [
            ("Cargo.toml", "--input Cargo.toml reads the sentences in it"),
            ("-", "--input - reads"),
            (" ", "blank"),
            ("", "blank"),
        ] {
            let said = check(typed).expect_err(typed).to_string();
            assert!(said.contains(words), "{said}");
        }
        assert!(check("Mira lives in Cargo.toml").is_ok());
    }
}
