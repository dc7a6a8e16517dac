//! Who decides how a model is asked: what was chosen key by key, else the model itself, else the profile.

use super::ModelDir;
use crate::dial::Dial;
use crate::error::Result;
use crate::model_prompt::{MODEL_PROMPT, ModelPrompt};
use crate::recipe::{PROFILES, Recipe};

/// Keys that a model has values of its own for.
const PROMPT: &str = "model.prompt";
const TASK: &str = "model.task";
const LIMIT: &str = "eval.max_new_tokens";

/// How a model is asked.
#[derive(Clone, Debug)]
pub struct Asking {
    /// The recipe, in which `model.prompt` and `eval.max_new_tokens` are those to ask with.
    pub recipe: Recipe,
    /// What the model says of itself, if it says anything.
    pub own: Option<ModelPrompt>,
    /// Where the two differ, and where the model stands against the profile, in a line; nothing if they agree.
    pub note: Option<String>,
}

impl Asking {
    /// The hash of the model's own prompt (BLAKE3, hex), if it is asked with another one.
    pub fn another_than(&self) -> Option<String> {
        let own = self.own.as_ref()?;
        let hash = blake3::hash(own.prompt.as_bytes()).to_hex().to_string();
        (!has_prompt(&self.recipe, &own.prompt)).then_some(hash)
    }
}

/// A value that was given in place of the model's own, or that the model's own takes the place of.
#[derive(Default)]
struct Differences {
    given: Vec<String>,
    of_profile: Vec<&'static str>,
}

impl ModelDir {
    /// How this model says that it is asked, if it does; an adapter that says nothing is asked as its base.
    ///
    /// # Errors
    /// A file that is damaged or that a newer program wrote.
    pub fn own_prompt(&self) -> Result<Option<ModelPrompt>> {
        let own = ModelPrompt::read(&self.path)?;
        if own.is_some() || self.base() == self.path {
            return Ok(own);
        }
        Ok(ModelPrompt::read(self.base())?)
    }

    /// How this model is asked under a recipe: with its own prompt and longest answer, unless the recipe's were chosen
    /// key by key (`--set`, a flag, [`Recipe::with_prompt`]), and with the recipe's if it has none. So it is with the
    /// task; for another one than its own, the model's prompt and longest answer do not count.
    ///
    /// # Errors
    /// A file of the model that is damaged or newer than this program; a prompt of the recipe that is no template.
    pub fn asked_under(&self, recipe: &Recipe) -> Result<Asking> {
        let own = self.own_prompt()?;
        let mut recipe = recipe.clone();
        let adopted = match &own {
            Some(own) => self.adopt(own, &mut recipe)?,
            None => None,
        };
        let dial = Dial::new(recipe.eval.reasoning, own.as_ref()).note();
        let notes: Vec<String> = adopted.into_iter().chain(dial).collect();
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Ok(Asking { recipe, own, note })
    }

    /// Puts the model's own values into a recipe where none were chosen, and says what differed.
    fn adopt(&self, own: &ModelPrompt, recipe: &mut Recipe) -> Result<Option<String>> {
        let mut differences = Differences::default();
        if recipe.model.task != own.task {
            if recipe.origin.is_chosen(TASK) {
                let task = recipe.model.task;
                differences
                    .given
                    .push(format!("another task, {task}, than its own, {}", own.task));
                return Ok(differences.words(&self.path.join(MODEL_PROMPT), &recipe.origin.profile));
            }
            recipe.model.task = own.task;
        }
        let template = recipe.model.template(None);
        let is_same = template.as_ref().is_ok_and(|it| it.text() == own.prompt);
        if recipe.origin.is_chosen(PROMPT) {
            template?;
            if !is_same {
                differences
                    .given
                    .push("another prompt than its own".to_owned());
            }
        } else if !is_same {
            recipe.model.prompt.clone_from(&own.prompt);
            differences.of_profile.push(PROMPT);
        }
        let (given, limit) = (recipe.eval.max_new_tokens, own.max_new_tokens);
        if given != limit && recipe.origin.is_chosen(LIMIT) {
            let words = format!("at most {given} new tokens, where its own limit is {limit}");
            differences.given.push(words);
        } else if given != limit {
            recipe.eval.max_new_tokens = limit;
            differences.of_profile.push(LIMIT);
        }
        Ok(differences.words(&self.path.join(MODEL_PROMPT), &recipe.origin.profile))
    }
}

