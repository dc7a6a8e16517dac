//! The dial of a certain model: a switch in its prompt, and a budget for its reasoning.

use lm_generate::{Observer, Request, Thought, ThoughtEnd, ThoughtLimit};
use lm_model::ChatTokenizer;
use ner_types::{Closed, Entity, PromptTemplate, render_completion};

use crate::model_prompt::ModelPrompt;
use crate::reasoning::{Reasoning, ReasoningSwitch, switched};

/// The parts of the tokens of an answer that are kept for what follows the reasoning: one of so many.
const ANSWER_PARTS: usize = 4;
/// Tokens that the tags of the reasoning take.
const TAGS: usize = 6;
/// A model that says nothing of short reasoning has one of so many parts of its longest answer for it.
const SHORT_PARTS: usize = 8;

/// How much a certain model reasons.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    reasoning: Reasoning,
    switch: Option<ReasoningSwitch>,
    /// Whether the model reasons at all, if it says so.
    reasons: Option<bool>,
}

impl Dial {
    /// The dial of a model that says this of itself.
    pub fn new(reasoning: Reasoning, own: Option<&ModelPrompt>) -> Self {
        Self {
            reasoning,
            switch: own.and_then(|own| own.reasoning_switch.clone()),
            reasons: own.and_then(|own| own.reasoning),
        }
    }

    /// The prompt with the switch behind it, if the model knows one.
    pub fn template(&self, template: &PromptTemplate) -> PromptTemplate {
        match self.word() {
            Some(word) => switched(template, word),
            None => template.clone(),
        }
    }

    /// Most tokens of the reasoning in an answer of at most `limit` tokens; nothing where the model does as it likes.
    /// A quarter of the limit, and what the tags take, is always left for what follows.
    pub fn budget(&self, limit: usize) -> Option<usize> {
        let room = limit.saturating_sub(limit.div_ceil(ANSWER_PARTS) + TAGS);
        let short = || self.short_tokens().unwrap_or(limit / SHORT_PARTS);
        match self.reasoning {
            Reasoning::Free => None,
            Reasoning::Full => Some(room),
            Reasoning::Short => Some(room.min(short())),
            Reasoning::None => Some(0),
            Reasoning::Tokens(tokens) => Some(room.min(tokens)),
        }
    }

    /// The observer that closes the reasoning of requests at this dial's budget, and tells another one of everything.
    pub fn limit<'a, O: Observer>(
        &self,
        tokenizer: &'a ChatTokenizer,
        requests: &[&Request],
        inner: O,
    ) -> ThoughtLimit<'a, O> {
        let mut limit = ThoughtLimit::new(tokenizer, inner).behind(answer_start(tokenizer));
        for (number, request) in requests.iter().enumerate() {
            if let Some(budget) = self.budget(request.sampling.max_new_tokens) {
                limit = limit.with(number, budget);
            }
        }
        limit
    }

    /// What is to be said of a model that was not trained to do as it is told.
    pub fn note(&self) -> Option<String> {
        let reasoning = self.reasoning;
        let does_not_reason = self.reasons == Some(false) && self.switch.is_none();
        match reasoning {
            Reasoning::Free | Reasoning::None if does_not_reason => None,
            Reasoning::Free => None,
            _ if does_not_reason => Some(format!(
                "the model was trained to answer without reasoning; --reasoning {reasoning} changes nothing"
            )),
            Reasoning::Short | Reasoning::None if self.word().is_none() => Some(format!(
                "the model knows no switch for {reasoning} reasoning: it is asked as always, and its reasoning is closed \
                 when its tokens are used up"
            )),
            _ => None,
        }
    }

    /// The word of the switch. A number of tokens that is no more than short reasoning takes asks for that.
    fn word(&self) -> Option<&str> {
        let switch = self.switch.as_ref()?;
        match self.reasoning {
            Reasoning::Free | Reasoning::Full => None,
            Reasoning::None | Reasoning::Tokens(0) => Some(&switch.none),
            Reasoning::Short => switch.short.as_deref(),
            Reasoning::Tokens(tokens) => {
                let is_short = switch.short_tokens.is_some_and(|short| tokens <= short);
                switch.short.as_deref().filter(|_| is_short)
            }
        }
    }

    fn short_tokens(&self) -> Option<usize> {
        self.switch.as_ref().and_then(|switch| switch.short_tokens)
    }
}

