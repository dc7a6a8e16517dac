//! The recipe: everything a run depends on, as one value.
//!
//! `recipes/base.toml` is the paper's recipe, whole. A profile (a TOML file, embedded or on disk) states where it
//! differs from that, or from another one that it `extends`; `--set section.key=value` overrides follow. They resolve
//! to one [`Recipe`], in which every key has a value, so that a run never depends on a default that the reader cannot
//! see. A key that can be "off" is off at `0`, `""` or a word, documented at the field.

mod backend;
mod cot;
mod data;
mod draft;
mod error;
mod form;
mod keys;
mod origin;
mod overrides;
mod peak;
mod profiles;
mod rollout;
mod rows;
mod sections;
mod teachers;
mod training;
mod weights;

use std::collections::BTreeMap;

use ner_types::PromptTemplate;
use serde::{Deserialize, Serialize};

pub use backend::Backend;
pub use cot::{Cot, json_fields};
pub use data::{CotSource, Data, DataSource};
pub use error::RecipeError;
pub use form::Form;
pub use origin::Origin;
pub use peak::DailyPeak;
pub use profiles::PROFILES;
pub use rollout::Rollout;
pub use rows::{Row, trainings};
pub use sections::{Eval, Hardware, Lora, Model, Plan, Run};
pub use teachers::TEACHERS;
pub use training::{Grpo, Method, Rewards, Sft, Stop};
pub use weights::{Dtype, Quantize};

use draft::Draft;
use error::range;

/// Everything that a run depends on, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name, seeds and backend of the run.
    pub run: Run,
    /// What the stages read.
    pub data: Data,
    /// Stage 1: teacher, validation and judge.
    pub cot: Cot,
    /// The base model.
    pub model: Model,
    /// Low-rank adapters, for the stages that use them.
    pub lora: Lora,
    /// Stage 2: supervised fine-tuning.
    pub sft: Sft,
    /// Stage 3: reinforcement learning.
    pub grpo: Grpo,
    /// Stage 4: the benchmark.
    pub eval: Eval,
    /// The devices that fine-tuning uses and the plan computes for.
    pub hardware: Hardware,
    /// Assumptions of the plan; no stage reads them.
    pub plan: Plan,
    /// What is to be said to whoever wrote the recipe, such as new names of keys.
    #[serde(skip)]
    pub notes: Vec<String>,
    /// Where the values come from.
    #[serde(skip)]
    pub origin: Origin,
}

impl Recipe {
    /// Resolves a profile name or the path of a recipe file, then the
    /// overrides `section.key=value` in order.
    ///
    /// # Errors
    ///
    /// An unknown profile (with the known ones), a file that cannot be read or
    /// is no recipe, an unknown key (with near matches) or one that the run
    /// derives, a value of the wrong type or outside its range.
    pub fn resolve(profile: &str, sets: &[String]) -> Result<Self, RecipeError> {
        Self::resolve_with(profile, None, sets)
    }

    /// [`Recipe::resolve`] with a teacher, by its name in [`TEACHERS`] or as the path of a file of `[cot]` keys, laid
    /// over the profile before the overrides.
    ///
    /// # Errors
    /// As [`Recipe::resolve`]; an unknown teacher.
    pub fn resolve_with(
        profile: &str,
        teacher: Option<&str>,
        sets: &[String],
    ) -> Result<Self, RecipeError> {
        let base: Result<Self, _> = toml::from_str(profiles::BASE);
        let mut recipe = base.map_err(|e| RecipeError::invalid("paper-8b", &e))?;
        let mut draft = Draft::new(recipe.table());
        for (origin, table) in profiles::chain(profile)?.iter().rev() {
            draft.lay(table, origin)?;
            recipe = Self::read(&draft).map_err(|e| RecipeError::invalid(origin, &e))?;
        }
        if let Some(teacher) = teacher {
            draft.lay(&teachers::table(teacher)?, &format!("--teacher {teacher}"))?;
            recipe = Self::read(&draft).map_err(|e| RecipeError::invalid(teacher, &e))?;
        }
        let mut origin = Origin::of(profile);
        for set in sets {
            let (key, text) = overrides::apply(&mut draft, set)?;
            // Enumerations and ranges of integers are known to the struct alone.
            recipe = Self::read(&draft).map_err(|e| RecipeError::value(key, text, &e))?;
            origin.choose(key);
        }
        recipe.origin = origin;
        recipe.check()?;
        Ok(recipe)
    }

