//! One sentence under a preset: what is right, and what each error is.

use std::cell::OnceCell;

use ner_types::{Entity, normalize_label, normalize_text};
use serde::{Deserialize, Serialize};

use crate::align::{Pair, align};
use crate::counts::Counts;
pub use crate::error_class::ErrorClass;
use crate::place::Text;
use crate::scorer::Scorer;
use crate::sentence::Sentence;
use crate::view::{Item, View};

/// One error of a sentence. A gold and a predicted entity that stand for each other are one error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityError {
    /// What it is.
    pub class: ErrorClass,
    /// Position of the gold entity in the sentence's list.
    pub gold: Option<usize>,
    /// Position of the predicted entity in the sentence's list.
    pub predicted: Option<usize>,
    /// Whether it costs precision. Predictions that the preset ignores or collapses do not.
    pub false_positive: bool,
    /// Whether it costs recall.
    pub false_negative: bool,
}

/// What the items of one or more sentences came to, in nervaluate's terms. Precision and recall of presets that only
/// know right and wrong are the same whether a wrong pair counts as one incorrect or as a missed and a spurious item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Pairs that the preset takes as right (COR).
    pub correct: usize,
    /// Pairs that it takes as wrong (INC).
    pub incorrect: usize,
    /// Pairs that it takes as half right (PAR).
    pub partial: usize,
    /// Gold items without a pair (MIS).
    pub missed: usize,
    /// Predicted items without a pair (SPU).
    pub spurious: usize,
}

impl Tally {
    /// Number of gold items (POS).
    pub fn gold(&self) -> usize {
        self.correct + self.incorrect + self.partial + self.missed
    }

    /// Number of predicted items (ACT).
    pub fn predicted(&self) -> usize {
        self.correct + self.incorrect + self.partial + self.spurious
    }

    /// The same as counts, in the scorer's [`Scorer::units`].
    pub fn counts(&self, scorer: Scorer) -> Counts {
        let units = scorer.units();
        Counts {
            tp: units * self.correct + self.partial,
            predicted: units * self.predicted(),
            gold: units * self.gold(),
        }
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Tally) {
        self.correct += other.correct;
        self.incorrect += other.incorrect;
        self.partial += other.partial;
        self.missed += other.missed;
        self.spurious += other.spurious;
    }
}

/// One item as it was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoredItem {
    /// The label as compared.
    pub label: String,
    /// Position of its entity in the sentence's list; none for InstructUIE's `none` and for pieces of a name.
    pub entity: Option<usize>,
    /// Half points: 2 if it is right, 1 if half right, else 0.
    pub half_points: u8,
    /// The item of the other side that it was paired with, by position in that list.
    pub pair: Option<usize>,
}

/// One sentence scored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentenceScore {
    /// What the items came to.
    pub tally: Tally,
    /// The gold items that were compared, in ascending order.
    pub gold: Vec<ScoredItem>,
    /// The predicted items that were compared, in ascending order.
    pub predicted: Vec<ScoredItem>,
    /// Every error.
    pub errors: Vec<EntityError>,
    /// Gold items that overlap others and that `seqeval-strict` cannot express; they are not counted.
    pub untaggable_gold: usize,
    /// The same of the predicted items.
    pub untaggable_predicted: usize,
}

/// Scores one sentence and classifies its errors. Defined for any input; the order of the entities does not matter,
/// except that repeated entities are placed in their order.
pub fn score_sentence(scorer: Scorer, sentence: &Sentence<'_>) -> SentenceScore {
    let text = Text::new(sentence.text);
    let view = View::new(scorer, sentence, &text);
    let pairs = align(&view.gold.items, &view.predicted.items, !text.is_empty());
    let gold = scored(&view.gold.items, scorer, &pairs, |pair| pair.gold);
    let predicted = scored(&view.predicted.items, scorer, &pairs, |pair| pair.predicted);
    SentenceScore {
        tally: tally(scorer, &view, &pairs),
        errors: errors(scorer, sentence, &view, &pairs),
        gold,
        predicted,
        untaggable_gold: view.gold.untaggable,
        untaggable_predicted: view.predicted.untaggable,
    }
}

/// What a pair is worth under a preset, in half points.
fn half_points(scorer: Scorer, pair: &Pair) -> u8 {
    let is_right = match scorer {
        Scorer::Exact | Scorer::Partial => pair.same_place,
        Scorer::Type => pair.same_label,
        _ => pair.same_place && pair.same_label,
    };
    match (is_right, scorer) {
        (true, _) => 2,
        (false, Scorer::Partial) => 1,
        (false, _) => 0,
    }
}

fn tally(scorer: Scorer, view: &View, pairs: &[Pair]) -> Tally {
    let worth = |points| {
        let has = |pair: &&Pair| half_points(scorer, pair) == points;
        pairs.iter().filter(has).count()
    };
    Tally {
        correct: worth(2),
        partial: worth(1),
        incorrect: worth(0),
        missed: view.gold.items.len() - pairs.len(),
        spurious: view.predicted.items.len() - pairs.len(),
    }
}

