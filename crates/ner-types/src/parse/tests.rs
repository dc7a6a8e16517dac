//! What is read, and what is said about it.

use super::*;

fn texts(completion: &Completion) -> Vec<&str> {
    completion
        .entities
        .iter()
        .map(|e| e.text.as_str())
        .collect()
}

fn tolerant(text: &str) -> Completion {
    parse_with(text, ReadMode::Tolerant)
}

#[test]
fn reasoning_and_entities_are_separated() {
    let read = parse("<think>\nx\n</think>\n{\"entities\": {\"city\": [\" Brel \", 3]}}");
    assert_eq!(read.reasoning.as_deref(), Some("x"));
    assert_eq!(read.entities, [Entity::new("Brel", "city")]);
    assert_eq!(read.problems, [Problem::NotAString("city".into())]);
    assert!(read.is_json);
}

#[test]
fn what_is_wrong_is_named() {
    for (text, problem) in [
        ("<think>never", Problem::UnclosedThink),
        ("before</think>after", Problem::StrayThink),
        ("", Problem::NoJson),
        ("{\"entities\": {\"a\": [\"b\"", Problem::TruncatedJson),
        ("Here: {}", Problem::InvalidJson),
        ("```json\n{}", Problem::UnclosedAnswer),
        ("<answer>{}", Problem::UnclosedAnswer),
    ] {
        let read = parse(text);
        assert!(
            read.problems.contains(&problem),
            "{text:?}: {:?}",
            read.problems
        );
        assert!(!read.is_json, "{text:?}");
        assert!(read.entities.is_empty(), "{text:?}");
    }
}

#[test]
fn odd_shapes_are_read_as_the_paper_reads_them() {
    assert!(parse("[]").is_json);
    assert!(parse("NaN").is_json);
    assert!(!parse("{\"entities\": null}").is_json);
    assert!(!parse("{\"entities\": {\"a\": 1}}").is_json);
    assert_eq!(texts(&parse("{\"entities\": {\"a\": \"xy\"}}")), ["x", "y"]);
    assert_eq!(
        texts(&parse("{\"entities\": {\"a\": {\"k\": 1, \"k\": 2}}}")),
        ["k"]
    );
    assert_eq!(
        texts(&parse("```json\n{\"entities\": {\"a\": [\"k\"]}}\n```")),
        ["k"]
    );
}

#[test]
fn an_answer_inside_of_an_answer_is_text() {
    let nested = "<answer><answer>{\"entities\": {\"a\": [\"k\"]}}</answer></answer>";
    let read = parse(nested);
    assert_eq!((read.is_json, read.entities.len()), (false, 0));
    assert_eq!(read.problems, [Problem::InvalidJson]);
    assert_eq!(texts(&tolerant(nested)), ["k"]);
}

#[test]
fn json_is_what_python_accepts() {
    let answer = |item: &str| format!("{{\"entities\": {{\"a\": [\"k\", {item}]}}}}");
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for item in [
        "NaN",
        "-Infinity",
        "Infinity",
        "1e999",
        "-0.5E+3",
        "123456789012345678901234567890",
        "[{}, {\"x\": [1]}]",
        "true",
        "null",
        " \"\\ud83d\\ude00\" ",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\\u0041\"",
        "\"\\/\\b\\f\\n\\r\\t\"",
        "\"\u{7f}\"",
    ] {
        let read = parse(&answer(item));
        assert!(
            read.is_json && texts(&read)[0] == "k",
            "{item}: {:?}",
            read.problems
        );
    }
    assert!(parse(&answer(&deep(900))).is_json);
    for item in [
        "",
        "nul ",
        "NAN",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "-",
        "'x'",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "[1,]",
        "[}",
        "{\"x\"}",
        "{\"x\":1,}",
        "{x: 1}",
        "\u{a0}",
        "\u{feff}",
    ] {
        let read = parse(&answer(item));
        assert_eq!(read.problems, [Problem::InvalidJson], "{item}");
    }
    assert_eq!(parse(&answer(&deep(1_100))).problems, [Problem::TooDeep]);
    assert_eq!(
        texts(&parse("\u{1c}{\"entities\": {\"a\": [\"\\u00e9\"]}}\u{1f}")),
        ["é"]
    );
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let read = parse("{\"entities\": {\"a\": null, \"b\": [\"x\"], \"a\": [\"y\"]}}");
    assert_eq!(texts(&read), ["y", "x"]);
    assert_eq!(read.problems, [Problem::DuplicateKey("a".into())]);
    let read = parse("{\"entities\": null, \"entities\": {\"a\": [\"y\"]}}");
    assert_eq!(texts(&read), ["y"]);
    assert_eq!(read.problems, [Problem::DuplicateKey("entities".into())]);
}

