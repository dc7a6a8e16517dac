//! The structural rules that an answer of the teacher must pass.

use std::cell::OnceCell;
use std::collections::HashSet;

use ner_types::{Entity, normalize_label, plain_tags};

use crate::agree::{contradiction, split_sentences};
use crate::language::foreign_script;
use crate::leak::leak;
use crate::repetition::repeated;
pub use crate::rule::{Finding, Limits, Rule, Rules};
use crate::shape;
use crate::verbatim::{Copied, copied};
use crate::words::Words;
use chat_client::{ChatAnswer, Finish};

/// What a validated answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The reasoning, trimmed; empty if there is none.
    pub reasoning: String,
    /// The entities, labels normalised.
    pub entities: Vec<Entity>,
}

/// Reads an answer and applies the rules that are on.
///
/// Nothing is repaired: a truncated list would silently lose entities. The
/// findings are in the order of [`Rule`].
pub fn validate(
    answer: &ChatAnswer,
    schema: &[String],
    sentence: &str,
    rules: &Rules,
) -> (Annotation, Vec<Finding>) {
    let completion = ner_types::parse(&answer.content);
    let entities = completion.entities.iter();
    let annotation = Annotation {
        reasoning: reasoning(answer),
        entities: entities
            .map(|e| Entity::new(e.text.trim(), normalize_label(&e.label)))
            .collect(),
    };
    let check = Check {
        answer,
        problem: shape::fault(&answer.content, &completion),
        annotation: &annotation,
        schema,
        sentence,
        limits: &rules.limits,
        words: OnceCell::new(),
    };
    let on = Rule::ALL.into_iter().filter(|&rule| rules.contains(rule));
    let findings = on.filter_map(|rule| {
        Some(Finding {
            rule,
            detail: check.broken(rule)?,
        })
    });
    let findings = findings.collect();
    (annotation, findings)
}

/// The reasoning as it is kept. In one that came in a field of its own, a think tag is talk about the tag; it is spelt
/// so that it is none in the student's target either. A tag at its very beginning or end was left there by the server.
fn reasoning(answer: &ChatAnswer) -> String {
    let told = answer.reasoning.as_deref().unwrap_or_default();
    let mut tags = ["<think>", "</think>"].into_iter();
    if answer.is_apart && !tags.any(|tag| told.starts_with(tag) || told.ends_with(tag)) {
        plain_tags(told).into_owned()
    } else {
        told.into()
    }
}

struct Check<'a> {
    answer: &'a ChatAnswer,
    problem: Option<String>,
    annotation: &'a Annotation,
    schema: &'a [String],
    sentence: &'a str,
    limits: &'a Limits,
    words: OnceCell<Words>,
}

