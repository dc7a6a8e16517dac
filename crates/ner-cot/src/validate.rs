//! The structural rules that an answer of the teacher must pass.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use ner_types::{Entity, normalize_label};
use serde::{Deserialize, Serialize};

use crate::agree::contradiction;
use chat_client::{ChatAnswer, Finish};

/// A named structural rule. The order is that of checking: the first broken
/// rule is the one an answer is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The model finished on its own.
    Truncated,
    /// The answer is one complete JSON object of the right shape.
    JsonComplete,
    /// There is a reasoning text.
    NoReasoning,
    /// Every label is in the schema.
    LabelsInSchema,
    /// Every entity stands in the sentence, letter by letter.
    EntityInSentence,
    /// No entity is given twice under one label.
    Duplicate,
    /// The reasoning mentions every entity.
    EntityInReasoning,
    /// The reasoning does not contradict the answer.
    ReasoningAnswerAgree,
}

impl Rule {
    /// All rules in the order of checking.
    pub const ALL: [Self; 8] = [
        Self::Truncated,
        Self::JsonComplete,
        Self::NoReasoning,
        Self::LabelsInSchema,
        Self::EntityInSentence,
        Self::Duplicate,
        Self::EntityInReasoning,
        Self::ReasoningAnswerAgree,
    ];

    /// The rule's name in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::JsonComplete => "json_complete",
            Self::NoReasoning => "no_reasoning",
            Self::LabelsInSchema => "labels_in_schema",
            Self::EntityInSentence => "entity_in_sentence",
            Self::Duplicate => "duplicate",
            Self::EntityInReasoning => "entity_in_reasoning",
            Self::ReasoningAnswerAgree => "reasoning_answer_agree",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rules that are switched on; all of them by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules(BTreeSet<Rule>);

impl Default for Rules {
    fn default() -> Self {
        Self(Rule::ALL.into())
    }
}

impl Rules {
    /// These rules without `rule`.
    pub fn without(mut self, rule: Rule) -> Self {
        self.0.remove(&rule);
        self
    }

    /// Whether `rule` is on.
    pub fn contains(&self, rule: Rule) -> bool {
        self.0.contains(&rule)
    }
}

/// A broken rule, and what broke it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What was found, in words.
    pub detail: String,
}

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
        reasoning: answer.reasoning.clone().unwrap_or_default(),
        entities: entities
            .map(|e| Entity::new(e.text.trim(), normalize_label(&e.label)))
            .collect(),
    };
    let check = Check {
        answer,
        problem: completion.problems.first().map(ToString::to_string),
        annotation: &annotation,
        schema,
        sentence,
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

struct Check<'a> {
    answer: &'a ChatAnswer,
    problem: Option<String>,
    annotation: &'a Annotation,
    schema: &'a [String],
    sentence: &'a str,
}

impl Check<'_> {
    /// What breaks `rule`, if anything does.
    fn broken(&self, rule: Rule) -> Option<String> {
        let reasoning = self.annotation.reasoning.as_str();
        match rule {
            Rule::Truncated => self.truncated(),
            Rule::JsonComplete => self.problem.clone(),
            Rule::NoReasoning => reasoning.is_empty().then(|| "there is no reasoning".into()),
            Rule::LabelsInSchema => self
                .entity_where(|e| {
                    !self
                        .schema
                        .iter()
                        .any(|label| normalize_label(label) == e.label)
                })
                .map(|e| format!("label {:?} is not in the schema", e.label)),
            Rule::EntityInSentence => self
                .entity_where(|e| e.text.is_empty() || !self.sentence.contains(&e.text))
                .map(|e| format!("{:?} does not stand in the sentence", e.text)),
            Rule::Duplicate => self.duplicate(),
            Rule::EntityInReasoning => self.unexplained(),
            Rule::ReasoningAnswerAgree => contradiction(
                reasoning,
                self.schema,
                self.sentence,
                &self.annotation.entities,
            ),
        }
    }

    fn entity_where(&self, found: impl Fn(&Entity) -> bool) -> Option<&Entity> {
        self.annotation.entities.iter().find(|e| found(e))
    }

    fn truncated(&self) -> Option<String> {
        match &self.answer.finish {
            Finish::Stop => None,
            Finish::Length => Some("the answer ran out of tokens".into()),
            Finish::Other(reason) => Some(format!("the model stopped because of {reason:?}")),
        }
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
        let reasoning = plain(&self.annotation.reasoning);
        if reasoning.is_empty() {
            return None;
        }
        let entity = self.entity_where(|e| !reasoning.contains(&plain(&e.text)));
        entity.map(|e| format!("the reasoning does not mention {:?}", e.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_client::Usage;

    const SENTENCE: &str = "Ann of Brel sings.";

    fn broken(reasoning: &str, content: &str, finish: Finish) -> Vec<Rule> {
        let answer = ChatAnswer {
            reasoning: (!reasoning.is_empty()).then(|| reasoning.into()),
            content: content.into(),
            finish,
            usage: Usage::default(),
        };
        let schema = ["city".into(), "person".into()];
        let (_, findings) = validate(&answer, &schema, SENTENCE, &Rules::default());
        findings.into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn each_rule_fires_alone() {
        let good = "{\"entities\": {\"Person\": [\"Ann\"]}}";
        let why = "\"Ann\" is a person.";
        for (reasoning, content, finish, expected) in [
            (why, good, Finish::Stop, vec![]),
            ("Nobody.", "{\"entities\": {}}", Finish::Stop, vec![]),
            (why, good, Finish::Length, vec![Rule::Truncated]),
            (
                "Hm.",
                "{\"entities\": {\"person\": [\"An",
                Finish::Stop,
                vec![Rule::JsonComplete],
            ),
            (
                "Hm.",
                "Sure! {\"entities\": {}}",
                Finish::Stop,
                vec![Rule::JsonComplete],
            ),
            ("Hm.", "[]", Finish::Stop, vec![Rule::JsonComplete]),
            ("", good, Finish::Stop, vec![Rule::NoReasoning]),
            (
                "Ann",
                "{\"entities\": {\"x\": [\"Ann\"]}}",
                Finish::Stop,
                vec![Rule::LabelsInSchema],
            ),
            (
                "Bo",
                "{\"entities\": {\"person\": [\"Bo\"]}}",
                Finish::Stop,
                vec![Rule::EntityInSentence],
            ),
            (
                "Ann",
                "{\"entities\": {\"person\": [\"Ann\", \"Ann\"]}}",
                Finish::Stop,
                vec![Rule::Duplicate],
            ),
            (
                "Someone.",
                good,
                Finish::Stop,
                vec![Rule::EntityInReasoning],
            ),
            (
                "Ann is a city.",
                good,
                Finish::Stop,
                vec![Rule::ReasoningAnswerAgree],
            ),
        ] {
            assert_eq!(
                broken(reasoning, content, finish),
                expected,
                "{reasoning:?} {content}"
            );
        }
    }

    #[test]
    fn a_rule_can_be_switched_off() {
        let rules = Rules::default().without(Rule::NoReasoning);
        let answer = ChatAnswer {
            reasoning: None,
            content: "{\"entities\": {}}".into(),
            finish: Finish::Stop,
            usage: Usage::default(),
        };
        assert!(
            validate(&answer, &["city".into()], SENTENCE, &rules)
                .1
                .is_empty()
        );
    }

    #[test]
    fn names_are_those_of_the_serialised_form() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::json!(rule), rule.name());
        }
    }
}
