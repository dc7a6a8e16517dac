//! What is read of relations and events, what is said about it, and what is compared.

use ner_types::{
    Completion, Entity, Event, Example, FoundStructures, Problem, ReadMode, Relation, Task,
    render_structures, render_target,
};

fn relations(text: &str, mode: ReadMode) -> Completion {
    Task::Relations.read(text, mode)
}

#[test]
fn pairs_are_read_and_the_rest_is_named() {
    let answer = r#"<think>why</think>{"relations": {"a": [["x", " y "], ["x"], ["x", 1, "y"], "x", {}], "b": "x"}}"#;
    let read = relations(answer, ReadMode::Reference);
    assert_eq!(read.reasoning.as_deref(), Some("why"));
    assert_eq!(read.relations, [Relation::new("a", "x", "y")]);
    let shape = Problem::WrongShape("the value of \"b\" is a string".into());
    let pair = || Problem::NotAPair("a".into());
    assert_eq!(read.problems, [pair(), pair(), pair(), pair(), shape]);
    assert!(read.is_json && !read.salvaged && read.entities.is_empty());
}

#[test]
fn events_are_read_and_the_rest_is_named() {
    let answer = r#"{"events": {"hire": [
        {"trigger": "hired", "arguments": {"who": ["Ann", 1], "by": "Acme"}, "when": null},
        {"trigger": "took on"},
        {"arguments": {}},
        {"trigger": "x", "arguments": []},
        "hired"]}}"#;
    let read = Task::Events.read(answer, ReadMode::Reference);
    assert_eq!(
        read.events,
        [
            Event::new("hire", "hired").with("who", "Ann"),
            Event::new("hire", "took on"),
            Event::new("hire", "x")
        ]
    );
    assert_eq!(
        read.problems,
        [
            Problem::NotAString("who".into()),
            Problem::WrongShape("the value of \"by\" is a string".into()),
            Problem::NotAnEvent("hire".into()),
            Problem::WrongShape("\"arguments\" is not an object".into()),
            Problem::NotAnEvent("hire".into()),
        ]
    );
}

#[test]
fn of_a_key_that_is_given_twice_the_last_value_counts() {
    let answer = r#"{"relations": {}, "relations": {"a": [["1", "2"]], "b": [["3", "4"]], "a": [["5", "6"]]}}"#;
    let read = relations(answer, ReadMode::Reference);
    let expected = [Relation::new("b", "3", "4"), Relation::new("a", "5", "6")];
    assert_eq!(read.relations, expected);
    let twice = |key: &str| Problem::DuplicateKey(key.into());
    assert_eq!(read.problems, [twice("relations"), twice("a")]);
    let answer = r#"{"events": {"a": [{"trigger": "t", "arguments": {"r": ["1"], "s": ["2"], "r": ["3"]}}]}}"#;
    let read = Task::Events.read(answer, ReadMode::Reference);
    let expected = Event::new("a", "t").with("s", "2").with("r", "3");
    assert_eq!(
        (read.events, read.problems),
        (vec![expected], vec![twice("r")])
    );
}

