//! Extraction: sentences through a fine-tuned model, and the answer to one while it is written.

mod writing;

use std::ops::ControlFlow;

use lm_generate::{Finish, Generated, Generator, Lookup, Observer, Request, Sampling};
use lm_grammar::{Constrained, Grammar};
use lm_kernels::LmOps;
use lm_model::{Qwen3, StopMatcher};
use ner_promise::{Evidence, TokenScore};
use ner_types::{Completion, PromptTemplate, parse};
use tokio_util::sync::CancellationToken;

use crate::asker::Asker;
use crate::backend::Device;
use crate::error::{Context, Error, Result};
use crate::form::{Form, Forms};
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
    form: Option<(Forms, Form)>,
    has_drafts: bool,
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
        Ok(Self {
            asker: Asker::new(dir, recipe)?,
            model: dir.load_to_answer::<B>(device, Answering::of(recipe))?,
            batch: recipe.eval.batch,
            sampling,
            stops: StopMatcher::default(),
            stop: CancellationToken::new(),
            form: None,
            has_drafts: true,
            samples: None,
        })
    }

    /// With answers that are held to a form while they are written.
    ///
    /// # Errors
    /// A vocabulary that grammars cannot be made of.
    pub fn with_form(self, form: Form) -> Result<Self> {
        let forms = match form {
            Form::Free => None,
            form => Some((Forms::new(&self.asker.tokenizer)?, form)),
        };
        Ok(Self {
            form: forms,
            ..self
        })
    }

    /// With drafts or without. They make an answer faster and do not change it; it has them unless told otherwise.
    pub fn with_drafts(self, has_drafts: bool) -> Self {
        Self { has_drafts, ..self }
    }

    /// With other answers to each question, see [`Evidence::samples`]. They are held to the same form.
    pub fn with_samples(self, samples: Option<Samples>) -> Self {
        Self { samples, ..self }
    }

    /// With another prompt.
    pub fn with_template(mut self, template: PromptTemplate) -> Self {
        self.asker.template = template;
        self
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
        let types = entity_types(types)?;
        let asked = Asked {
            request: self.request(&types, sentence)?,
            grammar: self.grammar(&types, sentence)?,
        };
        let asked = [asked];
        let mut writing = vec![Writing::new(self, listen)];
        let mut answers = self.write(&asked, &mut writing, 1)?;
        self.add_samples(&asked, &mut answers)?;
        answers
            .pop()
            .ok_or_else(|| Error::invalid("the model gave no answer"))
    }

    /// Has the answers to some requests written, each to the one who listens to it.
    fn write(
        &self,
        asked: &[Asked],
        writing: &mut Vec<Writing<'_>>,
        batch: usize,
    ) -> Result<Vec<Answer>> {
        let all = All {
            writing: writing.as_mut_slice(),
        };
        let groups = self.generate(asked, all, batch);
        // What was held back is heard even if the end was not the model's.
        let written: Vec<_> = writing.drain(..).map(Writing::finish).collect();
        let answer = |((text, tokens), group): ((String, Vec<TokenScore>), Vec<Generated>)| {
            let one = group.into_iter().next();
            one.map(|Generated { ids, finish, .. }| Answer {
                text,
                tokens: ids.len(),
                is_cut_off: finish == Finish::Length,
                evidence: Evidence {
                    tokens,
                    samples: Vec::new(),
                },
            })
        };
        Ok(written
            .into_iter()
            .zip(groups?)
            .filter_map(answer)
            .collect())
    }

    /// Draws other answers to the questions that were answered.
    fn add_samples(&self, asked: &[Asked], answers: &mut [Answer]) -> Result<()> {
        let Some(samples) = self.samples else {
            return Ok(());
        };
        let again = |one: &Asked| {
            let mut one = one.clone();
            one.request.n = samples.n;
            one.request.sampling.temperature = samples.temperature;
            one
        };
        let asked: Vec<Asked> = asked.iter().map(again).collect();
        let batch = self.batch.max(samples.n);
        let drawn = self.generate(&asked, Stopped::new(self), batch)?;
        for (answer, group) in answers.iter_mut().zip(drawn) {
            let text = |one: &Generated| Stopped::text(self, &one.ids);
            answer.evidence.samples = group.iter().map(text).collect();
        }
        Ok(())
    }

    /// The tokens of the answers to some requests, under their grammars.
    fn generate(
        &self,
        asked: &[Asked],
        observer: impl Observer,
        batch: usize,
    ) -> Result<Vec<Vec<Generated>>> {
        let requests: Vec<Request> = asked.iter().map(|one| one.request.clone()).collect();
        let mut generator = Generator::new(&self.model, batch);
        let mut held = Constrained::new(observer);
        for (number, one) in asked.iter().enumerate() {
            if let Some(grammar) = &one.grammar {
                held = held.with(number, grammar);
            }
        }
        let groups = if self.has_drafts {
            let mut observer = Lookup::new(&requests, &mut held);
            generator.generate(&requests, &self.stop, &mut observer)
        } else {
            generator.generate(&requests, &self.stop, &mut held)
        };
        if let Some((_, error)) = held.errors().first() {
            return Err(Error::Invalid(error.to_string()));
        }
        groups.map_err(|error| self.explained(error))
    }

    fn grammar(&self, types: &[String], sentence: &str) -> Result<Option<Grammar>> {
        match &self.form {
            Some((forms, form)) => forms.grammar(*form, types, sentence),
            None => Ok(None),
        }
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
            found.push(match self.request(question.types, question.text) {
                Err(error) => Err(error),
                Ok(request) => {
                    let grammar = self.grammar(question.types, question.text)?;
                    possible.push(Asked { request, grammar });
                    Ok(())
                }
            });
        }
        let mut unheard: Vec<_> = possible.iter().map(|_| goes_on).collect();
        let writing = unheard.iter_mut().map(|it| Writing::new(self, it));
        let mut writing: Vec<Writing<'_>> = writing.collect();
        let mut answers = self.write(&possible, &mut writing, self.batch)?;
        self.add_samples(&possible, &mut answers)?;
        let mut answers = answers.into_iter();
        let missing = || Error::invalid("the model gave no answer");
        let one = |asked: Result<()>| asked.and_then(|()| answers.next().ok_or_else(missing));
        Ok(found.into_iter().map(one).collect())
    }
}

/// What the model is asked for, and the grammar of the answer.
#[derive(Clone)]
struct Asked {
    request: Request,
    grammar: Option<Grammar>,
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
