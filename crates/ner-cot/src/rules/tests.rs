//! One defect of an answer each, from the body that a server sends to the rule that it breaks.

use super::*;
use chat_client::Usage;
use serde_json::json;

const SENTENCE: &str = "Ann of Brel sings “Oslin’s\u{a0}Rain”.";
const WHY: &str = "\"Ann\" is a person, because she sings.";
const GOOD: &str = r#"{"entities": {"Person": ["Ann"]}}"#;

fn schema() -> Vec<String> {
    ["city", "person", "song"].map(String::from).into()
}

fn rules_broken(answer: &ChatAnswer) -> Vec<Rule> {
    let (_, findings) = validate(answer, &schema(), SENTENCE, &Rules::default());
    findings.into_iter().map(|finding| finding.rule).collect()
}

fn answer(reasoning: &str, content: &str) -> ChatAnswer {
    ChatAnswer {
        reasoning: (!reasoning.is_empty()).then(|| reasoning.into()),
        content: content.into(),
        is_apart: false,
        finish: Finish::Stop,
        usage: Usage::default(),
    }
}

/// Expects these findings for a reasoning and an answer.
#[track_caller]
fn check(reasoning: &str, content: &str, expected: &[Rule]) {
    let found = rules_broken(&answer(reasoning, content));
    assert_eq!(found, expected, "{reasoning:?} {content}");
}

/// Expects `rule` to be the first finding for a message as the server sends it.
#[track_caller]
fn check_message(message: &serde_json::Value, finish: &str, rule: Option<Rule>) {
    let choice = json!({"message": message, "finish_reason": finish});
    let body = json!({"choices": [choice]}).to_string();
    let answer = chat_client::body::parse_body(&body).expect("a chat completion");
    assert_eq!(rules_broken(&answer).first().copied(), rule, "{message}");
}

/// An answer with one person, and reasoning that mentions it.
#[track_caller]
fn check_person(text: &str, expected: &[Rule]) {
    let content = json!({"entities": {"person": [text]}}).to_string();
    check(
        &format!("\"{text}\" is a person, because she sings."),
        &content,
        expected,
    );
}

#[test]
fn think_tags_are_read_or_refused() {
    let content = |text: &str| json!({"content": text});
    for (text, rule) in [
        (format!("<think>\n{WHY}\n</think>\n{GOOD}"), None),
        // The template may have put the opening tag into the prompt.
        (format!("{WHY}\n</think>\n{GOOD}"), None),
        (format!("<think>{WHY}"), Some(Rule::JsonComplete)),
        (format!("<think>{WHY} {GOOD}"), Some(Rule::JsonComplete)),
        (
            format!("<think>{WHY}<think>So.</think>{GOOD}"),
            Some(Rule::ThinkTag),
        ),
        (
            format!("<think>{WHY}<think>So.</think></think>{GOOD}"),
            Some(Rule::ThinkTag),
        ),
        (
            format!("{GOOD}<think>{WHY}</think>"),
            Some(Rule::JsonComplete),
        ),
        (GOOD.to_owned(), Some(Rule::NoReasoning)),
        (format!("<think></think>{GOOD}"), Some(Rule::NoReasoning)),
        (format!("{WHY}\n{GOOD}"), Some(Rule::JsonComplete)),
        (
            format!("<think>{WHY}</think>{{\"entities\": {{\"person\": [\"</think>\"]}}}}"),
            Some(Rule::JsonComplete),
        ),
    ] {
        check_message(&content(&text), "stop", rule);
    }
}

#[test]
fn fields_and_ends_are_read_or_refused() {
    for field in ["reasoning", "reasoning_content"] {
        check_message(&json!({field: WHY, "content": GOOD}), "stop", None);
        // The parser of some servers puts the answer into the reasoning; the client puts it back.
        check_message(
            &json!({field: GOOD, "content": ""}),
            "stop",
            Some(Rule::NoReasoning),
        );
    }
    let message = json!({"reasoning": WHY, "content": GOOD});
    for finish in ["length", "content_filter"] {
        check_message(&message, finish, Some(Rule::Truncated));
    }
    let tagged = json!({"reasoning": format!("</think>{WHY}"), "content": GOOD});
    check_message(&tagged, "stop", Some(Rule::ThinkTag));
}

