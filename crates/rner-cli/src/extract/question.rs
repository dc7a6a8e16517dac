//! Everything that an answer depends on, by name: the answers to another question are not taken for those to this one.

use anyhow::Result;
use chat_client::{Sampling, Structured};
use ner_bulk::{Question, TextOptions};
use ner_types::PromptTemplate;
use rner::stages::Answering;
use serde_json::{Value, json};

use super::{Asked, ExtractArgs};

/// What a model in this process is asked.
///
/// # Errors
/// A file of the model that cannot be read.
pub(super) fn of_model(
    args: &ExtractArgs,
    asked: &Asked<'_>,
    options: &TextOptions,
) -> Result<Question> {
    let recipe = asked.recipe;
    let weights = Answering::of(recipe);
    let template = recipe.model.template(None)?;
    let template = template.describing(asked.types.types.iter().cloned());
    let mut question = of_all(args, &asked.names, &template, options);
    let sampling = &asked.sampling;
    question.extend(fields(json!({
        "model": asked.model.hash()?,
        "dtype": weights.dtype,
        "quantize": weights.quantize.name(),
        "max_new_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
        "seed": (sampling.temperature > 0.0).then_some(sampling.seed),
        "stop": args.sampling.stop_texts(),
        "task": recipe.model.task.to_string(),
        "reasoning": recipe.eval.reasoning.to_string(),
    })));
    Ok(question)
}

/// What servers are asked: they are known by the name of their model, so that others may take their place.
///
/// # Errors
/// None today.
pub(super) fn of_servers(
    args: &ExtractArgs,
    types: &[String],
    (model, template, sampling, structured): (&str, &PromptTemplate, &Sampling, Structured),
    options: &TextOptions,
) -> Result<Question> {
    let mut question = of_all(args, types, template, options);
    question.extend(fields(json!({
        "model": model,
        "sampling": sampling,
        "structured": structured,
    })));
    Ok(question)
}

fn of_all(
    args: &ExtractArgs,
    types: &[String],
    template: &PromptTemplate,
    options: &TextOptions,
) -> Question {
    let prompt = template.render(&["TYPE".to_owned()], "TEXT");
    fields(json!({
        "types": types,
        "prompt_blake3": blake3::hash(prompt.as_bytes()).to_hex().as_str(),
        "form": format!("{:?}", args.form).to_lowercase(),
        "reader": format!("{:?}", args.reader).to_lowercase(),
        "text_field": options.field,
        "whole": options.is_whole,
        "part_rows": args.bulk.part_rows(),
        "documents": args.documents.named(),
        "confidence": args.promise.named(),
    }))
}

fn fields(value: Value) -> Question {
    match value {
        Value::Object(fields) => fields,
        _ => Question::new(),
    }
}
