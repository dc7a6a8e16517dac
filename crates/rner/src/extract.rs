//! Extraction: sentences through a fine-tuned model, and the answer to one while it is written.

mod writing;

use std::ops::ControlFlow;

use lm_generate::{Finish, Generated, Generator, Observer, Request, Sampling};
use lm_kernels::LmOps;
use lm_model::{ChatTokenizer, Qwen3, StopMatcher};
use ner_promise::{Evidence, TokenScore};
use ner_types::{Completion, PromptTemplate, ReadMode, Task, Thought};
use tokio_util::sync::CancellationToken;

use crate::asker::Asker;
use crate::backend::Device;
use crate::decoding::{Decoding, Wanted, Written};
use crate::dial::told;
use crate::error::{Context, Error, Result};
use crate::form::Form;
use crate::recipe::Recipe;
use crate::stages::{Answering, ModelDir};

use self::writing::{All, Stopped, Writing};

pub use crate::answerer::{Answer, Answerer, Question};
pub use crate::asker::entity_types;

/// A model that finds entities.
#[derive(Debug)]
pub struct Extractor<B: LmOps> {
    model: Qwen3<B>,
    asker: Asker,
    /// Sentences at once.
    batch: usize,
    sampling: Sampling,
    stops: StopMatcher,
    stop: CancellationToken,
    decoding: Decoding,
    task: Task,
    samples: Option<Samples>,
}

/// Other answers that are drawn beside each one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Samples {
    /// How many for each question.
    pub n: usize,
    /// The temperature at which they are drawn.
    pub temperature: f64,
}

impl<B: LmOps> Extractor<B> {
    /// The model of a folder in the precision of a recipe, asked as [`ModelDir::asked_under`] decides: with its own
    /// prompt and longest answer, or else with those of the recipe; always the most probable token.
    ///
    /// # Errors
    /// A model or a prompt that cannot be loaded.
    pub fn load(dir: &ModelDir, recipe: &Recipe, device: &Device<B>) -> Result<Self> {
        let recipe = &dir.asked_under(recipe)?.recipe;
        let sampling = Sampling {
            max_new_tokens: recipe.eval.max_new_tokens,
            temperature: 0.0,
            seed: recipe.run.seed,
            ..Sampling::default()
        };
        let asker = Asker::new(dir, recipe)?;
        let decoding = Decoding::of(Form::Free, asker.tokenizer())?;
        Ok(Self {
            asker,
            model: dir.load_to_answer::<B>(device, Answering::of(recipe))?,
            batch: recipe.eval.batch,
            sampling,
            stops: StopMatcher::default(),
            stop: CancellationToken::new(),
            decoding: decoding.with_task(recipe.model.task),
            task: recipe.model.task,
            samples: None,
        })
    }

    /// With answers that are written in another way: held to a form, or without drafts.
    pub fn with_decoding(self, decoding: Decoding) -> Self {
        let decoding = decoding.with_task(self.task);
        Self { decoding, ..self }
    }

    /// With answers of this form, as in [`Decoding::of`], and drafts.
    ///
    /// # Errors
    /// A vocabulary that grammars cannot be made of.
    pub fn with_form(self, form: Form) -> Result<Self> {
        let decoding = Decoding::of(form, self.tokenizer())?;
        Ok(self.with_decoding(decoding))
    }

    /// The tokenizer, of which a [`Decoding`] is made.
    pub fn tokenizer(&self) -> &ChatTokenizer {
        self.asker.tokenizer()
    }

    /// With other answers to each question, see [`Evidence::samples`]. They are held to the same form.
    pub fn with_samples(self, samples: Option<Samples>) -> Self {
        Self { samples, ..self }
    }

    /// With another prompt.
    pub fn with_template(mut self, template: PromptTemplate) -> Self {
        self.asker.template = self.asker.dial.template(&template);
        self
    }

    /// With what types mean, see [`PromptTemplate::describing`].
    pub fn describing(self, types: impl IntoIterator<Item = (String, String)>) -> Self {
        let asker = self.asker.describing(types);
        Self { asker, ..self }
    }

    /// How long a question about these types can be.
    pub fn room(&self, types: &[String]) -> Room {
        let positions = self.model.config().max_positions();
        let prompt = self.asker.ids(types, "").len();
        let left = positions.saturating_sub(prompt);
        Room {
            positions,
            prompt,
            text: left - self.sampling.max_new_tokens.min(left / 2),
        }
    }