/// How every answer begins behind its reasoning, as ids: what an empty one and another have in common. So whatever
/// follows has the tokens that the model was trained with.
fn answer_start(tokenizer: &ChatTokenizer) -> Vec<u32> {
    let end = tokenizer.thought_end_ids(false);
    let tag = end
        .last()
        .filter(|id| tokenizer.decode(&[**id]) == "</think>");
    let Some(tag) = tag else {
        // The tag is spelt in pieces, which may go on into what follows.
        return tokenizer.encode_text("\n{").unwrap_or_default();
    };
    let behind = |entities: &[Entity]| {
        let ids = tokenizer.completion_ids(&render_completion(Some(""), entities));
        let behind = ids.into_iter().skip_while(|id| id != tag).skip(1);
        behind.collect::<Vec<u32>>()
    };
    let (empty, other) = (behind(&[]), behind(&[Entity::new("a", "b")]));
    let same = empty.iter().zip(&other).take_while(|(a, b)| a == b);
    same.map(|(id, _)| *id).collect()
}

/// What a completion thought, as rows tell it.
pub(crate) fn told(thought: Thought) -> ner_types::Thought {
    let closed = |end| match end {
        ThoughtEnd::Closed => Closed::Model,
        ThoughtEnd::Forced => Closed::Forced,
        ThoughtEnd::Open => Closed::Never,
    };
    ner_types::Thought {
        tokens: thought.tokens,
        closed: thought.end.map(closed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reasoning::{NONE, SHORT};
    use crate::session::Session;
    use crate::stages::ModelDir;

    const TEMPLATE: &str = "{{SCHEMA}}: {{SENTENCE}}";

    fn dial(word: &str, has_switch: bool, reasons: Option<bool>) -> Dial {
        let template = PromptTemplate::parse(TEMPLATE).expect("a template");
        let switch = ReasoningSwitch {
            short: Some(SHORT.to_owned()),
            none: NONE.to_owned(),
            short_tokens: Some(20),
        };
        let own = ModelPrompt {
            reasoning: reasons,
            reasoning_switch: has_switch.then_some(switch),
            ..ModelPrompt::with_template(&template, 100)
        };
        Dial::new(word.parse().expect("a word"), Some(&own))
    }

    #[test]
    fn an_answer_begins_as_in_training() {
        let base = ModelDir::find("../../fixtures/tiny-base", &Session::silent());
        let tokenizer = base.expect("a model").tokenizer().expect("a tokenizer");
        let start = tokenizer.decode(&answer_start(&tokenizer));
        assert!(start.starts_with("\n{\n  \"entities"), "{start:?}");
        assert!(
            !start.contains('}') && !start.contains("\"b\""),
            "{start:?}"
        );
    }

    #[test]
    fn a_budget_leaves_room_for_the_answer() {
        for (word, limit, expected) in [
            ("free", 100, None),
            ("full", 100, Some(69)),
            ("none", 100, Some(0)),
            ("0", 100, Some(0)),
            ("16", 100, Some(16)),
            ("1000000", 100, Some(69)),
            ("16", 10, Some(1)),
            ("16", 1, Some(0)),
        ] {
            assert_eq!(dial(word, false, None).budget(limit), expected, "{word}");
        }
        assert_eq!(dial("short", false, None).budget(256), Some(32));
        assert_eq!(dial("short", true, None).budget(256), Some(20));
    }

    #[test]
    fn only_a_model_that_knows_the_switch_is_told() {
        for (word, ending) in [
            ("free", ""),
            ("full", ""),
            ("short", "\n/short_think"),
            ("none", "\n/no_think"),
            ("0", "\n/no_think"),
            ("20", "\n/short_think"),
            ("21", ""),
        ] {
            let template = PromptTemplate::parse(TEMPLATE).expect("a template");
            let asked = dial(word, true, None).template(&template);
            assert_eq!(asked.text(), format!("{TEMPLATE}{ending}"), "{word}");
            assert_eq!(dial(word, true, None).note(), None, "{word}");
            let without = dial(word, false, None);
            assert_eq!(without.template(&template), template, "{word}");
            let is_noted = matches!(word, "short" | "none");
            assert_eq!(without.note().is_some(), is_noted, "{word}");
            let bare = dial(word, false, Some(false)).note();
            assert_eq!(bare.is_some(), !matches!(word, "free" | "none"), "{word}");
        }
    }
}
