//! A sentence as a preset sees it: the items of both sides, in a fixed order.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use ner_types::{Entity, normalize_label, normalize_text};

use crate::error_class::ErrorClass;
use crate::place::{Chars, Placed, Text, place_in_turn, place_predicted};
use crate::scorer::Scorer;
use crate::sentence::Sentence;
use crate::uie::{b2ner_items, instruct_uie_items, render, render_one};

/// What is compared of an item besides its label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// Its text, normalised.
    Text(String),
    /// Its place; in words for GLiNER, else in characters.
    At(Chars),
    /// Its place is unknown: it equals nothing of the other side.
    Nowhere(String),
}

/// One item that takes part in the comparison.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) label: String,
    pub(crate) what: What,
    /// Places in characters, for the overlap with items of the other side.
    pub(crate) places: Vec<Chars>,
    /// Position of its entity in the sentence's list, where it comes from one.
    pub(crate) entity: Option<usize>,
}

impl Item {
    fn order(&self, other: &Item) -> Ordering {
        (&self.label, &self.what, self.entity).cmp(&(&other.label, &other.what, other.entity))
    }

    /// Whether two items of one side are the same.
    pub(crate) fn repeats(&self, other: &Item) -> bool {
        self.label == other.label && self.what == other.what
    }

    /// Whether two items of different sides stand at the same place.
    pub(crate) fn is_at(&self, other: &Item) -> bool {
        self.what == other.what && !matches!(self.what, What::Nowhere(_))
    }

    /// Whether an item of the other side is this one.
    pub(crate) fn matches(&self, other: &Item) -> bool {
        self.label == other.label && self.is_at(other)
    }
}

/// One side of a sentence.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    /// What is compared, in ascending order of label and text or place, whatever the order given.
    pub(crate) items: Vec<Item>,
    /// Entities that are not counted, each with its reason.
    pub(crate) ignored: Vec<(usize, ErrorClass)>,
    /// Items that overlap others and that one layer of tags cannot hold.
    pub(crate) untaggable: usize,
}

/// Both sides under a preset.
pub(crate) struct View {
    pub(crate) gold: Side,
    pub(crate) predicted: Side,
}

impl View {
    pub(crate) fn new(scorer: Scorer, sentence: &Sentence<'_>, text: &Text) -> Self {
        let gold = labelled(scorer, sentence.gold, text);
        let mut view = View {
            predicted: side(scorer, sentence.predicted, text, Some(&gold)),
            gold: side(scorer, sentence.gold, text, None),
        };
        if scorer.needs_known_label() && !sentence.schema.is_empty() {
            view.predicted.drop_unknown_labels(sentence.schema);
        }
        if scorer == Scorer::GoLlie {
            view.predicted.drop_absent(sentence);
        }
        for side in [&mut view.gold, &mut view.predicted] {
            side.items.sort_by(Item::order);
            side.share_places();
            if !scorer.counts_repeats() {
                side.collapse();
            }
            if scorer == Scorer::SeqevalStrict {
                side.flatten();
            }
        }
        view
    }
}

impl Side {
    fn drop_unknown_labels(&mut self, schema: &[String]) {
        let schema: Vec<String> = schema.iter().map(|label| normalize_label(label)).collect();
        self.ignore(ErrorClass::OutsideSchema, |item| {
            !schema.contains(&item.label)
        });
    }

    /// GoLLIE looks the lower-case text up in the lower-case sentence.
    fn drop_absent(&mut self, sentence: &Sentence<'_>) {
        if sentence.text.is_empty() {
            return;
        }
        let lower = sentence.text.to_lowercase();
        self.ignore(ErrorClass::Hallucinated, |item| match &item.what {
            What::Text(text) => !lower.contains(text.as_str()),
            What::At(_) | What::Nowhere(_) => false,
        });
    }

    fn ignore(&mut self, reason: ErrorClass, is_ignored: impl Fn(&Item) -> bool) {
        let ignored = self.items.extract_if(.., |item| is_ignored(item));
        self.ignored
            .extend(ignored.filter_map(|item| Some((item.entity?, reason))));
    }

    /// Gives equal items the places of all of them: "A. Brel" and "Brel" may be the same item, and which entity it
    /// stands for must not matter.
    fn share_places(&mut self) {
        for same in self
            .items
            .chunk_by_mut(Item::repeats)
            .filter(|same| same.len() > 1)
        {
            let mut places: Vec<Chars> = same.iter().flat_map(|item| item.places.clone()).collect();
            places.sort_unstable();
            places.dedup();
            for item in same {
                item.places.clone_from(&places);
            }
        }
    }

    /// Keeps the first of equal items.
    fn collapse(&mut self) {
        let ignored = &mut self.ignored;
        self.items.dedup_by(|item, kept| {
            let repeats = item.repeats(kept);
            if let (true, Some(entity)) = (repeats, item.entity) {
                ignored.push((entity, ErrorClass::Duplicate));
            }
            repeats
        });
    }

    /// Keeps what one layer of tags can hold: from left to right, the longest first, nothing that overlaps.
    fn flatten(&mut self) {
        let place = |item: &Item| match item.what {
            What::At(place) => Some(place),
            What::Text(_) | What::Nowhere(_) => None,
        };
        self.items
            .sort_by_key(|item| place(item).map(|p| (p.start, std::cmp::Reverse(p.end))));
        let (before, mut free_from) = (self.items.len(), 0);
        self.items.retain(|item| match place(item) {
            Some(place) if place.start < free_from => false,
            Some(place) => {
                free_from = place.end;
                true
            }
            None => true,
        });
        self.untaggable = before - self.items.len();
        self.items.sort_by(Item::order);
    }
}

