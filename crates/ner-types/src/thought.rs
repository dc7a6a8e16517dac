//! What reasoning costs, and its short form.

use serde::{Deserialize, Serialize};

use crate::example::Entity;
use crate::normalize::normalize_label;

/// What the reasoning of an answer cost, where it was counted while it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thought {
    /// Tokens between the tags, without those that a budget forced.
    #[serde(rename = "reasoning_tokens")]
    pub tokens: usize,
    /// How it ended; nothing if there was none.
    #[serde(rename = "reasoning_closed")]
    pub closed: Option<Closed>,
}

impl Thought {
    /// What two answers cost together: what ended worse says how.
    ///
    /// ```
    /// use ner_types::{Closed, Thought};
    ///
    /// let one = Thought { tokens: 3, closed: Some(Closed::Model) };
    /// let both = one.and(Thought { tokens: 4, closed: Some(Closed::Forced) });
    /// assert_eq!(both, Thought { tokens: 7, closed: Some(Closed::Forced) });
    /// ```
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            tokens: self.tokens + other.tokens,
            closed: self.closed.max(other.closed),
        }
    }
}

/// How reasoning ended, the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// The model closed it.
    Model,
    /// A budget closed it.
    Forced,
    /// It was not: the answer ended before.
    Never,
}

/// The sentences of a chain of thought that name its entities: for each, the last one that names the entity with its
/// type, or else the last one that names it. A chain that names none keeps its last sentence.
///
/// Sentences end at a line break, or with `.`, `!`, `?` or `。` where white space follows; so an abbreviation cuts one
/// short.
///
/// ```
/// use ner_types::{Entity, short_chain};
///
/// let chain = "Osk sleeps. A port is a city, so Brel is a city. \"Ann\" is not asked for.";
/// assert_eq!(short_chain(chain, &[Entity::new("Brel", "city")]), "A port is a city, so Brel is a city.");
/// ```
pub fn short_chain(chain: &str, entities: &[Entity]) -> String {
    let sentences = sentences(chain);
    let mut kept: Vec<usize> = entities
        .iter()
        .filter_map(|entity| conclusion(&sentences, entity))
        .collect();
    kept.sort_unstable();
    kept.dedup();
    if kept.is_empty() {
        kept.extend(sentences.len().checked_sub(1));
    }
    let kept: Vec<&str> = kept.into_iter().map(|at| sentences[at]).collect();
    kept.join(" ")
}

/// The sentence that says what an entity is.
fn conclusion(sentences: &[&str], entity: &Entity) -> Option<usize> {
    let label = normalize_label(&entity.label);
    let names = |sentence: &&str| sentence.contains(&entity.text);
    let tells = |sentence: &&str| names(sentence) && normalize_label(sentence).contains(&label);
    let last = sentences.iter().rposition(tells);
    last.or_else(|| sentences.iter().rposition(names))
}

fn sentences(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut from = 0;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let before_space = letters.peek().is_none_or(|(_, next)| next.is_whitespace());
        let ends = matches!(letter, '.' | '!' | '?') && before_space;
        if ends || matches!(letter, '\n' | '。') {
            let end = at + letter.len_utf8();
            all.push(text[from..end].trim());
            from = end;
        }
    }
    all.push(text[from..].trim());
    all.retain(|sentence| !sentence.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(chain: &str, entities: &[(&str, &str)], expected: &str) {
        let entities = entities
            .iter()
            .map(|(text, label)| Entity::new(*text, *label));
        let entities: Vec<Entity> = entities.collect();
        assert_eq!(short_chain(chain, &entities), expected);
    }

    #[test]
    fn what_concludes_stays_and_each_sentence_once() {
        let chain = "Brel and Osk are named. Brel is a City! Is Osk a river? Osk is one\nBrel again. Ann is out.";
        check(chain, &[("Brel", "city")], "Brel is a City!");
        check(
            chain,
            &[("Osk", "river"), ("Brel", "city"), ("Osk", "lake")],
            "Brel is a City! Is Osk a river? Osk is one",
        );
        check(chain, &[("Nobody", "person")], "Ann is out.");
        check(chain, &[], "Ann is out.");
    }

    #[test]
    fn a_chain_of_nothing_is_short() {
        for chain in ["", " \n ", "\n"] {
            check(chain, &[("a", "b")], "");
        }
        check("小樽。札幌", &[("小樽", "city")], "小樽。");
        check("v1.2 is out", &[("v1.2", "version")], "v1.2 is out");
    }

    #[test]
    fn what_was_thought_is_two_keys() {
        let thought = Thought {
            tokens: 7,
            closed: Some(Closed::Forced),
        };
        let json = serde_json::to_value(thought).expect("JSON");
        let expected = serde_json::json!({"reasoning_tokens": 7, "reasoning_closed": "forced"});
        assert_eq!(json, expected);
    }
}
