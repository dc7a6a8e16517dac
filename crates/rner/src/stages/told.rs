//! What a training tells about its data at the end: what was trained on, and what became of the rest.

use ner_types::{Entity, Example, is_dropped_label, normalize_label};

/// The parts that are there, in brackets behind a number.
pub(super) fn in_brackets(parts: impl IntoIterator<Item = Option<String>>) -> String {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(" ({})", parts.join("; "))
}

/// Words about a number of things, if there are any.
pub(super) fn if_any(n: usize, words: impl FnOnce(usize) -> String) -> Option<String> {
    (n > 0).then(|| words(n))
}

/// Examples whose annotation has faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RowFaults {
    /// With a mention that is not in the sentence.
    pub(super) not_in_sentence: usize,
    /// With a mention of a type that the example does not ask for.
    pub(super) outside_schema: usize,
}

impl RowFaults {
    pub(super) fn of(examples: &[Example]) -> Self {
        let is_strange = |example: &&Example| {
            let (task, items) = (example.task(), example.as_items());
            let texts = items.entities.iter().flat_map(|item| task.item_texts(item));
            { texts }.any(|text| !example.sentence.contains(text.trim()))
        };
        let is_outside = |example: &&Example| {
            let example = example.as_items();
            // What is left out with the placeholders was never asked for.
            let dropped = |e: &&Entity| is_dropped_label(&normalize_label(&e.label));
            let n_dropped = example.entities.iter().filter(dropped).count();
            example.normalized().entities.len() + n_dropped < example.entities.len()
        };
        Self {
            not_in_sentence: examples.iter().filter(is_strange).count(),
            outside_schema: examples.iter().filter(is_outside).count(),
        }
    }

    /// What is done with them.
    pub(super) fn parts(self) -> [Option<String>; 2] {
        [
            if_any(self.not_in_sentence, |n| {
                format!("{n} with an entity that is not in the sentence, kept as it stands")
            }),
            if_any(self.outside_schema, |n| {
                format!("{n} with an entity of a type that is not asked for, which is left out")
            }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_there_is_is_told() {
        let words = |n| if_any(n, |n| format!("{n} more"));
        assert_eq!(in_brackets([words(0), None]), "");
        assert_eq!(
            in_brackets([words(2), words(0), words(1)]),
            " (2 more; 1 more)"
        );
    }

    #[test]
    fn faults_are_counted_by_examples() {
        let example = |schema: &str, entities: &[(&str, &str)]| Example {
            sentence: "Ada left Brel.".into(),
            schema: vec![schema.into()],
            entities: entities.iter().map(|(t, l)| Entity::new(*t, *l)).collect(),
            ..Example::default()
        };
        let faults = RowFaults::of(&[
            example("City", &[("Brel", "city"), ("Ada", "MISC")]),
            example("city", &[("Halvek", "city"), ("Osmere", "city")]),
            example("city", &[("Ada", "person"), ("Brel", "town")]),
        ]);
        let expected = RowFaults {
            not_in_sentence: 1,
            outside_schema: 1,
        };
        assert_eq!(faults, expected);
        assert_eq!(RowFaults::default().parts(), [None, None]);
    }
}