/// Entities with their labels as the preset compares them, and their places. Only presets that compare places need it.
type Labelled<'a> = (&'a [Entity], Vec<String>, Vec<Option<Chars>>);

fn labelled<'a>(scorer: Scorer, gold: &'a [Entity], text: &Text) -> Labelled<'a> {
    if !scorer.compares_spans() {
        return (gold, Vec::new(), Vec::new());
    }
    (gold, labels(scorer, gold), place_in_turn(text, gold))
}

fn labels(scorer: Scorer, entities: &[Entity]) -> Vec<String> {
    let label = |entity: &Entity| match scorer {
        Scorer::GLiNer => normalize_label(&entity.label),
        _ => entity.label.trim().into(),
    };
    entities.iter().map(label).collect()
}

/// The entities of one side as items; with `gold`, those of the other.
fn side(scorer: Scorer, entities: &[Entity], text: &Text, gold: Option<&Labelled<'_>>) -> Side {
    let items = match scorer {
        Scorer::ReasoningIe | Scorer::UniversalNer => text_items(entities, text, normalize_text),
        Scorer::GoLlie => text_items(entities, text, |text| text.trim().to_lowercase()),
        Scorer::InstructUie => uie_items(entities, text, instruct_uie_items),
        Scorer::B2Ner => uie_items(entities, text, b2ner_items),
        Scorer::GLiNer => word_items(span_items(scorer, entities, text, gold), text),
        Scorer::SeqevalStrict | Scorer::Strict | Scorer::Exact | Scorer::Partial | Scorer::Type => {
            span_items(scorer, entities, text, gold)
        }
    };
    let is_uie = matches!(scorer, Scorer::InstructUie | Scorer::B2Ner);
    Side {
        ignored: if is_uie {
            repeated(entities, &items)
        } else {
            Vec::new()
        },
        items,
        untaggable: 0,
    }
}

/// The entities without a piece of their own: what they say, earlier ones have said.
fn repeated(entities: &[Entity], items: &[Item]) -> Vec<(usize, ErrorClass)> {
    let claimed: HashSet<usize> = items.iter().filter_map(|item| item.entity).collect();
    let unclaimed = (0..entities.len()).filter(|i| !claimed.contains(i));
    unclaimed.map(|i| (i, ErrorClass::Duplicate)).collect()
}

fn text_items(entities: &[Entity], text: &Text, normal: impl Fn(&str) -> String) -> Vec<Item> {
    let items = entities.iter().enumerate().map(|(i, entity)| Item {
        label: normalize_label(&entity.label),
        what: What::Text(normal(&entity.text)),
        places: places(entity, text),
        entity: Some(i),
    });
    items.collect()
}

fn places(entity: &Entity, text: &Text) -> Vec<Chars> {
    match entity.span {
        Some(span) => vec![span.into()],
        None => text.places(&entity.text),
    }
}

/// The pieces of the written answer. A piece belongs to the first entity that also gives it alone, and stands wherever
/// one of those entities does.
fn uie_items(entities: &[Entity], text: &Text, items_of: fn(&str) -> Vec<String>) -> Vec<Item> {
    let mut givers: HashMap<String, Vec<usize>> = HashMap::new();
    for (i, entity) in entities.iter().enumerate() {
        for piece in items_of(&render_one(entity)) {
            givers.entry(piece).or_default().push(i);
        }
    }
    let pieces = items_of(&render(entities)).into_iter().map(|piece| {
        let givers = givers.get(&piece).map_or(&[][..], Vec::as_slice);
        let (label, name) = piece.split_once(':').unwrap_or(("", &piece));
        Item {
            label: label.into(),
            what: What::Text(name.into()),
            places: givers
                .iter()
                .flat_map(|&i| places(&entities[i], text))
                .collect(),
            entity: givers.first().copied(),
        }
    });
    pieces.collect()
}

fn span_items(
    scorer: Scorer,
    entities: &[Entity],
    text: &Text,
    gold: Option<&Labelled<'_>>,
) -> Vec<Item> {
    let labels = labels(scorer, entities);
    let places = match gold {
        None => place_in_turn(text, entities),
        Some((gold, ..)) if gold.iter().all(|entity| entity.span.is_none()) => {
            place_in_turn(text, entities)
        }
        Some((gold, gold_labels, places)) => {
            let gold = gold.iter().zip(gold_labels).zip(places);
            let placed = gold.filter_map(|((entity, label), place)| {
                let (text, place) = (entity.text.as_str(), (*place)?);
                Some(Placed { text, label, place })
            });
            place_predicted(text, entities, &labels, &placed.collect::<Vec<_>>())
        }
    };
    let placed = entities.iter().zip(labels).zip(places).enumerate();
    let items = placed.map(|(i, ((entity, label), place))| Item {
        label,
        what: place.map_or_else(|| What::Nowhere(entity.text.clone()), What::At),
        places: place.into_iter().collect(),
        entity: Some(i),
    });
    items.collect()
}

fn word_items(mut items: Vec<Item>, text: &Text) -> Vec<Item> {
    let words = text.words();
    for item in &mut items {
        if let What::At(place) = item.what {
            let first = words.binary_search_by_key(&place.start, |word| word.start);
            let last = words.binary_search_by_key(&place.end, |word| word.end);
            item.what = match (first, last) {
                (Ok(start), Ok(last)) if start <= last => What::At(Chars {
                    start,
                    end: last + 1,
                }),
                _ => What::Nowhere(format!("{}..{}", place.start, place.end)),
            };
        }
    }
    items
}