#[test]
fn every_prefix_gives_the_texts_that_are_complete() {
    let whole = "<think>\nTwo.\n</think>\n```json\n{\"entities\": {\"a\": [\"One\", \"Tw\\u00f6\"], \"b\": [\"Three\"]}}\n```";
    let ends: Vec<usize> = ["One\"", "f6\"", "Three\""]
        .iter()
        .map(|text| whole.find(text).expect("in the text") + text.len())
        .collect();
    for cut in (0..=whole.len()).filter(|&cut| whole.is_char_boundary(cut)) {
        let read = tolerant(&whole[..cut]);
        let expected = ends.iter().filter(|&&end| end <= cut).count();
        assert_eq!(
            texts(&read),
            ["One", "Twö", "Three"][..expected],
            "{}",
            &whole[..cut]
        );
        let has_mark = read.problems.contains(&Problem::Salvaged(expected));
        assert_eq!(
            has_mark,
            expected > 0 && cut < whole.len(),
            "{}",
            &whole[..cut]
        );
    }
}

#[test]
fn the_tolerant_reader_takes_what_is_meant() {
    for (text, expected) in [
        (
            "Here it is: {\"entities\": {\"a\": [\"x\"]}} Done.",
            vec!["x"],
        ),
        (
            "{\"entities\": {\"a\": \"xy\", \"b\": null, \"c\": [1, \"z\"]}}",
            vec!["xy", "z"],
        ),
        (
            "{\"entities\": {\"a\": [\"x\"], \"a\": [\"y\"]}}",
            vec!["x", "y"],
        ),
        (
            "{\"entities\": {\"a\": [\"x\"]}} no: {\"entities\": {\"a\": [\"y\"]}}",
            vec!["y"],
        ),
        (
            "{\"entities\": {\"a\": [\"x\"]}} no: {\"entities\": {",
            vec!["x"],
        ),
        ("{\"result\": {\"entities\": {\"a\": [\"x\"]}}}", vec!["x"]),
        ("{\"entities\": [\"x\"]}", vec![]),
        ("{\"entities\": {\"a\": [\"x\" \"y\"]}}", vec!["x"]),
        ("no entities", vec![]),
    ] {
        let read = tolerant(text);
        assert_eq!(texts(&read), expected, "{text}");
        assert_eq!(read.salvaged, !expected.is_empty(), "{text}");
        assert_eq!(read.is_json, parse(text).is_json, "{text}");
    }
}

#[test]
fn a_complete_answer_outranks_a_later_fragment() {
    let read = tolerant("{\"entities\": {\"a\": [\"x\"]}} and {\"entities\": {\"a\": [\"y\"");
    assert_eq!(texts(&read), ["x"]);
}

#[test]
fn reasoning_that_is_not_closed_is_salvaged() {
    let read = tolerant("<think>\nTwo.\n```json\n{\"entities\": {\"a\": [\"x\"]}}\n```");
    assert_eq!(read.reasoning.as_deref(), Some("Two."));
    assert_eq!(texts(&read), ["x"]);
    let read = tolerant("<think>\nTwo and");
    assert_eq!(read.reasoning.as_deref(), Some("Two and"));
    assert!(read.salvaged);
}

#[test]
fn an_answer_without_fault_is_read_alike() {
    let answer = "<think>x</think>{\"entities\": {\"a\": [\"\", \"x\", \"x\"]}}";
    assert_eq!(tolerant(answer), parse(answer));
    assert_eq!(parse(answer).problems, []);
}

#[test]
fn bytes_that_are_not_utf8_are_named() {
    let mut bytes = b"{\"entities\": {\"a\": [\"x\", \"y".to_vec();
    bytes.push(0xc3);
    let read = parse_bytes(&bytes, ReadMode::Tolerant);
    assert_eq!(read.problems[0], Problem::InvalidUtf8(bytes.len() - 1));
    assert_eq!(texts(&read), ["x"]);
    let whole = b"{\"entities\": {}}";
    assert_eq!(parse_bytes(whole, ReadMode::Reference).problems, []);
}

#[test]
fn checks_name_labels_texts_and_duplicates() {
    let read = parse("{\"entities\": {\"City\": [\"Brel\", \"Brel\", \" \"], \"x\": [\"Oslin\"]}}");
    let problems = read.check(&["city".into()], "Brel sleeps.");
    assert_eq!(
        problems,
        [
            Problem::Duplicate("Brel".into()),
            Problem::EmptyText("City".into()),
            Problem::LabelOutsideSchema("x".into()),
            Problem::NotInSentence("Oslin".into()),
        ]
    );
}

/// Ten megabytes of what could tempt a reader to recursion or to starting over.
#[test]
fn monotonous_megabytes_are_read() {
    let pieces = [
        "[",
        "{",
        "[]",
        "{\"a\":",
        "{\"entities\":",
        "\"entities\":{\"a\":[\"x\",",
        "<think>",
        "</think>",
        "<answer>",
        "```json",
        "\"",
        "\\",
        "{\"entities\":{\"a\":[\"x\"]}}",
        "<think></think>",
        "{\"a\":1},",
        "\"\\",
    ];
    for piece in pieces {
        let text = piece.repeat(10_000_000 / piece.len());
        assert!(!parse(&text).is_json, "{piece}");
        let list = format!("{{\"entities\": {{\"a\": [{text}");
        let read = tolerant(&list);
        assert!(!read.is_json && !read.problems.is_empty(), "{piece}");
    }
}
