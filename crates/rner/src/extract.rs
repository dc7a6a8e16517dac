//! Extraction: one sentence through a fine-tuned model, and its answer while it is written.

use std::ops::ControlFlow;

use lm_generate::{Finish, Generated, Generator, NewToken, Observer, Request, Sampling};
use lm_kernels::LmOps;
use lm_model::{ChatTokenizer, Qwen3, StopMatcher, TextStream};
use ner_types::{Completion, PromptTemplate, normalize_label, parse};
use tokio_util::sync::CancellationToken;

use crate::backend::Device;
use crate::error::{Context, Error, Result};
use crate::recipe::Recipe;
use crate::stages::{Answering, ModelDir};

/// A model that finds entities.
#[derive(Debug)]
pub struct Extractor<B: LmOps> {
    model: Qwen3<B>,
    tokenizer: ChatTokenizer,
    template: PromptTemplate,
    sampling: Sampling,
    stops: StopMatcher,
    stop: CancellationToken,
}

/// What the model wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The text, up to a stop string.
    pub text: String,
    /// Tokens that were drawn.
    pub tokens: usize,
    /// Whether the answer was cut off because it had become too long.
    pub is_cut_off: bool,
}

impl<B: LmOps> Extractor<B> {
    /// The model of a folder with prompt, precision and longest answer of a recipe; always the most probable token.
    ///
    /// # Errors
    /// A model or a prompt that cannot be loaded.
    pub fn load(dir: &ModelDir, recipe: &Recipe, device: &Device<B>) -> Result<Self> {
        let sampling = Sampling {
            max_new_tokens: recipe.eval.max_new_tokens,
            temperature: 0.0,
            seed: recipe.run.seed,
            ..Sampling::default()
        };
        Ok(Self {
            template: recipe.model.template(None)?,
            model: dir.load_to_answer::<B>(device, Answering::of(recipe))?,
            tokenizer: dir.tokenizer()?,
            sampling,
            stops: StopMatcher::default(),
            stop: CancellationToken::new(),
        })
    }

    /// With another prompt.
    pub fn with_template(self, template: PromptTemplate) -> Self {
        Self { template, ..self }
    }

    /// With tokens drawn in another way. The tokens that end an answer are the model's own.
    pub fn with_sampling(self, sampling: Sampling) -> Self {
        Self { sampling, ..self }
    }

    /// With answers that end before these texts too.
    pub fn with_stops(self, stops: StopMatcher) -> Self {
        Self { stops, ..self }
    }

    /// With a token that ends an answer that is being written.
    pub fn stopped_by(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Finds the entities of these types in a sentence.
    ///
    /// # Errors
    /// No type, a sentence that is too long for the model, parameters of sampling that make no sense.
    pub fn extract(&self, types: &[impl AsRef<str>], sentence: &str) -> Result<Completion> {
        let mut goes_on = |_: &str| ControlFlow::Continue(());
        let answer = self.answer(types, sentence, &mut goes_on)?;
        Ok(parse(&answer.text))
    }

    /// The answer about a sentence, as the model writes it; `listen` hears every new piece of the text and can end it.
    ///
    /// # Errors
    /// As [`Extractor::extract`].
    pub fn answer(
        &self,
        types: &[impl AsRef<str>],
        sentence: &str,
        listen: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Answer> {
        let request = self.request(&entity_types(types)?, sentence)?;
        let mut writing = Writing {
            stream: TextStream::new(&self.tokenizer, self.stops.clone()),
            text: String::new(),
            listen,
            is_ended: false,
        };
        let mut generator = Generator::new(&self.model, 1);
        let groups = generator.generate(&[request], &self.stop, &mut writing);
        let text = writing.finish();
        let groups = groups.map_err(|error| self.explained(error))?;
        let generated = groups.into_iter().flatten().next();
        let Generated { ids, finish, .. } =
            generated.ok_or_else(|| Error::invalid("the model gave no answer"))?;
        Ok(Answer {
            text,
            tokens: ids.len(),
            is_cut_off: finish == Finish::Length,
        })
    }

    fn request(&self, types: &[String], sentence: &str) -> Result<Request> {
        let prompt = self.template.render(types, sentence);
        let prompt = self.tokenizer.prompt_ids(&prompt);
        let positions = self.model.config().max_positions();
        let room = positions.saturating_sub(prompt.len());
        if room == 0 {
            return Err(Error::Invalid(format!(
                "the prompt has {} tokens; expected fewer than the {positions} that the model takes",
                prompt.len()
            )));
        }
        let sampling = Sampling {
            max_new_tokens: self.sampling.max_new_tokens.min(room),
            stop: self.tokenizer.stop_ids(),
            ..self.sampling.clone()
        };
        Ok(Request {
            prompt,
            n: 1,
            sampling,
        })
    }

    /// A wrong parameter is left as it is, so that the caller can say where it came from.
    fn explained(&self, error: lm_generate::Error) -> Error {
        match error {
            lm_generate::Error::InvalidSampling { .. } => error.into(),
            _ if self.stop.is_cancelled() => Error::Interrupted,
            error => {
                let failed: Result<(), _> = Err(error);
                failed.context("generating the answer").unwrap_err()
            }
        }
    }
}

/// Entity types as prompts name them: in lower case, in order, each once.
///
/// # Errors
/// If there is none.
pub fn entity_types(labels: &[impl AsRef<str>]) -> Result<Vec<String>> {
    let labels = labels.iter().map(|label| normalize_label(label.as_ref()));
    let mut types: Vec<String> = labels.filter(|label| !label.is_empty()).collect();
    types.sort_unstable();
    types.dedup();
    if types.is_empty() {
        return Err(Error::usage("--types: name at least one entity type"));
    }
    Ok(types)
}

/// An answer while it grows; it ends at a stop string, or when its listener has heard enough.
struct Writing<'a> {
    stream: TextStream<'a>,
    text: String,
    listen: &'a mut dyn FnMut(&str) -> ControlFlow<()>,
    is_ended: bool,
}

impl Writing<'_> {
    fn add(&mut self, piece: &str) {
        self.text.push_str(piece);
        self.is_ended |= (self.listen)(piece).is_break();
    }

    /// The whole text, up to a stop string.
    fn finish(mut self) -> String {
        let rest = self.stream.clone().finish();
        if !self.is_ended {
            self.add(&rest);
        }
        self.text
    }
}

impl Observer for Writing<'_> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        let piece = self.stream.push(token.id);
        self.add(&piece);
        if self.stream.stopped().is_some() || self.is_ended {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_normalised_and_at_least_one() {
        let types = entity_types(&["Person", " city", "person", ""]).expect("two types");
        assert_eq!(types, ["city", "person"]);
        let none = entity_types(&["", " "]).expect_err("there is none");
        assert!(none.is_usage(), "{none}");
    }
}
