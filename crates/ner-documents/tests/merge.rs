//! What is made of the answers about windows.

use std::collections::BTreeSet;

use ner_documents::{Answered, Limits, Nesting, Plan, merge, plan};
use ner_types::{
    Completion, Entity, Extraction, Mention, OffsetIndex, Offsets, is_whole_words, parse,
};
use proptest::prelude::*;

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn types() -> Vec<String> {
    ["city", "person"].map(String::from).to_vec()
}

fn answer(window: usize, text: &str) -> Answered {
    Answered {
        window,
        completion: parse(text),
        ..Answered::default()
    }
}

/// The plan of a text and what answers about its windows give.
fn merged(
    text: &str,
    [window, overlap, context]: [usize; 3],
    answers: &[&str],
    nesting: Nesting,
) -> Extraction {
    let limits = Limits {
        window,
        overlap,
        context,
    };
    let plan = plan(text, &limits, &words);
    assert_eq!(plan.windows.len(), answers.len(), "{plan:?}");
    let answers = answers
        .iter()
        .enumerate()
        .map(|(window, text)| answer(window, text));
    merge(text, &plan, &[types()], answers.collect(), nesting)
}

/// The label, the text and the bytes of each mention.
fn short(found: &Extraction) -> Vec<String> {
    let line = |it: &Mention| match it.place() {
        Some(place) => format!("{} {:?} {:?}", it.label, it.text, place.bytes()),
        None => format!("{} {:?} {}", it.label, it.text, it.grounding),
    };
    found.entities.iter().map(line).collect()
}

fn kinds(found: &Extraction) -> Vec<(&str, Option<usize>)> {
    let problems = found.problems.iter();
    problems.map(|it| (it.kind.as_str(), it.window)).collect()
}

const TEXT: &str = "Ada met Zoë in Halvek. Dr. Voss left. Then Zoë slept in Port Halvek.";

#[test]
fn an_entity_of_the_overlap_is_one_and_has_its_place_in_the_text() {
    let answers = [
        r#"{"entities": {"person": ["Zoë", "Dr. Voss"]}}"#,
        r#"{"entities": {"person": ["dr. voss", "Zoë"], "city": ["Port Halvek", "Osk"]}}"#,
    ];
    let found = merged(TEXT, [9, 3, 0], &answers, Nesting::Nested);
    let lines = [
        r#"person "Zoë" 8..12"#,
        r#"person "Dr. Voss" 24..32"#,
        r#"person "Zoë" 44..48"#,
        r#"city "Port Halvek" 58..69"#,
        r#"city "Osk" absent"#,
    ];
    assert_eq!(short(&found), lines);
    assert_eq!(
        (found.entities[2].start, found.entities[2].end),
        (Some(43), Some(46))
    );
    assert_eq!(kinds(&found), [("not_in_sentence", Some(1))]);
    let windows: Vec<_> = found
        .windows
        .iter()
        .map(|it| &TEXT[it.place.bytes()])
        .collect();
    let expected = [
        "Ada met Zoë in Halvek. Dr. Voss left.",
        "Dr. Voss left. Then Zoë slept in Port Halvek.",
    ];
    assert_eq!(windows, expected);
}