#[test]
fn another_tasks_answer_holds_nothing_and_is_named() {
    for task in [Task::Relations, Task::Events] {
        for (answer, is_json) in [
            (r#"{"entities": {"a": ["b"]}}"#, true),
            ("[]", true),
            (&*format!("{{\"{task}\": []}}"), false),
            (&*format!("{{\"{task}\": null}}"), false),
        ] {
            let read = task.read_items(answer, ReadMode::Reference);
            let is_named = matches!(read.problems[..], [Problem::WrongShape(_)]);
            assert!(is_named && read.entities.is_empty(), "{answer}: {read:?}");
            assert_eq!(read.is_json, is_json, "{answer}");
        }
    }
}

#[test]
fn the_tolerant_mode_takes_what_is_complete() {
    let cut = "<think>\nTwo.\n{\"relations\": {\"a\": [[\"x\", \"y\"], [\"z\"";
    assert_eq!(relations(cut, ReadMode::Reference).relations, []);
    let read = relations(cut, ReadMode::Tolerant);
    assert_eq!(read.relations, [Relation::new("a", "x", "y")]);
    assert_eq!(read.reasoning.as_deref(), Some("Two."));
    assert!(read.salvaged && read.problems.contains(&Problem::Salvaged(1)));
    let around =
        "First {\"relations\": {\"a\": []}}, no: {\"relations\": {\"a\": [[\"x\", \"y\"]]}} it is.";
    assert_eq!(relations(around, ReadMode::Tolerant).relations.len(), 1);
}

#[test]
fn labels_texts_and_repetitions_are_checked() {
    let schema = ["a(x, y)".to_owned(), "hire(who)".to_owned()];
    let answer = r#"{"relations": {"A": [["Ann", "Bo"], ["Ann", ""], ["Ann", "Bo"]], "c": [["Ann", "Al"]]}}"#;
    let read = relations(answer, ReadMode::Reference);
    let found = read.check_as(Task::Relations, &schema, "Ann, Bo");
    assert_eq!(
        found,
        [
            Problem::EmptyText("A".into()),
            Problem::Duplicate("Ann, Bo".into()),
            Problem::LabelOutsideSchema("c".into()),
            Problem::NotInSentence("Al".into()),
        ]
    );
    let answer = r#"{"events": {"hire": [{"trigger": "hired", "arguments": {"Who": ["Ann"], "by": ["Bo"]}}]}}"#;
    let read = Task::Events.read(answer, ReadMode::Reference);
    let found = read.check_as(Task::Events, &schema, "Ann hired Bo");
    assert_eq!(found, [Problem::LabelOutsideSchema("hire: by".into())]);
}

#[test]
fn items_are_what_is_compared() {
    let example = Example {
        schema: vec!["Hire(Who, by)".into(), "move".into()],
        events: Some(vec![Event::new("Hire", "hired").with("Who", "Ann")]),
        ..Example::default()
    };
    let items = example.as_items().normalized();
    let expected = [
        Entity::new("hired", "hire"),
        Entity::new("Ann", "hire: who"),
    ];
    assert_eq!(items.entities, expected);
    assert_eq!(items.schema, ["hire", "hire: by", "hire: who", "move"]);
    assert_eq!(items.task(), Task::Entities);
    let answer = render_target(None, &example);
    let read = Task::Events.read_items(&answer, ReadMode::Reference);
    assert_eq!(read.entities, example.as_items().entities);
    let example = Example {
        schema: vec!["a(x, y)".into()],
        relations: Some(vec![Relation::new("a", "1 ⟶ 2", "3")]),
        ..Example::default()
    };
    let items = example.as_items();
    assert_eq!(items.entities, [Entity::new("1 → 2 ⟶ 3", "a")]);
    assert_eq!(items.schema, ["a"]);
    let item = Entity::new("Ann ⟶ Bo", "a");
    assert!(Task::Relations.stands_in(&item, "Bo, Ann"));
    assert!(!Task::Relations.stands_in(&item, "Ann"));
    assert!(!Task::Entities.stands_in(&item, "Bo, Ann"));
}

#[test]
fn a_row_says_its_task_and_keeps_the_published_form_without_one() {
    let row = r#"{"guid":null,"dataset":null,"sentence":"s","schema":["a"],"cot":null,"entities":[],"relations":[{"label":"A","head":" x","tail":"y"},{"label":"b","head":"x","tail":"y"}]}"#;
    let example: Example = serde_json::from_str(row).expect("a row");
    assert_eq!(example.task(), Task::Relations);
    assert_eq!(serde_json::to_string(&example).expect("a row"), row);
    let relations = example.normalized().relations;
    assert_eq!(relations, Some(vec![Relation::new("a", "x", "y")]));
    assert_eq!(Example::default().task(), Task::Entities);
}

#[test]
fn an_event_is_written_on_one_line() {
    let events = [Event::new("hire", "hired")
        .with("by", "Acme")
        .with("who", "Ann")
        .with("by", "\"B\"")];
    let expected = r#"{
  "events": {
    "hire": [
      {"trigger": "hired", "arguments": {"by": ["Acme", "\"B\""], "who": ["Ann"]}}
    ]
  }
}"#;
    assert_eq!(render_structures(Task::Events, &[], &events), expected);
    let none = "{\n  \"events\": {}\n}";
    assert_eq!(render_structures(Task::Events, &[], &[]), none);
}

#[test]
fn what_was_found_is_a_row_with_places() {
    let answer =
        r#"{"events": {"hire": [{"trigger": "hired", "arguments": {"who": ["ann", "Bo"]}}]}}"#;
    let read = Task::Events.read(answer, ReadMode::Reference);
    let schema = ["hire(who)".to_owned()];
    let found = FoundStructures::new(Task::Events, read, &schema, "é hired Ann", false);
    assert_eq!(found.lines(), ["hire: hired (who: ann; who: Bo)"]);
    let row = serde_json::to_value(&found).expect("a row");
    let expected = serde_json::json!([{
        "label": "hire",
        "trigger": {"text": "hired", "start": 2, "end": 7, "grounding": "exact"},
        "arguments": [
            {"role": "who", "text": "ann", "start": 8, "end": 11, "grounding": "folded"},
            {"role": "who", "text": "Bo", "start": null, "end": null, "grounding": "absent"},
        ],
    }]);
    assert_eq!(row["events"], expected);
    assert_eq!(row["problems"][0]["kind"], "not_in_sentence");
    assert_eq!(row["problems"].as_array().map(Vec::len), Some(1));
    assert!(row.get("relations").is_none());
}
