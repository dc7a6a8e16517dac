//! Matching on lists of keys written here.

use super::*;

const SENTENCES: [(&str, &str, &str); 4] = [
    ("a", "north", "Brel  slept ."),
    ("b", "north", "Vask left ."),
    ("c", "south", "Brel slept ."),
    ("d", "south", "Oslin stayed ."),
];

fn matcher(with_ids: bool) -> Matcher {
    let keys = SENTENCES.map(|(id, dataset, sentence)| Keys {
        id: with_ids.then_some(id),
        dataset: Some(dataset),
        sentence: Some(sentence),
        ..Keys::default()
    });
    Matcher::new(keys).expect("different ids")
}

/// The way chosen for predictions, and the sentence or the fault of each.
fn matched(with_ids: bool, keys: &[Keys<'_>]) -> (MatchedBy, Vec<Result<usize, String>>) {
    let mut matcher = matcher(with_ids);
    let by = matcher.choose(keys);
    (by, keys.iter().map(|keys| matcher.find(by, keys)).collect())
}

fn sentence(text: &str) -> Keys<'_> {
    Keys {
        sentence: Some(text),
        ..Keys::default()
    }
}

#[track_caller]
fn check(with_ids: bool, keys: &[Keys<'_>], by: MatchedBy, expected: &[usize]) {
    let expected = expected.iter().map(|at| Ok(*at)).collect::<Vec<_>>();
    assert_eq!(matched(with_ids, keys), (by, expected));
}

#[test]
fn each_key_finds_its_sentence_whatever_the_order() {
    let ids = ["d", "a", "b"].map(|id| Keys {
        id: Some(id),
        ..Keys::default()
    });
    check(true, &ids, MatchedBy::Id, &[3, 0, 1]);
    let index = [("south", 1), ("north", 0)].map(|(dataset, index)| Keys {
        dataset: Some(dataset),
        index: Some(index),
        ..Keys::default()
    });
    check(true, &index, MatchedBy::Index, &[3, 0]);
    let texts = [
        "Oslin stayed .",
        "Brel slept .",
        "Vask left .",
        "Brel\tslept .",
    ]
    .map(sentence);
    check(true, &texts, MatchedBy::Sentence, &[3, 0, 1, 2]);
    check(true, &[Keys::default(); 4], MatchedBy::Line, &[0, 1, 2, 3]);
}

#[test]
fn tokens_that_were_joined_are_the_sentence() {
    check(
        true,
        &[sentence("Vask left."), sentence(" Oslin  stayed.")],
        MatchedBy::Sentence,
        &[1, 3],
    );
}

#[test]
fn a_dataset_narrows_what_a_sentence_or_a_line_may_mean() {
    let south = Keys {
        dataset: Some("south"),
        ..Keys::default()
    };
    let said = Keys {
        sentence: Some("Brel slept ."),
        ..south
    };
    check(false, &[said], MatchedBy::Sentence, &[2]);
    check(false, &[south, south], MatchedBy::Line, &[2, 3]);
}

#[test]
fn ids_of_another_kind_give_way_to_the_sentence_and_a_wrong_index_too() {
    let keys = [("1", "Vask left ."), ("2", "Oslin stayed .")].map(|(id, text)| Keys {
        id: Some(id),
        sentence: Some(text),
        ..Keys::default()
    });
    for with_ids in [true, false] {
        check(with_ids, &keys, MatchedBy::Sentence, &[1, 3]);
    }
    let keys = keys.map(|keys| Keys {
        id: None,
        index: Some(0),
        ..keys
    });
    check(true, &keys, MatchedBy::Sentence, &[1, 3]);
}

#[track_caller]
fn check_fault(with_ids: bool, keys: &[Keys<'_>], at: usize, words: &str) {
    let (by, found) = matched(with_ids, keys);
    let fault = found[at].as_ref().expect_err("a fault");
    assert!(fault.contains(words), "by {by}: {fault}");
}

#[test]
fn what_fits_nowhere_says_why() {
    let id = Keys {
        id: Some("a"),
        ..Keys::default()
    };
    let wrong = Keys {
        sentence: Some("Vask left ."),
        ..id
    };
    check_fault(
        true,
        &[wrong],
        0,
        "\"Vask left .\" is said here, \"Brel slept .\" stands there",
    );
    check_fault(false, &[id], 0, "the sentences have none");
    check_fault(
        true,
        &[id, Keys::default()],
        1,
        "no id, by which the others are matched",
    );
    let thrice = [sentence("Brel slept ."); 3];
    check_fault(
        true,
        &thrice,
        2,
        "more predictions than there are sentences",
    );
    check_fault(true, &[sentence("Nobody .")], 0, "not there: \"Nobody .\"");
    check_fault(
        true,
        &[Keys::default(); 5],
        4,
        "sentence 4 (from 0), which is not there",
    );
}

#[test]
fn two_sentences_with_one_id_are_refused() {
    let id = Keys {
        id: Some("a"),
        ..Keys::default()
    };
    assert_eq!(Matcher::new([id, Keys::default(), id]).err(), Some([0, 2]));
}
