//! An example as fine-tuning sees it.

use lm_model::ChatTokenizer;
use lm_train::Sample;
use ner_types::{Example, PromptTemplate, render_target};

/// Tokenises an example, labels normalised, with this reasoning.
pub(super) fn sample(
    tokenizer: &ChatTokenizer,
    template: &PromptTemplate,
    example: &Example,
    cot: Option<&str>,
    train_header: bool,
) -> Sample {
    let header = if train_header {
        tokenizer.answer_header_ids().len()
    } else {
        0
    };
    let mut ids = tokenizer.prompt_ids(&template.render(&example.schema, &example.sentence));
    let loss_from = ids.len() - header;
    ids.extend(tokenizer.completion_ids(&render_target(cot, example)));
    Sample { ids, loss_from }
}
