//! Relations and events: what the field counts, each as sets per sentence.
//!
//! Names differ between papers, so that scores were often compared that are not the same (Taillé et al. 2020, "Let's
//! Stop Incorrect Comparisons in End-to-end Relation Extraction!"). Here:
//!
//! - **boundaries** ("Rel", Bekoulis et al. 2018): relation, head and tail are right;
//! - **strict** ("Rel+"): the types of head and tail are right too, where the gold states them;
//! - **relaxed**: head and tail need only share a word with those of the gold, and each gold relation is found once.
//!
//! Of events (ACE 2005 as counted by DyGIE++ and OneIE): a trigger is *identified* if its text is right and
//! *classified* if its type is too; an argument is identified if its text and the type of its event are right, and
//! classified if its role is too.
//!
//! Texts are compared by [`normalize_text`] and labels by [`normalize_label`], as those of entities are: answers have
//! no places.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::AddAssign;

use ner_types::{Event, Relation, Signature, normalize_label, normalize_text};
use serde::{Deserialize, Serialize};

use crate::counts::Counts;

/// Relations under the three rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelationCounts {
    /// Relation, both texts, and both types where the gold states them.
    pub strict: Counts,
    /// Relation and both texts. This is what rewards and the benchmark count.
    pub boundaries: Counts,
    /// Relation, and a word of each text.
    pub relaxed: Counts,
}

/// Events under the four rules of ACE, and two of them with a word in place of the whole text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCounts {
    /// Triggers by text.
    pub trigger_identification: Counts,
    /// Triggers by text and type.
    pub trigger_classification: Counts,
    /// Arguments by text and the type of their event.
    pub argument_identification: Counts,
    /// Arguments by text, the type of their event and role.
    pub argument_classification: Counts,
    /// Triggers of the right type that share a word.
    pub trigger_relaxed: Counts,
    /// Arguments of the right event and role that share a word.
    pub argument_relaxed: Counts,
}

/// Counts the relations of a sentence. Types that a prediction does not state are those that the schema gives its
/// relation, as in `works for(person, organisation)`.
///
/// ```
/// use ner_score::structures::count_relations;
/// use ner_types::Relation;
///
/// let gold = [Relation::new("works for", "Ann Holt", "Acme")];
/// let found = [Relation::new("works for", "Holt", "Acme")];
/// let counts = count_relations(&gold, &found, &[]);
/// assert_eq!((counts.boundaries.tp, counts.relaxed.tp), (0, 1));
/// ```
pub fn count_relations(
    gold: &[Relation],
    predicted: &[Relation],
    schema: &[String],
) -> RelationCounts {
    let types = schema_types(schema);
    let (gold, predicted) = (Triples::new(gold, &types), Triples::new(predicted, &types));
    let counts = |tp| Counts {
        tp,
        predicted: predicted.0.len(),
        gold: gold.0.len(),
    };
    let both = |is_right: &dyn Fn(&Triple) -> bool| gold.0.keys().filter(|it| is_right(it)).count();
    let is_strict = |triple: &Triple| {
        predicted.0.get(triple).is_some_and(|found| {
            let mut wanted = gold.0[triple].iter();
            wanted.any(|wanted| {
                found
                    .iter()
                    .any(|found| agree(&wanted.stated, &found.known))
            })
        })
    };
    RelationCounts {
        strict: counts(both(&is_strict)),
        boundaries: counts(both(&|triple| predicted.0.contains_key(triple))),
        relaxed: counts(overlaps(&gold.items(), &predicted.items())),
    }
}

/// Counts the events of a sentence.
///
/// ```
/// use ner_score::structures::count_events;
/// use ner_types::Event;
///
/// let gold = [Event::new("hire", "hired").with("employer", "Acme")];
/// let found = [Event::new("hire", "hired").with("person", "Acme")];
/// let counts = count_events(&gold, &found);
/// assert_eq!(counts.trigger_classification.tp, 1);
/// assert_eq!((counts.argument_identification.tp, counts.argument_classification.tp), (1, 0));
/// ```
pub fn count_events(gold: &[Event], predicted: &[Event]) -> EventCounts {
    let count = |items: fn(&[Event]) -> BTreeSet<Item>| {
        let (gold, predicted) = (items(gold), items(predicted));
        Counts {
            tp: gold.intersection(&predicted).count(),
            predicted: predicted.len(),
            gold: gold.len(),
        }
    };
    let relaxed = |items: fn(&[Event]) -> BTreeSet<Item>| {
        let [gold, predicted] =
            [gold, predicted].map(|events| items(events).into_iter().collect::<Vec<_>>());
        Counts {
            tp: overlaps(&gold, &predicted),
            predicted: predicted.len(),
            gold: gold.len(),
        }
    };
    EventCounts {
        trigger_identification: count(|events| triggers(events, false)),
        trigger_classification: count(|events| triggers(events, true)),
        argument_identification: count(|events| arguments(events, false)),
        argument_classification: count(|events| arguments(events, true)),
        trigger_relaxed: relaxed(|events| triggers(events, true)),
        argument_relaxed: relaxed(|events| arguments(events, true)),
    }
}

