//! JSON of annotation tools and of the Hub, and JSON that is none.

use ner_datasets::{FaultKind, Format};

use super::support::{HALVEK, check, check_path, check_with, lenient, named};

/// The notations of annotation tools beyond those of the fixtures.
#[test]
fn notations_of_annotation_tools() {
    use FaultKind::{NoAnnotation, NotARow, NotAccepted, UnreadKey, WrongOffset};
    let of = |rest: &str| format!("{{\"text\": \"Mira Dolan lives in Port Halvek.\", {rest}}}\n");
    let doccano = |rest: &str, faults: &[(FaultKind, usize, &str)], rows: &[&str]| {
        check("a.jsonl", &of(rest), Format::Doccano, rows, faults);
    };
    doccano(
        r#""labels": [[0, 10, "PER"], [20, 31, "LOC"]]"#,
        &[],
        &[HALVEK],
    );
    doccano(
        r#""label": [[0, 10, "PER", "Mira Dolan"], [20, 31, "LOC", "Port Halvek"]]"#,
        &[],
        &[HALVEK],
    );
    doccano(
        r#""entities": [[0, 10, "PER"], [20, 31, "LOC"]]"#,
        &[],
        &[HALVEK],
    );
    let numbers =
        r#""annotations": [{"label": 7, "start_offset": 0, "end_offset": 10, "user": 1}]"#;
    let none = (FaultKind::Empty, 0, "none");
    doccano(
        numbers,
        &[(NotARow, 1, "export the labels' names"), none],
        &[],
    );
    let wrong = r#""label": [[0, 9, "PER", "Mira Dolan"]]"#;
    let placeless = "Mira Dolan lives in Port Halvek.; Mira Dolan=PER";
    doccano(
        wrong,
        &[(WrongOffset, 1, "[0, 9] for \"Mira Dolan\"")],
        &[placeless],
    );
    let data = r#"{"id": 10, "data": "Mira Dolan lives in Port Halvek.", "label": [[0, 10, "PER"], [20, 31, "LOC"]]}"#;
    check("a.jsonl", data, Format::Doccano, &[HALVEK], &[]);
    let min = r#""id": 3, "label": [{"start": 0, "end": 10, "text": "Mira Dolan", "labels": ["PER"]}, {"start": 20, "end": 31, "labels": ["LOC"]}], "annotator": 1"#;
    check(
        "a.json",
        &format!("[{}]", of(min)),
        Format::LabelStudio,
        &[HALVEK],
        &[],
    );
    let task = |annotations: &str| {
        format!(
            "[{{\"id\": 1, \"data\": {{\"r_TEXT\": \"Mira left.\"}}, \"annotations\": {annotations}}}]"
        )
    };
    let span = r#"{"result": [{"value": {"start": 0, "end": 4, "labels": ["PER", "AUTHOR"]}}, {"value": {"choices": ["x"]}}]}"#;
    check(
        "a.json",
        &task(&format!("[{span}]")),
        Format::LabelStudio,
        &["Mira left.; Mira=PER@0-4, Mira=AUTHOR@0-4"],
        &[],
    );
    let two = task(&format!(
        "[{{\"was_cancelled\": true, \"result\": []}}, {span}, {span}]"
    ));
    let further = (UnreadKey, 1, "1 further annotations");
    check(
        "a.json",
        &two,
        Format::LabelStudio,
        &["Mira left.; Mira=PER@0-4, Mira=AUTHOR@0-4"],
        &[further],
    );
    check(
        "a.json",
        &task("[]"),
        Format::LabelStudio,
        &[],
        &[(NotAccepted, 1, "0 annotations"), none],
    );
    let prodigy = of(
        r#""_input_hash": 1, "tokens": [{"text": "Mira", "start": 0, "end": 4, "id": 0}], "spans": [{"start": 0, "end": 10, "token_start": 0, "label": "PER"}, {"start": 20, "end": 31, "label": "LOC"}], "answer": "accept""#,
    );
    check("a.jsonl", &prodigy, Format::Prodigy, &[HALVEK], &[]);
    let doc = of(
        r#""ents": [{"start": 0, "end": 10, "label": "PER"}, {"start": 20, "end": 31, "label": "LOC"}], "sents": [{"start": 0, "end": 32}], "tokens": [{"id": 0, "start": 0, "end": 4}]"#,
    );
    check("a.json", &format!("[{doc}]"), Format::Spacy, &[HALVEK], &[]);
    let tool = r#"{"classes": ["PER"], "annotations": [null, ["Mira left.", {"entities": [[0, 4, "PER"]]}], ["So.", {"entities": []}]]}"#;
    check(
        "a.json",
        tool,
        Format::Spacy,
        &["Mira left.; Mira=PER@0-4", "So.; "],
        &[],
    );
    let lines =
        "[\"Mira left.\", {\"entities\": [[0, 4, \"PER\"]]}]\n[\"So.\", {\"entities\": []}]\n";
    check(
        "a.jsonl",
        lines,
        Format::Spacy,
        &["Mira left.; Mira=PER@0-4", "So.; "],
        &[],
    );
    let gliner2 = r#"{"input": "Mira left.", "output": {"entities": {"person": ["Mira"], "city": []}, "entity_descriptions": {"person": "Names of people, of course"}}}"#;
    check(
        "a.jsonl",
        gliner2,
        Format::Gliner2,
        &["Mira left.; Mira=person"],
        &[],
    );
    let gliner2 = r#"{"text": "Mira left.", "entities": {"person": ["Mira"]}}"#;
    check(
        "a.jsonl",
        gliner2,
        Format::Gliner2,
        &["Mira left.; Mira=person"],
        &[],
    );
    let unread = of(r#""annotated": [[0, 10, "PER"]]"#);
    check(
        "a.jsonl",
        &unread,
        Format::Plain,
        &["Mira Dolan lives in Port Halvek.; "],
        &[(NoAnnotation, 1, "\"annotated\"")],
    );
    let unread = of(r#""entities": [], "spots": {"a": [1]}"#);
    check(
        "a.jsonl",
        &unread,
        Format::Plain,
        &["Mira Dolan lives in Port Halvek.; "],
        &[(UnreadKey, 1, "\"spots\"")],
    );
    // What the first row does not tell is read in later ones.
    let mixed = of(r#""labels": []"#)
        + &of(r#""labels": [[0, 10, "PER"], [20, 31, "LOC"]]"#)
        + &of(r#""entities": [{"label": "PER", "start_offset": 0, "end_offset": 10}]"#);
    let rows = [
        "Mira Dolan lives in Port Halvek.; ",
        HALVEK,
        "Mira Dolan lives in Port Halvek.; Mira Dolan=PER@0-10",
    ];
    check("a.jsonl", &mixed, Format::Plain, &rows, &[]);
}

#[test]
fn words_and_tags_of_the_hub() {
    use FaultKind::NotARow;
    let hub = |row: &str, rows: &[&str], faults: &[(FaultKind, usize, &str)]| {
        check_with("a.jsonl", row, &named(), Format::Hub, rows, faults);
    };
    let row = "Mira left; Mira=PER@0-4";
    hub(
        r#"{"tokens": ["Mira", "left"], "ner_tags": ["B-PER", "O"], "pos_tags": [1, 2]}"#,
        &[row],
        &[],
    );
    hub(
        r#"{"words": ["Mira", "left"], "tags": [1, 0]}"#,
        &[row],
        &[],
    );
    hub(
        r#"{"tokens": ["Mira", "left"], "labels": [1, -100]}"#,
        &[row],
        &[],
    );
    let none = (FaultKind::Empty, 0, "none");
    hub(
        r#"{"tokens": ["Mira", "left"], "ner_tags": [1]}"#,
        &[],
        &[(NotARow, 1, "2 words and 1 tags"), none],
    );
    hub(
        r#"{"tokens": ["Mira"], "ner_tags": [9]}"#,
        &[],
        &[(NotARow, 1, "9 as a tag among 7 names"), none],
    );
    // Types without B- and I-.
    let row = r#"{"tokens": ["Mira", "Dolan", "left"], "ner_tags": ["PER", "PER", "O"]}"#;
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.jsonl");
    std::fs::write(&path, row).expect("written");
    check_path(
        &path,
        &lenient(),
        Format::Hub,
        &["Mira Dolan left; Mira Dolan=PER@0-10"],
        &[],
    );
    // The names beside the file.
    let numbers = r#"{"tokens": ["Mira", "left"], "ner_tags": [1, 0]}"#;
    std::fs::write(&path, numbers).expect("written");
    let info = r#"{"features": {"tokens": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}, "ner_tags": {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "Sequence"}}}"#;
    std::fs::write(dir.path().join("dataset_info.json"), info).expect("written");
    check_path(
        &path,
        &lenient(),
        Format::Hub,
        &["Mira left; Mira=PER@0-4"],
        &[],
    );
}

#[test]
fn what_is_no_json_is_named_with_its_line_and_what_to_do() {
    use FaultKind::NotARow;
    let row = r#"{"text": "Mira left.", "entities": [{"label": "PER", "start": 0, "end": 4}]}"#;
    let read = "Mira left.; Mira=PER@0-4";
    let nan = format!("{{\"text\": \"Mira left.\", \"score\": NaN}}\n{row}\n");
    check(
        "a.jsonl",
        &nan,
        Format::Plain,
        &[read],
        &[(NotARow, 1, "NaN, which JSON does not have: write null")],
    );
    let half = format!("{row}\n{{\"text\": \"so \\ud83d\", \"entities\": []}}\n");
    check(
        "a.jsonl",
        &half,
        Format::Plain,
        &[read],
        &[(NotARow, 2, "a lone surrogate")],
    );
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.jsonl");
    let refused = |text: &str| {
        std::fs::write(&path, text).expect("written");
        Format::detect(&path).expect_err("no format").to_string()
    };
    let said = refused("{\"text\": \"a\", \"score\": NaN}\n");
    assert!(
        said.contains("a.jsonl:1: expected a file of a known format")
            && said.contains("NaN, which"),
        "{said}"
    );
    let said = refused("\n{\"text\": \"\\ud83d\"}\n");
    assert!(
        said.contains("a.jsonl:2:") && said.contains("a lone surrogate"),
        "{said}"
    );
    let said = refused("{\"utterance\": \"a\", \"slots\": [1]}\n");
    assert!(
        said.contains("label-studio") && said.contains("the keys") && said.contains("utterance"),
        "{said}"
    );
}

/// A mention that cannot be one is named, in every format with offsets.
#[test]
fn mentions_that_cannot_be_ones() {
    use FaultKind::{BlankMention, NotARow, PartOfWord};
    let plain = |mention: &str, rows: &[&str], faults: &[(FaultKind, usize, &str)]| {
        let row = format!("{{\"text\": \"é Mira left 小樽市.\", \"entities\": [{mention}]}}");
        check("a.jsonl", &row, Format::Plain, rows, faults);
    };
    let row = |rest: &str| format!("é Mira left 小樽市.; {rest}");
    plain(
        r#"{"label": "x", "start": 2, "end": 6}"#,
        &[&row("Mira=x@2-6")],
        &[],
    );
    plain(
        r#"{"label": "x", "start": 12, "end": 14}"#,
        &[&row("小樽=x@12-14")],
        &[],
    );
    plain(
        r#"{"label": "x", "start": 2, "end": 5}"#,
        &[&row("Mir=x@2-5")],
        &[(PartOfWord, 1, "\"Mir\" at [2, 5]")],
    );
    plain(
        r#"{"label": "x", "start": 6, "end": 7}"#,
        &[&row("")],
        &[(BlankMention, 1, "as a x")],
    );
    plain(
        r#"{"label": "x", "text": ""}"#,
        &[&row("")],
        &[(BlankMention, 1, "as a x")],
    );
    let none = (FaultKind::Empty, 0, "none");
    plain(
        r#"{"label": "x", "start": 13, "end": 19}"#,
        &[],
        &[
            (
                NotARow,
                1,
                "[13, 19] outside the text; as --offsets bytes it is",
            ),
            none,
        ],
    );
}
