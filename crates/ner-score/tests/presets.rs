//! Each preset on small cases worked out by hand from the published definitions.

use ner_score::analysis::Tally;
use ner_score::{ErrorClass, Scorer, Sentence, score_sentence};
use ner_types::{CharIndex, Entity};

/// Entities written as `text/label`, or `start-end/label` in characters of the sentence.
fn entities(sentence: &str, specs: &[&str]) -> Vec<Entity> {
    let index = CharIndex::new(sentence);
    let one = |spec: &&str| {
        let (what, label) = spec.rsplit_once('/').expect("text/label");
        let ends = what.split_once('-');
        let ends = ends.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        match ends {
            Some((start, end)) => {
                let span = index.span_of_chars(start..end).expect("in the sentence");
                Entity::new(span.text(sentence).unwrap_or_default(), label).at(span)
            }
            None => Entity::new(what, label),
        }
    };
    specs.iter().map(one).collect()
}

struct Case<'a> {
    text: &'a str,
    schema: &'a [&'a str],
    gold: &'a [&'a str],
    predicted: &'a [&'a str],
}

impl Case<'_> {
    fn score(&self, scorer: Scorer) -> ner_score::analysis::SentenceScore {
        let schema: Vec<String> = self.schema.iter().map(|s| s.to_string()).collect();
        score_sentence(
            scorer,
            &Sentence {
                text: self.text,
                schema: &schema,
                gold: &entities(self.text, self.gold),
                predicted: &entities(self.text, self.predicted),
                parse_failure: false,
            },
        )
    }

    /// Correct, predicted and gold items.
    fn counts(&self, scorer: Scorer) -> [usize; 3] {
        let tally = self.score(scorer).tally;
        [tally.correct, tally.predicted(), tally.gold()]
    }

    fn classes(&self, scorer: Scorer) -> Vec<ErrorClass> {
        let mut classes: Vec<_> = self.score(scorer).errors.iter().map(|e| e.class).collect();
        classes.sort_unstable();
        classes
    }
}

fn check(case: Case<'_>, expected: &[(Scorer, [usize; 3])]) {
    for &(scorer, counts) in expected {
        assert_eq!(case.counts(scorer), counts, "{scorer} on {:?}", case.text);
    }
}

use Scorer::*;

#[test]
fn empty_gold_and_empty_answer_count_only_for_instructuie() {
    let case = Case {
        text: "Rain.",
        schema: &["city"],
        gold: &[],
        predicted: &[],
    };
    for scorer in Scorer::ALL {
        let expected = if scorer == InstructUie {
            [1, 1, 1]
        } else {
            [0; 3]
        };
        assert_eq!(case.counts(scorer), expected, "{scorer}");
        assert_eq!(case.classes(scorer), [], "{scorer}");
    }
}

#[test]
fn empty_on_one_side() {
    let (gold, none) = (&["Brel/city"][..], &[][..]);
    let missed = Case {
        text: "Brel.",
        schema: &["city"],
        gold,
        predicted: none,
    };
    let spurious = Case {
        text: "Brel.",
        schema: &["city"],
        gold: none,
        predicted: gold,
    };
    for scorer in Scorer::ALL {
        // InstructUIE writes the empty side as the item `none`.
        let item = usize::from(scorer == InstructUie);
        assert_eq!(missed.counts(scorer), [0, item, 1], "{scorer}");
        assert_eq!(spurious.counts(scorer), [0, 1, item], "{scorer}");
    }
    assert_eq!(missed.classes(ReasoningIe), [ErrorClass::Missed]);
    assert_eq!(spurious.classes(ReasoningIe), [ErrorClass::Spurious]);
}

#[test]
fn repeats_collapse_or_count() {
    let case = Case {
        text: "Brel saw Brel.",
        schema: &["city"],
        gold: &["Brel/city", "Brel/city"],
        predicted: &["Brel/city", "Brel/city", "Brel/city"],
    };
    check(
        case,
        &[
            (ReasoningIe, [1, 1, 1]),
            (UniversalNer, [1, 1, 1]),
            (InstructUie, [1, 1, 1]),
            (B2Ner, [1, 1, 1]),
            (GoLlie, [2, 3, 2]),
            // The third takes the last place again, and collapses with the second.
            (GLiNer, [2, 2, 2]),
            (SeqevalStrict, [2, 2, 2]),
            (Strict, [2, 3, 2]),
            (Exact, [2, 3, 2]),
        ],
    );
}

#[test]
fn case_white_space_and_punctuation_follow_the_preset() {
    let case = Case {
        text: "The U.S. of Brel",
        schema: &["country"],
        gold: &["The U.S./country"],
        predicted: &["us/Country "],
    };
    check(
        case,
        &[
            (ReasoningIe, [1, 1, 1]),
            (UniversalNer, [1, 1, 1]),
            (InstructUie, [0, 1, 1]),
            // "us" is not in the sentence, so GoLLIE removes it.
            (GoLlie, [0, 0, 1]),
            (Strict, [0, 1, 1]),
        ],
    );
    let case = Case {
        text: "Port Halvek",
        schema: &["city"],
        gold: &["Port Halvek/city"],
        predicted: &[" PORT HALVEK /CITY"],
    };
    check(
        case,
        &[
            (ReasoningIe, [1, 1, 1]),
            (InstructUie, [1, 1, 1]),
            (B2Ner, [1, 1, 1]),
            (GoLlie, [1, 1, 1]),
            (GLiNer, [1, 1, 1]),
            // Their labels are compared as written.
            (SeqevalStrict, [0, 1, 1]),
            (Strict, [0, 1, 1]),
            (Exact, [1, 1, 1]),
        ],
    );
}

