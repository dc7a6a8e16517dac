//! What is found, how, and where.

use super::*;

#[track_caller]
fn check(sentence: &str, text: &str, status: GroundStatus, expected: &[&str]) {
    let found = Grounder::new(sentence).ground(text);
    assert_eq!(found.status, status, "{text:?} in {sentence:?}");
    let surfaces: Vec<_> = found
        .spans
        .iter()
        .map(|span| span.text(sentence).expect("a span of the sentence"))
        .collect();
    assert_eq!(surfaces, expected, "{text:?} in {sentence:?}");
    for span in found.spans {
        let before = sentence[..span.byte_start].chars().count();
        assert_eq!(span.char_start, before);
        let inside = sentence[span.bytes()].chars().count();
        assert_eq!(span.char_end, before + inside);
    }
}

const EXACT: GroundStatus = GroundStatus::Exact;
const FOLDED: GroundStatus = GroundStatus::Folded;
const ABSENT: GroundStatus = GroundStatus::Absent;

#[test]
fn every_occurrence_is_found_and_words_are_preferred() {
    check("Voss met Voss.", "Voss", EXACT, &["Voss", "Voss"]);
    check("Vossler met Voss.", "Voss", EXACT, &["Voss"]);
    check("Vossler left.", "Voss", EXACT, &["Voss"]);
    check("xa b a b a", "a b a", EXACT, &["a b a"]);
    check("aaaaa", "aa", EXACT, &["aa", "aa"]);
    check("小樽と小樽", "小樽", EXACT, &["小樽", "小樽"]);
    check("C++ and C", "C++", EXACT, &["C++"]);
    check("a cafe\u{301}", "cafe", EXACT, &["cafe"]);
}

#[test]
fn spelling_variants_are_alike() {
    check(
        "O’Dorne  &\u{a0}Sons",
        "o'dorne & sons",
        FOLDED,
        &["O’Dorne  &\u{a0}Sons"],
    );
    check(
        "by Cafe\u{301} Öze",
        "café öze",
        FOLDED,
        &["Cafe\u{301} Öze"],
    );
    check("the ﬁne ＡＢＣ①", "fine abc1", FOLDED, &["ﬁne ＡＢＣ①"]);
    check(
        "Port\u{ad}Halvek–Brel",
        "porthalvek-brel",
        FOLDED,
        &["Port\u{ad}Halvek–Brel"],
    );
    check("ΟΔΟΣ", "οδος", FOLDED, &["ΟΔΟΣ"]);
    check("İstanbul'da", "i\u{307}stanbul", FOLDED, &["İstanbul"]);
    check("“ Rain ” is “Rain”", "\"rain\"", FOLDED, &["“Rain”"]);
    check("각 역", "\u{1100}\u{1161}\u{11a8} 역", FOLDED, &["각 역"]);
    check("half ½ way", "2", ABSENT, &[]);
}

#[test]
fn a_few_edits_are_forgiven() {
    let fuzzy = |edits| GroundStatus::Fuzzy { edits };
    check(
        "Nimbrel Wroks shut.",
        "Nimbrel Works",
        fuzzy(2),
        &["Nimbrel Wroks"],
    );
    check("in Halvek and Halvik", "Hallvek", fuzzy(1), &["Halvek"]);
    check("Havek, Halvk", "Halvek", fuzzy(1), &["Havek", "Halvk"]);
    check("the Zoë-Klinik", "Zoe Klinik", fuzzy(2), &["Zoë-Klinik"]);
    check(
        "東京都庁舎前駅へ",
        "東京都廳舎前駅",
        fuzzy(1),
        &["東京都庁舎前駅"],
    );
    check("Brel", "Bral", ABSENT, &[]);
    check("a big city", "Port Halvek", ABSENT, &[]);
}

#[test]
fn nothing_is_nowhere() {
    check("", "", ABSENT, &[]);
    check("text", " \u{200b} ", ABSENT, &[]);
    check("", "text", ABSENT, &[]);
}

#[test]
fn options_decide() {
    let ground = |options, sentence, text| Grounder::with_options(sentence, options).ground(text);
    let options = |borders, max_edits_per_char| GroundOptions {
        borders,
        max_edits_per_char,
    };
    let required = ground(options(Borders::Require, 0.0), "Vossler", "Voss");
    assert_eq!(required.status, ABSENT);
    let ignored = ground(options(Borders::Ignore, 0.0), "Vossler, Voss", "Voss");
    assert_eq!(ignored.spans.len(), 2);
    for nonsense in [f64::NAN, f64::INFINITY, -1.0] {
        let found = ground(options(Borders::Prefer, nonsense), "abc def", "xyz");
        assert!(matches!(found.status, ABSENT | GroundStatus::Fuzzy { .. }));
    }
}

#[test]
fn entities_become_mentions() {
    let entities = [Entity::new("Voss", "person"), Entity::new("Oslin", "city")];
    let grounded = Grounder::new("Voss saw Voss").ground_all(&entities);
    let starts: Vec<_> = grounded[0]
        .mentions()
        .map(|mention| mention.span.map(|span| span.char_start))
        .collect();
    assert_eq!(starts, [Some(0), Some(9)]);
    assert_eq!(grounded[1].mentions().count(), 0);
    let json = serde_json::to_value(&grounded[1]).expect("serialisable");
    assert_eq!(json["status"], "absent");
}

/// Texts that make naive searches start over at every character.
#[test]
fn long_monotonous_sentences_are_searched() {
    for (unit, text) in [
        ("a", "a".repeat(50_000)),
        ("ab ", "ab ".repeat(10_000) + "a"),
        ("ab ", "ab ac ab ab ac ab ab".repeat(5)),
        ("é\u{301}", "é\u{301}".repeat(9_000)),
        ("\u{301}", "e".repeat(100)),
        ("小", "小大小小小".repeat(20)),
        (" ", "a b".into()),
    ] {
        let sentence = unit.repeat(600_000 / unit.len());
        let found = Grounder::new(&sentence).ground(&text);
        assert!(
            found
                .spans
                .iter()
                .all(|span| span.text(&sentence).is_some())
        );
    }
}

/// Files that were written under the names before these are still read.
#[test]
fn the_names_of_older_files_are_read() {
    for (name, expected) in [
        ("folded", FOLDED),
        ("normalized", FOLDED),
        ("absent", ABSENT),
        ("ungrounded", ABSENT),
    ] {
        let read: GroundStatus = serde_json::from_value(name.into()).expect(name);
        assert_eq!(read, expected);
    }
    let names = [EXACT, FOLDED, GroundStatus::Fuzzy { edits: 1 }, ABSENT].map(GroundStatus::name);
    assert_eq!(names, ["exact", "folded", "fuzzy", "absent"]);
}