    /// The same recipe with this prompt, which counts as chosen by itself.
    #[must_use]
    pub fn with_prompt(mut self, template: &PromptTemplate) -> Self {
        self.model.prompt = template.text().to_owned();
        self.origin.choose("model.prompt");
        self
    }

    fn read(draft: &Draft) -> Result<Self, toml::de::Error> {
        let mut recipe: Self = toml::Value::Table(draft.table.clone()).try_into()?;
        recipe.notes.clone_from(&draft.notes);
        Ok(recipe)
    }

    /// The complete recipe as TOML, headed by its hash.
    ///
    /// The text is itself a recipe file: `--profile runs/x/recipe.toml` runs it again.
    pub fn to_toml(&self) -> String {
        format!(
            "# The complete, resolved recipe of this run.\n# blake3: {}\n\n{}",
            self.hash(),
            self.body()
        )
    }

    /// The blake3 hash (hex) of the TOML text without its head.
    pub fn hash(&self) -> String {
        hex(&self.body())
    }

    /// The hash of the named sections together, for deciding whether a stage is done.
    ///
    /// Each stage names the sections it reads, so that changing the evaluation
    /// does not repeat the training. Of `[cot]` only the keys count that shape answers or decide about them. A name
    /// that is no section contributes only its name.
    pub fn section_hash(&self, names: &[&str]) -> String {
        let table = self.deciding();
        let text: String = names
            .iter()
            .map(|name| match table.get(*name) {
                Some(section) => format!("[{name}]\n{section}\n"),
                None => format!("[{name}]\n"),
            })
            .collect();
        hex(&text)
    }

    /// The keys of the named sections with their values, of which [`Recipe::section_hash`] is the hash.
    pub fn section_settings(&self, names: &[&str]) -> BTreeMap<String, String> {
        let mut settings = BTreeMap::new();
        for (name, section) in self.deciding() {
            if names.contains(&name.as_str()) {
                keys::flatten(&name, &section, &mut settings);
            }
        }
        settings
    }

    /// All sections, without what changes no result: how servers are asked, and what that may cost.
    fn deciding(&self) -> toml::Table {
        let mut table = self.table();
        table.insert("cot".to_owned(), self.cot.deciding().into());
        keys::forget_place(&mut table, "grpo.rollout.url");
        keys::forget_place(&mut table, "grpo.rollout.key_env");
        table
    }

    /// The seed that teacher and judge sample with. It is part of every request, so all seeds of a run have the same
    /// one where an answer costs something.
    pub fn sampling_seed(&self, seed: u64) -> u64 {
        if self.cot.is_simulated() {
            seed
        } else {
            self.run.seed
        }
    }

    fn body(&self) -> String {
        toml::to_string_pretty(&self.table()).unwrap_or_default()
    }

    /// All keys; what the run derives is none.
    fn table(&self) -> toml::Table {
        keys::without_derived(toml::Table::try_from(self).unwrap_or_default())
    }

    /// Checks what the types cannot say: for whoever changed a recipe after it was resolved.
    ///
    /// # Errors
    /// A value outside of its range, with the key.
    pub fn check(&self) -> Result<(), RecipeError> {
        let positive = [
            ("run.seeds", self.run.seeds),
            ("lora.rank", self.lora.rank),
            ("eval.batch", self.eval.batch),
            ("eval.max_new_tokens", self.eval.max_new_tokens),
            ("hardware.gpus", self.hardware.gpus),
        ];
        for (key, value) in positive {
            range(key, value, value >= 1, "at least 1")?;
        }
        self.cot.validate()?;
        let rows = &self.run.rows;
        let distinct = (1..rows.len()).all(|i| !rows[..i].contains(&rows[i]));
        let ok = !rows.is_empty() && distinct;
        range(
            "run.rows",
            format!("{rows:?}"),
            ok,
            "at least one row, none twice",
        )?;
        self.data.validate()?;
        self.sft.validate()?;
        self.grpo.validate()?;
        let quantize = self.eval.quantize;
        let checked = quantize.check(self.run.backend);
        checked.or_else(|expected| range("eval.quantize", quantize.name(), false, &expected))
    }
}

fn hex(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests;
