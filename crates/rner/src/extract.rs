//! Extraction: sentences through a fine-tuned model, and the answer to one while it is written.

use std::ops::ControlFlow;

use lm_generate::{Finish, Generated, Generator, Lookup, NewToken, Observer, Request, Sampling};
use lm_grammar::{Constrained, Grammar};
use lm_kernels::LmOps;
use lm_model::{Qwen3, StopMatcher, TextStream};
use ner_types::{Completion, PromptTemplate, parse};
use tokio_util::sync::CancellationToken;

use crate::asker::Asker;
use crate::backend::Device;
use crate::dial::told;
use crate::error::{Context, Error, Result};
use crate::form::{Form, Forms};
use crate::recipe::Recipe;
use crate::stages::{Answering, ModelDir};

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

    /// With another prompt.
    pub fn with_template(mut self, template: PromptTemplate) -> Self {
        self.asker.template = self.asker.dial.template(&template);
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
        let mut writing = vec![Writing::new(self, listen)];
        let mut answers = self.write(vec![asked], &mut writing, 1)?;
        answers
            .pop()
            .ok_or_else(|| Error::invalid("the model gave no answer"))
    }

    /// Has the answers to some requests written, each to the one who listens to it.
    fn write(
        &self,
        asked: Vec<Asked>,
        writing: &mut Vec<Writing<'_>>,
        batch: usize,
    ) -> Result<Vec<Answer>> {
        let (requests, grammars): (Vec<_>, Vec<_>) = asked
            .into_iter()
            .map(|one| (one.request, one.grammar))
            .unzip();
        let mut generator = Generator::new(&self.model, batch);
        let all = All {
            writing: writing.as_mut_slice(),
        };
        let Asker {
            tokenizer, dial, ..
        } = &self.asker;
        let mut limit = dial.limit(tokenizer, &requests, all);
        let mut held = Constrained::new(&mut limit);
        for (number, grammar) in grammars.iter().enumerate() {
            if let Some(grammar) = grammar {
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
        let thoughts = (0..requests.len()).map(|number| limit.take(number, 0).map(told));
        let thoughts: Vec<_> = thoughts.collect();
        // What was held back is heard even if the end was not the model's.
        let texts: Vec<String> = writing.drain(..).map(Writing::finish).collect();
        let groups = groups.map_err(|error| self.explained(error))?;
        let answer = |(number, (text, group)): (usize, (String, Vec<Generated>))| {
            let one = group.into_iter().next();
            one.map(|Generated { ids, finish, .. }| Answer {
                text,
                tokens: ids.len(),
                is_cut_off: finish == Finish::Length,
                thought: thoughts[number],
            })
        };
        let answers = texts.into_iter().zip(groups).enumerate();
        Ok(answers.filter_map(answer).collect())
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
        let mut answers = self.write(possible, &mut writing, self.batch)?.into_iter();
        let missing = || Error::invalid("the model gave no answer");
        let one = |asked: Result<()>| asked.and_then(|()| answers.next().ok_or_else(missing));
        Ok(found.into_iter().map(one).collect())
    }
}

/// What the model is asked for, and the grammar of the answer.
struct Asked {
    request: Request,
    grammar: Option<Grammar>,
}

/// Nobody listens.
fn goes_on(_: &str) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// An answer while it grows; it ends at a stop string, or when its listener has heard enough.
struct Writing<'a> {
    stream: TextStream<'a>,
    text: String,
    listen: &'a mut dyn FnMut(&str) -> ControlFlow<()>,
    is_ended: bool,
}

impl<'a> Writing<'a> {
    fn new<B: LmOps>(
        extractor: &'a Extractor<B>,
        listen: &'a mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Self {
        Self {
            stream: TextStream::new(&extractor.asker.tokenizer, extractor.stops.clone()),
            text: String::new(),
            listen,
            is_ended: false,
        }
    }

    fn add(&mut self, piece: &str) {
        self.text.push_str(piece);
        self.is_ended |= (self.listen)(piece).is_break();
    }

    fn hear(&mut self, id: u32) -> ControlFlow<()> {
        let piece = self.stream.push(id);
        self.add(&piece);
        if self.stream.stopped().is_some() || self.is_ended {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
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

/// The answers to some requests, in their order.
struct All<'w, 'a> {
    writing: &'w mut [Writing<'a>],
}

impl Observer for All<'_, '_> {
    fn on_token(&mut self, token: NewToken) -> ControlFlow<()> {
        match self.writing.get_mut(token.request) {
            Some(writing) => writing.hear(token.id),
            None => ControlFlow::Continue(()),
        }
    }
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