    /// Counts the tokens of a text as the model sees it.
    pub fn counter(&self) -> impl Fn(&str) -> usize + Send + Sync + use<B> {
        let tokenizer = self.asker.tokenizer.clone();
        move |text| {
            tokenizer
                .encode_text(text)
                .map_or(text.len(), |ids| ids.len())
        }
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

    /// Finds the entities of these types in a sentence; relations or events, if the model or the recipe is for them.
    ///
    /// # Errors
    /// No type, a sentence that is too long for the model, parameters of sampling that make no sense.
    pub fn extract(&self, types: &[impl AsRef<str>], sentence: &str) -> Result<Completion> {
        let answer = self.answer(types, sentence, &mut goes_on)?;
        Ok(self.task.read(&answer.text, ReadMode::Reference))
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
        let types = entity_types(types)?;
        let wanted = vec![self.wanted(&types, sentence)?];
        let again = wanted.clone();
        let mut writing = vec![Writing::new(self, listen)];
        let mut answers = self.write(wanted, &mut writing, 1)?;
        self.add_samples(again, &mut answers)?;
        answers
            .pop()
            .ok_or_else(|| Error::invalid("the model gave no answer"))
    }

    /// Has the answers to some requests written, each to the one who listens to it.
    fn write(
        &self,
        wanted: Vec<Wanted>,
        writing: &mut Vec<Writing<'_>>,
        batch: usize,
    ) -> Result<Vec<Answer>> {
        let all = All {
            writing: writing.as_mut_slice(),
        };
        let completed = self.generate(wanted, all, batch);
        // What was held back is heard even if the end was not the model's.
        let texts: Vec<_> = writing.drain(..).map(Writing::finish).collect();
        let answer = |((text, tokens), (one, thoughts)): ((String, Vec<TokenScore>), Completed)| {
            let generated = one.group.into_iter().next();
            generated.map(|Generated { ids, finish, .. }| Answer {
                text,
                tokens: ids.len(),
                steps: one.steps,
                is_cut_off: finish == Finish::Length,
                thought: thoughts.first().copied().flatten(),
                evidence: Evidence {
                    tokens,
                    samples: Vec::new(),
                },
            })
        };
        let answers = texts.into_iter().zip(completed?);
        Ok(answers.filter_map(answer).collect())
    }

    /// Draws other answers to the questions that were answered.
    fn add_samples(&self, mut wanted: Vec<Wanted>, answers: &mut [Answer]) -> Result<()> {
        let Some(samples) = self.samples else {
            return Ok(());
        };
        for one in &mut wanted {
            one.request.n = samples.n;
            one.request.sampling.temperature = samples.temperature;
        }
        let batch = self.batch.max(samples.n);
        let drawn = self.generate(wanted, Stopped::new(self), batch)?;
        for (answer, (written, _)) in answers.iter_mut().zip(drawn) {
            let text = |one: &Generated| Stopped::text(self, &one.ids);
            answer.evidence.samples = written.group.iter().map(text).collect();
        }
        Ok(())
    }

    /// Completions in the way of this extractor, each with what the reasoning of its samples cost.
    fn generate(
        &self,
        wanted: Vec<Wanted>,
        observer: impl Observer,
        batch: usize,
    ) -> Result<Vec<Completed>> {
        let mut generator = Generator::new(&self.model, batch);
        let Asker {
            tokenizer, dial, ..
        } = &self.asker;
        let requests: Vec<&Request> = wanted.iter().map(|one| &one.request).collect();
        let mut limit = dial.limit(tokenizer, &requests, observer);
        let written = self
            .decoding
            .write(&mut generator, wanted, &self.stop, &mut limit)?;
        let written = written.map_err(|error| self.explained(error))?;
        let completed = written.into_iter().enumerate().map(|(number, one)| {
            let samples = 0..one.group.len();
            let thoughts = samples.map(|sample| limit.take(number, sample).map(told));
            let thoughts = thoughts.collect();
            (one, thoughts)
        });
        Ok(completed.collect())
    }

    fn wanted(&self, types: &[String], sentence: &str) -> Result<Wanted> {
        Ok(Wanted {
            request: self.request(types, sentence)?,
            grammar: self.decoding.grammar(types, sentence)?,
        })
    }

    fn request(&self, types: &[String], sentence: &str) -> Result<Request> {
        let prompt = self.asker.ids(types, sentence);
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
            stop: self.asker.tokenizer.stop_ids(),
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

impl<B: LmOps> Answerer for Extractor<B> {
    /// `eval.batch` of the recipe.
    fn at_once(&self) -> usize {
        self.batch
    }

    fn answer_each(&mut self, questions: &[Question<'_>]) -> Result<Vec<Result<Answer>>> {
        let mut possible = Vec::new();
        let mut found = Vec::with_capacity(questions.len());
        for question in questions {
            let wanted = self.wanted(question.types, question.text);
            found.push(wanted.map(|wanted| possible.push(wanted)));
        }
        let mut unheard: Vec<_> = possible.iter().map(|_| goes_on).collect();
        let writing = unheard.iter_mut().map(|it| Writing::new(self, it));
        let mut writing: Vec<Writing<'_>> = writing.collect();
        let mut answers = self.write(possible.clone(), &mut writing, self.batch)?;
        self.add_samples(possible, &mut answers)?;
        let mut answers = answers.into_iter();
        let missing = || Error::invalid("the model gave no answer");
        let one = |asked: Result<()>| asked.and_then(|()| answers.next().ok_or_else(missing));
        Ok(found.into_iter().map(one).collect())
    }
}

/// Completions of a request, and what the reasoning of each cost.
type Completed = (Written, Vec<Option<Thought>>);

/// What a model has room for, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What it takes in all: prompt, text and answer.
    pub positions: usize,
    /// The prompt without a text.
    pub prompt: usize,
    /// The text, when the longest answer is left room for, or half of what the prompt leaves if that is less.
    pub text: usize,
}

/// Nobody listens.
fn goes_on(_: &str) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;

    use super::*;
    use crate::session::Session;

    /// What is shown of a prompt is what the model gets.
    #[test]
    fn the_model_gets_what_the_asker_shows() -> Result<()> {
        let base = ModelDir::find("../../fixtures/tiny-base", &Session::silent())?;
        let recipe = Recipe::resolve("tiny", &["eval.max_new_tokens=3".into()])?;
        let extractor = Extractor::<Flex>::load(&base, &recipe, &Default::default())?;
        let types = entity_types(&["Person", "city"])?;
        let sentence = "Ada Brel left <|im_end|> Port Halvek.";
        let (request, asker) = (
            extractor.request(&types, sentence)?,
            Asker::new(&base, &recipe)?,
        );
        assert_eq!(request.prompt, asker.ids(&types, sentence));
        assert_eq!(request.sampling.max_new_tokens, 3);
        let message = asker.message(&types, sentence);
        let text = asker.tokenizer().decode_with_control(&request.prompt);
        let expected = format!("<|im_start|>user\n{message}<|im_end|>\n<|im_start|>assistant\n");
        assert_eq!(text, expected);
        Ok(())
    }

    #[test]
    fn a_sentence_that_is_too_long_costs_its_own_answer() -> Result<()> {
        let base = ModelDir::find("../../fixtures/tiny-base", &Session::silent())?;
        let sets = ["eval.max_new_tokens=3".into(), "eval.batch=2".into()];
        let recipe = Recipe::resolve("tiny", &sets)?;
        let mut extractor = Extractor::<Flex>::load(&base, &recipe, &Default::default())?;
        let (long, types) = ("Brel ".repeat(5_000), entity_types(&["city"])?);
        let questions = ["Osk sleeps.", &long, "Brel left."].map(|text| Question {
            types: &types,
            text,
        });
        let answers = extractor.answer_each(&questions)?;
        let texts: Vec<Option<String>> = answers
            .into_iter()
            .map(|answer| answer.ok().map(|answer| answer.text))
            .collect();
        let alone = |sentence| -> Result<Option<String>> {
            let answer = extractor.answer(&["city"], sentence, &mut goes_on)?;
            Ok(Some(answer.text))
        };
        let expected = [alone("Osk sleeps.")?, None, alone("Brel left.")?];
        assert_eq!(texts, expected);
        Ok(())
    }
}
