//! The recipe: everything a run depends on, as one value.
//!
//! A profile (a TOML file, embedded or on disk) plus `--set section.key=value`
//! overrides resolve to one [`Recipe`]. Every key is always present, in the
//! file and in the struct, so that a run never depends on a default that the
//! reader cannot see. A key that can be "off" says so with an explicit value
//! (`0`, `""` or a word), documented at the field.

mod error;
mod grpo;
mod overrides;
mod profiles;
mod sections;
mod weights;

use serde::{Deserialize, Serialize};

pub use error::RecipeError;
pub use grpo::{Correction, Grpo};
pub use profiles::PROFILES;
pub use sections::{
    Backend, Cot, Data, DataSource, Eval, Hardware, Layout, Lora, Method, Model, OverLength, Plan,
    Run, Schedule, Sft,
};
pub use weights::{Dtype, Quantize};

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
}

impl Recipe {
    /// Resolves a profile name or the path of a recipe file, then the
    /// overrides `section.key=value` in order.
    ///
    /// # Errors
    ///
    /// An unknown profile (with the known ones), a file that cannot be read or
    /// is no recipe, an unknown key (with near matches), a value of the wrong
    /// type or outside its range.
    pub fn resolve(profile: &str, sets: &[String]) -> Result<Self, RecipeError> {
        let mut table = profiles::load(profile)?;
        Self::from_table(&table).map_err(|e| RecipeError::Invalid {
            origin: profile.to_owned(),
            reason: e.to_string().trim().to_owned(),
        })?;
        for set in sets {
            overrides::apply(&mut table, set)?;
        }
        let recipe = Self::from_table(&table).map_err(|e| RecipeError::Invalid {
            origin: profile.to_owned(),
            reason: e.to_string().trim().to_owned(),
        })?;
        recipe.validate()?;
        Ok(recipe)
    }

    fn from_table(table: &toml::Table) -> Result<Self, toml::de::Error> {
        toml::Value::Table(table.clone()).try_into()
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
    /// does not repeat the training. A name that is no section contributes only its name.
    pub fn section_hash(&self, names: &[&str]) -> String {
        let table = self.table();
        let text: String = names
            .iter()
            .map(|name| match table.get(*name) {
                Some(section) => format!("[{name}]\n{section}\n"),
                None => format!("[{name}]\n"),
            })
            .collect();
        hex(&text)
    }

    fn body(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default()
    }

    fn table(&self) -> toml::Table {
        toml::Table::try_from(self).unwrap_or_default()
    }

    /// Checks what the types cannot say, and names the key that is wrong.
    fn validate(&self) -> Result<(), RecipeError> {
        let positive = [
            ("run.seeds", self.run.seeds),
            ("cot.concurrency", self.cot.concurrency),
            ("cot.attempts", self.cot.attempts),
            ("lora.rank", self.lora.rank),
            ("sft.batch_size", self.sft.batch_size),
            ("sft.grad_accumulation", self.sft.grad_accumulation),
            ("sft.max_length", self.sft.max_length),
            ("grpo.prompts_per_step", self.grpo.prompts_per_step),
            ("grpo.iterations", self.grpo.iterations),
            ("grpo.rollout_batch", self.grpo.rollout_batch),
            ("grpo.micro_batch_tokens", self.grpo.micro_batch_tokens),
            (
                "grpo.max_completion_length",
                self.grpo.max_completion_length,
            ),
            ("eval.batch", self.eval.batch),
            ("eval.max_new_tokens", self.eval.max_new_tokens),
            ("hardware.gpus", self.hardware.gpus),
        ];
        for (key, value) in positive {
            range(key, value as f64, value >= 1, "at least 1")?;
        }
        let g = self.grpo.group_size;
        range(
            "grpo.group_size",
            g as f64,
            g >= 2,
            "at least 2: an advantage compares completions",
        )?;
        for (key, value) in self.rates() {
            range(
                key,
                value,
                value.is_finite() && value > 0.0,
                "a finite number above 0",
            )?;
        }
        for (key, value) in self.fractions() {
            range(key, value, (0.0..=1.0).contains(&value), "between 0 and 1")?;
        }
        self.grpo.validate()?;
        let quantize = self.eval.quantize;
        quantize
            .check(self.run.backend)
            .map_err(|expected| RecipeError::Range {
                key: "eval.quantize".to_owned(),
                found: quantize.name().to_owned(),
                expected,
            })?;
        let judge = self.cot.judge_threshold;
        range(
            "cot.judge_threshold",
            judge,
            (0.0..=10.0).contains(&judge),
            "between 0 and 10",
        )
    }

    fn rates(&self) -> [(&'static str, f64); 7] {
        [
            ("sft.epochs", self.sft.epochs),
            ("sft.lr", self.sft.lr),
            ("sft.max_grad_norm", self.sft.max_grad_norm),
            ("grpo.epochs", self.grpo.epochs),
            ("grpo.lr", self.grpo.lr),
            ("grpo.max_grad_norm", self.grpo.max_grad_norm),
            ("grpo.temperature", self.grpo.temperature),
        ]
    }

    fn fractions(&self) -> [(&'static str, f64); 7] {
        [
            ("sft.eval_share", self.sft.eval_share),
            ("sft.warmup_ratio", self.sft.warmup_ratio),
            ("sft.min_lr_ratio", self.sft.min_lr_ratio),
            ("grpo.warmup_ratio", self.grpo.warmup_ratio),
            ("grpo.min_lr_ratio", self.grpo.min_lr_ratio),
            ("grpo.epsilon", self.grpo.epsilon),
            ("grpo.epsilon_high", self.grpo.epsilon_high),
        ]
    }
}

fn range(key: &str, found: f64, ok: bool, expected: &str) -> Result<(), RecipeError> {
    if ok {
        return Ok(());
    }
    Err(RecipeError::Range {
        key: key.to_owned(),
        expected: expected.to_owned(),
        found: found.to_string(),
    })
}

fn hex(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests;
