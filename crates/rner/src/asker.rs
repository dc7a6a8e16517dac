//! The very text that a model gets: prompt template and chat form, for everybody who asks.

use lm_model::ChatTokenizer;
use ner_types::{PromptTemplate, normalize_label};

use crate::dial::Dial;
use crate::error::{Error, Result};
use crate::recipe::Recipe;
use crate::stages::ModelDir;

/// A prompt template and the tokenizer of the model that is asked.
#[derive(Clone, Debug)]
pub struct Asker {
    pub(crate) tokenizer: ChatTokenizer,
    pub(crate) template: PromptTemplate,
    pub(crate) dial: Dial,
}

impl Asker {
    /// How a model is asked under a recipe whose prompt is decided, see [`ModelDir::asked_under`], with the switch that
    /// `eval.reasoning` asks for. Its weights are not read.
    ///
    /// # Errors
    /// A tokenizer or a prompt that cannot be read.
    pub fn new(dir: &ModelDir, recipe: &Recipe) -> Result<Self> {
        let dial = Dial::new(recipe.eval.reasoning, dir.own_prompt()?.as_ref());
        Ok(Self {
            tokenizer: dir.tokenizer()?,
            template: dial.template(&recipe.model.template(None)?),
            dial,
        })
    }

    /// The same with what types mean, see [`PromptTemplate::describing`].
    #[must_use]
    pub fn describing(self, types: impl IntoIterator<Item = (String, String)>) -> Self {
        let template = self.template.describing(types);
        Self { template, ..self }
    }

    /// The message of the user about a sentence; `types` as [`entity_types`] gives them.
    pub fn message(&self, types: &[String], sentence: &str) -> String {
        self.template.render(types, sentence)
    }

    /// What the model gets, as ids: the message in its chat form, up to where the answer begins.
    pub fn ids(&self, types: &[String], sentence: &str) -> Vec<u32> {
        self.tokenizer.prompt_ids(&self.message(types, sentence))
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &ChatTokenizer {
        &self.tokenizer
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

#[cfg(test)]
mod tests {
    use ner_eval::{Answer, BoxError, Completer, EvalOptions, EvalSet, Question, Suite};
    use ner_types::Example;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::session::Session;
    use crate::stages::samples;

    /// Keeps what it is asked.
    struct Asked(Vec<String>);

    impl Completer for Asked {
        fn complete(&mut self, questions: &[Question]) -> Result<Vec<Answer>, BoxError> {
            self.0.extend(questions.iter().map(|it| it.prompt.clone()));
            Ok(questions.iter().map(|_| Answer::default()).collect())
        }
    }

    /// What is shown is what fine-tuning and evaluation use too, whatever order and case a dataset has its types in.
    #[test]
    fn everybody_asks_alike() -> Result<()> {
        let base = ModelDir::find("../../fixtures/tiny-base", &Session::silent())?;
        let recipe = Recipe::resolve("tiny", &[])?;
        let asker = Asker::new(&base, &recipe)?;
        let types = entity_types(&["Person", "city"])?;
        let example = Example {
            sentence: "Ada Brel left Port Halvek.".into(),
            schema: vec!["PERSON".into(), "city".into()],
            ..Example::default()
        };
        let ids = asker.ids(&types, &example.sentence);
        let examples = [example.clone()];
        let sample = &samples(&asker.tokenizer, &asker.template, &examples, true, false)[0];
        assert_eq!(sample.ids[..sample.loss_from], ids);

        let suite = Suite {
            name: "north".into(),
            sets: vec![EvalSet {
                name: "north".into(),
                examples: examples.to_vec(),
            }],
        };
        let (mut asked, options) = (Asked(Vec::new()), EvalOptions::default());
        let stop = CancellationToken::new();
        ner_eval::evaluate(
            &suite,
            &asker.template,
            &mut asked,
            &options,
            &stop,
            &mut (),
        )?;
        assert_eq!(asked.0, [asker.message(&types, &example.sentence)]);
        Ok(())
    }

    #[test]
    fn types_are_normalised_and_at_least_one() {
        let types = entity_types(&["Person", " city", "person", ""]).expect("two types");
        assert_eq!(types, ["city", "person"]);
        let none = entity_types(&["", " "]).expect_err("there is none");
        assert!(none.is_usage(), "{none}");
    }
}