#[test]
fn composed_and_decomposed_letters_differ() {
    let case = Case {
        text: "\u{e9}o",
        schema: &["x"],
        gold: &["\u{e9}o/x"],
        predicted: &["e\u{301}o/x"],
    };
    for scorer in Scorer::ALL {
        assert_eq!(case.counts(scorer)[0], 0, "{scorer}");
    }
    assert_eq!(
        case.classes(ReasoningIe),
        [ErrorClass::Missed, ErrorClass::Hallucinated]
    );
}

#[test]
fn labels_outside_the_schema_and_hallucinations() {
    let case = Case {
        text: "Brel met Oslin.",
        schema: &["city", "person"],
        gold: &["Brel/city", "Oslin/person"],
        predicted: &["Brel/town", "Oslin/person", "Vask/city"],
    };
    check(
        case,
        &[
            (ReasoningIe, [1, 3, 2]),
            (UniversalNer, [1, 2, 2]),
            (InstructUie, [1, 3, 2]),
            (GoLlie, [1, 1, 2]),
            (GLiNer, [1, 2, 2]),
            (Strict, [1, 3, 2]),
        ],
    );
    let case = Case {
        text: "Brel met Oslin.",
        schema: &["city", "person"],
        gold: &["Brel/city", "Oslin/person"],
        predicted: &["Brel/town", "Oslin/person", "Vask/city"],
    };
    use ErrorClass::*;
    assert_eq!(case.classes(ReasoningIe), [Hallucinated, OutsideSchema]);
    assert_eq!(case.classes(GoLlie), [Missed, Hallucinated, OutsideSchema]);
}

#[test]
fn instructuie_and_b2ner_rename_and_cut() {
    let case = Case {
        text: "x",
        schema: &[],
        gold: &["a; b/song", "Osmere/organisation"],
        predicted: &["A;B/song", "OSMERE/organization"],
    };
    // InstructUIE: gold {song:a, b, organisation:osmere}; B2NER leaves the piece without a colon out.
    check(
        case,
        &[
            (InstructUie, [2, 3, 3]),
            (B2Ner, [2, 2, 2]),
            (ReasoningIe, [0, 2, 2]),
        ],
    );
}

#[test]
fn gliner_wants_whole_words_and_seqeval_one_layer() {
    let case = Case {
        text: "New-Brel University Press",
        schema: &["org", "loc"],
        gold: &["0-19/org", "0-8/loc"],
        predicted: &["0-19/org", "0-8/loc", "4-8/loc"],
    };
    check(
        case,
        &[
            (GLiNer, [2, 3, 2]),
            (SeqevalStrict, [1, 1, 1]),
            (Strict, [2, 3, 2]),
        ],
    );
}

fn tally(case: &Case<'_>, scorer: Scorer) -> [usize; 5] {
    let Tally {
        correct,
        incorrect,
        partial,
        missed,
        spurious,
    } = case.score(scorer).tally;
    [correct, incorrect, partial, missed, spurious]
}

#[test]
fn nervaluates_four_schemes() {
    // The table of the task (SemEval-2013 9.1): exact, wrong label, wrong boundary, both wrong, missed, spurious.
    let case = Case {
        text: "aaaa bbbb cccc dddd eeee ffff",
        schema: &["x", "y"],
        gold: &["0-4/x", "5-9/x", "10-14/x", "15-19/x", "20-24/x"],
        predicted: &["0-4/x", "5-9/y", "10-12/x", "15-17/y", "25-29/x"],
    };
    assert_eq!(tally(&case, Strict), [1, 3, 0, 1, 1]);
    assert_eq!(tally(&case, Exact), [2, 2, 0, 1, 1]);
    assert_eq!(tally(&case, Partial), [2, 0, 2, 1, 1]);
    assert_eq!(tally(&case, Scorer::Type), [2, 2, 0, 1, 1]);
    let counts = case.score(Partial).tally.counts(Partial);
    assert_eq!((counts.precision(), counts.recall()), (0.6, 0.6));
    use ErrorClass::*;
    assert_eq!(
        case.classes(Strict),
        [Boundary, Type, Both, Missed, Spurious]
    );
    assert_eq!(case.classes(Exact), [Boundary, Both, Missed, Spurious]);
    assert_eq!(case.classes(ReasoningIe), case.classes(Strict));
}

#[test]
fn matching_does_not_depend_on_the_order() {
    // nervaluate gives 0 or 2/3 here, depending on the order of the gold list.
    for gold in [["0-5/x", "0-2/x"], ["0-2/x", "0-5/x"]] {
        let case = Case {
            text: "abcde",
            schema: &[],
            gold: &gold,
            predicted: &["0-2/x"],
        };
        assert_eq!(tally(&case, Strict), [1, 0, 0, 1, 0]);
    }
    // Pairing 0-6 with 0-4, which it overlaps most, would leave 5-9 alone.
    let case = Case {
        text: "abcdefghij",
        schema: &[],
        gold: &["0-6/x", "1-3/x"],
        predicted: &["0-4/x", "5-9/x"],
    };
    assert_eq!(tally(&case, Scorer::Type), [2, 0, 0, 0, 0]);
    assert_eq!(tally(&case, Partial), [0, 0, 2, 0, 0]);
}

#[test]
fn a_parse_failure_takes_the_gold() {
    let gold = [Entity::new("Brel", "city")];
    let sentence = Sentence {
        text: "Brel.",
        schema: &[],
        gold: &gold,
        predicted: &[],
        parse_failure: true,
    };
    let score = score_sentence(ReasoningIe, &sentence);
    assert_eq!(score.errors.len(), 1);
    assert_eq!(score.errors[0].class, ErrorClass::ParseFailure);
    assert_eq!(score.errors[0].gold, Some(0));
}
