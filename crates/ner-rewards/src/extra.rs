//! Rewards that the paper does not have: length, format and grounding.

use std::collections::HashSet;

use ner_types::{Completion, GroundOptions, GroundStatus, Grounder};

use crate::{Breakdown, RewardOptions, Target, has_entities_key};

impl Target {
    /// Adds the rewards whose weight is not 0.
    pub(crate) fn add_extra(
        &self,
        text: &str,
        read: &Completion,
        options: &RewardOptions,
        rewards: &mut Breakdown,
    ) {
        let weights = &options.extra;
        if weights.length != 0.0 {
            rewards.length = options.length_limit.value(text.chars().count());
            rewards.total += weights.length * rewards.length;
        }
        if weights.format != 0.0 {
            rewards.format = f64::from(u8::from(is_well_formed(text, read)));
            rewards.total += weights.format * rewards.format;
        }
        if weights.grounding != 0.0 {
            rewards.grounding = self.grounding(read);
            rewards.total += weights.grounding * rewards.grounding;
        }
    }

    fn grounding(&self, read: &Completion) -> f64 {
        let Some(sentence) = &self.sentence else {
            return 0.0;
        };
        let texts = read.entities.iter().flat_map(|e| self.task.item_texts(e));
        let texts: HashSet<&str> = texts.collect();
        if texts.is_empty() {
            let is_right = self.gold.is_empty() && has_entities_key(read);
            return f64::from(u8::from(is_right));
        }
        let literal = GroundOptions {
            max_edits_per_char: 0.0,
            ..GroundOptions::default()
        };
        let grounder = Grounder::with_options(sentence, literal);
        let stands = |text: &&&str| grounder.ground(text).status != GroundStatus::Absent;
        texts.iter().filter(stands).count() as f64 / texts.len() as f64
    }
}

/// One reasoning block, then the object alone.
fn is_well_formed(text: &str, read: &Completion) -> bool {
    let parts = text.trim().strip_prefix("<think>");
    let Some((reasoning, answer)) = parts.and_then(|rest| rest.split_once("</think>")) else {
        return false;
    };
    let answer = answer.trim();
    read.is_json
        && read.problems.is_empty()
        && !reasoning.trim().is_empty()
        && answer.starts_with('{')
        && answer.ends_with('}')
}
