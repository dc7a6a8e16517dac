//! The text of a prompt and of its completion, their token ids, and which of them are trained.

use std::path::Path;

use anyhow::{Context, Result};
use lm_model::ChatTokenizer;
use lm_train::Sample;
use ner_types::{Example, PromptTemplate, render_completion};
use rner::stages::samples;
use serde::Deserialize;

use super::board::Board;
use super::compare::{Comparison, Tolerance};
use super::files::read_json;
use super::layout::{Layout, Part};

#[derive(Deserialize)]
struct File {
    template: String,
    example: Example,
    prompt: String,
    completion: String,
    completion_with_cot: String,
    /// Path of `tokenizer.json` from the folder of reference values.
    tokenizer: String,
    /// Ids of the prompt and one of the completions.
    input_ids: Vec<u32>,
    /// The ids that are trained; -100 for the others.
    labels: Vec<i64>,
}

/// Compares one prompt.
pub(super) fn check(layout: &Layout, part: &Part, board: &mut Board) -> Result<()> {
    let file: File = read_json(&part.path)?;
    let template = PromptTemplate::parse(&file.template)?;
    board.run(format!("{}: text", part.name), || {
        Ok(file.compare_text(&template))
    });
    let path = layout.root().join(&file.tokenizer);
    let tokenizer = ChatTokenizer::load(path.parent().unwrap_or(Path::new("")))?;
    let sample = file.sample(&tokenizer, &template)?;
    board.run(format!("{}: ids", part.name), || {
        let mut comparison = Comparison::new(Tolerance::Equal);
        comparison.items("ids", &sample.ids, &file.input_ids);
        Ok(comparison)
    });
    board.run(format!("{}: labels", part.name), || {
        file.compare_labels(&tokenizer, &sample)
    });
    Ok(())
}

impl File {
    fn compare_text(&self, template: &PromptTemplate) -> Comparison {
        let example = self.example.normalized();
        let prompt = template.render(&example.schema, &example.sentence);
        let plain = render_completion(None, &example.entities);
        let reasoned = render_completion(example.cot.as_deref(), &example.entities);
        let mut comparison = Comparison::new(Tolerance::Equal);
        for (name, found, expected) in [
            ("prompt", prompt, &self.prompt),
            ("completion", plain, &self.completion),
            (
                "completion with reasoning",
                reasoned,
                &self.completion_with_cot,
            ),
        ] {
            comparison.same(|| name.to_owned(), found == *expected);
        }
        comparison
    }

    /// The example as it is trained on, with the reasoning or without: whichever is nearer to the ids.
    fn sample(&self, tokenizer: &ChatTokenizer, template: &PromptTemplate) -> Result<Sample> {
        let examples = std::slice::from_ref(&self.example);
        let both = [false, true]
            .into_iter()
            .flat_map(|with_cot| samples(tokenizer, template, examples, with_cot));
        let differences = |sample: &Sample| {
            let mut comparison = Comparison::new(Tolerance::Equal);
            comparison.items("ids", &sample.ids, &self.input_ids);
            comparison.absolute
        };
        both.min_by(|a, b| differences(a).total_cmp(&differences(b)))
            .context("the example gives no sample")
    }

    /// From the first token of the completion on, the labels must be the ids; before it, the header
    /// of the answer may be trained or not.
    fn compare_labels(&self, tokenizer: &ChatTokenizer, sample: &Sample) -> Result<Comparison> {
        let masked = self
            .labels
            .iter()
            .take_while(|&&label| label == -100)
            .count();
        let header = tokenizer.encode_text("assistant\n")?.len() + 1;
        let from = sample.loss_from;
        let more = from.checked_sub(masked).filter(|&n| n == 0 || n == header);
        let more = more.with_context(|| {
            format!("the labels begin at token {masked}, here the loss begins at token {from}")
        })?;
        let found: Vec<i64> = sample
            .ids
            .iter()
            .skip(masked)
            .map(|&id| id.into())
            .collect();
        let mut comparison = Comparison::new(Tolerance::Equal);
        comparison.items(
            "labels",
            &found,
            self.labels.get(masked..).unwrap_or_default(),
        );
        Ok(match more {
            0 => comparison,
            more => comparison.with_note(format!(
                "the reference also trains the {more} constant tokens that begin an answer"
            )),
        })
    }
}
