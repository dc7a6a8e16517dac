//! The relations or events that were found in a sentence, as a row: each text with its first place.

use serde::Serialize;

use crate::ground::Grounder;
use crate::named_problem::NamedProblem;
use crate::parse::{Completion, Problem};
use crate::structures::{Event, Relation};
use crate::task::Task;

/// What was found in a sentence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundStructures {
    /// The sentence that was asked about.
    pub sentence: String,
    /// The relations, if these were looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relations: Option<Vec<FoundRelation>>,
    /// The events, if these were looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<FoundEvent>>,
    /// What places are counted in: always `characters`, Unicode scalar values from 0, as Python counts.
    pub offsets: &'static str,
    /// The reasoning before the answer.
    pub reasoning: Option<String>,
    /// What is wrong with the answer.
    pub problems: Vec<NamedProblem>,
    /// Whether the answer is JSON.
    pub is_json: bool,
    /// Whether a part was taken from a faulty answer.
    pub salvaged: bool,
    /// Whether the answer was cut off because it had become too long.
    pub cut_off: bool,
}

/// A relation with the places of its texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundRelation {
    /// The relation.
    pub label: String,
    /// Who or what has it.
    pub head: FoundText,
    /// To whom or what.
    pub tail: FoundText,
}

/// An event with the places of its texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundEvent {
    /// Its type.
    pub label: String,
    /// The words that tell of it.
    pub trigger: FoundText,
    /// Who or what takes part.
    pub arguments: Vec<FoundArgument>,
}

/// An argument with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundArgument {
    /// Its role.
    pub role: String,
    /// The text.
    #[serde(flatten)]
    pub text: FoundText,
}

/// A text at its first place; the answer does not say which of several is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FoundText {
    /// The text as the answer gives it.
    pub text: String,
    /// First character.
    pub start: Option<usize>,
    /// The character behind the last one.
    pub end: Option<usize>,
    /// How it was found: `exact`, `folded` (case, quotes, dashes, white space), `fuzzy`, or `absent`: it does
    /// not stand in the sentence.
    pub grounding: &'static str,
}

impl FoundStructures {
    /// What an answer of [`Task::read`] says about a sentence that was asked for these types.
    ///
    /// ```
    /// use ner_types::{FoundStructures, ReadMode, Task};
    ///
    /// let read = Task::Relations.read(r#"{"relations": {"a": [["Ann", "ACME"]]}}"#, ReadMode::Reference);
    /// let found = FoundStructures::new(Task::Relations, read, &["a".into()], "Ann of Acme", false);
    /// let relation = &found.relations.as_ref().unwrap()[0];
    /// assert_eq!((relation.tail.start, relation.tail.grounding), (Some(7), "folded"));
    /// assert!(found.problems.is_empty());
    /// ```
    pub fn new(
        task: Task,
        completion: Completion,
        types: &[String],
        sentence: &str,
        cut_off: bool,
    ) -> Self {
        let grounder = Grounder::new(sentence);
        let place = |text: &str| placed(&grounder, text);
        let relation = |it: &Relation| FoundRelation {
            label: it.label.clone(),
            head: place(&it.head),
            tail: place(&it.tail),
        };
        let event = |it: &Event| FoundEvent {
            label: it.label.clone(),
            trigger: place(&it.trigger),
            arguments: it
                .arguments
                .iter()
                .map(|argument| FoundArgument {
                    role: argument.role.clone(),
                    text: place(&argument.text),
                })
                .collect(),
        };
        let is_found = |problem: &Problem| match problem {
            Problem::NotInSentence(text) => place(text).start.is_some(),
            _ => false,
        };
        let of_texts = completion.check_as(task, types, sentence).into_iter();
        let of_texts = of_texts.filter(|problem| !is_found(problem));
        let problems = completion.problems.iter().cloned().chain(of_texts);
        Self {
            sentence: sentence.to_owned(),
            relations: (task == Task::Relations)
                .then(|| completion.relations.iter().map(relation).collect()),
            events: (task == Task::Events).then(|| completion.events.iter().map(event).collect()),
            offsets: "characters",
            problems: problems.map(NamedProblem::from).collect(),
            reasoning: completion.reasoning,
            is_json: completion.is_json,
            salvaged: completion.salvaged,
            cut_off,
        }
    }

    /// A line for each relation, `works for: Ann -> Acme`, or event, `hire: hired (person: Ann; employer: Acme)`.
    pub fn lines(&self) -> Vec<String> {
        let relations = self.relations.iter().flatten();
        let relations =
            relations.map(|it| format!("{}: {} -> {}", it.label, it.head.text, it.tail.text));
        let events = self.events.iter().flatten().map(|it| {
            let arguments = it.arguments.iter();
            let arguments: Vec<String> = arguments
                .map(|argument| format!("{}: {}", argument.role, argument.text.text))
                .collect();
            let arguments = match arguments.as_slice() {
                [] => String::new(),
                all => format!(" ({})", all.join("; ")),
            };
            format!("{}: {}{arguments}", it.label, it.trigger.text)
        });
        relations.chain(events).collect()
    }
}

fn placed(grounder: &Grounder<'_>, text: &str) -> FoundText {
    let found = grounder.ground(text);
    let span = found.spans.first();
    FoundText {
        text: text.to_owned(),
        start: span.map(|span| span.char_start),
        end: span.map(|span| span.char_end),
        grounding: found.status.name(),
    }
}