fn scored(
    items: &[Item],
    scorer: Scorer,
    pairs: &[Pair],
    side: impl Fn(&Pair) -> usize,
) -> Vec<ScoredItem> {
    let mut scored: Vec<ScoredItem> = items
        .iter()
        .map(|item| ScoredItem {
            label: item.label.clone(),
            entity: item.entity,
            half_points: 0,
            pair: None,
        })
        .collect();
    for pair in pairs {
        let item = &mut scored[side(pair)];
        item.half_points = half_points(scorer, pair);
        item.pair = Some(pair.gold + pair.predicted - side(pair));
    }
    scored
}

fn errors(
    scorer: Scorer,
    sentence: &Sentence<'_>,
    view: &View,
    pairs: &[Pair],
) -> Vec<EntityError> {
    let judge = Judge::new(sentence, view, pairs);
    let wrong = pairs.iter().filter(|pair| half_points(scorer, pair) < 2);
    let mut errors: Vec<EntityError> = wrong.map(|pair| judge.pair(pair)).collect();
    errors.extend(judge.unpaired_gold());
    errors.extend(judge.unpaired_predicted());
    errors.extend(
        view.predicted
            .ignored
            .iter()
            .map(|&(entity, class)| EntityError {
                class,
                gold: None,
                predicted: Some(entity),
                false_positive: false,
                false_negative: false,
            }),
    );
    errors
}

/// Says what the errors of one sentence are.
struct Judge<'a> {
    sentence: &'a Sentence<'a>,
    gold: &'a [Item],
    predicted: &'a [Item],
    is_paired: [Vec<bool>; 2],
    schema: Vec<String>,
    /// The sentence normalised, between spaces; computed only where a prediction has no place.
    normalized: OnceCell<String>,
}

impl<'a> Judge<'a> {
    fn new(sentence: &'a Sentence<'a>, view: &'a View, pairs: &[Pair]) -> Self {
        let (gold, predicted) = (&view.gold.items, &view.predicted.items);
        let mut is_paired = [vec![false; gold.len()], vec![false; predicted.len()]];
        for pair in pairs {
            is_paired[0][pair.gold] = true;
            is_paired[1][pair.predicted] = true;
        }
        Judge {
            sentence,
            gold,
            predicted,
            is_paired,
            schema: sentence
                .schema
                .iter()
                .map(|label| normalize_label(label))
                .collect(),
            normalized: OnceCell::new(),
        }
    }

    fn pair(&self, pair: &Pair) -> EntityError {
        let predicted = &self.predicted[pair.predicted];
        let class = match (pair.same_label, pair.same_place) {
            _ if self.is_outside_schema(predicted) => ErrorClass::OutsideSchema,
            (true, _) => ErrorClass::Boundary,
            (false, true) => ErrorClass::Type,
            (false, false) => ErrorClass::Both,
        };
        EntityError {
            class,
            gold: self.gold[pair.gold].entity,
            predicted: predicted.entity,
            false_positive: true,
            false_negative: true,
        }
    }

    fn unpaired_gold(&self) -> impl Iterator<Item = EntityError> {
        let class = if self.sentence.parse_failure {
            ErrorClass::ParseFailure
        } else {
            ErrorClass::Missed
        };
        let items = self.gold.iter().zip(&self.is_paired[0]);
        items
            .filter(|(_, paired)| !**paired)
            .map(move |(item, _)| EntityError {
                class,
                gold: item.entity,
                predicted: None,
                false_positive: false,
                false_negative: true,
            })
    }

    fn unpaired_predicted(&self) -> impl Iterator<Item = EntityError> {
        let unpaired = (0..self.predicted.len()).filter(|&at| !self.is_paired[1][at]);
        unpaired.map(|at| EntityError {
            class: self.class_of_unpaired(at),
            gold: None,
            predicted: self.predicted[at].entity,
            false_positive: true,
            false_negative: false,
        })
    }

    fn class_of_unpaired(&self, at: usize) -> ErrorClass {
        let item = &self.predicted[at];
        if self.is_repeated(at) {
            ErrorClass::Duplicate
        } else if self.is_outside_schema(item) {
            ErrorClass::OutsideSchema
        } else if self.is_hallucinated(item) {
            ErrorClass::Hallucinated
        } else {
            ErrorClass::Spurious
        }
    }

    /// Whether an equal item is paired or comes before. Equal items lie side by side.
    fn is_repeated(&self, at: usize) -> bool {
        let item = &self.predicted[at];
        let before = at > 0 && self.predicted[at - 1].repeats(item);
        let mut after =
            (at + 1..self.predicted.len()).take_while(|&i| self.predicted[i].repeats(item));
        before || after.any(|i| self.is_paired[1][i])
    }

    fn is_outside_schema(&self, item: &Item) -> bool {
        let entity = item.entity.and_then(|i| self.sentence.predicted.get(i));
        let is_outside = |entity: &Entity| !self.schema.contains(&normalize_label(&entity.label));
        !self.schema.is_empty() && entity.is_some_and(is_outside)
    }

    fn is_hallucinated(&self, item: &Item) -> bool {
        let entity = item.entity.and_then(|i| self.sentence.predicted.get(i));
        let has_place = self.sentence.text.is_empty() || !item.places.is_empty();
        !has_place && entity.is_some_and(|entity| !self.says(&normalize_text(&entity.text)))
    }

    /// Whether the normalised sentence has these words.
    fn says(&self, words: &str) -> bool {
        let pad = || format!(" {} ", normalize_text(self.sentence.text));
        let sentence = self.normalized.get_or_init(pad);
        words.is_empty() || sentence.contains(&format!(" {words} "))
    }
}