impl Check<'_> {
    /// What breaks `rule`, if anything does.
    fn broken(&self, rule: Rule) -> Option<String> {
        let reasoning = self.annotation.reasoning.as_str();
        match rule {
            Rule::Truncated => self.truncated(),
            Rule::JsonComplete => self.problem.clone(),
            Rule::NoReasoning => reasoning.is_empty().then(|| "there is no reasoning".into()),
            Rule::ThinkTag => {
                let tag = ["<think>", "</think>"]
                    .into_iter()
                    .find(|tag| reasoning.contains(tag));
                tag.map(|tag| format!("{tag} stands inside the reasoning"))
            }
            Rule::LabelsInSchema => self.outside_schema(),
            Rule::EntityInSentence => self.absent(),
            Rule::EntityNotVerbatim => self.misspelt(),
            Rule::Duplicate => self.duplicate(),
            Rule::EntityInReasoning => self.unexplained(),
            Rule::ReasoningAnswerAgree => contradiction(
                reasoning,
                self.schema,
                self.sentence,
                &self.annotation.entities,
            ),
            Rule::ReasoningLength => self.length(),
            Rule::Loop => {
                let limits = self.limits;
                let n_entities = self.annotation.entities.len();
                repeated(
                    self.words(),
                    limits.loop_repeats,
                    limits.loop_words,
                    n_entities,
                )
            }
            Rule::Language => {
                let limit = self.limits.max_foreign_share;
                foreign_script(reasoning, self.schema, self.sentence, limit)
            }
            Rule::Leak => self.leak(),
        }
    }

    fn entity_where(&self, found: impl Fn(&Entity) -> bool) -> Option<&Entity> {
        self.annotation.entities.iter().find(|e| found(e))
    }

    fn truncated(&self) -> Option<String> {
        match &self.answer.finish {
            Finish::Stop => None,
            Finish::Length => Some("the answer ran out of tokens".into()),
            Finish::Filtered(reason) => Some(format!("the answer was kept back: {reason:?}")),
            // A word that nobody knows says nothing against an answer that is whole.
            Finish::Other(_) if self.problem.is_none() => None,
            Finish::Other(reason) => Some(format!("the model stopped because of {reason:?}")),
        }
    }

    fn outside_schema(&self) -> Option<String> {
        let in_schema =
            |e: &Entity| (self.schema.iter()).any(|label| normalize_label(label) == e.label);
        let entity = self.entity_where(|e| !in_schema(e));
        entity.map(|e| format!("label {:?} is not in the schema", e.label))
    }

    fn absent(&self) -> Option<String> {
        let entity = self.entity_where(|e| copied(&e.text, self.sentence) == Copied::Absent);
        entity.map(|e| format!("{:?} does not stand in the sentence", e.text))
    }

    fn misspelt(&self) -> Option<String> {
        let mut entities = self.annotation.entities.iter();
        entities.find_map(|e| match copied(&e.text, self.sentence) {
            Copied::Differs(way) => {
                Some(format!("{:?} differs from the sentence by {way}", e.text))
            }
            Copied::Verbatim | Copied::Absent => None,
        })
    }

    fn duplicate(&self) -> Option<String> {
        let mut seen = HashSet::new();
        let entity = self.annotation.entities.iter().find(|e| !seen.insert(*e));
        entity.map(|e| format!("{:?} is given twice as {:?}", e.text, e.label))
    }

    /// Reasoning may begin a sentence with an entity or break a line inside
    /// one, so case and white space do not count.
    fn unexplained(&self) -> Option<String> {
        let plain = |text: &str| {
            let words: Vec<_> = text.split_whitespace().collect();
            words.join(" ").to_lowercase()
        };
        let written = self.annotation.reasoning.as_str();
        // Most entities are quoted letter by letter. The case of a Greek letter depends on its neighbours, that of an
        // ASCII letter on nothing.
        let is_quoted = |e: &Entity| e.text.is_ascii() && written.contains(&e.text);
        if written.trim().is_empty() || self.annotation.entities.iter().all(is_quoted) {
            return None;
        }
        let reasoning = plain(written);
        let entity = self.entity_where(|e| !reasoning.contains(&plain(&e.text)));
        entity.map(|e| format!("the reasoning does not mention {:?}", e.text))
    }

    /// No reasoning at all is another rule's concern.
    fn length(&self) -> Option<String> {
        let Limits {
            min_reasoning_chars: min,
            max_reasoning_chars: max,
            ..
        } = *self.limits;
        let n_chars = self.annotation.reasoning.chars().count();
        let fits = n_chars == 0 || (min..=max).contains(&n_chars);
        (!fits).then(|| format!("expected {min} to {max} characters of reasoning, found {n_chars}"))
    }

    fn leak(&self) -> Option<String> {
        if let Some(phrase) = leak(self.words(), self.schema, self.sentence) {
            return Some(format!("the reasoning speaks of {phrase:?}"));
        }
        let answer = Words::of([self.answer.content.as_str()]);
        let phrase = leak(&answer, self.schema, self.sentence)?;
        Some(format!("the answer speaks of {phrase:?}"))
    }

    /// The words of the reasoning, which several rules look at.
    fn words(&self) -> &Words {
        let reasoning = &self.annotation.reasoning;
        self.words
            .get_or_init(|| Words::of(split_sentences(reasoning)))
    }
}

#[cfg(test)]
mod tests;
