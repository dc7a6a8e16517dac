//! What the answers name, each at a place of the whole text once.

use std::collections::HashMap;
use std::ops::Range;

use ner_types::{
    Evidence, GroundStatus, GroundedEntity, Grounder, Mention, NamedProblem, OffsetIndex,
    named_problems, normalize_label,
};

use super::{Answered, place};
use crate::evidence::evidence;
use crate::occurrences::occurrences;
use crate::windows::{Plan, Window};

/// An entity at a place, or without one.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) text: String,
    pub(super) label: String,
    pub(super) status: GroundStatus,
    pub(super) bytes: Option<Range<usize>>,
    /// Whether every answer that names it here has it at a border of its window where the text goes on.
    pub(super) is_at_border: bool,
    pub(super) others: Vec<Range<usize>>,
    /// In bytes of the whole reasoning.
    evidence: Option<Range<usize>>,
}

/// What all answers say.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// In the order of the text; what has no place comes last.
    pub(super) found: Vec<Found>,
    pub(super) reasoning: Option<String>,
    pub(super) problems: Vec<NamedProblem>,
    /// For each answer the entities that stand in its context alone.
    pub(super) in_context: Vec<usize>,
}

/// What makes two entities one.
type Key = (String, Option<Range<usize>>, Option<String>);

impl Collected {
    pub(super) fn of(
        text: &str,
        plan: &Plan,
        groups: &[Vec<String>],
        answers: &[Answered],
    ) -> Self {
        let mut collected = Self::default();
        let mut known = HashMap::new();
        for (number, answer) in answers.iter().enumerate() {
            let Some(window) = plan.windows.get(answer.window) else {
                continue;
            };
            let types = groups.get(answer.group).map_or(&[][..], Vec::as_slice);
            let shown = &text[window.shown()];
            let grounded = Grounder::new(shown).ground_all(&answer.completion.entities);
            let mut problems = named_problems(&answer.completion, &grounded, types, shown);
            if answers.len() > 1 {
                problems.iter_mut().for_each(|it| it.window = Some(number));
            }
            collected.problems.append(&mut problems);
            let reasons = collected.add_reasoning(answer);
            let in_context = collected.add(text, window, &grounded, &reasons, &mut known);
            collected.in_context.push(in_context);
        }
        collected.forget_absent_with_a_place();
        collected.found.sort_by_key(Found::order);
        collected
    }

    /// Adds the reasoning of an answer, and tells where in all of it each entity is named.
    fn add_reasoning(&mut self, answer: &Answered) -> Vec<Option<Range<usize>>> {
        let entities = &answer.completion.entities;
        let Some(new) = &answer.completion.reasoning else {
            return vec![None; entities.len()];
        };
        let reasoning = self.reasoning.get_or_insert_default();
        if !reasoning.is_empty() && !new.is_empty() {
            reasoning.push_str("\n\n");
        }
        let start = reasoning.len();
        reasoning.push_str(new);
        let passages = evidence(new, entities).into_iter();
        let moved = |it: Range<usize>| start + it.start..start + it.end;
        passages.map(|passage| passage.map(moved)).collect()
    }

    /// Adds the entities of an answer; gives how many of them stand in the context alone.
    fn add(
        &mut self,
        text: &str,
        window: &Window,
        grounded: &[GroundedEntity],
        evidence: &[Option<Range<usize>>],
        known: &mut HashMap<Key, usize>,
    ) -> usize {
        let mut in_context = 0;
        for (entity, evidence) in grounded.iter().zip(evidence) {
            let spans = entity.grounding.spans.iter();
            let start = window.context_start;
            let places = spans.map(|span| start + span.byte_start..start + span.byte_end);
            let places: Vec<Range<usize>> =
                places.filter(|it| it.end > window.bytes.start).collect();
            if places.is_empty() && !entity.grounding.spans.is_empty() {
                in_context += 1;
                continue;
            }
            let places = places.into_iter().map(Some);
            let nowhere = entity.grounding.spans.is_empty().then_some(None);
            for bytes in places.chain(nowhere) {
                let found = Found {
                    text: entity.entity.text.clone(),
                    label: entity.entity.label.clone(),
                    status: entity.grounding.status,
                    is_at_border: touches(text, window, bytes.as_ref()),
                    bytes,
                    others: Vec::new(),
                    evidence: evidence.clone(),
                };
                self.add_one(found, known);
            }
        }
        in_context
    }

