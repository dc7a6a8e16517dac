//! The names of the structural rules, which of them are on, and their numbers.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A named structural rule. The order is that of checking: the first broken
/// rule is the one an answer is counted under.
///
/// One text under two labels breaks no rule: a span may have two types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The model finished on its own.
    Truncated,
    /// The answer is one complete JSON object of the right shape, with nothing
    /// around it but at most one `json` fence.
    JsonComplete,
    /// There is a reasoning text.
    NoReasoning,
    /// The reasoning holds no `<think>` or `</think>`: in the student's target it
    /// would end early.
    ThinkTag,
    /// Every label is in the schema.
    LabelsInSchema,
    /// Every entity stands in the sentence, in whatever spelling.
    EntityInSentence,
    /// Every entity that stands in the sentence stands there letter by letter:
    /// other quotation marks, spaces or normal forms are refused, because the
    /// student is to learn to copy.
    EntityNotVerbatim,
    /// No entity is given twice under one label.
    Duplicate,
    /// The reasoning mentions every entity.
    EntityInReasoning,
    /// The reasoning does not contradict the answer.
    ReasoningAnswerAgree,
    /// The reasoning is neither too short nor too long.
    ReasoningLength,
    /// The reasoning does not say the same over and over.
    Loop,
    /// The reasoning is written in Latin letters or in those of the sentence.
    Language,
    /// Neither reasoning nor answer speaks of an annotation that was given to the teacher.
    Leak,
}

impl Rule {
    /// All rules in the order of checking.
    pub const ALL: [Self; 14] = [
        Self::Truncated,
        Self::JsonComplete,
        Self::NoReasoning,
        Self::ThinkTag,
        Self::LabelsInSchema,
        Self::EntityInSentence,
        Self::EntityNotVerbatim,
        Self::Duplicate,
        Self::EntityInReasoning,
        Self::ReasoningAnswerAgree,
        Self::ReasoningLength,
        Self::Loop,
        Self::Language,
        Self::Leak,
    ];

    /// The rule's name in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::JsonComplete => "json_complete",
            Self::NoReasoning => "no_reasoning",
            Self::ThinkTag => "think_tag",
            Self::LabelsInSchema => "labels_in_schema",
            Self::EntityInSentence => "entity_in_sentence",
            Self::EntityNotVerbatim => "entity_not_verbatim",
            Self::Duplicate => "duplicate",
            Self::EntityInReasoning => "entity_in_reasoning",
            Self::ReasoningAnswerAgree => "reasoning_answer_agree",
            Self::ReasoningLength => "reasoning_length",
            Self::Loop => "loop",
            Self::Language => "language",
            Self::Leak => "leak",
        }
    }

    /// The rule of a name.
    ///
    /// # Errors
    /// If there is none; the message lists all names.
    pub fn parse(name: &str) -> Result<Self, Error> {
        let rule = Self::ALL.into_iter().find(|rule| rule.name() == name);
        rule.ok_or_else(|| Error::unknown("rule", &Self::ALL.map(Self::name), name))
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::parse(name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The numbers of the rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Least characters of a reasoning.
    pub min_reasoning_chars: usize,
    /// Most characters of a reasoning.
    pub max_reasoning_chars: usize,
    /// Greatest share, from 0 to 1, of letters in scripts that are neither Latin
    /// nor the sentence's or the schema's.
    pub max_foreign_share: f64,
    /// How often a sentence of the reasoning, or a run of words, stands in it
    /// when it counts as a loop; at least 2. For each entity of the answer one
    /// more is allowed.
    pub loop_repeats: usize,
    /// Words of such a run; at least 1.
    pub loop_words: usize,
}

impl Default for Limits {
    /// 20 to 20,000 characters, a foreign share of 0.2, five times the same
    /// sentence or the same eight words.
    fn default() -> Self {
        Self {
            min_reasoning_chars: 20,
            max_reasoning_chars: 20_000,
            max_foreign_share: 0.2,
            loop_repeats: 5,
            loop_words: 8,
        }
    }
}

/// The rules that are switched on, all of them by default, and their numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    on: BTreeSet<Rule>,
    /// The numbers.
    pub limits: Limits,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            on: Rule::ALL.into(),
            limits: Limits::default(),
        }
    }
}

impl Rules {
    /// These rules without `rule`.
    pub fn without(mut self, rule: Rule) -> Self {
        self.on.remove(&rule);
        self
    }

    /// These rules and `rule`.
    pub fn with(mut self, rule: Rule) -> Self {
        self.on.insert(rule);
        self
    }

    /// Whether `rule` is on.
    pub fn contains(&self, rule: Rule) -> bool {
        self.on.contains(&rule)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_serialised_form_and_are_read_back() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::json!(rule), rule.name());
            assert_eq!(Rule::parse(rule.name()).expect("a name"), rule);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_all_names() {
        let error = "Leaks".parse::<Rule>().expect_err("unknown").to_string();
        assert!(
            error.starts_with("rule: expected one of truncated, "),
            "{error}"
        );
        assert!(error.ends_with(", leak, found \"Leaks\""), "{error}");
    }

    #[test]
    fn numbers_and_rules_may_be_given_in_part() {
        let rules: Rules = serde_json::from_str(r#"{"limits": {"loop_words": 6}}"#).expect("rules");
        let mut expected = Rules::default();
        expected.limits.loop_words = 6;
        assert_eq!(rules, expected);
        assert!(!rules.clone().without(Rule::Leak).contains(Rule::Leak));
        assert_eq!(rules.clone().without(Rule::Leak).with(Rule::Leak), rules);
        assert!(serde_json::from_str::<Rules>(r#"{"limits": {"loops": 6}}"#).is_err());
    }
}
