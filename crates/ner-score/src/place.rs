//! Placing entities that come without a span, and the words of GLiNER.

use std::cmp::Reverse;
use std::collections::HashMap;

use ner_types::{Entity, Span};

/// A stretch of a sentence in characters (Unicode scalar values), end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Chars {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Chars {
    /// Number of characters that both cover.
    pub(crate) fn overlap(self, other: Chars) -> usize {
        let end = self.end.min(other.end);
        end.saturating_sub(self.start.max(other.start))
    }
}

impl From<Span> for Chars {
    fn from(span: Span) -> Self {
        Chars {
            start: span.char_start,
            end: span.char_end,
        }
    }
}

/// The characters of a sentence in a form in which mentions are looked up.
pub(crate) struct Text {
    chars: Vec<char>,
    /// Lower case, one character for each of `chars`: the first of its lower-case form.
    lower: Vec<char>,
}

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let lower = chars.iter().copied().map(lower).collect();
        Text { chars, lower }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chars.is_empty()
    }

    /// All places of a text, left to right and without overlap: the literal ones that begin and end at word borders,
    /// else the literal ones, else those that differ in case only.
    pub(crate) fn places(&self, text: &str) -> Vec<Chars> {
        let wanted: Vec<char> = text.trim().chars().collect();
        let literal = find(&self.chars, &wanted);
        let at_words: Vec<Chars> = literal
            .iter()
            .copied()
            .filter(|&span| self.is_at_word_borders(span))
            .collect();
        if !at_words.is_empty() {
            return at_words;
        }
        if !literal.is_empty() {
            return literal;
        }
        let wanted: Vec<char> = wanted.into_iter().map(lower).collect();
        find(&self.lower, &wanted)
    }

    fn is_at_word_borders(&self, span: Chars) -> bool {
        let joins = |at: usize| {
            at > 0
                && at < self.chars.len()
                && self.chars[at - 1].is_alphanumeric()
                && self.chars[at].is_alphanumeric()
        };
        !joins(span.start) && !joins(span.end)
    }

    /// The words of GLiNER's splitter, `\w+(?:[-_]\w+)*|\S`.
    pub(crate) fn words(&self) -> Vec<Chars> {
        let mut words = Vec::new();
        let mut at = 0;
        while at < self.chars.len() {
            let end = self.word_end(at);
            if !self.chars[at].is_whitespace() {
                words.push(Chars { start: at, end });
            }
            at = end;
        }
        words
    }

    fn word_end(&self, start: usize) -> usize {
        let is_word = |at: usize| self.chars.get(at).copied().is_some_and(is_word);
        if !is_word(start) {
            return start + 1;
        }
        let mut end = start;
        while is_word(end) || (self.chars.get(end) == Some(&'-') && is_word(end + 1)) {
            end += 1;
        }
        end
    }
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// Python's `\w`, up to marks that Rust counts as alphabetic.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Occurrences without overlap. Candidates are found by the first character, so the time is that of a naive search:
/// the sentence's length, times the mention's in the worst case.
fn find(text: &[char], wanted: &[char]) -> Vec<Chars> {
    let Some(&first) = wanted.first() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at + wanted.len() <= text.len() {
        if text[at] == first && text[at..].starts_with(wanted) {
            let end = at + wanted.len();
            found.push(Chars { start: at, end });
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

/// A mention of the gold with its place.
pub(crate) struct Placed<'a> {
    pub(crate) text: &'a str,
    /// The label as the preset compares it.
    pub(crate) label: &'a str,
    pub(crate) place: Chars,
}

/// One span for each mention where the gold has no places to go by: its own, or the k-th place of its text for the k-th
/// entity of the same text and label (the last place if there are fewer), or none.
pub(crate) fn place_in_turn(text: &Text, entities: &[Entity]) -> Vec<Option<Chars>> {
    let mut taken = Taken::default();
    let one = |entity| taken.place(text, entity);
    entities.iter().map(one).collect()
}

/// The places of each text and label met, and how many are taken.
#[derive(Default)]
struct Taken<'a>(HashMap<(&'a str, &'a str), (Vec<Chars>, usize)>);

impl<'a> Taken<'a> {
    fn place(&mut self, text: &Text, entity: &'a Entity) -> Option<Chars> {
        if let Some(span) = entity.span {
            return Some(span.into());
        }
        let key = (entity.text.trim(), entity.label.trim());
        let places = || (text.places(key.0), 0);
        let (places, taken) = self.0.entry(key).or_insert_with(places);
        let place = places.get(*taken).or(places.last()).copied();
        *taken += 1;
        place
    }
}

/// The places of predicted entities where the gold has places: their own; for the others, which an answer gives as
/// texts alone, those that match the gold best, each gold mention being taken once: first where text and label agree,
/// then where the text does. What is left takes, the longest texts first, places that no other prediction has, as in
/// reading (`ner_datasets::Row::located`). So an answer whose texts and labels are all right is right in every preset
/// that compares places. `labels` are the labels of the predictions as the preset compares them.
pub(crate) fn place_predicted(
    text: &Text,
    entities: &[Entity],
    labels: &[String],
    gold: &[Placed<'_>],
) -> Vec<Option<Chars>> {
    let mut places: Vec<Option<Chars>> = entities.iter().map(own).collect();
    let gold = sorted(gold);
    let mut is_taken = taken_by_own(&places, labels, &gold);
    let mut candidates: HashMap<&str, Vec<Chars>> = HashMap::new();
    let mut open = unplaced(&places);
    // Not as the answer happens to order them.
    open.sort_by_key(|&i| {
        (
            Reverse(entities[i].text.len()),
            &entities[i].text,
            &labels[i],
        )
    });
    for needs_label in [true, false] {
        for &i in &open {
            if places[i].is_some() {
                continue;
            }
            let wanted = entities[i].text.trim();
            let found = candidates
                .entry(wanted)
                .or_insert_with(|| text.places(wanted));
            let fits = |k: &usize| {
                let mention = gold[*k];
                let has_label = !needs_label || mention.label == labels[i];
                let has_text = mention.text.trim() == wanted || found.contains(&mention.place);
                !is_taken[*k] && has_label && has_text
            };
            if let Some(k) = (0..gold.len()).find(fits) {
                is_taken[k] = true;
                places[i] = Some(gold[k].place);
            }
        }
    }
    for &i in &open {
        if places[i].is_none() {
            let found = candidates.get(entities[i].text.trim());
            places[i] = free(found.map_or(&[], Vec::as_slice), &places);
        }
    }
    places
}

/// From left to right, as no result may depend on the order in which entities are given.
fn sorted<'a, 'g>(gold: &'g [Placed<'a>]) -> Vec<&'g Placed<'a>> {
    let mut gold: Vec<&Placed<'_>> = gold.iter().collect();
    gold.sort_by_key(|mention| (mention.place, mention.label));
    gold
}

fn own(entity: &Entity) -> Option<Chars> {
    entity.span.map(Into::into)
}

fn unplaced(places: &[Option<Chars>]) -> Vec<usize> {
    let open = places
        .iter()
        .enumerate()
        .filter(|(_, place)| place.is_none());
    open.map(|(i, _)| i).collect()
}

/// The gold mentions that predictions with a place of their own match.
fn taken_by_own(places: &[Option<Chars>], labels: &[String], gold: &[&Placed<'_>]) -> Vec<bool> {
    let mut is_taken = vec![false; gold.len()];
    for (place, label) in places.iter().zip(labels) {
        let is_same =
            |k: &usize| Some(gold[*k].place) == *place && gold[*k].label == *label && !is_taken[*k];
        if let Some(k) = (0..gold.len()).find(is_same) {
            is_taken[k] = true;
        }
    }
    is_taken
}

/// The first place that shares nothing with the given ones, else the first that none of them is, else the last.
fn free(found: &[Chars], given: &[Option<Chars>]) -> Option<Chars> {
    let given = || given.iter().flatten();
    let is_free = |place: &&Chars| given().all(|other| other.overlap(**place) == 0);
    let is_new = |place: &&Chars| given().all(|other| *other != **place);
    let place = found
        .iter()
        .find(is_free)
        .or_else(|| found.iter().find(is_new));
    place.or(found.last()).copied()
}

#[cfg(test)]
mod tests {
    use ner_types::CharIndex;

    use super::*;

    fn spans(pairs: &[(usize, usize)]) -> Vec<Chars> {
        pairs
            .iter()
            .map(|&(start, end)| Chars { start, end })
            .collect()
    }

    #[test]
    fn places_prefer_whole_words_then_literal_then_case() {
        let text = Text::new("Oslin and Os, os in ÖSLIN");
        assert_eq!(text.places("Os"), spans(&[(10, 12)]));
        assert_eq!(text.places("sli"), spans(&[(1, 4)]));
        assert_eq!(text.places("öslin"), spans(&[(20, 25)]));
        assert_eq!(text.places("Brel"), []);
        assert_eq!(text.places(" "), []);
    }

    #[test]
    fn words_are_those_of_gliners_expression() {
        let words = |text: &str| -> Vec<String> {
            let chars: Vec<char> = text.chars().collect();
            Text::new(text)
                .words()
                .iter()
                .map(|w| chars[w.start..w.end].iter().collect())
                .collect()
        };
        assert_eq!(
            words("Port-Halvek's a_b -c d- U.S."),
            [
                "Port-Halvek",
                "'",
                "s",
                "a_b",
                "-",
                "c",
                "d",
                "-",
                "U",
                ".",
                "S",
                "."
            ]
        );
        assert_eq!(words("  小樽 \n"), ["小樽"]);
    }

    #[track_caller]
    fn check(
        sentence: &str,
        gold: &[(&str, &str)],
        predicted: &[(&str, &str)],
        expected: &[(usize, usize)],
    ) {
        let text = Text::new(sentence);
        let entities = |pairs: &[(&str, &str)]| -> Vec<Entity> {
            pairs
                .iter()
                .map(|(text, label)| Entity::new(*text, *label))
                .collect()
        };
        let (gold, predicted) = (entities(gold), entities(predicted));
        let mut places: Vec<Option<Chars>> = Vec::new();
        for entity in &gold {
            places.push(free(&text.places(&entity.text), &places));
        }
        let placed = gold.iter().zip(&places).filter_map(|(entity, place)| {
            let (text, label) = (entity.text.as_str(), entity.label.as_str());
            Some(Placed {
                text,
                label,
                place: (*place)?,
            })
        });
        let labels: Vec<String> = predicted
            .iter()
            .map(|entity| entity.label.clone())
            .collect();
        let found = place_predicted(&text, &predicted, &labels, &placed.collect::<Vec<_>>());
        let found: Vec<Chars> = found.into_iter().flatten().collect();
        assert_eq!(found, spans(expected), "{sentence}");
    }

    #[test]
    fn answers_stand_where_the_gold_has_them() {
        let gold = [("Brel", "team"), ("Brel", "team"), ("Brel", "city")];
        let answer = [("Brel", "city"), ("Brel", "team"), ("Brel", "team")];
        check(
            "Brel beat Brel in Brel",
            &gold,
            &answer,
            &[(18, 22), (0, 4), (10, 14)],
        );
        // A wrong label takes the place of the text before it takes a free one.
        check(
            "Brel beat Brel",
            &[("Brel", "x"), ("Brel", "y")],
            &[("Brel", "z"), ("Brel", "x")],
            &[(10, 14), (0, 4)],
        );
        // What the gold does not have takes places that no other has.
        check(
            "Brel beat Brel",
            &[("Brel", "x")],
            &[("Brel", "x"), ("Brel", "x")],
            &[(0, 4), (10, 14)],
        );
        check(
            "Brel",
            &[("Brel", "x")],
            &[("Brel", "x"), ("Brel", "x")],
            &[(0, 4), (0, 4)],
        );
        check(
            "Port Brel, Brel",
            &[],
            &[("Brel", "x"), ("Port Brel", "x")],
            &[(11, 15), (0, 9)],
        );
        check("BREL", &[("BREL", "x")], &[("Brel", "x")], &[(0, 4)]);
        check("so", &[], &[("Brel", "x")], &[]);
    }

    #[test]
    fn places_of_their_own_are_kept_and_take_the_gold() {
        let text = Text::new("Brel saw Brel");
        let index = CharIndex::new("Brel saw Brel");
        let at = |range| index.span_of_chars(range).expect("inside");
        let predicted = [
            Entity::new("Brel", "x"),
            Entity::new("Brel", "x").at(at(0..4)),
        ];
        let gold = [(0, 4), (9, 13)].map(|(start, end)| Placed {
            text: "Brel",
            label: "x",
            place: Chars { start, end },
        });
        let labels = ["x", "x"].map(String::from);
        let found = place_predicted(&text, &predicted, &labels, &gold);
        assert_eq!(
            found,
            [
                Some(Chars { start: 9, end: 13 }),
                Some(Chars { start: 0, end: 4 })
            ]
        );
    }

    #[test]
    fn repeated_entities_take_the_places_in_turn() {
        let text = Text::new("Brel saw Brel");
        let own = CharIndex::new("Brel saw Brel")
            .span_of_chars(2..3)
            .expect("inside");
        let entities = [
            Entity::new("Brel", "x"),
            Entity::new("Brel", "y"),
            Entity::new("Brel ", "x"),
            Entity::new("Brel", "x"),
            Entity::new("Oslin", "x"),
            Entity::new("Oslin", "x").at(own),
        ];
        let expected = [
            Some((0, 4)),
            Some((0, 4)),
            Some((9, 13)),
            Some((9, 13)),
            None,
            Some((2, 3)),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|place| place.map(|(start, end)| Chars { start, end }))
            .collect();
        assert_eq!(place_in_turn(&text, &entities), expected);
    }
}
