//! Labels such as `misc` that stand for no type: whose they are left out of, and how many entities that concerns.

use ner_types::{Entity, Example, is_dropped_label, normalize_label};
use serde::{Deserialize, Serialize};

use crate::scorer::Scorer;

/// What became of the labels of [`is_dropped_label`] where the gold is read as the paper's loader reads it. Entities
/// are counted as they are listed, repeated ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filtered {
    /// Gold entities of such labels; they left the gold.
    pub gold_removed: usize,
    /// Gold entities whose label is not in the schema of their sentence; they left the gold too.
    pub gold_outside_schema: usize,
    /// Predictions of such labels that left as the gold did.
    pub predictions_removed: usize,
    /// Predictions of such labels that stay and can only be wrong, as [`Scorer::filters_gold_alone`] wants it.
    pub predictions_counted: usize,
}

impl Scorer {
    /// Whether placeholder labels leave the gold and not the predictions, so that a prediction of `misc` counts as an
    /// error.
    ///
    /// That is how the paper's code does it: its loader drops them from schema and gold, its evaluator takes an answer
    /// as it is. No other preset's original has this filter; where we apply it there, both sides lose these labels.
    pub fn filters_gold_alone(self) -> bool {
        self == Scorer::ReasoningIe
    }
}

/// Whether an entity has a label that stands for no type.
pub fn is_placeholder(entity: &Entity) -> bool {
    is_dropped_label(&normalize_label(&entity.label))
}

/// The predictions that a preset counts against gold without placeholder labels, which is gold with labels in lower
/// case: theirs are too, unless the preset takes answers as they are.
pub fn without_placeholders(scorer: Scorer, predicted: &[Entity]) -> Vec<Entity> {
    if scorer.filters_gold_alone() {
        return predicted.to_vec();
    }
    let alike = |entity: &Entity| Entity {
        label: normalize_label(&entity.label),
        ..entity.clone()
    };
    let stays = predicted.iter().filter(|entity| !is_placeholder(entity));
    stays.map(alike).collect()
}

impl Filtered {
    /// Counts a sentence as its file has it, before [`Example::normalized`].
    pub fn add(&mut self, scorer: Scorer, written: &Example, predicted: &[Entity]) {
        self.add_gold(written);
        let placeholders = predicted.iter().filter(|e| is_placeholder(e)).count();
        if scorer.filters_gold_alone() {
            self.predictions_counted += placeholders;
        } else {
            self.predictions_removed += placeholders;
        }
    }

    fn add_gold(&mut self, written: &Example) {
        let schema: Vec<String> = written.schema.iter().map(|l| normalize_label(l)).collect();
        for entity in &written.entities {
            if is_placeholder(entity) {
                self.gold_removed += 1;
            } else if !schema.contains(&normalize_label(&entity.label)) {
                self.gold_outside_schema += 1;
            }
        }
    }

    /// Adds the counts of other sentences.
    pub fn merge(&mut self, other: &Filtered) {
        self.gold_removed += other.gold_removed;
        self.gold_outside_schema += other.gold_outside_schema;
        self.predictions_removed += other.predictions_removed;
        self.predictions_counted += other.predictions_counted;
    }

    /// What was filtered, a line each; nothing where nothing was. `remedy` says what keeps everything.
    pub fn lines(&self, scorer: Scorer, remedy: &str) -> Vec<String> {
        let (gold, counted, removed) = (
            self.gold_removed,
            self.predictions_counted,
            self.predictions_removed,
        );
        let mut lines = Vec::new();
        if gold + counted + removed > 0 {
            let rest = if scorer.filters_gold_alone() {
                format!(
                    "{gold} gold entities removed, {counted} predictions of them count as errors, as in the paper's \
                     code"
                )
            } else {
                format!("{gold} gold entities and {removed} predictions removed")
            };
            lines.push(format!(
                "labels that stand for no type (misc, other, …): {rest}; {remedy}"
            ));
        }
        if self.gold_outside_schema > 0 {
            lines.push(format!(
                "{} gold entities removed, whose labels are not in the schema of their sentence; {remedy}",
                self.gold_outside_schema
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Example {
        Example {
            sentence: "Brel met Vask.".into(),
            schema: vec!["City".into(), "misc".into()],
            entities: vec![
                Entity::new("Brel", "city"),
                Entity::new("met", "MISC"),
                Entity::new("Vask", "person"),
            ],
            ..Example::default()
        }
    }

    #[test]
    fn the_papers_preset_counts_placeholders_as_errors_and_all_others_leave_them_out() {
        let predicted = [Entity::new("Brel", "city"), Entity::new("met", "Misc ")];
        for scorer in Scorer::ALL {
            let mut filtered = Filtered::default();
            filtered.add(scorer, &example(), &predicted);
            assert_eq!(
                (filtered.gold_removed, filtered.gold_outside_schema),
                (1, 1)
            );
            let alone = usize::from(scorer == Scorer::ReasoningIe);
            assert_eq!(filtered.predictions_counted, alone, "{scorer}");
            assert_eq!(filtered.predictions_removed, 1 - alone, "{scorer}");
            let kept = without_placeholders(scorer, &predicted);
            assert_eq!(kept.len(), 1 + alone, "{scorer}");
        }
    }

    #[test]
    fn lines_name_the_counts_and_what_keeps_everything() {
        let filtered = Filtered {
            gold_removed: 3,
            predictions_counted: 2,
            ..Filtered::default()
        };
        let lines = filtered
            .lines(Scorer::ReasoningIe, "--filter none keeps both")
            .join("\n");
        for words in ["3 gold", "2 predictions", "errors", "--filter none"] {
            assert!(lines.contains(words), "{lines}");
        }
        assert!(Filtered::default().lines(Scorer::Strict, "").is_empty());
    }
}
