//! The rows of the paper's ablation, and what each of them costs.

use serde::{Deserialize, Serialize};

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
    fn steps_go_up_the_table() {
        assert!(Row::STEPS.iter().all(|(from, to)| from < to));
        assert!(Row::ALL.is_sorted());
    }
}