    fn add_one(&mut self, new: Found, known: &mut HashMap<Key, usize>) {
        let text = new.bytes.is_none().then(|| new.text.clone());
        let key = (normalize_label(&new.label), new.bytes.clone(), text);
        let idx = *known.entry(key).or_insert(self.found.len());
        let Some(old) = self.found.get_mut(idx) else {
            self.found.push(new);
            return;
        };
        let is_at_border = old.is_at_border && new.is_at_border;
        let evidence = old.evidence.clone().or_else(|| new.evidence.clone());
        // A spelling that stands in the text is better than one that does not.
        if edits(new.status) < edits(old.status) {
            *old = new;
        }
        (old.is_at_border, old.evidence) = (is_at_border, evidence);
    }

    /// What stands nowhere in its own window but is found in another is one entity.
    fn forget_absent_with_a_place(&mut self) {
        let placed = self.found.iter().filter(|it| it.bytes.is_some());
        let placed = placed.map(|it| (normalize_label(&it.label), it.text.clone()));
        let placed: std::collections::HashSet<(String, String)> = placed.collect();
        self.found.retain(|it| {
            it.bytes.is_some() || !placed.contains(&(normalize_label(&it.label), it.text.clone()))
        });
    }

    /// Tells the first mention of each text under a label where the text stands too. Says so if that cannot be found.
    pub(super) fn find_others(&mut self, text: &str) -> Option<NamedProblem> {
        let surface = |it: &Found| match &it.bytes {
            Some(bytes) => text[bytes.clone()].to_owned(),
            None => it.text.clone(),
        };
        // The places of each name under each label, and its first mention.
        let mut named: HashMap<(String, String), (usize, Vec<usize>)> = HashMap::new();
        for (idx, it) in self.found.iter().enumerate() {
            let (_, starts) = named
                .entry((normalize_label(&it.label), surface(it)))
                .or_insert((idx, Vec::new()));
            starts.extend(it.bytes.as_ref().map(|bytes| bytes.start));
        }
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut names: Vec<&str> = Vec::new();
        for (_, name) in named.keys() {
            numbers.entry(name).or_insert_with(|| {
                names.push(name);
                names.len() - 1
            });
        }
        let Some(places) = occurrences(text, &names) else {
            let message = "there are too many names to look for their other places".to_owned();
            return Some(problem("others_unknown", None, message));
        };
        for ((_, name), (first, starts)) in &named {
            let places = numbers
                .get(name.as_str())
                .and_then(|&number| places.get(number));
            let is_new = |place: &&Range<usize>| starts.binary_search(&place.start).is_err();
            let places = places.into_iter().flatten().filter(is_new);
            self.found[*first].others = places.cloned().collect();
        }
        None
    }
}

impl Found {
    /// By place, the longer first; what has no place comes last.
    fn order(&self) -> impl Ord + use<> {
        let bytes = self.bytes.as_ref();
        let end = bytes.map(|bytes| std::cmp::Reverse(bytes.end));
        (bytes.is_none(), bytes.map(|bytes| bytes.start), end)
    }

    pub(super) fn mention(
        self,
        index: &OffsetIndex<'_>,
        reasoning: Option<&str>,
        reasons: &OffsetIndex<'_>,
    ) -> Mention {
        let at = self.bytes.map(|bytes| place(bytes, index));
        let others = self.others.into_iter().map(|bytes| place(bytes, index));
        let evidence = self
            .evidence
            .zip(reasoning)
            .map(|(bytes, reasoning)| Evidence {
                text: reasoning[bytes.clone()].to_owned(),
                place: place(bytes, reasons),
            });
        Mention {
            others: others.collect(),
            evidence,
            ..Mention::new(&self.text, &self.label, self.status, at)
        }
    }
}

/// Whether a place touches a border of its window at which the text goes on.
fn touches(text: &str, window: &Window, place: Option<&Range<usize>>) -> bool {
    let is_inside =
        |at: usize| !text[..at].trim_start().is_empty() && !text[at..].trim_end().is_empty();
    place.is_some_and(|place| {
        let start = place.start <= window.bytes.start && is_inside(window.bytes.start);
        start || place.end == window.bytes.end && is_inside(window.bytes.end)
    })
}

fn edits(status: GroundStatus) -> usize {
    match status {
        GroundStatus::Exact => 0,
        GroundStatus::Folded => 1,
        GroundStatus::Fuzzy { edits } => 1 + edits,
        GroundStatus::Absent => usize::MAX,
    }
}

pub(super) fn problem(kind: &str, detail: Option<String>, message: String) -> NamedProblem {
    NamedProblem {
        kind: kind.to_owned(),
        detail,
        message,
        window: None,
    }
}