/// Places of a window whose answer does not name a text are no mentions, and are told.
#[test]
fn other_places_are_those_that_no_answer_names() {
    let answers = [
        r#"{"entities": {"person": ["Zoë"]}}"#,
        r#"{"entities": {"city": ["Port Halvek"]}}"#,
    ];
    let found = merged(TEXT, [9, 3, 0], &answers, Nesting::Nested);
    let others: Vec<_> = found
        .entities
        .iter()
        .map(|it| it.others.iter().map(|it| it.bytes()).collect::<Vec<_>>())
        .collect();
    assert_eq!(format!("{others:?}"), "[[44..48], []]");
    // A name of a window that stands in another one alone.
    let answers = [
        r#"{"entities": {"city": ["Port Halvek"]}}"#,
        r#"{"entities": {}}"#,
    ];
    let found = merged(TEXT, [9, 3, 0], &answers, Nesting::Nested);
    assert_eq!(short(&found), [r#"city "Port Halvek" absent"#]);
    assert_eq!(found.entities[0].others[0].bytes(), 58..69);
}

#[test]
fn an_absent_text_with_a_place_in_another_window_is_one_entity() {
    let answers = [r#"{"entities": {"city": ["Port Halvek"]}}"#; 2];
    let found = merged(TEXT, [9, 3, 0], &answers, Nesting::Nested);
    assert_eq!(short(&found), [r#"city "Port Halvek" 58..69"#]);
    assert_eq!(kinds(&found), [("not_in_sentence", Some(0))]);
}

#[test]
fn what_stands_in_the_context_alone_is_not_taken() {
    let answers = [
        r#"{"entities": {"person": ["Ada"]}}"#,
        r#"{"entities": {"person": ["Voss", "Zoë"]}}"#,
    ];
    let found = merged(TEXT, [9, 0, 2], &answers, Nesting::Nested);
    assert_eq!(
        short(&found),
        [r#"person "Ada" 0..3"#, r#"person "Zoë" 44..48"#]
    );
    assert_eq!(found.windows[1].in_context, 1);
    assert_eq!(found.windows[1].context_start, Some(27));
}

/// A name that lies across the border of the context is whole in what is shown, and nowhere else.
#[test]
fn what_reaches_out_of_the_context_is_taken() {
    let text = "Ada met Port Halvek there";
    let answers = [
        r#"{"entities": {}}"#,
        r#"{"entities": {"city": ["Port Halvek"]}}"#,
    ];
    let found = merged(text, [3, 0, 2], &answers, Nesting::Nested);
    assert_eq!(short(&found), [r#"city "Port Halvek" 8..19"#]);
}

#[test]
fn the_rest_of_a_cut_is_dropped_and_named() {
    let text = "a b c Port Halvek d e f";
    let answers = [
        r#"{"entities": {"city": ["Port"]}}"#,
        r#"{"entities": {"city": ["Port Halvek", "Halvek"]}}"#,
        r#"{"entities": {"city": ["Halvek"], "person": ["Halvek"]}}"#,
    ];
    let found = merged(text, [4, 2, 0], &answers, Nesting::Nested);
    assert_eq!(
        short(&found),
        [
            r#"city "Port Halvek" 6..17"#,
            r#"city "Halvek" 11..17"#,
            r#"person "Halvek" 11..17"#
        ]
    );
    let fragment = found
        .problems
        .iter()
        .find(|it| it.kind == "fragment")
        .expect("one");
    assert_eq!(
        fragment.message,
        r#""Port" (city) is a part, cut off at the border of a window, of "Port Halvek" (city) and was dropped"#
    );
}

#[test]
fn flat_keeps_the_longest_and_names_what_it_drops() {
    let text = "The Port Halvek Times of Halvek, and Halvek.";
    let answer = r#"{"entities": {"city": ["Halvek", "Port Halvek"], "person": ["Port Halvek Times", "Halvek"]}}"#;
    let nested = merged(text, [99, 0, 0], &[answer], Nesting::Nested);
    assert_eq!(nested.entities.len(), 8);
    assert_eq!(nested.problems, []);
    let flat = merged(text, [99, 0, 0], &[answer], Nesting::Flat);
    assert_eq!(
        short(&flat),
        [
            r#"person "Port Halvek Times" 4..21"#,
            r#"city "Halvek" 25..31"#,
            r#"city "Halvek" 37..43"#
        ]
    );
    let messages: Vec<&str> = flat.problems.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            r#""Halvek" (city) shares letters with "Port Halvek Times" (person) and was dropped"#,
            r#""Halvek" (person) shares letters with "Port Halvek Times" (person) and was dropped, 3 times"#,
            r#""Port Halvek" (city) shares letters with "Port Halvek Times" (person) and was dropped"#,
        ]
    );
}

#[test]
fn groups_of_types_are_one_answer_and_reasons_are_found_in_all_of_it() {
    let text = "Zoë left Halvek.";
    let groups = [vec!["city".to_owned()], vec!["person".to_owned()]];
    let plan = plan(text, &Limits::default(), &words);
    let answers = [
        (
            1,
            "<think>\n\"Zoë\" left. So Zoë is a person.\n</think>\n{\"entities\": {\"person\": [\"Zoë\"]}}",
        ),
        (
            0,
            "<think>\nEstá bien. A city is Halvek.\n</think>\n{\"entities\": {\"city\": [\"Halvek\"], \"person\": [\"Zoë\"]}}",
        ),
    ];
    let answers = answers.map(|(group, text)| Answered {
        group,
        ..answer(0, text)
    });
    let found = merge(text, &plan, &groups, answers.to_vec(), Nesting::Nested);
    let reasoning = "Está bien. A city is Halvek.\n\n\"Zoë\" left. So Zoë is a person.";
    assert_eq!(found.reasoning.as_deref(), Some(reasoning));
    assert_eq!(
        short(&found),
        [r#"person "Zoë" 0..4"#, r#"city "Halvek" 10..16"#]
    );
    let evidence: Vec<_> = found
        .entities
        .iter()
        .filter_map(|it| it.evidence.as_ref())
        .collect();
    let texts: Vec<&str> = evidence.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts, ["So Zoë is a person.", "A city is Halvek."]);
    for it in evidence {
        assert_eq!(&reasoning[it.place.bytes()], it.text);
        let chars: String = reasoning
            .chars()
            .take(it.place.end)
            .skip(it.place.start)
            .collect();
        assert_eq!(chars, it.text);
    }
    assert_eq!(
        found.windows.iter().map(|it| it.group).collect::<Vec<_>>(),
        [Some(0), Some(1)]
    );
    assert_eq!(kinds(&found), [("label_outside_schema", Some(0))]);
}

#[test]
fn what_was_cut_or_broken_anywhere_is_said_of_the_whole() {
    let text = "a b c d e f g";
    let plan = plan(
        text,
        &Limits {
            window: 4,
            overlap: 0,
            context: 0,
        },
        &words,
    );
    let answers = [
        answer(0, "{\"entities\": {}}"),
        Answered {
            is_cut_off: true,
            ..answer(1, "{\"entities\": {\"city\": [\"e")
        },
    ];
    let found = merge(text, &plan, &[types()], answers.to_vec(), Nesting::Nested);
    assert!(found.cut_off && !found.is_json && !found.salvaged);
    let flags: Vec<_> = found
        .windows
        .iter()
        .map(|it| (it.cut_off, it.is_json))
        .collect();
    assert_eq!(flags, [(false, true), (true, false)]);
    let cut = found.problems.last().expect("a problem");
    assert_eq!(
        (cut.kind.as_str(), cut.detail.as_deref()),
        ("sentence_cut", Some("1"))
    );
}

/// Names a model that makes no mistake would give.
fn names_in(names: &[(String, String)], text: &str) -> Completion {
    let stands = |(name, _): &&(String, String)| !places(name, text).is_empty();
    let entities = names
        .iter()
        .filter(stands)
        .map(|(name, label)| Entity::new(name, label));
    Completion {
        entities: entities.collect(),
        is_json: true,
        ..Completion::default()
    }
}

fn places(name: &str, text: &str) -> Vec<usize> {
    let places = text.match_indices(name).map(|(at, _)| at);
    places
        .filter(|&at| is_whole_words(text, &(at..at + name.len())))
        .collect()
}

fn answers(text: &str, plan: &Plan, names: &[(String, String)]) -> Vec<Answered> {
    let windows = plan.windows.iter().enumerate();
    let answered = windows.map(|(number, window)| Answered {
        window: number,
        completion: names_in(names, &text[window.shown()]),
        ..Answered::default()
    });
    answered.collect()
}

/// A megabyte gives what its windows give, merged by hand; and what it would give in one piece.
#[test]
fn a_megabyte_equals_its_windows_merged_by_hand() {
    let names: Vec<(String, String)> = (0..300)
        .map(|n| match n % 3 {
            0 => (format!("Zoë Voss{n}"), "person".to_owned()),
            1 => (format!("Port Halvék{n}"), "city".to_owned()),
            _ => (format!("🦀Ship {n}"), "ship".to_owned()),
        })
        .collect();
    let mut text = String::new();
    let mut seed = 7_u64;
    while text.len() < 1_000_000 {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let (name, _) = &names[(seed >> 33) as usize % names.len()];
        text += [
            "Then ",
            "Dr. ",
            "On a day, long ago, the old ",
            "「今日は」 ",
        ][(seed >> 50) as usize % 4];
        text += name;
        text +=
            [" left. ", ", who slept,\n", " and so on, e.g. ", ".\n\n"][(seed >> 54) as usize % 4];
    }
    let limits = Limits {
        window: 200,
        overlap: 20,
        context: 10,
    };
    let plan = plan(&text, &limits, &words);
    assert!(plan.windows.len() > 500, "{}", plan.windows.len());

    let mut by_hand = BTreeSet::new();
    for window in &plan.windows {
        for (name, label) in &names {
            for at in places(name, &text[window.bytes.clone()]) {
                let start = window.bytes.start + at;
                by_hand.insert((start, start + name.len(), label.clone()));
            }
        }
    }
    let key = |it: &Mention| {
        let place = it.place().expect("a place");
        (place.byte_start, place.byte_end, it.label.clone())
    };
    let found = merge(
        &text,
        &plan,
        &[types()],
        answers(&text, &plan, &names),
        Nesting::Nested,
    );
    let keys: Vec<_> = found.entities.iter().map(key).collect();
    assert_eq!(keys, by_hand.into_iter().collect::<Vec<_>>());
    assert!(found.entities.iter().all(|it| it.others.is_empty()));

    let whole = ner_documents::plan(&text, &Limits::default(), &words);
    let whole = merge(
        &text,
        &whole,
        &[types()],
        answers(&text, &whole, &names),
        Nesting::Nested,
    );
    assert_eq!(whole.entities, found.entities);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Every offset slices to the text: in bytes, in characters and in UTF-16, for any text and any answers.
    #[test]
    fn every_offset_slices(
        pieces in proptest::collection::vec(any::<char>(), 1..6),
        order in proptest::collection::vec(0usize..9, 1..200),
        window in 8usize..60,
        flat: bool,
    ) {
        let common = [". ", " ", "Zoë", "Zoë Voss", "。", "é"];
        let piece = |&n: &usize| match n.checked_sub(common.len()) {
            Some(n) => pieces[n % pieces.len()].to_string(),
            None => common[n].to_owned(),
        };
        let text: String = order.iter().map(piece).collect();
        prop_assume!(!text.trim().is_empty());
        let names: Vec<(String, String)> = pieces.iter().map(char::to_string)
            .chain(["Zoë", "zoë voss", "Voss", "nobody", "Zoé Voss"].map(String::from))
            .map(|name| (name, "person".to_owned())).collect();
        let limits = Limits { window, overlap: window / 3, context: window / 4 };
        let plan = plan(&text, &limits, &str::len);
        let entities: Vec<Entity> = names.iter().map(|(name, label)| Entity::new(name, label)).collect();
        let answers = (0..plan.windows.len()).map(|window| Answered {
            window,
            completion: Completion { entities: entities.clone(), is_json: true, ..Completion::default() },
            ..Answered::default()
        });
        let nesting = if flat { Nesting::Flat } else { Nesting::Nested };
        let found = merge(&text, &plan, &[types()], answers.collect(), nesting);
        let mut last_end = 0;
        for unit in Offsets::ALL {
            let found = found.clone().in_unit(unit);
            let places = found.entities.iter().filter_map(Mention::place);
            let others = found.entities.iter().flat_map(|it| it.others.iter().copied());
            for place in places.chain(others).chain(found.windows.iter().map(|it| it.place)) {
                let bytes = text.get(place.bytes()).expect("a slice");
                prop_assert!(!bytes.is_empty());
                prop_assert_eq!(slice(&text, unit, place.start, place.end), bytes);
            }
            for it in &found.entities {
                let Some(place) = it.place() else { continue };
                prop_assert!(it.grounding != "exact" || text[place.bytes()] == it.text);
                if flat && unit == Offsets::Bytes {
                    prop_assert!(place.start >= last_end);
                    last_end = place.end;
                }
            }
        }
        let index = OffsetIndex::new(&text);
        prop_assert_eq!(index.at(text.len(), Offsets::Characters), Some(text.chars().count()));
    }
}

/// What a program that counts in this unit would slice.
fn slice(text: &str, unit: Offsets, start: usize, end: usize) -> String {
    match unit {
        Offsets::Characters => text.chars().take(end).skip(start).collect(),
        Offsets::Bytes => text[start..end].to_owned(),
        Offsets::Utf16 => {
            let units: Vec<u16> = text.encode_utf16().collect();
            String::from_utf16(&units[start..end]).expect("whole characters")
        }
    }
}