#[test]
fn json_is_complete_or_refused() {
    // The forms themselves are tested beside `shape::fault`.
    let none = "There is no entity that is asked for.";
    check(none, r#"{"entities": {}}"#, &[]);
    check(none, "```json\n{\"entities\": {}}\n```", &[]);
    for content in [
        r#"{"entities": {"person": ["An"#,
        "Sure! {\"entities\": {}}",
        "{\"entities\": {}} I hope this helps.",
        "```json\n{\"entities\": {}}\n```\n```json\n{\"entities\": {}}\n```",
        "[]",
        "NaN",
        "{}",
    ] {
        check(none, content, &[Rule::JsonComplete]);
    }
    // What was read from a repeated key is judged too, and the first finding counts.
    let repeated = r#"{"entities": {"person": ["Ann"], "person": ["Ann"]}}"#;
    assert_eq!(rules_broken(&answer(WHY, repeated))[0], Rule::JsonComplete);
}

#[test]
fn entities_stand_in_the_sentence() {
    check_person("Ann", &[]);
    check_person(" Ann ", &[]);
    check_person("Bo", &[Rule::EntityInSentence]);
    check_person("ann", &[Rule::EntityInSentence]);
    check_person("Ann\u{200d}", &[Rule::EntityNotVerbatim]);
    check_person("Ａnn", &[Rule::EntityNotVerbatim]);
    check(
        "There is an empty name here.",
        r#"{"entities": {"person": [""]}}"#,
        &[Rule::EntityInSentence],
    );
    let song = r#"{"entities": {"song": ["Oslin's Rain"]}}"#;
    let why = "\"Oslin's Rain\" is a song, because it is sung.";
    check(why, song, &[Rule::EntityNotVerbatim]);
    let (_, findings) = validate(&answer(why, song), &schema(), SENTENCE, &Rules::default());
    let detail = "\"Oslin's Rain\" differs from the sentence by quotes, spaces or normalisation";
    assert_eq!(findings[0].detail, detail);
    let song = "{\"entities\": {\"song\": [\"Oslin’s\u{a0}Rain\"]}}";
    check(
        "\"Oslin’s\u{a0}Rain\" is a song, because it is sung.",
        song,
        &[],
    );
}

#[test]
fn labels_and_duplicates() {
    let outside = r#"{"entities": {"singer": ["Ann"]}}"#;
    check(
        WHY,
        outside,
        &[Rule::LabelsInSchema, Rule::ReasoningAnswerAgree],
    );
    check(
        "\"Ann\" is the one who sings.",
        outside,
        &[Rule::LabelsInSchema],
    );
    check(
        WHY,
        r#"{"entities": {" PERSON": ["Ann"], "city": []}}"#,
        &[],
    );
    check(
        WHY,
        r#"{"entities": {"person": ["Ann", "Ann"]}}"#,
        &[Rule::Duplicate],
    );
    check(
        WHY,
        r#"{"entities": {"Person": ["Ann"], "person": ["Ann"]}}"#,
        &[Rule::Duplicate],
    );
}

#[test]
fn one_span_may_have_two_labels() {
    let both = r#"{"entities": {"person": ["Ann"], "song": ["Ann"]}}"#;
    check("\"Ann\" is a person and a song of that name.", both, &[]);
}

#[test]
fn reasoning_and_answer_agree() {
    check(
        "Someone sings here, that is all.",
        GOOD,
        &[Rule::EntityInReasoning],
    );
    check(
        "\"Ann\" is not a person, but a ship.",
        GOOD,
        &[Rule::ReasoningAnswerAgree],
    );
    check(
        "\"Ann\" is a city, where one sings.",
        GOOD,
        &[Rule::ReasoningAnswerAgree],
    );
    check(
        &format!("{WHY} \"Brel\" is a city."),
        GOOD,
        &[Rule::ReasoningAnswerAgree],
    );
    check(
        "\"Brel\" is a city, as it follows \"of\".",
        r#"{"entities": {}}"#,
        &[Rule::ReasoningAnswerAgree],
    );
}

#[test]
fn reasoning_is_a_text_that_ends() {
    check("\"Ann\": person.", GOOD, &[Rule::ReasoningLength]);
    let long: String = (0..4000).map(|n| format!("Step {n}. ")).collect();
    check(&format!("{WHY} {long}"), GOOD, &[Rule::ReasoningLength]);
    let looped = "But wait, is \"Ann\" the one who sings? ".repeat(6);
    check(&looped, GOOD, &[Rule::Loop]);
    check(
        "\"Ann\" 是一个人，因为她在唱歌，而不是一个城市的名字。",
        GOOD,
        &[Rule::Language],
    );
}

#[test]
fn annotations_are_not_spoken_of() {
    check(
        &format!("{WHY} This matches the ground truth."),
        GOOD,
        &[Rule::Leak],
    );
    check(
        &format!("{WHY} The given annotation agrees."),
        GOOD,
        &[Rule::Leak],
    );
    check("The given name is \"Ann\", so it is a person.", GOOD, &[]);
    let spoken = "{\"entities\": {}} as the reference answer";
    let none = "There is no entity that is asked for.";
    check(none, spoken, &[Rule::JsonComplete, Rule::Leak]);
}

#[test]
fn each_rule_can_be_switched_off() {
    let bad = ChatAnswer {
        finish: Finish::Length,
        ..answer("", "{")
    };
    let mut rules = Rules::default();
    for rule in [Rule::Truncated, Rule::JsonComplete, Rule::NoReasoning] {
        let (_, findings) = validate(&bad, &schema(), SENTENCE, &rules);
        assert!(findings.iter().any(|finding| finding.rule == rule));
        rules = rules.without(rule);
    }
    assert_eq!(validate(&bad, &schema(), SENTENCE, &rules).1, []);
}

#[test]
fn limits_can_be_moved() {
    let mut rules = Rules::default();
    rules.limits.min_reasoning_chars = 0;
    rules.limits.max_foreign_share = 1.0;
    let han = answer("\"Ann\" 是一个人。", GOOD);
    assert_eq!(validate(&han, &schema(), SENTENCE, &rules).1, []);
}

/// What the rules cost for a reasoning of 4 kB, in the release profile.
#[test]
#[ignore = "prints a time and checks nothing"]
fn the_time_of_all_rules() {
    let mut reasoning = WHY.to_owned();
    for step in 0..100 {
        reasoning += &format!(" Step {step} reads on and finds no name in {}.", step * 7);
    }
    let answer = answer(&reasoning, GOOD);
    for _ in 0..3 {
        let begun = std::time::Instant::now();
        for _ in 0..2000 {
            let checked = validate(&answer, &schema(), SENTENCE, &Rules::default());
            std::hint::black_box(checked);
        }
        let each = begun.elapsed() / 2000;
        eprintln!("{each:?} for {} bytes of reasoning", reasoning.len());
    }
}