impl Differences {
    /// A line about them. That the default profile, which nobody typed, gives way needs no words.
    fn words(&self, file: &std::path::Path, profile: &str) -> Option<String> {
        let mut parts = Vec::new();
        if !self.given.is_empty() {
            let given = self.given.join(", and with ");
            parts.push(format!(
                "the model is asked with {given} ({})",
                file.display()
            ));
        }
        if !self.of_profile.is_empty() && profile != PROFILES[0].0 {
            parts.push(format!(
                "{} are the model's own ({}), not those of the profile {profile}; --set takes others",
                self.of_profile.join(" and "),
                file.display()
            ));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

fn has_prompt(recipe: &Recipe, text: &str) -> bool {
    let template = recipe.model.template(None);
    template.is_ok_and(|template| template.text() == text)
}

#[cfg(test)]
mod tests {
    use ner_types::PromptTemplate;

    use super::*;

    const OWN: &str = "Find {{SCHEMA}} in: {{SENTENCE}}";

    /// How a model with a prompt of its own and 99 tokens is asked: the prompt, the limit and what is said.
    fn asked(profile: &str, sets: &[&str]) -> (String, usize, Option<String>) {
        let dir = tempfile::tempdir().expect("a folder");
        let own = PromptTemplate::parse(OWN).expect("a template");
        let text = ModelPrompt::with_template(&own, 99).to_json();
        std::fs::write(dir.path().join(MODEL_PROMPT), text).expect("written");
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let recipe = Recipe::resolve(profile, &sets).expect("a recipe");
        let asking = ModelDir::at(dir.path())
            .asked_under(&recipe)
            .expect("an answer");
        let template = asking.recipe.model.template(None).expect("a template");
        assert_eq!(asking.another_than().is_some(), template.text() != OWN);
        let limit = asking.recipe.eval.max_new_tokens;
        let home = dir.path().display().to_string();
        let note = asking.note.map(|note| note.replace(&home, "M"));
        (template.text().to_owned(), limit, note)
    }

    #[test]
    fn the_models_own_values_are_used_and_the_default_profile_is_passed_over_in_silence() {
        assert_eq!(asked("tiny", &[]), (OWN.to_owned(), 99, None));
    }

    #[test]
    fn a_profile_gives_way_and_is_named() {
        let (prompt, limit, note) = asked("qwen3-0.6b-lora", &[]);
        assert_eq!((prompt.as_str(), limit), (OWN, 99));
        let expected = "model.prompt and eval.max_new_tokens are the model's own (M/rner.json), not those of the \
                        profile qwen3-0.6b-lora; --set takes others";
        assert_eq!(note.as_deref(), Some(expected));
    }

    #[test]
    fn what_was_typed_wins_and_the_difference_is_named() {
        let (prompt, limit, note) = asked("tiny", &["model.prompt=paper"]);
        assert_eq!(
            (prompt.as_str(), limit),
            (PromptTemplate::paper().text(), 99)
        );
        let expected = "the model is asked with another prompt than its own (M/rner.json)";
        assert_eq!(note.as_deref(), Some(expected));
        let (prompt, limit, note) = asked("tiny", &["eval.max_new_tokens=40"]);
        assert_eq!((prompt.as_str(), limit), (OWN, 40));
        let expected = "the model is asked with at most 40 new tokens, where its own limit is 99 (M/rner.json)";
        assert_eq!(note.as_deref(), Some(expected));
        let same = ["eval.max_new_tokens=99", &format!("model.prompt={OWN}")];
        assert_eq!(asked("tiny", &same), (OWN.to_owned(), 99, None));
    }

    #[test]
    fn a_model_that_says_nothing_is_asked_as_the_recipe_says() {
        let dir = tempfile::tempdir().expect("a folder");
        let recipe = Recipe::resolve("qwen3-0.6b-lora", &[]).expect("a recipe");
        let asking = ModelDir::at(dir.path())
            .asked_under(&recipe)
            .expect("an answer");
        assert_eq!(
            (asking.recipe, asking.own, asking.note),
            (recipe, None, None)
        );
    }
}
