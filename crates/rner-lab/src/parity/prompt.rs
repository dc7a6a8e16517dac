//! The text of a prompt and of its completion, their token ids, and which of them are trained.

use std::path::Path;

use anyhow::{Context, Result, ensure};
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
        file.compare_labels(&sample)
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

    /// The example as it is trained on, with the reasoning or without and with the header of the answer or without:
    /// whichever is nearest to the ids and the labels.
    fn sample(&self, tokenizer: &ChatTokenizer, template: &PromptTemplate) -> Result<Sample> {
        let examples = std::slice::from_ref(&self.example);
        let forms = [(false, false), (false, true), (true, false), (true, true)];
        let all = forms.into_iter().flat_map(|(with_cot, train_header)| {
            samples(tokenizer, template, examples, with_cot, train_header)
        });
        let differences = |sample: &Sample| {
            let mut comparison = Comparison::new(Tolerance::Equal);
            comparison.items("ids", &sample.ids, &self.input_ids);
            (
                comparison.absolute,
                sample.loss_from.abs_diff(self.masked()),
            )
        };
        all.min_by(|a, b| {
            let (a, b) = (differences(a), differences(b));
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
        })
        .context("the example gives no sample")
    }

    /// Tokens that are not trained.
    fn masked(&self) -> usize {
        let masked = self.labels.iter().take_while(|&&label| label == -100);
        masked.count()
    }

    /// The trained tokens must be the same, from the first one on.
    fn compare_labels(&self, sample: &Sample) -> Result<Comparison> {
        let (masked, from) = (self.masked(), sample.loss_from);
        ensure!(
            from == masked,
            "the labels begin at token {masked}, here the loss begins at token {from}"
        );
        let trained = |&id: &u32| i64::from(id);
        let found: Vec<i64> = sample.ids.iter().skip(from).map(trained).collect();
        let mut comparison = Comparison::new(Tolerance::Equal);
        let expected = self.labels.get(masked..).unwrap_or_default();
        comparison.items("labels", &found, expected);
        Ok(comparison)
    }
}
