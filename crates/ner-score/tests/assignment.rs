//! The assignment is optimal: compared with all one-to-one choices on small sentences.

use ner_score::{Scorer, Sentence, score_sentence};
use ner_types::{CharIndex, Entity};
use proptest::prelude::*;

type Place = (usize, usize, bool);

const TEXT: &str = "abcdefghij";

fn entities(places: &[Place]) -> Vec<Entity> {
    let index = CharIndex::new(TEXT);
    let one = |&(start, len, label): &Place| {
        let span = index.span_of_chars(start..start + len).expect("inside");
        Entity::new(&TEXT[span.bytes()], if label { "x" } else { "y" }).at(span)
    };
    places.iter().map(one).collect()
}

/// The largest (equal, same place, same label, pairs) of all choices, tried one by one.
fn best(gold: &[Place], predicted: &[Place], is_taken: &mut [bool]) -> [usize; 4] {
    let Some((g, rest)) = gold.split_first() else {
        return [0; 4];
    };
    let mut top = best(rest, predicted, is_taken);
    for (i, p) in predicted.iter().enumerate() {
        let overlaps = g.0 < p.0 + p.1 && p.0 < g.0 + g.1;
        if is_taken[i] || !overlaps {
            continue;
        }
        is_taken[i] = true;
        let (place, label) = ((g.0, g.1) == (p.0, p.1), g.2 == p.2);
        let mut sum = best(rest, predicted, is_taken);
        for (sum, more) in sum.iter_mut().zip([place && label, place, label, true]) {
            *sum += usize::from(more);
        }
        top = top.max(sum);
        is_taken[i] = false;
    }
    top
}

fn places() -> impl Strategy<Value = Vec<Place>> {
    prop::collection::vec((0_usize..6, 1_usize..5, any::<bool>()), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_choice_is_better(gold in places(), predicted in places()) {
        let expected = best(&gold, &predicted, &mut vec![false; predicted.len()]);
        let (gold, predicted) = (entities(&gold), entities(&predicted));
        let sentence = Sentence { text: TEXT, schema: &[], gold: &gold, predicted: &predicted, parse_failure: false };
        let of = |scorer| score_sentence(scorer, &sentence).tally;
        let partial = of(Scorer::Partial);
        let found = [
            of(Scorer::Strict).correct,
            of(Scorer::Exact).correct,
            of(Scorer::Type).correct,
            partial.correct + partial.partial,
        ];
        prop_assert_eq!(found, expected);
    }
}