impl AddAssign for RelationCounts {
    fn add_assign(&mut self, other: Self) {
        self.strict += other.strict;
        self.boundaries += other.boundaries;
        self.relaxed += other.relaxed;
    }
}

impl AddAssign for EventCounts {
    fn add_assign(&mut self, other: Self) {
        self.trigger_identification += other.trigger_identification;
        self.trigger_classification += other.trigger_classification;
        self.argument_identification += other.argument_identification;
        self.argument_classification += other.argument_classification;
        self.trigger_relaxed += other.trigger_relaxed;
        self.argument_relaxed += other.argument_relaxed;
    }
}

/// A label, normalised, and the normalised texts under it.
type Item = (String, Vec<String>);

/// Relation, head and tail, normalised.
type Triple = (String, [String; 2]);

/// The types of the arguments, normalised, where they are known.
type Types = [Option<String>; 2];

/// What is known of the arguments' types of one relation: what it states, and what the schema adds.
struct TypesOf {
    stated: Types,
    known: Types,
}

/// The distinct relations of a sentence.
struct Triples(BTreeMap<Triple, Vec<TypesOf>>);

impl Triples {
    fn new(relations: &[Relation], schema: &HashMap<String, [String; 2]>) -> Self {
        let mut triples: BTreeMap<Triple, Vec<TypesOf>> = BTreeMap::new();
        for relation in relations {
            let label = normalize_label(&relation.label);
            let by_schema = |side: usize| schema.get(&label).map(|types| types[side].clone());
            let stated = [&relation.head_type, &relation.tail_type]
                .map(|given| given.as_deref().map(normalize_label));
            let known = [0, 1].map(|side| stated[side].clone().or_else(|| by_schema(side)));
            let texts = [&relation.head, &relation.tail].map(|text| normalize_text(text));
            let types = TypesOf { stated, known };
            triples.entry((label, texts)).or_default().push(types);
        }
        Triples(triples)
    }

    fn items(&self) -> Vec<Item> {
        let triples = self.0.keys().cloned();
        triples
            .map(|(label, texts)| (label, texts.to_vec()))
            .collect()
    }
}

/// Whether all types that the gold states are those of the prediction.
fn agree(gold: &Types, predicted: &Types) -> bool {
    let mut sides = gold.iter().zip(predicted);
    sides.all(|(gold, predicted)| gold.is_none() || gold == predicted)
}

/// The types of the arguments by relation, where the schema has them.
fn schema_types(schema: &[String]) -> HashMap<String, [String; 2]> {
    let signatures = schema.iter().map(|entry| Signature::parse(entry));
    let typed = signatures.filter_map(|signature| {
        let types = signature.argument_types()?;
        Some((normalize_label(signature.label), types.map(normalize_label)))
    });
    typed.collect()
}

fn triggers(events: &[Event], by_type: bool) -> BTreeSet<Item> {
    let item = |event: &Event| {
        let label = if by_type {
            normalize_label(&event.label)
        } else {
            String::new()
        };
        (label, vec![normalize_text(&event.trigger)])
    };
    events.iter().map(item).collect()
}

fn arguments(events: &[Event], by_role: bool) -> BTreeSet<Item> {
    let of = |event: &Event| {
        let label = normalize_label(&event.label);
        let item = |argument: &ner_types::Argument| {
            let label = if by_role {
                format!("{label}: {}", normalize_label(&argument.role))
            } else {
                label.clone()
            };
            (label, vec![normalize_text(&argument.text)])
        };
        event.arguments.iter().map(item).collect::<Vec<_>>()
    };
    events.iter().flat_map(of).collect()
}

/// The most pairs of a gold and a predicted item that agree in label and share a word in every text, each item in one
/// pair at most: a maximum matching, found by augmenting paths.
fn overlaps(gold: &[Item], predicted: &[Item]) -> usize {
    let meets =
        |a: &Item, b: &Item| a.0 == b.0 && a.1.iter().zip(&b.1).all(|(a, b)| share_word(a, b));
    let meeting = |item: &Item| -> Vec<usize> {
        let places = predicted.iter().enumerate();
        let places = places.filter(|(_, other)| meets(item, other));
        places.map(|(place, _)| place).collect()
    };
    let edges: Vec<Vec<usize>> = gold.iter().map(meeting).collect();
    let mut holder = vec![None; predicted.len()];
    let found = |from: &usize| {
        augment(
            *from,
            &edges,
            &mut vec![false; predicted.len()],
            &mut holder,
        )
    };
    (0..gold.len()).filter(found).count()
}

/// Finds a place for a gold item, moving others to other places if need be.
fn augment(
    from: usize,
    edges: &[Vec<usize>],
    is_tried: &mut [bool],
    holder: &mut [Option<usize>],
) -> bool {
    for &place in &edges[from] {
        if std::mem::replace(&mut is_tried[place], true) {
            continue;
        }
        let is_free = holder[place].is_none_or(|other| augment(other, edges, is_tried, holder));
        if is_free {
            holder[place] = Some(from);
            return true;
        }
    }
    false
}

/// Whether two normalised texts share a word; two empty ones are the same.
fn share_word(a: &str, b: &str) -> bool {
    a == b
        || a.split(' ')
            .any(|word| !word.is_empty() && b.split(' ').any(|other| other == word))
}
