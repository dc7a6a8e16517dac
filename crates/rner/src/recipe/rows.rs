//! The rows of the paper's ablation, and what each of them costs.

use serde::{Deserialize, Serialize};

use super::{CotSource, Recipe};

/// A row of the results: a model, or a way of asking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    /// The base model.
    Base,
    /// The base model, asked to reason step by step.
    BaseStep,
    /// Fine-tuned on the annotation that the source of the training sentences comes with.
    Source,
    /// Fine-tuned on NER-CoT without its reasoning.
    WithoutCot,
    /// Fine-tuned on NER-CoT.
    Cot,
    /// After that, trained with GRPO.
    Grpo,
}

impl Row {
    /// All rows in the order of the paper's ablation; step-by-step prompting stands beside the base model.
    pub const ALL: [Row; 6] = [
        Row::Base,
        Row::BaseStep,
        Row::Source,
        Row::WithoutCot,
        Row::Cot,
        Row::Grpo,
    ];

    /// The steps of the ablation: a row, and the one that it builds on.
    pub const STEPS: [(Row, Row); 5] = [
        (Row::Base, Row::BaseStep),
        (Row::Base, Row::Source),
        (Row::Source, Row::WithoutCot),
        (Row::WithoutCot, Row::Cot),
        (Row::Cot, Row::Grpo),
    ];

    /// What the row is called in tables.
    pub fn title(self) -> &'static str {
        match self {
            Row::Base => "base",
            Row::BaseStep => "base, step by step",
            Row::Source => "SFT on the source",
            Row::WithoutCot => "SFT without CoT",
            Row::Cot => "SFT with CoT",
            Row::Grpo => "+ GRPO",
        }
    }

    /// The stage that trains the row's model; none for the base model.
    pub fn training(self) -> Option<&'static str> {
        match self {
            Row::Base | Row::BaseStep => None,
            Row::Source => Some("sft-source"),
            Row::WithoutCot => Some("sft-plain"),
            Row::Cot => Some("sft-cot"),
            Row::Grpo => Some("grpo"),
        }
    }

    /// The stage that evaluates the row.
    pub fn evaluation(self) -> &'static str {
        match self {
            Row::Base => "eval-base",
            Row::BaseStep => "eval-base-step",
            Row::Source => "eval-sft-source",
            Row::WithoutCot => "eval-sft-plain",
            Row::Cot => "eval-sft-cot",
            Row::Grpo => "eval-grpo",
        }
    }

    /// Whether the row needs the dataset with reasoning.
    pub fn needs_cot(self) -> bool {
        matches!(self, Row::WithoutCot | Row::Cot | Row::Grpo)
    }
}

/// The trainings that these rows need, in the order in which they are done. GRPO starts from the CoT-tuned model, so
/// that one is trained for it even if it has no row of its own.
pub fn trainings(rows: &[Row]) -> Vec<&'static str> {
    let needed = |row: &Row| {
        let for_grpo = *row == Row::Cot && rows.contains(&Row::Grpo);
        for_grpo || rows.contains(row)
    };
    Row::ALL
        .iter()
        .filter(|row| needed(row))
        .filter_map(|row| row.training())
        .collect()
}

impl Recipe {
    /// The rows that the run makes, in the order of the table: those of `run.rows`, but for the source's annotation
    /// where chains of thought are not generated, since the source is not read then.
    pub fn rows(&self) -> Vec<Row> {
        let generated = self.data.cot_source() == CotSource::Generate;
        let mut rows = self.run.rows.clone();
        rows.retain(|row| generated || *row != Row::Source);
        rows.sort_unstable();
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_costs_its_training_and_that_of_the_model_it_starts_from() {
        let all = ["sft-source", "sft-plain", "sft-cot", "grpo"];
        assert_eq!(trainings(&Row::ALL), all);
        assert_eq!(trainings(&[Row::Grpo, Row::Base]), ["sft-cot", "grpo"]);
        assert_eq!(trainings(&[Row::BaseStep]), [""; 0]);
    }

    #[test]
    fn a_source_that_is_not_read_has_no_row() -> Result<(), crate::recipe::RecipeError> {
        let rows = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            Recipe::resolve("paper-8b", &sets).map(|recipe| recipe.rows())
        };
        assert_eq!(rows(&[])?, Row::ALL);
        assert_eq!(
            rows(&["run.rows=[\"grpo\",\"base\"]"])?,
            [Row::Base, Row::Grpo]
        );
        assert!(!rows(&["data.cot=published"])?.contains(&Row::Source));
        assert!(rows(&["run.rows=[]"]).is_err() && rows(&["run.rows=[\"cot\",\"cot\"]"]).is_err());
        Ok(())
    }

    #[test]
    fn steps_go_up_the_table() {
        assert!(Row::STEPS.iter().all(|(from, to)| from < to));
        assert!(Row::ALL.is_sorted());
    }
}
