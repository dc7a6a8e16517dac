//! One extraction of the answers about the windows of a text.

mod collect;
mod drop;
mod told;

use ner_types::{Completion, Extraction, Mention, OffsetIndex, Offsets, Place};

use self::collect::{Collected, Found};
use crate::windows::Plan;

/// An answer about a window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The index of the window.
    pub window: usize,
    /// The index of the group of types that was asked for.
    pub group: usize,
    /// What the answer says.
    pub completion: Completion,
    /// Whether the answer was cut off because it had become too long.
    pub is_cut_off: bool,
}

/// What becomes of entities that share letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nesting {
    /// All are kept.
    #[default]
    Nested,
    /// The longest is kept; of two that are equally long the one that begins first, and then the one that was named
    /// first. Those that are dropped are named among the problems.
    Flat,
}

/// One extraction of all answers about a text: windows and groups of types in any order. `groups` are the types that
/// were asked for together.
///
/// An entity that several answers name at the same place is one. A text that stands nowhere in its window is kept
/// without a place, unless it has one in another window. What touches the border of a window and lies inside of a
/// longer entity of the same type that another window has is the rest of a cut: it is dropped, which is said. Where a
/// name also stands in a window whose answers do not name it, is told by [`Mention::others`].
pub fn merge(
    text: &str,
    plan: &Plan,
    groups: &[Vec<String>],
    answers: Vec<Answered>,
    nesting: Nesting,
) -> Extraction {
    let mut answers = answers;
    answers.sort_by_key(|answer| (answer.window, answer.group));
    let mut collected = Collected::of(text, plan, groups, &answers);
    let mut problems = std::mem::take(&mut collected.problems);
    problems.extend(told::cut_sentences(plan));
    if answers.len() > 1 {
        problems.extend(collected.find_others(text));
    }
    let fragments = drop::fragments(&mut collected.found);
    problems.extend(told::dropped(
        text,
        "fragment",
        "is a part, cut off at the border of a window, of",
        &fragments,
    ));
    if nesting == Nesting::Flat {
        let inside = drop::overlapping(&mut collected.found);
        problems.extend(told::dropped(
            text,
            "overlapped",
            "shares letters with",
            &inside,
        ));
    }
    let index = OffsetIndex::new(text);
    let reasoning = collected.reasoning;
    let reasons = OffsetIndex::new(reasoning.as_deref().unwrap_or_default());
    let mention = |found: Found| found.mention(&index, reasoning.as_deref(), &reasons);
    let entities: Vec<Mention> = collected.found.into_iter().map(mention).collect();
    Extraction {
        sentence: text.to_owned(),
        relations: None,
        events: None,
        withheld: None,
        thought: None,
        entities,
        offsets: Offsets::Characters.name(),
        problems,
        is_json: answers.iter().all(|answer| answer.completion.is_json),
        salvaged: answers.iter().any(|answer| answer.completion.salvaged),
        cut_off: answers.iter().any(|answer| answer.is_cut_off),
        windows: told::rows(&index, plan, groups, &answers, &collected.in_context),
        reasoning,
    }
}

/// The place of bytes in characters.
fn place(bytes: std::ops::Range<usize>, index: &OffsetIndex<'_>) -> Place {
    Place::of(bytes, Offsets::Characters, index)
}
